"""Completion for bash, with the bash-completion package (where it is installed) and without: what comes for what was typed."""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from tool import GENSEG, ToolTest, list_options

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / 'src/completions/genseg'
PACKAGE = pathlib.Path('/usr/share/bash-completion/bash_completion')
COMMANDS = 'train', 'predict', 'evaluate', 'compare', 'synthesize', 'audit', 'inspect', 'convert'

# The words are cut as readline cuts them; replies are those to the last.
DRIVER = r'''
cd "$1"
COMP_LINE=$2 COMP_POINT=${#2}
for part in $2; do COMP_WORDS+=("$part"); done
[[ $2 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_genseg genseg "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
'''


class Completion(ToolTest):
    start_of_bash = f'source {SCRIPT}\n'

    def setUp(self):
        super().setUp()
        (self.folder / 'bin').mkdir()
        (self.folder / 'bin/genseg').symlink_to(GENSEG)
        for name in 'm.safetensors', 'n.safetensors', 'scan.nii.gz', 'slice.png', 'set.h5', 'notes.txt', 's.csv':
            (self.folder / name).touch()
        (self.folder / 'scans').mkdir()

    def complete(self, line):
        done = subprocess.run(['bash', '--norc', '-c', self.start_of_bash + DRIVER, 'bash', self.folder, line], text=True,
                              capture_output=True, check=True,
                              env={**os.environ, 'PATH': f'{self.folder / "bin"}:{os.environ["PATH"]}'})
        self.assertEqual(done.stderr, '', line)
        return sorted(done.stdout.split())

    def check(self, line, *expected):
        self.assertEqual(self.complete(line), sorted(expected), line)

    def test_commands(self):
        self.check('genseg ', *COMMANDS, '--help', '--version')
        self.check('genseg tr', 'train')
        self.check('genseg co', 'compare', 'convert')
        self.check('genseg --v', '--version')
        self.check('genseg nonsense --')

    def test_options_are_those_of_the_tool(self):
        for command in COMMANDS:
            names = list_options(command)
            self.assertIn('--threads', names)
            self.check(f'genseg {command} -', *names)
            self.check(f'genseg {command} --he', '--help')

    def test_values(self):
        self.check('genseg train scans --method ', 'genseg', 'continued', 'separate', 'augment', 'plain')
        self.check('genseg train scans --method=', 'genseg', 'continued', 'separate', 'augment', 'plain')
        self.check('genseg train scans --optimizer=ad', 'adam', 'adamw')
        self.check('genseg train --gan-loss w', 'wgan')
        self.check('genseg evaluate m.safetensors scans --convention ', 'monai', 'medpy', 'deepmind')
        self.check('genseg synthesize m.safetensors --discretise m', 'merged')
        self.check('genseg train --steps ')
        self.check('genseg train scans --seed 1 --sch', '--schedule')

    def test_lists(self):
        self.check('genseg compare scans --methods ge', 'genseg', 'genseg+augment')
        self.check('genseg compare scans --methods plain,aug', 'plain,augment')
        self.check('genseg compare scans --methods=plain,pl', 'plain,plain+val')
        self.check('genseg train scans --levers gamma,ga')
        self.check('genseg train scans --levers gamma,w', 'gamma,warp')

    def test_files(self):
        folders = 'bin', 'scans'
        self.check('genseg predict ', *folders, 'm.safetensors', 'n.safetensors')
        self.check('genseg predict m.safetensors s', 'scans', 'scan.nii.gz', 'slice.png', 'set.h5')
        self.check('genseg predict m.safetensors scan.nii.gz sl', 'slice.png')
        self.check('genseg predict m.safetensors scan.nii.gz --out s', 'scans')
        self.check('genseg predict m.safetensors scan.nii.gz -o s', 'scans')
        self.check('genseg predict --out scans m', 'm.safetensors')
        self.check('genseg predict --out=scans m', 'm.safetensors')
        self.check('genseg synthesize m.safetensors s', 'scans', 'scan.nii.gz', 'slice.png')
        self.check('genseg train s', 'scans', 'set.h5')
        self.check('genseg train scans --out ', *folders, 'm.safetensors', 'n.safetensors')
        self.check('genseg evaluate m.safetensors scans --csv s', 'scans', 's.csv')
        self.check('genseg inspect m', 'm.safetensors')
        self.check('genseg compare scans --test-data s', 'scans', 'set.h5')
        self.check('genseg convert scans s', 'scans', 'set.h5')
        self.check('genseg convert scans set.h5 ')

    def test_phantom(self):
        self.check('genseg train ph', 'phantom')
        self.check('genseg train phantom:', 'ndim=', 'count=', 'classes=', 'channels=', 'size=', 'seed=')
        self.check('genseg train phantom:cl', 'classes=')
        self.check('genseg train phantom:count=4,si', '4,size=')
        self.check('genseg train phantom:count=4 --l1 2 --gan-l', '--gan-loss', '--gan-lr')


class CompletionBesideThePackage(Completion):
    """The same after bash-completion, which finds the script by the command's name."""
    start_of_bash = f'source {PACKAGE}\nsource {SCRIPT}\n'

    def setUp(self):
        if not PACKAGE.exists():
            self.skipTest('bash-completion is not installed')
        super().setUp()

    def test_found_by_name(self):
        (self.folder / 'share/bash-completion/completions').mkdir(parents=True)
        shutil.copy(SCRIPT, self.folder / 'share/bash-completion/completions')
        done = subprocess.run(['bash', '--norc', '-ic', f'source {PACKAGE}; '
                               '_comp_load genseg 2>/dev/null || _completion_loader genseg; complete -p genseg'],
                              text=True, capture_output=True, env={**os.environ, 'XDG_DATA_HOME': str(self.folder / 'share')})
        self.assertIn('complete -F _genseg genseg', done.stdout, done.stderr)


if __name__ == '__main__':
    if shutil.which('bash') is None:
        print('bash is not installed: nothing checked')
        sys.exit(77)
    unittest.main()
