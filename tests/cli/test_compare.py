"""genseg compare: equal divisions, its tables against what its CSV says, and what it keeps when it is stopped."""
import csv
import math
import os
import signal
import statistics
import unittest

import tool
from tool import ToolTest, disc, nifti_pairs, noisy, png, png_pairs

DATA = 'phantom:count=14,size=32x32'
OTHER = 'phantom:count=3,size=32x32,seed=9'
SMALL = ('--width', 4, '--size', '32x32', '--gan-steps', 4, '--generator-width', 4, '--discriminator-width', 4,
         '--candidates', 1)
# Nets this small are fastest alone, on a busy machine above all.
tool.THREADS = '1'
# Student's t of 97.5 %.
T = {1: 12.706205, 2: 4.302653, 4: 2.776445, 5: 2.570582, 6: 2.446912, 7: 2.364624, 8: 2.306004, 9: 2.262157,
     10: 2.228139, 11: 2.200985, 12: 2.178813, 13: 2.160369}


def table(text, first):
    """Rows of the table whose heading begins with `first`; columns are two blanks apart."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(first))
    rows = []
    for line in lines[at + 1:]:
        if not line:
            break
        rows.append([cell.strip() for cell in line.split('  ') if cell.strip()])
    return rows


def half_width(sums):
    """Of an interval with the sums of weighed deviations of its clusters."""
    count = len(sums)
    return T[count - 1] * math.sqrt(count / (count - 1) * sum(u * u for u in sums))


class Compare(ToolTest):
    def compare(self, *arguments, data=DATA, steps=40):
        return self.succeed('compare', data, *SMALL, '--steps', steps, '--csv', 's.csv', *arguments)

    def rows(self):
        return list(csv.DictReader((self.folder / 's.csv').read_text().splitlines()))

    def test_rows(self):
        methods = 'plain', 'plain+val', 'augment', 'separate', 'continued+augment', 'genseg', 'genseg+augment'
        done = self.compare('--methods', ','.join(methods), '--seeds', 2, '--examples', 9, '--test-data', OTHER,
                            '--keep', 'models', steps=4)
        self.assertIn('7 methods, 2 seeds: 7 training and 2 validation cases, 5 left for testing; 4 steps', done.stderr)
        self.assertIn('14/14 genseg+augment, seed 2: done, Dice', done.stderr)
        rows = self.rows()
        self.assertEqual(list(rows[0]), 'method,seed,examples,test_set,case,class,dice,jaccard'.split(','))
        self.assertEqual(len(rows), len(methods) * 2 * (5 + 3))
        self.assertEqual({row['examples'] for row in rows}, {'9'})
        cases = {}
        for row in rows:
            cases.setdefault((row['seed'], row['test_set'], row['method']), []).append(row['case'])
        for seed in '12':
            for name, count in ('rest', 5), (OTHER, 3):
                lists = [cases[seed, name, method] for method in methods]
                self.assertTrue(all(names == lists[0] for names in lists))
                self.assertEqual(len(set(lists[0])), count)
        self.assertNotEqual(cases['1', 'rest', 'plain'], cases['2', 'rest', 'plain'])
        self.assertEqual(sorted(os.listdir(self.folder / 'models')),
                         sorted(f'{method}-{seed}.safetensors' for method in methods for seed in '12'))
        text = self.succeed('inspect', 'models/plain+val-2.safetensors').stdout
        self.assertIn('9 training and 0 validation cases, seed 2', text)
        text = self.succeed('inspect', 'models/genseg-1.safetensors').stdout
        self.assertIn('7 training and 2 validation cases, seed 1', text)
        png(self.path('mask.png'), 32, 32, disc(32, 32))
        self.succeed('synthesize', 'models/separate-1.safetensors', 'mask.png', '--out', 'synthetic')
        self.assertIn('generator', self.refuse('synthesize', 'models/augment-1.safetensors', 'mask.png', '--out', 'none').stderr)

    def test_as_train_and_evaluate(self):
        done = self.compare('--methods', 'augment', '--seeds', 2, '--examples', 5, '--val-examples', 2)
        self.assertNotIn('difference', done.stdout)
        division = '--examples', 5, '--val-examples', 2, '--seed', 2
        self.succeed('train', DATA, *SMALL, '--steps', 40, '--method', 'augment', '--out', 'm', *division)
        self.succeed('evaluate', 'm', DATA, '--csv', 'e.csv', '--no-surfaces')
        alone = list(csv.DictReader((self.folder / 'e.csv').read_text().splitlines()))
        mine = [row for row in self.rows() if row['seed'] == '2']
        self.assertEqual([(row['case'], row['class'], row['dice'], row['jaccard']) for row in mine],
                         [(row['case'], row['class'], row['dice'], row['jaccard']) for row in alone])

    def scores(self, kind):
        """(method, set) -> seed -> case -> mean over the classes where there is a score."""
        found = {}
        for row in self.rows():
            if row[kind]:
                found.setdefault((row['method'], row['test_set']), {}).setdefault(row['seed'], {}) \
                    .setdefault(row['case'], []).append(float(row[kind]))
        return {key: {seed: {case: statistics.mean(values) for case, values in cases.items()}
                      for seed, cases in seeds.items()} for key, seeds in found.items()}

    def check_interval(self, text, mean, sums):
        if len(sums) < 2:
            self.assertEqual(text, '-')
            return
        low, high = map(float, text.split(' to '))
        half = half_width(sums)
        self.assertAlmostEqual(low, mean - half, delta=2e-4)
        self.assertAlmostEqual(high, mean + half, delta=2e-4)

    def check_tables(self, text):
        scores = {kind: self.scores(kind.lower()) for kind in ('Dice', 'Jaccard')}
        for name, where, *cells in table(text, 'method'):
            for kind, cell in zip(('Dice', 'Jaccard'), cells):
                means = [statistics.mean(cases.values()) for cases in scores[kind][name, where].values()]
                mean, *deviation = map(float, cell.split(' +- '))
                self.assertAlmostEqual(mean, statistics.mean(means), delta=6e-4)
                if len(means) > 1:
                    self.assertAlmostEqual(deviation[0], statistics.stdev(means), delta=6e-4)
            self.assertEqual(cells[2:], [str(len(means)), str(sum(map(len, scores['Dice'][name, where].values())))])
        rows = table(text, 'difference')
        for names, where, kind, mean, seeds, cases, pairs in rows:
            a, b = (scores[kind][name, where] for name in names.split(' - '))
            differences = {seed: {case: a[seed][case] - b[seed][case] for case in a[seed].keys() & b[seed].keys()}
                           for seed in a.keys() & b.keys()}
            means = {seed: statistics.mean(row.values()) for seed, row in differences.items()}
            center = statistics.mean(means.values())
            self.assertAlmostEqual(float(mean), center, delta=1e-4)
            self.check_interval(seeds, center, [(value - center) / len(means) for value in means.values()])
            sums = {}
            for row in differences.values():
                for case, value in row.items():
                    sums[case] = sums.get(case, 0) + (value - center) / (len(means) * len(row))
            self.check_interval(cases, center, list(sums.values()))
            self.assertEqual(int(pairs), sum(map(len, differences.values())))
        return [row[0] for row in rows[::2]]

    def test_tables(self):
        three = 'phantom:count=14,size=32x32,classes=3'
        done = self.compare('--methods', 'plain,genseg,augment,genseg+augment', '--seeds', 3, '--examples', 9,
                            data=three, steps=60)
        self.assertEqual(self.check_tables(done.stdout),
                         ['genseg - plain', 'augment - plain', 'genseg+augment - plain', 'genseg - augment',
                          'genseg+augment - genseg', 'genseg+augment - augment'])

    def test_tables_of_one_seed(self):
        done = self.compare('--methods', 'genseg,plain', '--seeds', 1, '--examples', 9, '--test-data', OTHER)
        self.assertEqual(self.check_tables(done.stdout), ['plain - genseg'] * 2)

    def test_colours_turned_to_grey(self):
        png_pairs(self.folder / 'colours', 3, 32, 32, value=1, colours=True)
        done = self.compare('--methods', 'plain', '--seeds', 1, '--examples', 9, '--test-data', 'colours', '--grey')
        self.assertEqual([row['case'] for row in self.rows() if row['test_set'] == 'colours'],
                         ['case_00', 'case_01', 'case_02'])

    def test_groups(self):
        for patient in 'abcdef':
            for image in range(2):
                label = disc(32, 32)
                png(self.path(f'data/images/{patient}-{image}.png'), 32, 32, noisy(label, image))
                png(self.path(f'data/masks/{patient}-{image}.png'), 32, 32, label)
        arguments = '--methods', 'plain,augment', '--seeds', 2, '--examples', 6, '--val-examples', 2, '--groups', '-'
        self.compare(*arguments, data='data')
        for row in self.rows():
            twin = row['case'][:-1] + ('1' if row['case'].endswith('0') else '0')
            self.assertIn((row['seed'], twin), {(other['seed'], other['case']) for other in self.rows()})
        # Five cases that train become three patients, and the one for validation is a fourth: without validation,
        # six cases that train leave that patient for testing.
        self.refuse('compare', 'data', *SMALL, '--methods', 'plain,plain+val', '--examples', 6, '--val-examples', 1,
                    '--seeds', 1, '--groups', '-', says=['seed 1', 'plain+val', 'leave it out'])


class Stopped(ToolTest):
    def test_keeps_what_is_complete(self):
        process = self.start('compare', DATA, *SMALL, '--steps', 100, '--methods', 'plain,augment', '--seeds', 1000,
                             '--examples', 9, '--csv', 's.csv', '--keep', 'models', '--threads', 1)
        lines = []
        while not any(', seed 2: done' in line for line in lines):
            lines.append(process.stderr.readline())
            self.assertTrue(lines[-1], 'the tool ended early')
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertRegex(err, r'genseg: stopped: \d+ of 2000 runs are complete\n$')
        complete = int(err.split('stopped: ')[1].split()[0])
        rows = list(csv.DictReader((self.folder / 's.csv').read_text().splitlines()))
        self.assertGreaterEqual(complete, 3)
        self.assertEqual(len(rows), complete * 5)
        self.assertEqual(len({(row['method'], row['seed']) for row in rows}), complete)
        self.assertIn('augment - plain', out)
        models = {f"models/{row['method']}-{row['seed']}.safetensors" for row in rows}
        self.assertEqual(set(self.files()), models | {'models', 's.csv'})

    def test_nothing_to_compare_yet(self):
        process = self.start('compare', DATA, *SMALL, '--steps', 10**9, '--validate-every', 5, '--methods', 'plain,augment',
                             '--examples', 9, '--csv', 's.csv', '--threads', 1)
        lines = []
        while not any('val Dice' in line for line in lines):
            lines.append(process.stderr.readline())
            self.assertTrue(lines[-1], 'the tool ended early')
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out, self.files()), (130, '', []))
        self.assertIn('stopped: 0 of 6 runs are complete', err)

    def test_failed_runs(self):
        # A rate that no network survives: the methods fail one by one, and are counted.
        done = self.run_tool('compare', DATA, *SMALL, '--steps', 200, '--lr', 1000, '--optimizer', 'sgd', '--methods',
                             'plain,augment', '--seeds', 1, '--examples', 9, '--csv', 's.csv')
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('genseg: 1/2 plain, seed 1: ', done.stderr)
        self.assertRegex(done.stderr, 'genseg: 2 of 2 runs failed\n$')
        self.assertEqual(self.files(), [])


class Refused(ToolTest):
    def bad(self, *arguments, says, code=1, data=DATA, examples=9):
        self.refuse('compare', data, *SMALL, '--steps', 2, '--examples', examples, *arguments, says=says, code=code)

    def test_command_line(self):
        self.bad('--methods', 'plain,gnseg', code=2, says=['gnseg is no method: is genseg meant?'])
        self.bad('--methods', 'plain,', code=2, says=['an empty text is no method'])
        self.bad('--methods', 'plain,augment,plain', code=2, says=['plain is there twice'])
        self.bad('--val-examples', 9, code=2, says=['--examples 9 leaves none to train: 9 of them are'])
        self.bad('--val-examples', 1, examples=1, code=2, says=['--examples 1 leaves none to train: 1 of them is'])
        self.bad('--seeds', 0, code=2, says=['--seeds 0'])
        self.bad('--levers', 'wrap', code=2, says=['genseg compare: --levers wrap'])
        self.bad('--time', '10m', code=2, says=['unknown option --time'])
        self.bad('--size', '16x32x32', code=2, says=['--size has 3 numbers'])
        self.bad(*['--test-data', OTHER] * 17, code=2, says=['--test-data', '16 times at most'])
        self.refuse('compare', DATA, code=2, says=['--examples N is missing'])

    def test_cases(self):
        self.bad(examples=14, says=['no case is left for testing', '14'])
        self.bad(examples=20, says=['16 training and 4 validation', '14 labelled cases'])
        self.bad('--gamma', 3, '--normalise', 'zscore', says=['percentiles'])
        self.bad(data='none', says=['none', 'no such'])

    def test_sets(self):
        self.bad('--test-data', DATA, says=['is DATA itself'])
        self.bad('--test-data', OTHER, '--test-data', OTHER, says=[OTHER, 'is there already'])
        self.bad('--test-data', 'none', says=['none', 'no such'])
        self.bad('--test-data', 'phantom:channels=3', says=['3 channels, those of DATA 1', '--grey turns three into one'])
        self.bad('--test-data', 'phantom:classes=3', says=['label 2'])
        nifti_pairs(self.folder / 'volumes')
        self.bad('--test-data', 'volumes', says=['volumes', '3-D', '2-D'])

    def test_outputs(self):
        self.path('file').write_text('some text')
        self.bad('--csv', 'none/s.csv', says=['none/s.csv', 'No such file'])
        self.bad('--csv', 'file/s.csv', says=['file/s.csv'])
        self.bad('--keep', 'file', says=['file'])
        png_pairs(self.folder / 'data', 14, 32, 32)
        self.bad('--csv', 'data/images/case_00.png', data='data', says=['case_00.png: is an input'])
        png_pairs(self.folder / 'other', 3, 32, 32)
        self.bad('--csv', 'other/images/case_00.png', '--test-data', 'other', data='data',
                 says=['case_00.png: is an input'])

    def test_full_disk(self):
        done = self.run_tool('compare', DATA, *SMALL, '--steps', 2, '--examples', 9, '--methods', 'plain,augment',
                             '--seeds', 1, '--csv', 's.csv', file_limit=100)
        self.assertEqual(done.returncode, 1)
        self.assertIn('genseg: s.csv: File too large\n', done.stderr)
        self.assertIn('plain', done.stdout)  # what is complete is shown all the same
        self.assertEqual(self.files(), [])


if __name__ == '__main__':
    unittest.main()
