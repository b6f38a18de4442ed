"""Command lines: help, versions, and what is wrong with them."""
import re
import subprocess
import unittest

from tool import GENSEG, ToolTest, list_options

COMMANDS = 'train', 'predict', 'evaluate', 'compare', 'synthesize', 'audit', 'inspect', 'convert'


# Named as options that are not there.
UNSHARED = {'compare': {'--time', '--patience'}}


class Usage(ToolTest):
    def wrong(self, *arguments, says=()):
        return self.refuse(*arguments, says=says, code=2)

    def test_help_fits_a_screen(self):
        for arguments in [()] + [(name,) for name in COMMANDS]:
            done = self.succeed(*arguments, '--help')
            lines = done.stdout.splitlines()
            self.assertLessEqual(len(lines), 40)
            self.assertLessEqual(max(map(len, lines)), 100)
            self.assertTrue(lines[0].startswith('usage: genseg'))
            self.assertTrue(lines[-1].startswith('example: genseg'))
            self.assertEqual(done.stderr, '')

    def test_help_names_the_options(self):
        self.assertEqual(self.succeed('--list-commands').stdout.split(), list(COMMANDS))
        for name in COMMANDS:
            text = self.succeed(name, '--help').stdout
            shown = set(re.findall(r'--[a-z][a-z0-9-]*', text))
            options = set(list_options(name))
            self.assertLessEqual(shown - UNSHARED.get(name, set()), options, name)
            # What two commands share with train is told there.
            told = options - {'--help'} - (set(list_options('train')) if 'as in' in text else set())
            self.assertLessEqual(told, shown, name)

    def test_version(self):
        self.assertRegex(self.succeed('--version').stdout, r'^genseg \d+\.\d+\.\d+\n.*oneDNN \d')

    def test_commands(self):
        done = subprocess.run([GENSEG], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn('a command is missing', done.stderr)
        self.wrong('trian', says=['trian is no command', 'is train meant?'])
        self.wrong('frobnicate', says=['frobnicate is no command'])

    def test_options(self):
        self.wrong('train', 'phantom', '--stpes', 3, says=['unknown option --stpes', 'is --steps meant?'])
        self.wrong('train', 'phantom', '--zzzzzz', says=['unknown option --zzzzzz', 'train --help'])
        self.wrong('train', 'phantom', '--val=3', says=['--val=3', 'one of several'])
        self.wrong('train', 'phantom', '-z', says=['-z'])
        self.wrong('train', 'phantom', '--quiet=yes', says=['--quiet takes no value'])
        done = subprocess.run([GENSEG, 'train', 'phantom', '--out'], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (2, 'genseg train: --out needs a value\n'))

    def test_operands(self):
        self.wrong('train', '--out', 'm', says=['DATA is missing'])
        self.wrong('train', 'phantom', says=['--out MODEL is missing'])
        self.wrong('train', 'phantom', 'phantom', '--out', 'm', says=['one argument too many'])
        self.wrong('predict', 'm', says=['IMAGE is missing'])
        self.wrong('predict', 'm', 'i', says=['--out DIR is missing'])
        self.wrong('evaluate', 'm', says=['DATA is missing'])
        self.wrong('synthesize', 'm', says=['MASK is missing'])
        self.wrong('synthesize', 'm', 'a.png', says=['--out DIR is missing'])
        self.wrong('convert', 'phantom', says=['OUT is missing'])

    def test_values(self):
        for option, value, expected in [
                ('--steps', '12x', 'a whole number of at least 1'), ('--steps', '0', 'a whole number of at least 1'),
                ('--batch', '2.5', 'a whole number'), ('--width', '-4', 'a whole number'),
                ('--steps', '99999999999999999999', 'a whole number'), ('--lr', 'fast', 'a number'),
                ('--lr', 'nan', 'a number'), ('--foreground', '1.5', 'a number from 0 to 1'),
                ('--time', '10x', 'a time such as'), ('--time', 'm', 'a time such as'), ('--time', '0', 'a time such as'),
                ('--memory', '4Q', 'a size in bytes'), ('--memory', '-1', 'a size in bytes'),
                ('--size', '256y256', 'a size such as'), ('--size', '0x64', 'a size such as'),
                ('--size', '1x2x3x4', 'a size such as'), ('--symmetric', 'q', 'letters of the axes'),
                ('--optimizer', 'adamm', 'adam, adamw, rmsprop or sgd'), ('--segmenter', 'vit', 'unet2d or unet3d'),
                ('--normalise', '', 'percentile, zscore or none')]:
            self.wrong('train', 'phantom', '--out', 'm', option, value, says=[option, f'{value}: expected {expected}'])

    def test_values_of_synthesize(self):
        for option, value, expected in [('--number', '0', 'a whole number of at least 1'), ('--seed', '-1', 'a whole number'),
                                        ('--magnitude', '5', 'a number from 0 to 4'),
                                        ('--discretise', 'all', 'merged or best')]:
            self.wrong('synthesize', 'm', 'a.png', '--out', 'o', option, value, says=[option, f'{value}: expected {expected}'])

    def test_values_that_are_right(self):
        for more in (('--time', '1h30m', '--memory', '4GiB'), ('--memory', '512m', '--time', '90'),
                     ('--lr=1e-3', '--symmetric', 'HW'), ('--optimizer', 'rmsprop', '--schedule', 'plateau'),
                     ('--optimizer', 'sgd', '--schedule', 'constant', '--momentum', '0.5', '--warmup', '2'),
                     ('--optimizer', 'adamw', '--weight-decay', '0.01', '--class-weights', '--no-augment'),
                     ('--normalise', 'zscore', '--patience', '1', '--validate-every', '1', '--foreground', '1')):
            self.train('phantom:count=3,size=64x64', 'm.safetensors', '--quiet', *more)

    def test_phantom(self):
        self.wrong('inspect', 'phantom:frogs=2', says=['frogs=2 is not understood'])
        self.wrong('inspect', 'phantom:count=x', says=['count=x is not understood'])
        self.refuse('inspect', 'phantom:classes=9', says=['9'])
        text = self.succeed('inspect', 'phantom:ndim=3,count=2,classes=3,channels=2,size=8x48x32,seed=3').stdout
        self.assertIn('3-D data set, 2 cases, 2 channels', text)
        self.assertIn('8x48x32', text)

    def test_standard_output(self):
        with open('/dev/full', 'w', encoding='utf-8') as full:
            done = subprocess.run([GENSEG, '--help'], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr), (1, 'genseg: standard output: No space left on device\n'))


if __name__ == '__main__':
    unittest.main()
