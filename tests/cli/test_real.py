"""Real images: a short training on chest X-rays must find the lungs."""
import csv
import os
import pathlib
import sys
import unittest

from tool import ToolTest, read_png

DATA = pathlib.Path(os.environ.get('GENSEG_DATA') or os.environ['GENSEG_DATA_DEFAULT']).resolve() / 'kermany-cxr'


class Lungs(ToolTest):
    def test_nine_examples(self):
        split = '--examples', 9, '--val-examples', 2, '--seed', 1
        self.succeed('train', DATA, '--out', 'm', '--width', 8, '--size', '96x96', '--batch', 4, '--steps', 120, *split)
        self.succeed('evaluate', 'm', DATA, '--csv', 's.csv', '--no-surfaces')
        rows = list(csv.DictReader((self.folder / 's.csv').read_text().splitlines()))
        self.assertEqual(len(rows), 120 - 9)
        # An untrained network, or one that calls everything lung, has 0.45.
        self.assertGreater(sum(float(row['dice']) for row in rows) / len(rows), 0.85)
        image = sorted((DATA / 'images').iterdir())[0]
        self.succeed('predict', 'm', image, '--out', '.')
        width, height, _, pixels = read_png(self.folder / image.name)
        self.assertEqual((width, height), (224, 224))
        self.assertLessEqual(set(pixels), {0, 1})  # the label values of these masks


if __name__ == '__main__':
    if not DATA.is_dir():
        print(f'skipped: there is no {DATA}; GENSEG_DATA names the folder of the real data')
        sys.exit(77)
    unittest.main()
