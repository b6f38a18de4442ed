"""The way of a user: inspect, train, predict, evaluate, convert."""
import csv
import gzip
import json
import os
import shutil
import signal
import struct
import time
import unittest

from tool import ToolTest, nifti, nifti_pairs, noisy, disc, png, png_pairs, read_png


class Work(ToolTest):
    def test_png_folder(self):
        png_pairs(self.folder / 'data')
        text = self.succeed('inspect', 'data').stdout
        self.assertIn('2-D data set, 4 cases, 1 channel', text)
        self.assertRegex(text, r'1 +255 .* 4 of 4')
        self.assertIn('case_02\t64x64', self.succeed('inspect', 'data', '--cases').stdout)
        done = self.succeed('train', 'data', '--out', 'm.safetensors', '--width', 4, '--size', '64x64', '--steps', 60,
                            '--no-augment')
        self.assertRegex(done.stderr, r'unet2d, width 4, 64x64, batch 2: \d+ weights; 1 channel, 2 classes')
        self.assertIn('3 training and 1 validation cases', done.stderr)
        self.assertRegex(done.stdout, r'^m.safetensors: unet2d of step \d+, validation Dice 0\.\d+\n$')
        text = self.succeed('inspect', 'm.safetensors').stdout
        self.assertIn('unet2d, width 4, 4 levels', text)
        self.assertIn('3 training and 1 validation cases, seed 1', text)
        done = self.succeed('predict', 'm.safetensors', 'data/images', '--out', 'masks')
        rows = [line.split('\t') for line in done.stdout.splitlines()]
        self.assertEqual([row[:2] for row in rows], [[f'data/images/case_{i:02}.png', f'masks/case_{i:02}.png']
                                                     for i in range(4)])
        width, height, bits, pixels = read_png(self.folder / 'masks/case_00.png')
        self.assertEqual((width, height, bits), (64, 64, 8))
        self.assertLessEqual(set(pixels), {0, 255})
        # Bright disc on dark ground: a few steps suffice.
        truth = disc(64, 64)
        both = sum(1 for p, t in zip(pixels, truth) if p and t)
        self.assertGreater(2 * both / (sum(1 for p in pixels if p) + sum(truth)), 0.8)

    def test_nifti_keeps_geometry(self):
        nifti_pairs(self.folder / 'data')
        self.succeed('train', 'data', '--out', 'm.safetensors', '--width', 4, '--size', '16x32x32', '--steps', 2)
        size = (40, 24, 12)
        nifti(self.path('scan.nii.gz'), size, noisy(disc(40, 24) * 12, 1), 'h', spacing=(0.5, 0.75, 3.0), shift=-17.0)
        self.succeed('predict', 'm.safetensors', 'scan.nii.gz', '--out', 'out', '--probabilities', '--overlap', 0.25)
        self.assertEqual(sorted(os.listdir(self.folder / 'out')), ['scan.nii.gz', 'scan_probabilities.nii.gz'])
        source = gzip.decompress((self.folder / 'scan.nii.gz').read_bytes())
        label = gzip.decompress((self.folder / 'out/scan.nii.gz').read_bytes())
        self.assertEqual(label[40:56], source[40:56])  # dim
        self.assertEqual(label[76:108], source[76:108])  # pixdim
        self.assertEqual(label[252:328], source[252:328])  # both forms
        self.assertEqual(len(label) - 352, 40 * 24 * 12)
        probability = gzip.decompress((self.folder / 'out/scan_probabilities.nii.gz').read_bytes())
        self.assertEqual(struct.unpack('<5h', probability[40:50]), (4, 40, 24, 12, 2))
        values = struct.unpack(f'<{2 * 40 * 24 * 12}f', probability[352:])
        half = len(values) // 2
        self.assertTrue(all(abs(a + b - 1) < 1e-4 for a, b in zip(values[:half], values[half:])))

    def test_profile(self):
        data = 'phantom:count=4,size=64x64'
        wanted = ['train', data, '--out', 'm', '--method', 'plain', '--width', 16, '--size', '64x64', '--steps', 2]
        done = self.succeed(*wanted, '--profile')
        self.assertRegex(done.stdout, r'(?m)^ +\d+\.\d+ +\d+\.\d% .* all operations$')
        self.assertIn(' winograd', done.stdout)
        self.assertNotIn(' winograd', self.succeed(*wanted, '--profile', '--no-winograd').stdout)
        self.assertNotIn('seconds', self.succeed(*wanted, '--recompute').stdout)

    def test_evaluate(self):
        data = 'phantom:count=10,size=64x64,classes=3'
        self.train(data, 'm.safetensors', '--examples', 6, '--val-examples', 2, '--seed', 5)
        done = self.succeed('evaluate', 'm.safetensors', data, '--csv', 's.csv', '--pictures', 'pictures')
        self.assertIn('4 of 4 for training and 2 of 2 for validation are here; 4 others for testing', done.stderr)
        self.assertRegex(done.stdout.splitlines()[0], r'^class +Dice +Jaccard +HD95 mm +ASSD mm +surface Dice +cases$')
        rows = list(csv.DictReader((self.folder / 's.csv').read_text().splitlines()))
        self.assertEqual(list(rows[0]), 'case,class,label,dice,jaccard,hd95_mm,assd_mm,surface_dice,state'.split(','))
        self.assertEqual(len(rows), 4 * 2)
        self.assertEqual(len(os.listdir(self.folder / 'pictures')), 4)
        for row in rows:
            if row['state'] == 'ok':
                dice = float(row['dice'])
                self.assertAlmostEqual(float(row['jaccard']), dice / (2 - dice), places=4)
            elif row['state'] == 'prediction empty':
                self.assertEqual((row['dice'], row['hd95_mm'], row['assd_mm']), ('0', '', ''))
        cases = {row['case'] for row in rows}
        for part, count in ('val', 2), ('train', 4), ('all', 10):
            self.succeed('evaluate', 'm.safetensors', data, '--split', part, '--csv', 's.csv', '--no-surfaces')
            rows = list(csv.DictReader((self.folder / 's.csv').read_text().splitlines()))
            self.assertEqual(len(rows), 2 * count)
            self.assertTrue(part == 'all' or not cases & {row['case'] for row in rows})

    def test_evaluate_by_convention(self):
        data = 'phantom:count=6,size=64x64'
        self.succeed('train', data, '--out', 'm.safetensors', '--width', 4, '--size', '64x64', '--steps', 60)
        tables = [self.succeed('evaluate', 'm.safetensors', data, '--split', 'all', *more).stdout
                  for more in ([], ['--convention', 'medpy'], ['--convention', 'deepmind'], ['--tolerance', 9])]
        self.assertEqual(len(set(tables)), 4)
        self.assertEqual(len({table.splitlines()[1][:48] for table in tables}), 1)  # Dice, Jaccard

    def test_evaluate_refuses(self):
        self.train('phantom:count=6,size=64x64', 'm.safetensors')
        self.refuse('evaluate', 'm.safetensors', 'phantom:count=6,size=64x64', says=['no test case', '--split all'])
        self.refuse('evaluate', 'm.safetensors', 'phantom:count=3,size=64x64', says=['no test case', '--split all'])
        self.refuse('evaluate', 'm.safetensors', 'phantom:channels=2', '--split', 'all', says=['channel'])

    def test_convert(self):
        png_pairs(self.folder / 'data')
        self.assertEqual(self.succeed('convert', 'data', 'd.h5').stdout, 'd.h5: 4 cases\n')
        a, b = (self.succeed('inspect', data).stdout for data in ('data', 'd.h5'))
        pick = [line for line in a.splitlines() if line.startswith('    ')]
        self.assertTrue(pick)
        for line in pick:
            self.assertIn(line, b.splitlines())
        self.succeed('convert', 'd.h5', 'e.h5')
        self.assertEqual((self.folder / 'd.h5').read_bytes(), (self.folder / 'e.h5').read_bytes())

    def test_convert_to_a_folder(self):
        def cases(data):
            return [line for line in self.succeed('inspect', data).stdout.splitlines() if line.startswith('    ')]
        for data, files in ('phantom:count=3,size=40x48,classes=3', '.png'), ('phantom:ndim=3,count=3,size=8x32x32', '.nii.gz'):
            out = 'out' + files + '/'
            self.assertEqual(self.succeed('convert', data, out).stdout, f'{out}: 3 cases\n')
            names = sorted(path.name for path in (self.folder / out / 'images').iterdir())
            self.assertEqual(len(names), 3)
            self.assertTrue(all(name.endswith(files) for name in names))
            self.assertEqual(names, sorted(path.name for path in (self.folder / out / 'labels').iterdir()))
            self.assertTrue(cases(data))
            for line in cases(data):
                if 'warning' not in line:
                    self.assertIn(line.split()[:2], [other.split()[:2] for other in cases(out)])
        # 8-bit grey levels stay what they are, and so do label values.
        png_pairs(self.folder / 'data')
        self.succeed('convert', 'data', 'again/')
        self.succeed('convert', 'again', 'third/')
        for path in sorted((self.folder / 'again').rglob('*.png')):
            self.assertEqual(path.read_bytes(), (self.folder / 'third' / path.relative_to(self.folder / 'again')).read_bytes())

    def test_split_file(self):
        png_pairs(self.folder / 'data', 6)
        self.path('data/split.csv').write_text('id,split\ncase_04,test\ncase_05,test\n')
        self.assertIn('4 for training and validation, 2 for testing', self.succeed('inspect', 'data').stdout)
        self.assertIn('3 training and 1 validation cases, 2 left for testing', self.train('data').stderr)
        self.succeed('evaluate', 'model.safetensors', 'data', '--csv', 's.csv')
        rows = list(csv.DictReader((self.folder / 's.csv').read_text().splitlines()))
        self.assertEqual([row['case'] for row in rows], ['case_04', 'case_05'])

    def test_groups(self):
        for patient in 'abcdef':
            for image in range(2):
                label = disc(64, 64)
                png(self.path(f'data/images/{patient}-{image}.png'), 64, 64, noisy(label, image))
                png(self.path(f'data/masks/{patient}-{image}.png'), 64, 64, label)
        self.assertIn('groups        6', self.succeed('inspect', 'data', '--groups', '-_').stdout)
        self.assertIn('4 training and 2 validation cases, 6 left',
                      self.train('data', 'm.safetensors', '--groups', '-', '--examples', 6, '--val-examples', 2).stderr)
        # The model knows its cases: groups, numbers and seed need not be given again.
        self.succeed('evaluate', 'm.safetensors', 'data', '--csv', 's.csv')
        names = [row['case'] for row in csv.DictReader((self.folder / 's.csv').read_text().splitlines())]
        self.assertEqual(len(names), 6)
        self.assertEqual(len({name[0] for name in names}), 3)
        # Wherever they lie, whatever lies beside them.
        (self.folder / 'data').rename(self.folder / 'moved')
        for kind in 'images', 'masks':
            shutil.copy(self.path(f'moved/{kind}/{names[0]}.png'), self.path(f'moved/{kind}/new.png'))
        self.succeed('evaluate', 'm.safetensors', 'moved', '--csv', 's.csv')
        more = [row['case'] for row in csv.DictReader((self.folder / 's.csv').read_text().splitlines())]
        self.assertEqual(more, sorted(names + ['new']))

    def test_one_example(self):
        done = self.train('phantom:count=1,size=64x64')
        self.assertIn('genseg: warning: no case is left for validation', done.stderr)
        self.assertIn('1 training and 0 validation cases', done.stderr)
        self.assertRegex(done.stdout, r'^model.safetensors: unet2d of step 4\n$')

    def test_quiet(self):
        done = self.train('phantom:count=6,size=64x64', 'm.safetensors', '--quiet')
        self.assertEqual(done.stderr, '')

    def test_thread_limit_of_the_host(self):
        """Two threads are asked for and one is allowed: slower, not waiting for a second for ever."""
        png_pairs(self.folder / 'data')
        environment = dict(os.environ, OMP_THREAD_LIMIT='1')
        for option in (), ('--no-winograd',):
            self.succeed('train', 'data', '--out', 'm.safetensors', '--width', 16, '--size', '64x64', '--steps', 2,
                         *option, env=environment)

    def test_same_seed_same_model(self):
        for name in 'ab':
            self.train('phantom:count=6,size=64x64', name, '--seed', 7)
        self.train('phantom:count=6,size=64x64', 'c', '--seed', 8)
        a, b, c = ((self.folder / name).read_bytes() for name in 'abc')
        self.assertEqual(a, b)
        self.assertNotEqual(a, c)

    def test_model_is_safetensors(self):
        self.train()
        data = (self.folder / 'model.safetensors').read_bytes()
        header = json.loads(data[8:8 + struct.unpack('<Q', data[:8])[0]])
        self.assertIn('inc.double_conv.0.weight', header)
        self.assertEqual(json.loads(header['__metadata__']['genseg'])['format_version'], 1)


class Interrupt(ToolTest):
    def begin(self, number, *arguments):
        """Starts a training, waits for its first validation, sends the signal."""
        process = self.start('train', 'phantom:count=6,size=64x64', '--width', 4, '--size', '64x64', '--steps', 10**9,
                             '--validate-every', 5, '--out', 'm.safetensors', '--threads', 2, *arguments)
        lines = []
        while not any('val Dice' in line for line in lines):
            lines.append(process.stderr.readline())
            self.assertTrue(lines[-1], 'the tool ended early')
        process.send_signal(number)
        sent = time.monotonic()
        out, err = process.communicate(timeout=60)
        return process.returncode, out, ''.join(lines) + err, time.monotonic() - sent

    def test_keeps_the_best_model(self):
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            code, out, err, seconds = self.begin(number)
            self.assertEqual(code, 130)
            self.assertRegex(err, r'genseg: stopped after \d+ steps; the best model so far is kept\n$')
            self.assertRegex(out, r'^m.safetensors: unet2d of step \d+, validation Dice')
            self.assertLess(seconds, 20)
            self.succeed('inspect', 'm.safetensors')
            self.assertEqual(self.files(), ['m.safetensors'])
            (self.folder / 'm.safetensors').unlink()

    def test_nothing_to_keep(self):
        done = self.run_tool('train', 'phantom:count=4,size=64x64', '--out', 'm.safetensors', '--method', 'plain', '--width', 4,
                             '--size', '64x64', '--steps', 60, '--lr', 1000, '--optimizer', 'sgd', '--quiet')
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r'is no longer finite at step \d+.*\ngenseg: no model is written\n$')
        self.assertEqual(self.files(), [])

    def test_predict_and_evaluate_stop(self):
        # Large images, many tiles: there is time to interrupt.
        self.train('phantom:count=3,size=64x64')
        label = disc(1200, 1200)
        png(self.path('big/images/a.png'), 1200, 1200, noisy(label, 1))
        png(self.path('big/masks/a.png'), 1200, 1200, label)
        for arguments in (['predict', 'model.safetensors', *['big/images/a.png'], '--out', 'out', '--overlap', 0.9],
                          ['evaluate', 'model.safetensors', 'big', '--split', 'all', '--overlap', 0.9, '--csv', 's.csv']):
            process = self.start(*arguments, '--threads', 2)
            time.sleep(1.0)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
            if process.returncode == 0:
                self.skipTest('the machine was too fast to interrupt')
            # A signal before the work has begun ends the tool as usual.
            self.assertIn(process.returncode, (130, -signal.SIGINT))
            if process.returncode == 130:
                self.assertIn('genseg: stopped after 0 of 1', err)
            self.assertFalse({'out', 's.csv'} & set(self.files()))


if __name__ == '__main__':
    unittest.main()
