"""Runs every example as a user does and looks at what it made. On one core: quick also on a busy machine.

usage: test_examples.py FOLDER_OF_PROGRAMS EXAMPLE"""
import csv
import gzip
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAMS = pathlib.Path(sys.argv[1]).resolve()


def one_core():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def png_size(path):
    data = path.read_bytes()
    assert data[:8] == b'\x89PNG\r\n\x1a\n', path
    return struct.unpack('>II', data[16:24])


def nifti(path):
    """Its size, its sform, and its voxels; the first two types are what the library writes here."""
    data = gzip.decompress(path.read_bytes())
    rank, *shape = struct.unpack_from('<8h', data, 40)
    code = struct.unpack_from('<h', data, 70)[0]
    form = struct.unpack_from('<12f', data, 280)
    kind, size = {2: ('B', 1), 4: ('h', 2), 8: ('i', 4), 16: ('f', 4)}[code]
    at = int(struct.unpack_from('<f', data, 108)[0])
    return shape[:rank], form, struct.unpack_from(f'<{(len(data) - at) // size}{kind}', data, at)


class ExampleTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='genseg-example-'))
        self.addCleanup(shutil.rmtree, self.folder)

    def run_example(self, name, *arguments, code=0):
        done = subprocess.run([PROGRAMS / name, *map(str, arguments)], cwd=self.folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, preexec_fn=one_core, timeout=100)
        self.assertEqual(done.returncode, code, f'{name} {arguments}: {done.stdout}{done.stderr}')
        self.refuses_help(name)
        return done

    def refuses_help(self, name):
        done = subprocess.run([PROGRAMS / name, '--help'], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn('usage: ', done.stderr)

    def number(self, pattern, text):
        found = re.search(pattern, text)
        self.assertIsNotNone(found, text)
        return float(found.group(1))

    def is_model(self, name):
        data = (self.folder / name).read_bytes()
        return data[8:9] == b'{' and len(data) > 1000

    def test_train_from_memory(self):
        done = self.run_example('train_from_memory')
        self.assertGreater(self.number(r'a new image: Dice ([\d.]+)', done.stdout), 0.85)
        self.assertGreater(self.number(r'validation Dice ([\d.]+) after 100 steps', done.stdout), 0.85)
        self.assertTrue(self.is_model('model.safetensors'))
        done = self.run_example('train_from_memory', 'missing/model.safetensors', 5, code=1)
        self.assertIn('IO: missing/model.safetensors', done.stderr)

    def test_predict_volume(self):
        done = self.run_example('predict_volume')
        shape, form, image = nifti(self.folder / 'phantom.nii.gz')
        label_shape, label_form, label = nifti(self.folder / 'phantom-label.nii.gz')
        self.assertEqual((label_shape, label_form), (shape, form))
        self.assertEqual(len(label), len(image))
        # Label 1 of the phantom is brighter than the tissue around it, and the two ways agree.
        voxels = self.number(r'label 1 \(1\): (\d+) voxels', done.stdout)
        self.assertEqual(sum(value == 1 for value in label), voxels)
        self.assertGreater(voxels, 100)
        self.assertLess(voxels, 0.2 * len(label))
        inside = [value for value, k in zip(image, label) if k]
        self.assertGreater(sum(inside) / len(inside), 1.5 * sum(image) / len(image))
        done = self.run_example('predict_volume', 'none.safetensors', 'phantom.nii.gz', 'out.nii.gz', code=1)
        self.assertIn('IO: none.safetensors', done.stderr)

    def test_progress_and_cancel(self):
        self.refuses_help('progress_and_cancel')
        process = subprocess.Popen([PROGRAMS / 'progress_and_cancel', 'phantom', 'best.safetensors', '15'], text=True,
                                   cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=one_core)
        shown = ''
        while not re.search('training +[1-9]', shown):  # the generator comes first, a third of the time
            shown += process.stderr.read(1) or self.fail(shown)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=30)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn('stopped after', out)
        self.assertIn('s left', shown)
        self.assertTrue(self.is_model('best.safetensors'))
        done = self.run_example('progress_and_cancel', self.folder / 'nothing', code=1)
        self.assertIn('IO: ', done.stderr)

    def test_custom_allocator(self):
        done = self.run_example('custom_allocator')
        self.assertIn('0 blocks are left', done.stdout)
        self.assertIn('width 32 is refused', done.stdout)
        told = self.number(r'([\d.]+) MB foretold', done.stdout)
        held = self.number(r'([\d.]+) MB held at most', done.stdout)
        counted = self.number(r'([\d.]+) MB by the pool', done.stdout)
        self.assertLess(abs(told - held), 0.05 * held)
        self.assertAlmostEqual(held, counted, delta=0.2)
        self.assertLess(held, 64)
        done = self.run_example('custom_allocator', 3, code=1)
        self.assertIn('NOMEM', done.stderr)
        self.assertIn('0 blocks are left', done.stdout)

    def test_evaluate(self):
        done = self.run_example('evaluate')
        rows = list(csv.DictReader(done.stdout.splitlines()))
        self.assertEqual(len(rows), 8 * 2)
        self.assertEqual({row['class'] for row in rows}, {'1', '2'})
        dice = [float(row['dice']) for row in rows]
        self.assertTrue(all(0 <= value <= 1 for value in dice))
        self.assertTrue(all(float(row['hd95_mm']) >= 0 for row in rows if row['state'] == 'ok'))
        mean = self.number(r'mean Dice ([\d.]+)', done.stderr)
        self.assertAlmostEqual(sum(dice) / len(dice), mean, delta=0.001)
        self.assertGreater(mean, 0.7)
        done = self.run_example('evaluate', 'none.safetensors', 'none', code=1)
        self.assertIn('IO: none.safetensors', done.stderr)

    def test_synthesize(self):
        done = self.run_example('synthesize')
        self.assertIn('4 synthetic images of each of 2 label maps', done.stdout)
        made = sorted((self.folder / 'synthetic').glob('*.png'))
        self.assertEqual(len(made), 2 * (2 + 4 * 2))
        self.assertEqual({png_size(path) for path in made}, {(64, 64)})
        image = self.folder / 'synthetic' / 'phantom_000-{}.png'
        labels = [pathlib.Path(str(image).format(f'{i}-label')).read_bytes() for i in range(4)]
        self.assertEqual(labels[0], pathlib.Path(str(image).format('label')).read_bytes())
        self.assertEqual(len(set(labels)), 4)

    def test_first_model(self):
        done = self.run_example('first_model')
        self.assertGreater(self.number(r'test Dice ([\d.]+)', done.stdout), 0.6)
        self.assertGreater(self.number(r': (\d+) of 4096 voxels', done.stdout), 50)
        self.assertTrue(self.is_model('model.safetensors'))
        done = self.run_example('first_model', 'missing', code=1)
        self.assertIn('first_model: a file: missing', done.stderr)


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0], f'ExampleTest.test_{sys.argv[2]}'])
