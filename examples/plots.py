"""Trains on few examples and draws what came of it: learning curves, synthetic images beside real ones, predictions.

usage: plots.py OUT [DATA] [--train N] [--validation N] [--steps N] [--threads N]

DATA is whatever `genseg train` takes; without it, images are generated. Writes curves.png, synthetic.png and
predictions.png to the folder OUT. Needs matplotlib, but no screen.
"""

import argparse
import math
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import genseg

BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"  # told apart by the colour-blind too


def flat(array, ndim):
    """Of an image or label map what can be drawn: the first channel, the slice in the middle."""
    array = array[0] if array.ndim > ndim else array
    return array if ndim == 2 else array[len(array) // 2]


def grey(axes, image, title):
    low, high = np.percentile(image, (0.5, 99.5))  # as the network has it
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def outline(axes, label, colour, style="-"):
    for value in np.unique(label)[1:]:
        axes.contour(label == value, [0.5], colors=[colour], linewidths=1.4, linestyles=style)


def draw_curves(history, path):
    training = [p for p in history if p.phase == genseg.Phase.TRAIN and not math.isnan(p.loss)]
    alone = [p for p in history if p.phase == genseg.Phase.PRETRAIN and p.done > 0]
    figure, (left, centre, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for axes, states, value, colour, title in (
        (left, alone, "loss", GREEN, "generator beforehand: mean absolute error"),
        (centre, training, "loss", BLUE, "segmenter: training loss"),
        (right, training, "validation_dice", ORANGE, "segmenter: validation Dice"),
    ):
        steps, values = [p.done for p in states], [getattr(p, value) for p in states]
        if axes is left and len(values) > 20:  # one batch says little: a mean of twenty
            axes.plot(steps, values, color=colour, alpha=0.25)
            steps, values = steps[19:], np.convolve(values, np.full(20, 0.05), "valid")
        axes.plot(steps, values, color=colour, drawstyle="steps-post" if axes is right else "default")
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    best = max((p.best_dice for p in training if not math.isnan(p.best_dice)), default=math.nan)
    right.axhline(best, color="grey", linestyle=":", label=f"best, {best:.3f}: the model that is kept")
    right.set_ylim(0, 1)
    right.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=120)


def draw_synthetic(dataset, generator, path):
    """Each row: a real image, an image of the same mask, and two of warped masks."""
    cases = dataset.cases("train")[:3]
    figure, rows = plt.subplots(len(cases), 4, figsize=(8.8, 2.35 * len(cases)), squeeze=False, layout="constrained")
    for axes, case in zip(rows, cases, strict=True):
        label = dataset.label_values[case.label].astype(np.int32)
        pictures = [(case.image, label, "real: " + case.name), (generator.run(label), label, "synthetic, same mask")]
        for number in range(2):
            image, warped = generator.run(label, warped=True, warp=True, number=number)
            pictures.append((image, warped, f"synthetic, warped mask {number + 1}"))
        for one, (image, mask, title) in zip(axes, pictures):
            grey(one, flat(image, dataset.ndim), title)
            outline(one, flat(mask, dataset.ndim), ORANGE)
    figure.savefig(path, dpi=120)


def draw_predictions(dataset, segmenter, path):
    """The test cases from the worst to the best, at most four."""
    results = sorted(segmenter.evaluate(dataset, "test", predictions=True), key=lambda one: one.dice)
    shown = [results[i] for i in np.linspace(0, len(results) - 1, min(4, len(results))).astype(int)]
    figure, axes = plt.subplots(1, len(shown), figsize=(3 * len(shown), 3.5), squeeze=False, layout="constrained")
    for one, result in zip(axes[0], shown):
        case = dataset[result.index]
        grey(one, flat(case.image, dataset.ndim), f"{case.name}: Dice {result.dice:.3f}")
        outline(one, flat(dataset.label_values[case.label], dataset.ndim), GREEN)
        outline(one, flat(result.prediction, dataset.ndim), ORANGE, "--")
    figure.suptitle("solid green: reference, dashed orange: prediction", fontsize=10)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("data", nargs="?")
    for name, default in (("train", 8), ("validation", 3), ("steps", 1000), ("threads", 0)):
        parser.add_argument("--" + name, type=int, default=default)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    context = genseg.Context(threads=arguments.threads)
    dataset = (genseg.Dataset.open(arguments.data, context=context) if arguments.data
               else genseg.Dataset.phantom(count=16, size=(64, 64), context=context))
    dataset.split(arguments.train, arguments.validation)
    trainer = genseg.Trainer(dataset, steps=arguments.steps, width=8)
    history = []
    trainer.run(history.append)
    draw_curves(history, arguments.out / "curves.png")
    draw_synthetic(dataset, trainer.generator(), arguments.out / "synthetic.png")
    draw_predictions(dataset, trainer.segmenter(), arguments.out / "predictions.png")


if __name__ == "__main__":
    main()
