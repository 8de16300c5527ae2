"""The pictures of a run, drawn from its numbers. No torch here, and no display needed."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import font_manager, pyplot
from matplotlib.ticker import MaxNLocator

from alexnet.runs.texts import Texts


def chinese_font() -> Path:
    """Noto Sans SC, as zhplot ships it."""
    # zhplot is looked up, not imported: its import would change every figure's font.
    return Path(find_spec("zhplot").origin).parent / "fonts" / "NotoSansSC-Regular.ttf"


def use_fonts() -> None:
    """Latin from matplotlib's own font, Chinese from the one that zhplot ships: no system font is needed."""
    font_manager.fontManager.addfont(chinese_font())
    matplotlib.rcParams["font.family"] = ["DejaVu Sans", "Noto Sans SC"]


def training_curve(
    path: Path, losses: Sequence[float], epoch_ends: Sequence[int], model: str, log_every: int, texts: Texts
) -> None:
    """One point a window, 10 x 5 inches at 300 dpi.

    losses: mean loss of each window; epoch_ends: for each epoch the number of windows up to its end.
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


def _mark_epochs(axes, epoch_ends: Sequence[int], label: str) -> None:
    """A thin line where each epoch ends, and the epochs' numbers along the top."""
    if not epoch_ends:
        return
    for end in epoch_ends:
        axes.axvline(end - 0.5, color="grey", linewidth=0.5, linestyle=":")
    every = -(-len(epoch_ends) // 15)
    shown = range(every - 1, len(epoch_ends), every)
    top = axes.secondary_xaxis("top")
    top.set_xticks([epoch_ends[index] - 0.5 for index in shown], [str(index + 1) for index in shown])
    top.set_xlabel(label)


def confusion_matrix(
    path: Path, counts: Sequence[Sequence[int]], classes: Sequence[str], accuracy: float, texts: Texts
) -> None:
    """counts[true][predicted]: shades are shares of the true class; numbers where there is room for them."""
    use_fonts()
    classes = [_literal(name) for name in classes]
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


def comparison(
    path: Path,
    curves: Sequence[tuple[str, Sequence[float], Any, Any]],
    sweeps: dict[str, Sequence[tuple[str, Sequence[float], Sequence[float], Sequence[float]]]],
    metric: str,
    texts: Texts,
    level: float | None = None,
) -> None:
    """Learning curves over one another, and beside them a metric over each swept number. 150 dpi.

    curves: name, epochs (W,), mean loss (W,), its standard deviation over seeds (W,) or None. level: they are of the
    training error in percent instead, and a line is drawn here, as in Figure 1 of Krizhevsky et al. 2012.
    sweeps: by key, lines of name, values (N,), means (N,), half the 95% intervals (N,), NaN for a single run. Values
    that are words have a place each, and no line between them.
    metric: as the axis is to call it.
    """
    use_fonts()
    figure, panels = pyplot.subplots(1, 1 + len(sweeps), figsize=(8 + 6 * len(sweeps), 5.5), squeeze=False)
    _curves(panels[0][0], curves, texts.curve_label if level is None else texts.training_error)
    if level is not None:
        panels[0][0].axhline(level, color="black", linewidth=0.8, linestyle="--")
        panels[0][0].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0][0].set_xlabel(texts.epoch)
    for axes, (key, lines) in zip(panels[0][1:], sweeps.items(), strict=True):
        _over_key(axes, key, lines)
        axes.set_ylabel(_literal(metric))
    for axes in panels[0]:
        axes.grid(True, alpha=0.4)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _curves(axes, curves: Sequence[tuple[str, Any, Any, Any]], label: str) -> None:
    colours = pyplot.get_cmap("tab10") if len(curves) <= 10 else pyplot.get_cmap("turbo", len(curves))
    for index, (name, epochs, mean, std) in enumerate(curves):
        axes.plot(epochs, mean, color=colours(index), label=_literal(name), marker="." if len(epochs) < 20 else None)
        if std is not None:
            axes.fill_between(epochs, mean - std, mean + std, color=colours(index), alpha=0.2, linewidth=0)
    axes.set_ylabel(label)


def _over_key(axes, key: str, lines: Sequence[tuple[str, Any, Any, Any]]) -> None:
    """One line for each setting of the other keys, on a logarithmic axis; 0 has its place on it too."""
    values = [value for _, values, _, _ in lines for value in values]
    words = isinstance(values[0], str)
    for name, places, means, halves in lines:
        places = list(map(_literal, places)) if words else places
        line = "none" if words else "-"
        axes.errorbar(places, means, yerr=halves, marker="o", capsize=3, linestyle=line, label=_literal(name) or None)
    axes.set_xlabel(_literal(key))
    if words:
        axes.margins(x=0.5 / len(values))
        axes.tick_params("x", labelrotation=0 if len(values) < 5 else 30, labelsize=8)
        return
    if min(values) > 0:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=min((abs(value) for value in values if value), default=1))
    if len(set(values)) <= 8:
        axes.set_xticks(sorted(set(values)), [f"{value:g}" for value in sorted(set(values))])
        axes.minorticks_off()


def _literal(text: str) -> str:
    """matplotlib would set what stands between two dollars as mathematics."""
    return text.replace("$", r"\$")
