"""Draws the pictures of a run from its numbers, without torch and without a display."""

import warnings
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import font_manager, pyplot
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.ticker import FormatStrFormatter, MaxNLocator

from alexnet.errors import make_printable, shorten
from alexnet.runs.texts import Texts, find_chinese_font


def use_fonts() -> None:
    """Sets matplotlib's own font for Latin, and for Chinese the font of zhplot. No system font is needed.

    A character that neither has, such as an emoji, is drawn as a box, without matplotlib's warning.
    """
    # At the end: whoever turns warnings into errors, as the tests do, still gets this one.
    warnings.filterwarnings("ignore", r"Glyph .* missing from", append=True)
    font_manager.fontManager.addfont(find_chinese_font())
    matplotlib.rcParams["font.family"] = ["DejaVu Sans", "Noto Sans SC"]


MOST_COUNTED, MOST_NAMED, MOST_NAME = 20, 100, 30  # classes with counts, with names; characters of a name
Row = Mapping[str, Any]


def draw_training_curve(
    path: Path,
    windows: Sequence[Row],
    epochs: Sequence[Row],
    chosen: int | None,
    model: str,
    log_every: int,
    texts: Texts,
) -> None:
    """Draws a point per window, the validation loss, and below them the learning rate if it changes.

    10 x 5 inches at 200 dpi. windows, epochs: the rows of losses.csv and epochs.csv. chosen: the epoch that validation
    chose. model: the name of the network's class. log_every: batches in a window.
    """
    use_fonts()
    changes = len({window["learning_rate"] for window in windows}) > 1
    figure, places = pyplot.subplots(
        1 + changes, figsize=(10, 5), sharex=True, height_ratios=[4, 1][: 1 + changes], squeeze=False
    )
    axes, lowest = places[0, 0], places[-1, 0]
    axes.grid(True, alpha=0.4)
    has_whole = not epochs or epochs[0]["step"] >= log_every  # else the axis would count fractions of a window
    unit, label = (log_every, texts.curve_x.format(log_every)) if has_whole else (1, texts.curve_batches)
    steps, losses = [window["step"] / unit for window in windows], [window["loss"] for window in windows]
    axes.plot(steps, losses, label=texts.training_loss, marker=_choose_marker(len(windows)))
    _draw_validation(axes, epochs, chosen, unit, texts)
    _scale_losses(axes, losses)
    axes.set_ylabel(texts.curve_y)
    axes.set_title(texts.curve_title.format(texts.models.get(model, model)))
    axes.set_xlim(0, 1.02 * max(steps))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _mark_epochs(axes, [epoch["step"] / unit for epoch in epochs], texts.epoch)
    if changes:
        _draw_learning_rate(lowest, steps, windows, texts)
    lowest.set_xlabel(label)
    # Below everything, where it covers no curve. loc="best" does, and warns that it is slow after 200,000 windows.
    figure.legend(loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=200)
    pyplot.close(figure)


def draw_rates(
    path: Path,
    rates: Sequence[float],
    mean: Sequence[float],
    spread: Sequence[float],
    seeds: int,
    suggestion: float | None,
    model: str,
    texts: Texts,
) -> None:
    """Draws the smoothed loss over the learning rate, with a band if there are several seeds. 10 x 5 inches at 200 dpi.

    model: the name of the network's class.
    """
    use_fonts()
    figure, axes = pyplot.subplots(figsize=(10, 5))
    axes.grid(True, alpha=0.4)
    axes.set_xscale("log")
    axes.plot(rates, mean, label=texts.rates_mean.format(seeds))
    if seeds > 1:
        below, above = ([loss + side * width for loss, width in zip(mean, spread, strict=True)] for side in (-1, 1))
        axes.fill_between(rates, below, above, alpha=0.25, label=texts.rates_spread)
    if suggestion is not None:
        axes.axvline(suggestion, color="black", linestyle="--", label=texts.rates_suggestion.format(suggestion))
    fall = max(mean[0] - min(mean), 0.1)
    axes.set_ylim(min(mean) - 0.3 * fall, mean[0] + fall)  # where it diverges is far above
    axes.set_xlim(rates[0], rates[-1])
    axes.set_xlabel(texts.rates_x.format(len(rates)))
    axes.set_ylabel(texts.curve_y)
    axes.set_title(texts.rates_title.format(texts.models.get(model, model)))
    figure.legend(loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=200)
    pyplot.close(figure)


def _choose_marker(points: int) -> str | None:
    return "o" if points == 1 else "." if points < 50 else None


def _draw_learning_rate(axes: Axes, steps: Sequence[float], windows: Sequence[Row], texts: Texts) -> None:
    axes.grid(True, alpha=0.4)
    axes.plot(steps, [window["learning_rate"] for window in windows], color="grey")
    axes.set_ylabel(texts.curve_rate)
    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))


def _draw_validation(axes: Axes, epochs: Sequence[Row], chosen: int | None, unit: int, texts: Texts) -> None:
    """Draws the validation loss at the end of each epoch, if there is one, with a star at the chosen epoch."""
    validated = [epoch for epoch in epochs if epoch.get("validation_loss") is not None]
    if not validated:
        return
    ends = [epoch["step"] / unit for epoch in validated]
    losses = [epoch["validation_loss"] for epoch in validated]
    axes.plot(ends, losses, label=texts.validation_loss, marker="o" if len(ends) < 50 else None, ms=4)
    for end, epoch in zip(ends, validated, strict=True):
        if epoch["epoch"] == chosen:
            look: dict[str, Any] = {"ms": 14, "markeredgecolor": "white", "zorder": 3, "linestyle": "none"}
            label = texts.chosen.format(chosen)
            axes.plot(end, epoch["validation_loss"], "*", color="black", label=label, clip_on=False, **look)


def _scale_losses(axes: Axes, losses: Sequence[float]) -> None:
    """A logarithmic axis if a few losses are so high that all others would be one flat line."""
    finite = [loss for loss in losses if isfinite(loss)]
    if finite and min(finite) > 0 and max(finite) > 50 * median(finite):
        axes.set_yscale("log")


def _mark_epochs(axes: Axes, ends: Sequence[float], label: str) -> None:
    """Draws a thin line at the end of each epoch, and its number along the top; of many epochs, at up to 15."""
    if not ends:
        return
    every = -(-len(ends) // 15)
    shown = range(every - 1, len(ends), every)
    for index in shown:
        axes.axvline(ends[index], color="grey", linewidth=0.5, linestyle=":")
    top = axes.secondary_xaxis("top")
    top.set_xticks([ends[index] for index in shown], [str(index + 1) for index in shown])
    top.set_xlabel(label)


def draw_confusion_matrix(
    path: Path,
    counts: Sequence[Sequence[int]],
    classes: Sequence[str],
    accuracy: float,
    texts: Texts,
    split: str = "test",
) -> None:
    """Draws the images of that split by true and predicted class. 150 dpi.

    counts[true][predicted]. A cell's shade is its share of the true class. With up to MOST_COUNTED classes it has its
    count, with up to MOST_NAMED the classes have their names, else their numbers from 0. accuracy: 0 to 1.
    """
    use_fonts()
    numbered = len(classes) <= MOST_COUNTED
    # Whole pixels a class, at least 1, and about 12 inches for many classes.
    side = max(5, 0.55 * len(classes)) if numbered else len(classes) * max(1, round(1800 / len(classes))) / 150
    figure = pyplot.figure(figsize=(side, side))
    axes = figure.add_axes((0, 0, 1, 1))  # names and titles are outside of it, and the file is cut to what there is
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    norm = Normalize(0, 1) if numbered else PowerNorm(0.5, 0, 1)  # few of many images are confused with one class
    image = axes.imshow(shares, cmap="Blues", norm=norm, interpolation="nearest")
    figure.colorbar(image, cax=figure.add_axes((1.03, 0, 0.03, 1)))
    size = 10 if numbered else min(10.0, 0.8 * 72 * side / len(classes))
    if len(classes) <= MOST_NAMED:
        names = [shorten(make_printable(name), MOST_NAME).replace("$", r"\$") for name in classes]
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(names)), names, fontsize=size)
    large = max(10, 1.2 * side)
    axes.set_xlabel(texts.predicted_class, fontsize=large)
    axes.set_ylabel(texts.true_class, fontsize=large)
    axes.set_title(texts.confusion_titles[split].format(100 * accuracy), fontsize=1.2 * large)
    if numbered:
        for row, line in enumerate(counts):
            for column, count in enumerate(line):
                colour = "white" if shares[row][column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    figure.savefig(path, dpi=150, bbox_inches="tight", pad_inches=0.15)
    pyplot.close(figure)
