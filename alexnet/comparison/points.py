"""Draws the metric over a swept key: each seed a dot, their mean a circle with its 95% interval."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation, Transform

from alexnet.comparison.panels import Line, Panel, Point
from alexnet.comparison.placing import HEIGHT, ROOM, Cell, Key, break_text
from alexnet.comparison.styles import (
    MOST_COLOURS,
    PANEL_COLOURS,
    Style,
    choose_styles,
    is_logarithmic,
    list_ticks,
)
from alexnet.comparison.wording import Wording

ROW, LINE, NAMES = 0.25, 0.15, 1.8  # inches: height of a row, and of each line more of its name; width of the name
MOST_NARROW = 10  # rows; a panel with more is wider
STEP = 0.14  # inches between the points of two lines at the same place, if there is room


def draw_panel(figure: Figure, panel: Panel, wording: Wording, styles: Mapping[int, Style]) -> Cell:
    """The points of a single line have the colours of their configurations' curves, several lines have their own.

    styles: by the id of the configuration.
    """
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8), label=str(len(figure.axes)))
    columns = 2 if len(panel.words) > MOST_NARROW else 1
    key, names = None, _name_rows(figure, panel, wording, NAMES * columns)
    most_lines = max((name.count("\n") for name in names), default=0)
    height = max(HEIGHT, len(names) * (ROW + LINE * most_lines))
    if len(panel.lines) == 1:
        coloured = [[styles[id(point.configuration)] for point in panel.lines[0].points]]
    else:
        line_styles, key = _style_lines(panel, wording)
        coloured = [[style] * len(line.points) for style, line in zip(line_styles, panel.lines, strict=True)]
    beside_one_another = _count_beside(panel)
    step = _choose_step(panel, height, beside_one_another)
    for line, found, shifts in zip(panel.lines, coloured, _list_shifts(panel), strict=True):
        for shift in sorted({*shifts}):
            moved = [index for index, each in enumerate(shifts) if each == shift]
            part = Line(line.others, [line.points[index] for index in moved])
            _draw_line(axes, panel, part, [found[index] for index in moved], step * shift, step)
    if panel.words:
        _label_rows(axes, panel, wording, names)
        return Cell(axes, height, columns, key=key)
    axes.set_xlabel(wording.name_key(panel.keys[0]))
    axes.set_ylabel(wording.name_metric())
    values = [point.value for line in panel.lines for point in line.points]
    least = min((abs(value) for value in values if value), default=1)
    if is_logarithmic(values):
        axes.set_xscale("log")
    elif max(map(abs, values)) > 100 * least:
        axes.set_xscale("symlog", linthresh=least)
    beside = step * beside_one_another / 2  # inches from a place to the last dot
    axes.margins(x=0.05 + beside / (ROOM - 1 - 2 * beside))
    return Cell(axes, ticks=list_ticks(values), key=key)


def _style_lines(panel: Panel, wording: Wording) -> tuple[list[Style], Key]:
    """The style of each line, and what explains them: values of the only other key, or choices of several."""
    others = list(panel.lines[0].others)
    if len(others) > 1:
        names = [wording.name_choice(line.points[0].configuration, others) for line in panel.lines]
        return choose_styles(names, range(len(names)), [], PANEL_COLOURS, wording.texts.others)
    (only,) = others
    names = [wording.name_value(line.points[0].configuration, only) for line in panel.lines]
    numbers = [line.others[only] for line in panel.lines] if only in wording.comparison.find_swept_keys() else []
    styles, key = choose_styles(names, range(len(names)), numbers, PANEL_COLOURS, wording.texts.others)
    key.title = wording.name_key(only)
    return styles, key


def has_intervals(panel: Panel) -> bool:
    """Whether there are few enough lines to tell their intervals apart."""
    return len(panel.lines) <= MOST_COLOURS


def _count_beside(panel: Panel) -> int:
    """How many points lie at the same place: one of each line, or those of a line for all choices of other keys."""
    if len(panel.lines) > 1:
        return len(panel.lines)
    return max(Counter(point.value for point in panel.lines[0].points).values())


def _list_shifts(panel: Panel) -> list[list[float]]:
    """How many steps each point of each line lies from its place, so that no point covers another."""
    if len(panel.lines) > 1:
        return [[index - (len(panel.lines) - 1) / 2] * len(line.points) for index, line in enumerate(panel.lines)]
    places = defaultdict(list)
    for index, point in enumerate(panel.lines[0].points):
        places[point.value].append(index)
    shifts = [0.0] * len(panel.lines[0].points)
    for found in places.values():
        # Neighbours in the order lie far from one another: the golden ratio scatters them evenly.
        scattered = sorted(range(len(found)), key=lambda number: number * 0.618034 % 1)
        for step, number in enumerate(scattered):
            shifts[found[number]] = step - (len(found) - 1) / 2
    return [shifts]


def _choose_step(panel: Panel, height: float, count: int) -> float:
    """Inches between two of `count` points at the same place. 0 for so many lines that they are only an impression."""
    if not has_intervals(panel):
        return 0.0
    places = len({point.value for line in panel.lines for point in line.points})
    room = height if panel.words else ROOM - 1
    return min(STEP, 0.7 * room / places / count)


def _draw_line(axes: Axes, panel: Panel, line: Line, styles: Sequence[Style], shift: float, step: float) -> None:
    """shift: inches from the place to the mean. Seeds are half a step further."""
    places = [panel.words.index(point.value) if panel.words else point.value for point in line.points]
    means = [point.spread.mean for point in line.points]
    colours = [style.colour for style in styles]
    order = 2.5 if styles[0].is_front else 2
    here, beside = _move(axes, panel, shift), _move(axes, panel, shift + step / 2)
    if panel.connected:
        colour = colours[0] if len(panel.lines) > 1 else "#999999"
        axes.plot(places, means, color=colour, linewidth=1.1, zorder=order - 0.1, transform=here)
    for place, point, colour in zip(places, line.points, colours, strict=True):
        look = {"color": colour, "zorder": order}
        if len(point.seeds) > 1:
            _scatter(axes, panel, [place] * len(point.seeds), point.seeds, s=7, linewidths=0, transform=beside, **look)
        if has_intervals(panel) and point.spread.low is not None and point.spread.high is not None:
            ends = [point.spread.low, point.spread.high]
            axes.plot(*_turn(panel, [place, place], ends), linewidth=1.2, transform=here, **look)
            _include(axes, panel, [place, place], ends)
    _scatter(
        axes,
        panel,
        places,
        means,
        s=26,
        c=colours,
        zorder=order + 0.1,
        edgecolors="white",
        linewidths=0.6,
        transform=here,
    )
    _include(axes, panel, places, means)


def _move(axes: Axes, panel: Panel, shift: float) -> Transform:
    """Where the data lie, moved to the right, or down in rows."""
    x, y = (0.0, -shift) if panel.words else (shift, 0.0)
    return axes.transData + ScaledTranslation(x, y, axes.figure.dpi_scale_trans)


def _turn(panel: Panel, places: Sequence[float], amounts: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Horizontal and vertical: rows lie from top to bottom, numbers from left to right."""
    return (amounts, places) if panel.words else (places, amounts)


def _scatter(axes: Axes, panel: Panel, places: Sequence[float], amounts: Sequence[float], **look: Any) -> None:
    axes.scatter(*_turn(panel, places, amounts), **look)
    _include(axes, panel, places, amounts)


def _include(axes: Axes, panel: Panel, places: Sequence[float], amounts: Sequence[float]) -> None:
    """Makes the axes long enough. matplotlib doesn't for what is moved."""
    axes.update_datalim(list(zip(*_turn(panel, places, amounts), strict=True)))
    axes.autoscale_view()


def _name_rows(figure: Figure, panel: Panel, wording: Wording, room: float) -> list[str]:
    """The rows' names, in lines."""
    names = {}
    for point in (point for line in panel.lines for point in line.points):
        names[point.value] = _name_row(point, panel, wording)
    return [break_text(figure, names[word], room) for word in panel.words]


def _name_row(point: Point, panel: Panel, wording: Wording) -> str:
    if len(panel.keys) > 1:
        return wording.name_configuration(point.configuration)
    return wording.name_value(point.configuration, panel.keys[0])


def _label_rows(axes: Axes, panel: Panel, wording: Wording, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(wording.name_metric())
    parts = [wording.name_key(panel.keys[0])] if len(panel.keys) == 1 else []
    if panel.left_out:
        parts.append(wording.texts.best_rows.format(len(panel.words), len(panel.words) + panel.left_out))
    axes.set_ylabel(", ".join(parts))
