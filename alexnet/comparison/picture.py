"""Draws a comparison: the learning curves, and next to them the metric over the swept keys."""

from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from alexnet.comparison.compare import Comparison
from alexnet.comparison.configurations import Configuration
from alexnet.comparison.curves import (
    MOST_CURVES,
    choose_curves,
    choose_texts,
    get_level,
    label_curve,
    list_curves,
    name_curve,
)
from alexnet.comparison.groups import Group
from alexnet.comparison.metrics import is_share
from alexnet.comparison.records import format_value, is_usable
from alexnet.comparison.spread import Spread
from alexnet.errors import Mistake, make_printable
from alexnet.runs.plots import escape_dollars, use_fonts

PICTURES = (".png", ".pdf", ".svg")
SMALLEST = 1e-100  # of the swept values that are drawn, except 0


class Line(NamedTuple):
    """The metric over the values of a key, with its 95% intervals: lists of length N."""

    name: str
    values: list[Any]  # floats, or words
    means: list[float]
    reach: tuple[list[float], list[float]]  # of each interval, below and above the mean; NaN for a single run


def draw(groups: Sequence[Group], path: str | Path) -> None:
    """Draws a row for each group: the learning curves, and a panel for each of the first three swept keys. 150 dpi.

    Raises Mistake if the file's ending is not a picture's, or if the file can't be written.
    """
    path = Path(path)
    if path.suffix.lower() not in PICTURES:
        raise Mistake(f"--plot {path}: the name must end in {' or '.join(PICTURES)}: --plot curves.png.")
    use_fonts()
    wide = max(len(list_panels(group.comparison)) for group in groups)
    size = (8 + 6 * wide, 5.5 * len(groups))
    figure, rows = pyplot.subplots(len(groups), 1 + wide, figsize=size, squeeze=False)
    for places, group in zip(rows, groups, strict=True):
        _draw_group(places, group.comparison)
        if len(groups) > 1:
            places[0].set_title(escape_dollars(group.name))
    figure.tight_layout()
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise Mistake(
            f"--plot {path} can't be written: {error.strerror}. Name a file in an existing folder."
        ) from error
    finally:
        pyplot.close(figure)


def _draw_group(places: Sequence[Axes], comparison: Comparison) -> None:
    panels = list_panels(comparison)
    texts = choose_texts(comparison)
    metric = texts.metrics.get(comparison.metric, comparison.metric) + (" %" if is_share(comparison.metric) else "")
    _draw_curves(places[0], comparison)
    places[0].set_xlabel(texts.epoch)
    for axes, (key, lines) in zip(places[1:], panels.items(), strict=False):
        _draw_panel(axes, key, lines)
        axes.set_ylabel(escape_dollars(make_printable(metric)))
    for axes in places[1 + len(panels) :]:
        axes.set_visible(False)
    for axes in places:
        axes.grid(True, alpha=0.4)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8)


def list_panels(comparison: Comparison) -> dict[str, list[Line]]:
    """What is drawn next to the curves: the lines of each panel, by the panel's key.

    If no number was swept, there is one panel with a point for each configuration.
    """
    scale = 100 if is_share(comparison.metric) else 1
    panels = {}
    for key in comparison.find_swept_keys()[:3]:
        traced = list(comparison.trace(key).items())[:MOST_CURVES]
        lines = [_make_line(name, _keep_drawable(points), scale) for name, points in traced]
        if any(len(line.values) > 1 for line in lines):
            panels[make_printable(key)] = lines
    if panels:
        return panels
    points = []
    for each in comparison.configurations:
        spread = each.get_spread(comparison.metric)
        if spread is not None:
            points.append((_name_point(comparison, each), spread))
    if len(points) < 2:
        return {}
    return {", ".join(map(make_printable, comparison.keys)): [_make_line("", points[:MOST_CURVES], scale)]}


def _keep_drawable(points: Sequence[tuple[float, Spread]]) -> list[tuple[float, Spread]]:
    """The points whose value a logarithmic axis can show, as floats: matplotlib can't draw an int above 64 bits."""
    drawable = [point for point in points if point[0] == 0 or (is_usable(point[0]) and abs(point[0]) > SMALLEST)]
    return [(float(value), spread) for value, spread in drawable]


def _make_line(name: str, points: Sequence[tuple[Any, Spread]], scale: float) -> Line:
    values = [value for value, _ in points]
    means = [float(scale * spread.mean) for _, spread in points]
    below = [nan if spread.low is None else scale * (spread.mean - spread.low) for _, spread in points]
    above = [nan if spread.high is None else scale * (spread.high - spread.mean) for _, spread in points]
    return Line(name, values, means, (below, above))


def _name_point(comparison: Comparison, configuration: Configuration) -> str:
    if len(comparison.keys) == 1:
        return format_value(configuration.config.get(comparison.keys[0]))
    return comparison.name(configuration).replace(", ", "\n")


def _draw_curves(axes: Axes, comparison: Comparison) -> None:
    """The curves with a band of one standard deviation.

    Training errors get a line at the error to reach, as in Figure 1 of Krizhevsky et al. 2012.
    """
    name = next(iter(choose_curves(comparison)), "training_loss")
    curves = list_curves(comparison, name)[:MOST_CURVES]
    colours = pyplot.get_cmap("tab10") if len(curves) <= 10 else pyplot.get_cmap("turbo", len(curves))
    for index, (configuration, (epochs, mean, std)) in enumerate(curves):
        marker = "." if len(epochs) < 20 else None
        axes.plot(
            epochs,
            mean,
            color=colours(index),
            label=escape_dollars(name_curve(comparison, configuration)),
            marker=marker,
        )
        if std is not None:
            axes.fill_between(epochs, mean - std, mean + std, color=colours(index), alpha=0.2, linewidth=0)
    axes.set_ylabel(label_curve(comparison, name))
    level = get_level(comparison)
    if level is not None:
        axes.axhline(level, color="black", linewidth=0.8, linestyle="--")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_panel(axes: Axes, key: str, lines: Sequence[Line]) -> None:
    """One line for each choice of the other keys. Numbers are on a logarithmic axis, which has a place for 0."""
    values = [value for line in lines for value in line.values]
    are_words = isinstance(values[0], str)
    for name, places, means, reach in lines:
        axes.errorbar(
            list(map(escape_dollars, places)) if are_words else places,
            means,
            yerr=reach,
            marker="o",
            capsize=3,
            linestyle="none" if are_words else "-",  # nothing lies between two words
            label=escape_dollars(name) or None,
        )
    axes.set_xlabel(escape_dollars(key))
    if are_words:
        axes.margins(x=0.5 / len(values))
        axes.tick_params("x", labelrotation=0 if len(values) < 5 else 30, labelsize=8)
        return
    if min(values) > 0:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=min((abs(value) for value in values if value), default=1))
    ticks = sorted(set(values))
    if len(ticks) <= 8:
        axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
        axes.minorticks_off()
