"""Draws the metric over one key as lines: a line for each choice of the other keys, with its interval."""

from collections import defaultdict
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alexnet.comparison.compare import Comparison
from alexnet.comparison.panels import Point, make_point
from alexnet.comparison.placing import Cell, Key, Row
from alexnet.comparison.records import format_value
from alexnet.comparison.styles import MOST_COLOURS, PANEL_COLOURS
from alexnet.comparison.wording import Wording
from alexnet.errors import Mistake, nearest
from alexnet.runs.folder import natural_sort_key

BESIDE = 0.06  # of the distance of two values, between the bars of two lines


def draw_over(figure: Figure, wording: Wording, key: str) -> Row:
    """The lines over the values of the key, which lie side by side. Where the key is null, a line goes all across.

    Raises Mistake if the configurations don't differ in that key, or have more lines than colours.
    """
    lines, levels = _list_lines(wording.comparison, key)
    if len(lines) + len(levels) > MOST_COLOURS:
        raise Mistake(
            f"--over {key}: {len(lines) + len(levels)} lines, one for each choice of the other keys, are more than the "
            f"{MOST_COLOURS} that can be told apart: leave some out with --where KEY=VALUE."
        )
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8), label=str(len(figure.axes)))
    values = sorted({point.value for line in lines for point in line}, key=_sort_value)
    handles, names = [], []
    for number, line in enumerate([*lines, *levels]):
        colour = PANEL_COLOURS[number]
        if number < len(lines):
            shift = BESIDE * (number - (len(lines) - 1) / 2)
            _draw_line(axes, sorted(line, key=lambda point: values.index(point.value)), values, shift, colour)
        else:
            _draw_level(axes, line[0], colour)
        others = [other for other in wording.comparison.keys if other != key]
        handles.append(Line2D([], [], color=colour, linestyle="-" if number < len(lines) else "--", linewidth=1.6))
        names.append(wording.name_choice(line[0].configuration, others) or wording.name_key(key))
    axes.set_xticks(range(len(values)), [format_value(value) for value in values])
    axes.set_xlim(-0.4, len(values) - 0.6)
    axes.set_xlabel(wording.name_key(key))
    axes.set_ylabel(wording.name_metric())
    return Row([Cell(axes, height=3.2, columns=2)], key=Key(handles, names), note=_write_note(wording))


def _list_lines(comparison: Comparison, key: str) -> tuple[list[list[Point]], list[list[Point]]]:
    """The points of each choice of the other keys, and those for which the key is null, each by itself."""
    if key not in comparison.keys:
        raise Mistake(f"--over {key}: not a key that tells these runs apart{nearest(key, comparison.keys)}")
    others = [other for other in comparison.keys if other != key]
    lines: dict[tuple, list[Point]] = defaultdict(list)
    levels = []
    for each in comparison.configurations:
        if each.get_spread(comparison.metric) is None:
            continue
        point = make_point(comparison, each, each.config.get(key))
        if point.value is None:
            levels.append([point])
        else:
            lines[tuple(each.config.get(other) for other in others)].append(point)
    if not lines:
        raise Mistake(f"--over {key}: no finished run has both {key} and {comparison.metric}.")
    in_order = sorted(lines, key=lambda choice: [natural_sort_key(format_value(value)) for value in choice])
    return [lines[choice] for choice in in_order], levels


def _sort_value(value: Any) -> tuple:
    """Numbers by size, then words, such as conv5, conv10, fc6."""
    is_number = type(value) in (int, float)
    return (0, value, []) if is_number else (1, 0, natural_sort_key(format_value(value)))


def _draw_line(axes: Axes, points: list[Point], values: list[Any], shift: float, colour: Any) -> None:
    places = [values.index(point.value) + shift for point in points]
    axes.plot(places, [point.spread.mean for point in points], color=colour, linewidth=1.4, marker="o", ms=4.5)
    for place, point in zip(places, points, strict=True):
        if len(point.seeds) > 1:
            axes.scatter([place] * len(point.seeds), point.seeds, s=7, color=colour, alpha=0.6, linewidths=0)
        if point.spread.low is not None and point.spread.high is not None:
            axes.plot([place, place], [point.spread.low, point.spread.high], color=colour, linewidth=1)


def _draw_level(axes: Axes, point: Point, colour: Any) -> None:
    axes.axhline(point.spread.mean, color=colour, linewidth=1.4, linestyle="--")
    if point.spread.low is not None and point.spread.high is not None:
        axes.axhspan(point.spread.low, point.spread.high, color=colour, alpha=0.12, linewidth=0)


def _write_note(wording: Wording) -> str:
    texts, counts = wording.texts, {len(each.repeats) for each in wording.comparison.configurations if each.repeats}
    notes = [texts.points_note, texts.interval_note] if max(counts, default=0) > 1 else []
    return " ".join([*notes, *([texts.seeds_note.format(*counts)] if len(counts) == 1 else [])])
