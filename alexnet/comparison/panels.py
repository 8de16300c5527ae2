"""Sets out the metric over each swept key: a panel a key, a line for each choice of the other keys."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from alexnet.comparison.compare import Comparison, rank_by_metric
from alexnet.comparison.configurations import Configuration
from alexnet.comparison.metrics import get_bounds, is_share
from alexnet.comparison.records import format_value
from alexnet.comparison.spread import Spread
from alexnet.comparison.styles import is_drawable

MOST_PANELS = 6
MOST_ROWS = 24  # of words in a panel


class Point(NamedTuple):
    """A configuration: its value of the key, and the metric of each seed. Shares are in percent."""

    configuration: Configuration
    value: Any  # a float, or a word
    seeds: list[float]
    spread: Spread


class Line(NamedTuple):
    """The points of one choice of the other keys, by value."""

    others: dict[str, Any]  # that choice; empty if the line has all points
    points: list[Point]


class Panel(NamedTuple):
    """keys: the swept key, or all keys if each configuration has a row of its own."""

    keys: list[str]
    words: list[str]  # the rows, the best first; none if the values are numbers
    lines: list[Line]  # by the only other key if that is a number, else the best first
    connected: bool  # whether the points of a line differ in nothing but the key, and the key is a number
    left_out: int = 0  # rows beyond MOST_ROWS


def list_panels(comparison: Comparison) -> list[Panel]:
    """The panels of the first MOST_PANELS keys, or one with a row for each configuration if no number was swept."""
    measured = [each for each in comparison.configurations if each.get_spread(comparison.metric) is not None]
    measured.sort(key=lambda each: rank_by_metric(each, comparison.metric))
    numbers = comparison.find_swept_keys()
    if not numbers:
        points = [make_point(comparison, each, comparison.name(each)) for each in measured]
        panels = [_make_rows(comparison.keys, [Line({}, points)], [point.value for point in points])]
    else:
        panels = [_sweep(comparison, measured, key, key in numbers) for key in comparison.keys]
    return [panel for panel in panels if _count_places(panel) > 1][:MOST_PANELS]


def make_point(comparison: Comparison, configuration: Configuration, value: Any) -> Point:
    """Raises ValueError if no run of the configuration has the metric."""
    scale = 100 if is_share(comparison.metric) else 1
    seeds = [float(scale * seed) for seed in configuration.get_values(comparison.metric).values()]
    spread = configuration.get_spread(comparison.metric)
    if spread is None:
        raise ValueError(f"no run has {comparison.metric}")
    interval = spread.get_interval(get_bounds(comparison.metric))
    low, high = (None, None) if interval is None else (float(scale * end) for end in interval)
    return Point(configuration, value, seeds, Spread(spread.n, float(scale * spread.mean), spread.std, low, high))


def _sweep(comparison: Comparison, measured: Sequence[Configuration], key: str, is_number: bool) -> Panel:
    others = [other for other in comparison.keys if other != key]
    lines: dict[tuple, list[Point]] = defaultdict(list)
    for each in measured:
        value: Any = each.config.get(key)
        if is_number and (value is None or not is_drawable(value)):
            continue
        place: Any = float(value) if is_number else format_value(value)
        choice = tuple(each.config.get(other) for other in others)
        lines[choice].append(make_point(comparison, each, place))
    found = [Line(dict(zip(others, choice, strict=True)), points) for choice, points in lines.items()]
    count = sum(len(line.points) for line in found)
    if 2 * len(found) > count or len(found) == 1:  # as in a random search: no two configurations agree in the others
        found = [Line({}, [point for line in found for point in line.points])]
    if len(others) == 1 and others[0] in comparison.find_swept_keys() and len(found) > 1:
        found.sort(key=lambda line: (line.others[others[0]] is None, line.others[others[0]] or 0))
    if not is_number:
        return _make_rows([key], found, [format_value(each.config.get(key)) for each in measured])
    lines_by_value = [Line(line.others, sorted(line.points, key=lambda point: point.value)) for line in found]
    # In a random search hardly two trials have the same value, so what joins them isn't the effect of the key.
    are_compared = len(found) > 1 and 2 * len({point.value for line in found for point in line.points}) <= count
    return Panel([key], [], lines_by_value, connected=len(lines) == 1 or are_compared)


def _make_rows(keys: list[str], lines: Sequence[Line], words: Iterable[str]) -> Panel:
    """The first MOST_ROWS of the words."""
    words = list(dict.fromkeys(words))
    kept = words[:MOST_ROWS]
    cut = [Line(line.others, [point for point in line.points if point.value in kept]) for line in lines]
    return Panel(keys, kept, [line for line in cut if line.points], connected=False, left_out=len(words) - len(kept))


def _count_places(panel: Panel) -> int:
    return len({point.value for line in panel.lines for point in line.points})
