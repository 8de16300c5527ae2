"""Draws the pictures of a run from its numbers, without torch and without a display."""

import warnings
from collections.abc import Sequence
from pathlib import Path

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


def draw_training_curve(
    path: Path, losses: Sequence[float], epoch_ends: Sequence[int], model: str, log_every: int, texts: Texts
) -> None:
    """Draws one point per window. 10 x 5 inches at 300 dpi.

    losses: the mean loss of each window. epoch_ends: for each epoch, the number of windows up to its end. model: the
    name of its class. log_every: batches in a window.
    """
    use_fonts()
    figure, axes = pyplot.subplots(figsize=(10, 5))
    axes.plot(losses, label=texts.curve_label, marker="." if len(losses) < 50 else None)
    axes.set_xlabel(texts.curve_x.format(log_every))
    axes.set_ylabel(texts.curve_y)
    axes.set_title(texts.curve_title.format(texts.models.get(model, model)))
    axes.legend()
    axes.grid(True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _mark_epochs(axes, epoch_ends, texts.epoch)
    figure.tight_layout()
    figure.savefig(path, dpi=300)
    pyplot.close(figure)


def _mark_epochs(axes: Axes, epoch_ends: Sequence[int], label: str) -> None:
    """Draws a thin line at the end of each epoch, and the numbers of the epochs along the top."""
    if not epoch_ends:
        return
    for end in epoch_ends:
        axes.axvline(end - 0.5, color="grey", linewidth=0.5, linestyle=":")
    every = -(-len(epoch_ends) // 15)
    shown = range(every - 1, len(epoch_ends), every)
    top = axes.secondary_xaxis("top")
    top.set_xticks([epoch_ends[index] - 0.5 for index in shown], [str(index + 1) for index in shown])
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
