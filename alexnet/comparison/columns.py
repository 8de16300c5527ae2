"""The columns of a comparison's table: which there are, and how their cells read."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import floor, log10
from os.path import commonpath
from pathlib import Path
from typing import NamedTuple

from alexnet.comparison.compare import Comparison
from alexnet.comparison.configurations import Configuration
from alexnet.comparison.metrics import get_bounds, is_share
from alexnet.comparison.records import Record
from alexnet.comparison.spread import Spread
from alexnet.errors import make_printable
from alexnet.messages.console import asked_for, translate
from alexnet.runs.texts import TEXTS


class Column(NamedTuple):
    """A header, and a cell for each configuration."""

    kind: str  # key, n, metric, interval, status or folders
    header: str
    cells: list[str]


def list_columns(comparison: Comparison) -> list[Column]:
    """The keys that differ, n, the metrics, then the status and the folders.

    There is no interval if no configuration has one, and no status if all runs finished.
    """
    configurations, (first, *others) = comparison.configurations, comparison.metrics
    spreads = [each.get_spread(first) for each in configurations]
    columns = [
        Column("key", make_printable(key), [comparison.format_value(each, key) for each in configurations])
        for key in comparison.keys
    ]
    columns.append(Column("n", "n", [str(0 if spread is None else spread.n) for spread in spreads]))
    columns.append(Column("metric", label_metric(first), [format_mean(spread, first) for spread in spreads]))
    if any(spread is not None and spread.low is not None for spread in spreads):
        intervals = [format_interval(spread, first) for spread in spreads]
        columns.append(Column("interval", translate("95% interval"), intervals))
    for name in others:
        cells = [format_mean(each.get_spread(name), name) for each in configurations]
        columns.append(Column("metric", label_metric(name), cells))
    if any(each.status != "finished" for each in configurations):
        columns.append(Column("status", translate("status"), list(map(_format_status, configurations))))
    return [*columns, _list_folders(configurations)]


def _format_status(configuration: Configuration) -> str:
    """How the runs ended; '1 diverged' if the others finished."""
    counts = Counter(record.status for record in configuration.records)
    if len(counts) > 1:
        counts.pop("finished", None)
        return ", ".join(f"{count} {name_status(status)}" for status, count in counts.items())
    return name_status(configuration.status)


def label_metric(metric: str) -> str:
    return f"{name_metric(metric)} %" if is_share(metric) else name_metric(metric)


def name_metric(metric: str) -> str:
    """As it is typed; in Chinese as a picture names it."""
    return TEXTS[asked_for["language"]].metrics.get(metric, make_printable(metric))


def name_status(status: str) -> str:
    names = {
        "unfinished": translate("unfinished"),
        "failed": translate("failed"),
        "diverged": translate("diverged"),
        "interrupted": translate("interrupted"),
        "finished": translate("finished"),
    }
    return names.get(status, make_printable(status))


def format_mean(spread: Spread | None, metric: str) -> str:
    """'93.21 ± 0.15', '93.21' for a single run, '-' for none."""
    if spread is None:
        return "-"
    mean = _format_number(spread.mean, metric)
    return mean if spread.std is None else f"{mean} ± {_format_number(spread.std, metric, 2)}"


def format_interval(spread: Spread | None, metric: str) -> str:
    """'[92.84, 93.58]', 'n too small' if it would cover all that can be, '-' for a single run and none."""
    if spread is None or spread.n < 2:
        return "-"
    interval = spread.get_interval(get_bounds(metric))
    if interval is None:
        return translate("n too small")
    return format_ends(*interval, metric)


def format_ends(low: float, high: float, metric: str, sign: str = "") -> str:
    """'[88.52, 93.48]': both ends with the same decimals, 4 digits of the larger one. sign: "+" is always written."""
    if is_share(metric):
        return f"[{100 * low:{sign}.2f}, {100 * high:{sign}.2f}]"
    largest = max(abs(low), abs(high))
    if not 1e-4 <= largest < 1e15:
        return f"[{low:{sign}.4g}, {high:{sign}.4g}]"
    decimals = max(0, 3 - floor(log10(largest)))
    return f"[{low:{sign}.{decimals}f}, {high:{sign}.{decimals}f}]"


def _format_number(amount: float, metric: str, digits: int = 4) -> str:
    """A share in percent. Any other number with that many digits, or with all digits before the point."""
    if is_share(metric):
        return f"{100 * amount:.2f}"
    return f"{amount:.0f}" if abs(amount) >= 10 ** (digits - 1) else f"{amount:.{digits}g}"


def _list_folders(configurations: Sequence[Configuration]) -> Column:
    """The folders of each configuration. What all paths begin with is in the header."""
    common = find_common_parent([record for each in configurations for record in each.records])
    cells = [format_folders(each.records, common) for each in configurations]
    return Column("folders", label_folders(common), cells)


def label_folders(common: str) -> str:
    inside = translate("folders in {}").format(make_printable(common))
    return inside if common.strip("/") else translate("folders")


def find_common_parent(records: Sequence[Record]) -> str:
    """The folder in which all runs are; "" if there is none."""
    parents = {str(record.run.folder.parent) for record in records}
    return commonpath(parents) if len({path.startswith("/") for path in parents}) == 1 else ""


def format_folders(records: Sequence[Record], inside: str = "") -> str:
    """'outputs/2012-09-30/10-00-00/{0,1,2}', as a shell takes it; inside that folder '0 1 2'."""
    names = defaultdict(list)
    for record in records:
        names[record.run.folder.parent].append(make_printable(record.run.folder.name))
    places = []
    for parent, found in names.items():
        if inside and parent == Path(inside):
            places += found
        else:
            place = parent.relative_to(inside) if inside else parent
            places.append(make_printable(place / (found[0] if len(found) == 1 else f"{{{','.join(found)}}}")))
    return " ".join(places)
