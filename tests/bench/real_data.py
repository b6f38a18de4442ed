#!/usr/bin/env python3
"""Trains and tests on the real data sets named in GENSEG_DATA, several seeds each; prints a table.

    python3 tests/bench/real_data.py build/src/genseg OUT [TASK ...] [--OPTION ...]

OUT receives models, scores of each case and pictures (image | truth | prediction). Options that all commands know, such
as --no-winograd, are passed on.
"""
import csv
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

SEEDS = 1, 2, 3
# Examples, those for validation among them, options of the training. The rest is tested on, or what split.csv calls test.
TASKS = {
    'hippocampus-msd': ('50', '10', '--width 16 --batch 2 --steps 2000'),
    'kermany-cxr': ('9', '2', '--width 16 --size 128x128 --batch 4 --steps 400 --symmetric w'),
    'dsb2018-fluo': ('40', '8', '--width 16 --size 256x256 --batch 4 --steps 400 --symmetric hw'),
}


def run(tool, task, seed, out, common):
    data = pathlib.Path(os.environ.get('GENSEG_DATA', '../shared/data')) / task
    examples, validation, options = TASKS[task]
    name = out / f'{task}-{seed}'
    begin = time.monotonic()
    subprocess.run([tool, 'train', data, '--out', f'{name}.safetensors', '--examples', examples, '--val-examples',
                    validation, '--seed', str(seed), '--method', 'augment', '--quiet', *options.split(), *common], check=True)
    seconds = time.monotonic() - begin
    subprocess.run([tool, 'evaluate', f'{name}.safetensors', data, '--quiet', '--csv', f'{name}.csv', '--pictures', name,
                    *common],
                   check=True)
    with open(f'{name}.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    dice = {}
    for row in rows:
        if row['dice']:
            dice.setdefault(row['class'], []).append(float(row['dice']))
    return seconds, {k: statistics.mean(v) for k, v in dice.items()}, len({row['case'] for row in rows})


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    tool, out = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    common = [word for word in sys.argv[3:] if word.startswith('--')]
    for task in [word for word in sys.argv[3:] if word not in common] or TASKS:
        means = []
        for seed in SEEDS:
            seconds, dice, cases = run(tool, task, seed, out, common)
            means.append(statistics.mean(dice.values()))
            print(f'{task} seed {seed}: {cases} test cases, Dice {means[-1]:.4f} (' +
                  ', '.join(f'{k} {v:.4f}' for k, v in dice.items()) + f'), {seconds:.0f} s', flush=True)
        deviation = statistics.stdev(means) if len(means) > 1 else math.nan
        print(f'{task}: {TASKS[task][0]} + {TASKS[task][1]}, {TASKS[task][2]}: Dice {statistics.mean(means):.4f} '
              f'+- {deviation:.4f}', flush=True)


if __name__ == '__main__':
    main()
