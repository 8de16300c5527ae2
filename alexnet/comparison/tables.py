"""Formats a comparison as text, Markdown, CSV or JSON."""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from alexnet.comparison.compare import Comparison
from alexnet.comparison.configurations import Configuration
from alexnet.comparison.groups import Group
from alexnet.comparison.metrics import METRICS, is_share
from alexnet.comparison.notes import write_notes
from alexnet.comparison.records import Record, format_value
from alexnet.comparison.spread import Spread
from alexnet.comparison.verdicts import judge
from alexnet.errors import UNPRINTABLE, make_printable


def describe(form: str, groups: Sequence[Group]) -> str:
    """The whole comparison. form: text, markdown, csv or json."""
    if form == "csv":
        return "\n\n".join(format_csv(*list_numbers(group.comparison)) for group in groups)
    if form == "json":
        every = [{"group": group.name, **list_everything(group.comparison)} for group in groups]
        return format_json(every if len(groups) > 1 else every[0])
    described = [_describe_group(form, group.comparison) for group in groups]
    if len(groups) == 1:
        return described[0]
    return "\n\n".join(f"{group.name}\n\n{text}" for group, text in zip(groups, described, strict=True))


def _describe_group(form: str, comparison: Comparison) -> str:
    table, notes = render(form, list_headers(comparison), list_rows(comparison)), write_notes(comparison)
    lines = "\n".join(f"- {escape_markdown(note)}" if form == "markdown" else note for note in notes)
    return f"{table}\n\n{lines}" if lines else table


def render(form: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Any table. form: text, markdown, csv or json."""
    if form == "csv":
        return format_csv(headers, rows)
    if form == "json":
        return format_json([dict(zip(headers, row, strict=True)) for row in rows])
    if form == "markdown":
        return format_markdown(headers, rows)
    return format_text(headers, rows)


def format_text(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # The headers are given as a row, because tabulate makes the columns of headers wider.
    return tabulate([headers, *rows], tablefmt="plain", disable_numparse=True, preserve_whitespace=True)


def format_markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    headers, *rows = (list(map(escape_markdown, row)) for row in (headers, *rows))
    return tabulate(rows, headers, "github", disable_numparse=True, preserve_whitespace=True)


def escape_markdown(text: str) -> str:
    """The text as Markdown shows it: no cell ends in it, and it becomes no code, link, picture or HTML."""
    return re.sub(r"[\\`*|]|\](?=[(\[])|^\[(?=.*\]:)", r"\\\g<0>", text).replace("<", "&lt;")


def format_json(content: Any) -> str:
    """Every text in full. What could control a terminal is escaped as JSON allows."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    return UNPRINTABLE.sub(lambda found: "\n" if found[0] == "\n" else json.dumps(found[0])[1:-1], text)


def format_csv(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([headers, *rows])
    return file.getvalue().rstrip("\n")


def list_metrics(comparison: Comparison) -> list[str]:
    """The table's metrics, those asked for first."""
    return list(dict.fromkeys([*comparison.metrics, *METRICS]))


def list_headers(comparison: Comparison) -> list[str]:
    first, *others = (f"{metric} %" if is_share(metric) else metric for metric in list_metrics(comparison))
    return [*map(make_printable, comparison.keys), "n", first, "95% interval", *others, "status", "folders"]


def list_rows(comparison: Comparison) -> list[list[str]]:
    """The cells under the headers, a row for each configuration."""
    return [_list_cells(comparison, each) for each in comparison.configurations]


def _list_cells(comparison: Comparison, configuration: Configuration) -> list[str]:
    first, *others = list_metrics(comparison)
    spread = configuration.get_spread(first)
    return [
        *(_format_key(configuration, key) for key in comparison.keys),
        str(0 if spread is None else spread.n),
        _format_mean(spread, first),
        _format_interval(spread, first),
        *(_format_mean(configuration.get_spread(metric), metric) for metric in others),
        make_printable(configuration.status),
        _format_folders(configuration.records),
    ]


def _format_key(configuration: Configuration, key: str) -> str:
    return format_value(configuration.config[key]) if key in configuration.config else "-"


def _format_mean(spread: Spread | None, metric: str) -> str:
    """'93.21 ± 0.15', '93.21' for a single run, '-' for none."""
    if spread is None:
        return "-"
    mean = _format_number(spread.mean, metric)
    return mean if spread.std is None else f"{mean} ± {_format_number(spread.std, metric, 2)}"


def _format_interval(spread: Spread | None, metric: str) -> str:
    if spread is None or spread.low is None or spread.high is None:
        return "-"
    return f"[{_format_number(spread.low, metric)}, {_format_number(spread.high, metric)}]"


def _format_number(amount: float, metric: str, digits: int = 4) -> str:
    """A share in percent. Any other number with that many digits, or with all digits before the point."""
    if is_share(metric):
        return f"{100 * amount:.2f}"
    return f"{amount:.0f}" if abs(amount) >= 10 ** (digits - 1) else f"{amount:.{digits}g}"


def _format_folders(records: Sequence[Record]) -> str:
    """'outputs/2012-09-30/10-00-00/{0,1,2}', as a shell takes it."""
    names = defaultdict(list)
    for record in records:
        names[record.run.folder.parent].append(make_printable(record.run.folder.name))
    return " ".join(
        make_printable(parent / (inside[0] if len(inside) == 1 else f"{{{','.join(inside)}}}"))
        for parent, inside in names.items()
    )


def list_numbers(comparison: Comparison) -> tuple[list[str], list[list[Any]]]:
    """Headers and rows with unrounded numbers, accuracies as shares, and four columns a metric."""
    metrics = list_metrics(comparison)
    parts = ("mean", "std", "low", "high")
    rows = []
    for configuration in comparison.configurations:
        spreads = [configuration.get_spread(metric) for metric in metrics]
        rows.append(
            [
                *(_format_key(configuration, key) for key in comparison.keys),
                0 if spreads[0] is None else spreads[0].n,
                *(getattr(spread, part, None) for spread in spreads for part in parts),
                make_printable(configuration.status),
                _format_folders(configuration.records),
                make_printable("; ".join(f"{record.run.folder}: {why}" for record, why in configuration.left_out)),
            ]
        )
    columns = [metric if part == "mean" else f"{metric}_{part}" for metric in metrics for part in parts]
    return [*map(make_printable, comparison.keys), "n", *columns, "status", "folders", "not_averaged"], rows


def list_everything(comparison: Comparison) -> dict[str, Any]:
    """The comparison in plain values, for other programs."""
    return {
        "metric": comparison.metric,
        "best_of": comparison.best_of,
        "configurations": [_list_configuration(comparison, each) for each in comparison.configurations],
        "differences": [
            {
                "best": comparison.name(verdict.best),
                "other": comparison.name(verdict.other),
                "seeds": verdict.seeds,
                "difference": _list_spread(verdict.difference),
                "distinguishable": verdict.difference is not None and not verdict.difference.contains_zero,
            }
            for verdict in judge(comparison)
        ],
    }


def _list_configuration(comparison: Comparison, configuration: Configuration) -> dict[str, Any]:
    return {
        "name": comparison.name(configuration),
        "config": configuration.config,
        "seeds": list(configuration.repeats),
        "metrics": {metric: _list_spread(configuration.get_spread(metric)) for metric in list_metrics(comparison)},
        "tried": list(configuration.tried),
        "status": configuration.status,
        "folders": [str(record.run.folder) for record in configuration.records],
        "not_averaged": [
            {"folder": str(record.run.folder), "status": record.status, "reason": reason}
            for record, reason in configuration.left_out
        ],
    }


def _list_spread(spread: Spread | None) -> dict[str, Any] | None:
    return None if spread is None else asdict(spread)
