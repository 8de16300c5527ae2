"""Draws the pictures of a run from its numbers, without torch and without a display."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import font_manager, pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from alexnet.errors import make_printable
from alexnet.runs.texts import Texts, find_chinese_font


def use_fonts() -> None:
    """Sets matplotlib's own font for Latin, and for Chinese the font of zhplot. No system font is needed.

    A character that neither has, such as an emoji, is drawn as a box, without matplotlib's warning.
    """
    # At the end: whoever turns warnings into errors, as the tests do, still gets this one.
    warnings.filterwarnings("ignore", r"Glyph .* missing from", append=True)
    font_manager.fontManager.addfont(find_chinese_font())
    matplotlib.rcParams["font.family"] = ["DejaVu Sans", "Noto Sans SC"]


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

    10 x 5 inches at 300 dpi. windows, epochs: the rows of losses.csv and epochs.csv. chosen: the epoch that validation
    chose. model: the name of the network's class. log_every: batches in a window.
    """
    use_fonts()
    changes = len({window["learning_rate"] for window in windows}) > 1
    figure, places = pyplot.subplots(
        1 + changes, figsize=(10, 5), sharex=True, height_ratios=[4, 1][: 1 + changes], squeeze=False
    )
    axes, lowest = places[0, 0], places[-1, 0]
    steps = [window["step"] / log_every for window in windows]
    marker = "." if len(windows) < 50 else None
    axes.plot(steps, [window["loss"] for window in windows], label=texts.training_loss, marker=marker)
    _draw_validation(axes, epochs, chosen, log_every, texts)
    axes.set_ylabel(texts.curve_y)
    axes.set_title(texts.curve_title.format(texts.models.get(model, model)))
    axes.legend()
    axes.grid(True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _mark_epochs(axes, [epoch["step"] / log_every for epoch in epochs], texts.epoch)
    if changes:
        lowest.plot(steps, [window["learning_rate"] for window in windows], color="grey")
        lowest.set_ylabel(texts.curve_rate)
        lowest.grid(True)
    lowest.set_xlabel(texts.curve_x.format(log_every))
    figure.tight_layout()
    figure.savefig(path, dpi=300)
    pyplot.close(figure)


def _draw_validation(axes: Axes, epochs: Sequence[Row], chosen: int | None, log_every: int, texts: Texts) -> None:
    """Draws the validation loss at the end of each epoch, if there is one, with a star at the chosen epoch."""
    validated = [epoch for epoch in epochs if epoch.get("validation_loss") is not None]
    if not validated:
        return
    ends = [epoch["step"] / log_every for epoch in validated]
    axes.plot(ends, [epoch["validation_loss"] for epoch in validated], label=texts.validation_loss, marker="o", ms=4)
    for end, epoch in zip(ends, validated, strict=True):
        if epoch["epoch"] == chosen:
            label = texts.chosen.format(chosen)
            axes.plot(end, epoch["validation_loss"], "*", color="black", ms=12, label=label, zorder=3)


def _mark_epochs(axes: Axes, ends: Sequence[float], label: str) -> None:
    """Draws a thin line at the end of each epoch, and the numbers of the epochs along the top."""
    if not ends:
        return
    for end in ends:
        axes.axvline(end, color="grey", linewidth=0.5, linestyle=":")
    every = -(-len(ends) // 15)
    shown = range(every - 1, len(ends), every)
    top = axes.secondary_xaxis("top")
    top.set_xticks([ends[index] for index in shown], [str(index + 1) for index in shown])
    top.set_xlabel(label)


def draw_confusion_matrix(
    path: Path, counts: Sequence[Sequence[int]], classes: Sequence[str], accuracy: float, texts: Texts
) -> None:
    """Draws the test images by true and predicted class. 150 dpi.

    counts[true][predicted]. A cell's shade is its share of the true class. With up to 20 classes, it has its count.
    accuracy: 0 to 1.
    """
    use_fonts()
    classes = [escape_dollars(make_printable(name)) for name in classes]
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    numbered = len(classes) <= 20
    side = max(6, 0.55 * len(classes)) if numbered else 12
    figure, axes = pyplot.subplots(figsize=(side + 1, side))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, fraction=0.046)
    size = None if numbered else max(2, 400 / len(classes))
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=size)
    axes.set_yticks(range(len(classes)), classes, fontsize=size)
    axes.set_xlabel(texts.predicted_class)
    axes.set_ylabel(texts.true_class)
    axes.set_title(texts.confusion_title.format(100 * accuracy))
    if numbered:
        for row, line in enumerate(counts):
            for column, count in enumerate(line):
                colour = "white" if shares[row][column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def escape_dollars(text: str) -> str:
    """The text as matplotlib must get it: it would set a text between two dollar signs as mathematics."""
    return text.replace("$", r"\$")
