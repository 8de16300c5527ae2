"""Chooses how the lines of a picture are told apart, and the numbers on its axes."""

from collections.abc import Sequence
from math import floor, log, log10
from statistics import median
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from alexnet.comparison.placing import Key
from alexnet.comparison.records import is_usable

MOST_COLOURS = 8  # of lines that have a name in a legend
BEST = 5  # lines that are coloured if there are more than MOST_COLOURS
GREY = "#c4c4c4"
CURVE_COLOURS = [f"C{number}" for number in (0, 1, 2, 3, 4, 5, 6, 9)]
PANEL_COLOURS = [matplotlib.colormaps["Dark2"](number) for number in range(8)]  # others: they mean something else
SMALLEST = 1e-100  # of the swept values that are drawn, except 0
SCALE = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0, 0.86, 256)))  # without its yellow


class Style(NamedTuple):
    """How a line is drawn. A line in the background is grey and has no name."""

    colour: Any
    is_front: bool = True


def choose_styles(
    names: Sequence[str], ranks: Sequence[int], numbers: Sequence[Any], colours: Sequence[Any], others: str
) -> tuple[list[Style], Key]:
    """Numbers have a scale of colours, with a colour bar if they are many. Of many words, only the best have a colour.

    numbers: of each line, if that is all that the lines differ in. others: the text for the rest. ranks: 0 for the
    best line. A single line needs no explanation.
    """
    if len(names) < 2:
        return [Style(colour) for _, colour in zip(names, colours, strict=False)], Key()
    if numbers and all(isinstance(number, int | float) and is_drawable(number) for number in numbers):
        return _choose_scale(names, [float(number) for number in numbers])
    shown = BEST if len(names) > MOST_COLOURS else len(names)
    palette = iter(colours)
    found = {rank: Style(next(palette)) for rank in sorted(ranks)[:shown]}
    styles = [found.get(rank, Style(GREY, is_front=False)) for rank in ranks]
    front = sorted(zip(ranks, names, strict=True))[:shown]
    handles = [_make_handle(found[rank].colour) for rank, _ in front]
    named = [name for _, name in front]
    if len(names) > shown:
        handles.append(_make_handle(GREY))
        named.append(others.format(len(names) - shown))
    return styles, Key(handles, named)


def _choose_scale(names: Sequence[str], numbers: Sequence[float]) -> tuple[list[Style], Key]:
    if len(names) > MOST_COLOURS:
        norm = (LogNorm if is_logarithmic(numbers) else Normalize)(min(numbers), max(numbers))
        mappable = ScalarMappable(norm, SCALE)
        rgba: Any = mappable.to_rgba
        ticks = list_ticks(numbers) or MaxNLocator(5).tick_values(min(numbers), max(numbers))
        within = [tick for tick in ticks if min(numbers) <= tick <= max(numbers)]
        return [Style(rgba(number)) for number in numbers], Key(colours=mappable, ticks=within)
    order = sorted(set(numbers))
    styles = [Style(SCALE(order.index(number) / max(len(order) - 1, 1))) for number in numbers]
    in_order = sorted(range(len(names)), key=lambda index: numbers[index])
    return styles, Key([_make_handle(styles[index].colour) for index in in_order], [names[index] for index in in_order])


def _make_handle(colour: Any) -> Line2D:
    return Line2D([], [], color=colour, linewidth=1.8)


def is_drawable(number: float) -> bool:
    """Whether any scale can show it. matplotlib can't draw an int above 64 bits, so it becomes a float."""
    return number == 0 or (is_usable(number) and abs(number) > SMALLEST)


def is_logarithmic(values: Sequence[float]) -> bool:
    """Whether the values are spread more evenly on a logarithmic scale."""
    low, high = min(values), max(values)
    if low <= 0 or high < 8 * low:
        return False
    middle = median(set(values))
    off = abs((middle - low) / (high - low) - 0.5)
    return len(set(values)) < 3 or abs(log(middle / low) / log(high / low) - 0.5) <= off


def list_ticks(values: Sequence[float]) -> list[float]:
    """The numbers for an axis: the values themselves if they are few, else round ones among them.

    None for a linear axis, which finds its own.
    """
    ticks = sorted(set(values))
    if len(ticks) <= MOST_COLOURS:
        return ticks
    if not is_logarithmic(values):
        return []
    low, high = floor(log10(ticks[0])), floor(log10(ticks[-1]))
    parts = (1,) if high - low > 2 else (1, 2, 5)
    found = [part * 10.0**power for power in range(low, high + 1) for part in parts]
    return [tick for tick in found if ticks[0] <= tick <= ticks[-1]]
