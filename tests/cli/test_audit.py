"""The proof of feedback's gradients on a user's data."""
import unittest

from tool import ToolTest

DATA = 'phantom:count=8,size=32x32'
SMALL = '--size', '32x32', '--width', 4, '--steps', 4, '--gan-steps', 4, '--generator-width', 4, '--quiet'


class Audit(ToolTest):
    def test_table(self):
        self.succeed('train', DATA, '--out', 'm.safetensors', *SMALL)
        before = (self.folder / 'm.safetensors').read_bytes()
        done = self.succeed('audit', 'm.safetensors', DATA, '--most', 2, '--quiet')
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0].split()[:3], ['lever', 'values', 'unsure'])
        rows = {line.split()[0]: line.split()[1:] for line in lines[1:-1]}
        self.assertEqual(sorted(rows), ['appearance', 'architecture', 'gamma', 'pairs', 'warp'])
        self.assertEqual((rows['gamma'][0], rows['warp'][0], rows['pairs'][0]), ('1', '2', '2'))
        # Losses are smooth in the weight of synthetic pairs even where networks have kinks.
        self.assertEqual(rows['gamma'][1], '0')
        self.assertGreater(float(rows['gamma'][5]), 0.9)
        self.assertIn('bit for bit', lines[-1])
        self.assertEqual((self.folder / 'm.safetensors').read_bytes(), before)

    def test_some_levers(self):
        self.succeed('train', DATA, '--out', 'm.safetensors', *SMALL)
        done = self.succeed('audit', 'm.safetensors', DATA, '--levers', 'gamma', '--quiet')
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()[1:-1]], ['gamma'])

    def test_what_has_nothing_to_audit(self):
        self.succeed('train', DATA, '--out', 'alone.safetensors', '--segmenter-only', *SMALL)
        self.refuse('audit', 'alone.safetensors', DATA, says=['alone.safetensors', 'no generator'])
        self.succeed('train', DATA, '--out', 'm.safetensors', *SMALL)
        self.succeed('train', DATA, '--out', 'blind.safetensors', '--examples', 4, '--val-examples', 0, *SMALL)
        self.refuse('audit', 'blind.safetensors', DATA, says=['no feedback to audit'])
        self.refuse('audit', 'm.safetensors', 'phantom:count=6,ndim=3,size=32x32x32', says=['dimensions'])
        self.refuse('audit', 'none.safetensors', DATA, says=['none.safetensors'])


if __name__ == '__main__':
    unittest.main()
