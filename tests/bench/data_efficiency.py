#!/usr/bin/env python3
"""Dice against the number of examples, from tables of `genseg compare --csv` with different --examples: a picture, and
how many examples the first method would need for what the last one reaches (log-linear between its points).

    python3 tests/bench/data_efficiency.py OUT.png NAME=A.csv,B.csv,... [NAME=...]

Needs matplotlib. Only cases of the data set itself count (test set `rest`); points are means over seeds, bars their deviation.
"""
import csv
import math
import statistics
import sys


def scores(files):
    """method -> examples -> Dice of each seed."""
    cases = {}
    for file in files:
        with open(file, newline='', encoding='utf-8') as stream:
            for row in csv.DictReader(stream):
                if row['test_set'] == 'rest' and row['dice']:
                    key = row['method'], int(row['examples']), row['seed']
                    cases.setdefault(key, {}).setdefault(row['case'], []).append(float(row['dice']))
    found = {}
    for (method, examples, seed), dice in sorted(cases.items()):
        mean = statistics.mean(statistics.mean(classes) for classes in dice.values())
        found.setdefault(method, {}).setdefault(examples, []).append(mean)
    return found


def needed(points, dice):
    """Examples at which the line through (log examples, Dice) first reaches `dice`; None beyond its ends."""
    for (a, x), (b, y) in zip(points, points[1:]):
        if x <= dice <= y:
            return math.exp(math.log(a) + (dice - x) / (y - x) * math.log(b / a)) if y > x else a
    return None


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    tasks = [argument.split('=', 1) for argument in sys.argv[2:]]
    figure, axes = pyplot.subplots(1, len(tasks), figsize=(4.2 * len(tasks), 3.4), squeeze=False)
    for axis, (name, files) in zip(axes[0], tasks):
        found = scores(files.split(','))
        means = {method: [(n, statistics.mean(d)) for n, d in by.items()] for method, by in found.items()}
        for method in reversed(list(found)):
            by = found[method]
            bars = [statistics.stdev(d) if len(d) > 1 else 0 for d in by.values()]
            axis.errorbar(list(by), [m for _, m in means[method]], bars, marker='o', capsize=3, label=method)
        axis.set(title=name, xscale='log', xlabel='examples, validation included', ylabel='Dice')
        axis.set_xticks(list(by), [str(n) for n in by])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
        axis.legend()
        first, last = 'plain', next(m for m in found if m != 'plain')
        for n, dice in means[last]:
            plain = dict(means[first]).get(n, math.nan)
            more = needed(means[first], dice)
            ratio = f'{more:.0f} examples, {more / n:.1f} times as many' if more else \
                'fewer than the least' if dice < means[first][0][1] else 'more than the most'
            print(f'{name}: {n} examples: {first} {plain:.4f}, {last} {dice:.4f}; {first} needs {ratio}')
    figure.tight_layout()
    figure.savefig(sys.argv[1], dpi=100)


if __name__ == '__main__':
    main()
