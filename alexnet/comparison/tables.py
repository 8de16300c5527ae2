"""A comparison as text, Markdown, CSV or JSON."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from alexnet.comparison.configurations import METRICS, Comparison, Configuration, is_share, reached
from alexnet.comparison.records import Record, format_value, make_printable
from alexnet.comparison.spread import Spread
from alexnet.comparison.verdicts import sentences, verdicts


def render(form: str, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Any table. form: text, markdown, csv or json."""
    return {"text": text, "markdown": markdown, "csv": comma_separated, "json": objects}[form](headers, rows)


def describe(form: str, comparison: Comparison) -> str:
    """The whole comparison. form: text, markdown, csv or json."""
    if form == "csv":
        return comma_separated(*numbers(comparison))
    if form == "json":
        return json.dumps(everything(comparison), indent=2, ensure_ascii=False, default=str)
    table = render(form, headers(comparison), [cells(comparison, each) for each in comparison.configurations])
    bullet = "- " if form == "markdown" else ""
    lines = "\n".join(f"{bullet}{note}" for note in notes(comparison))
    return f"{table}\n\n{lines}" if lines else table


def text(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headers, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|").replace("<", "&lt;") for cell in cells) + " |"

    return "\n".join([line(headers), line(["---"] * len(headers)), *map(line, rows)])


def comma_separated(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([headers, *rows])
    return file.getvalue().rstrip("\n")


def objects(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return json.dumps([dict(zip(headers, row, strict=True)) for row in rows], indent=2, ensure_ascii=False)


def metrics(comparison: Comparison) -> list[str]:
    """The table's metrics, those asked for first."""
    return list(dict.fromkeys([*comparison.metrics, *METRICS]))


def headers(comparison: Comparison) -> list[str]:
    first, *others = map(label, metrics(comparison))
    return [*map(make_printable, comparison.keys), "n", first, "95% interval", *others, "status", "folders"]


def label(metric: str) -> str:
    return f"{metric} %" if is_share(metric) else metric


def cells(comparison: Comparison, configuration: Configuration) -> list[str]:
    """One row of the table, under `headers`."""
    first, *others = metrics(comparison)
    spread = configuration.spread(first)
    return [
        *(value(configuration, key) for key in comparison.keys),
        str(spread.n if spread else 0),
        mean(spread, first),
        interval(spread, first),
        *(mean(configuration.spread(metric), metric) for metric in others),
        make_printable(configuration.status),
        folders(configuration.records),
    ]


def value(configuration: Configuration, key: str) -> str:
    return format_value(configuration.config[key]) if key in configuration.config else "-"


def mean(spread: Spread | None, metric: str) -> str:
    """'93.21 ± 0.15', '93.21' of a single run, '-' of none."""
    if spread is None:
        return "-"
    return number(spread.mean, metric) + ("" if spread.std is None else f" ± {number(spread.std, metric, 2)}")


def interval(spread: Spread | None, metric: str) -> str:
    if spread is None or spread.low is None:
        return "-"
    return f"[{number(spread.low, metric)}, {number(spread.high, metric)}]"


def number(amount: float, metric: str, digits: int = 4) -> str:
    """A share in percent, anything else in that many digits, or all those before the point."""
    if is_share(metric):
        return f"{100 * amount:.2f}"
    return f"{amount:.0f}" if abs(amount) >= 10 ** (digits - 1) else f"{amount:.{digits}g}"


def folders(records: Sequence[Record]) -> str:
    """'outputs/2012-09-30/10-00-00/{0,1,2}', as a shell would take it."""
    names = defaultdict(list)
    for record in records:
        names[record.run.folder.parent].append(make_printable(record.run.folder.name))
    return " ".join(
        make_printable(parent / (inside[0] if len(inside) == 1 else f"{{{','.join(inside)}}}"))
        for parent, inside in names.items()
    )


def notes(comparison: Comparison) -> list[str]:
    """The lines under the table: what is not averaged and why, and what the differences are worth."""
    left_out = [
        make_printable(f"not averaged: {record.run.folder}: {record.status}: {reason}")
        for record, reason in comparison.left_out
    ]
    mixed = [
        f"{comparison.name(each)}: averaged over {name} {', '.join(map(make_printable, values))}; see --diff"
        for each in comparison.configurations
        for name, values in each.mixed.items()
    ]
    share = reached(comparison.metric)
    never = "" if share is None else f": their training error didn't come down to {100 * share:g}%"
    without = [
        f"{comparison.name(each)}: {count} of {len(each.repeats)} finished runs have no {comparison.metric}{never}"
        for each in comparison.configurations
        if each.repeats and (count := len(each.repeats) - len(each.values(comparison.metric)))
    ]
    return [*left_out, *mixed, *without, *_best_of(comparison), *sentences(comparison)]


def _best_of(comparison: Comparison) -> list[str]:
    """What was tried where only the best of it is shown, and for whom the best may lie beyond."""
    key, rows = comparison.best_of, comparison.configurations
    if key is None or not any(each.spread("final_loss") for each in rows):
        return []
    tried = dict.fromkeys(tuple(each.tried) for each in rows)
    none_has_it = not any(each.spread(comparison.metric) for each in rows)
    by = f" by final_loss, for none has {comparison.metric}" if none_has_it else ""
    at_the_end = [
        comparison.name(each)
        for each in rows
        if len(each.tried) > 1
        and {*map(type, each.tried)} <= {int, float}
        and each.config[key] in (each.tried[0], each.tried[-1])
    ]
    return [
        *(f"each with the best of {make_printable(key)}={','.join(map(format_value, values))}{by}" for values in tried),
        *(f"{name} is at the end of what was tried: the best may lie beyond" for name in at_the_end),
    ]


def numbers(comparison: Comparison) -> tuple[list[str], list[list[Any]]]:
    """Headers and rows with numbers as they are, accuracies as shares; four columns a metric."""
    names = metrics(comparison)
    parts = ("mean", "std", "low", "high")
    rows = []
    for configuration in comparison.configurations:
        spreads = [configuration.spread(metric) for metric in names]
        rows.append(
            [
                *(value(configuration, key) for key in comparison.keys),
                spreads[0].n if spreads[0] else 0,
                *(getattr(spread, part, None) for spread in spreads for part in parts),
                make_printable(configuration.status),
                folders(configuration.records),
                make_printable("; ".join(f"{record.run.folder}: {why}" for record, why in configuration.left_out)),
            ]
        )
    columns = [name if part == "mean" else f"{name}_{part}" for name in names for part in parts]
    return [*map(make_printable, comparison.keys), "n", *columns, "status", "folders", "not_averaged"], rows


def everything(comparison: Comparison) -> dict[str, Any]:
    """As plain values, for other programs."""
    return {
        "metric": comparison.metric,
        "best_of": comparison.best_of,
        "configurations": [_configuration(comparison, each) for each in comparison.configurations],
        "differences": [
            {
                "best": comparison.name(verdict.best),
                "other": comparison.name(verdict.other),
                "seeds": verdict.seeds,
                "difference": _plain(verdict.difference),
                "distinguishable": verdict.difference is not None and not verdict.difference.contains_zero,
            }
            for verdict in verdicts(comparison)
        ],
    }


def _configuration(comparison: Comparison, configuration: Configuration) -> dict[str, Any]:
    return {
        "name": comparison.name(configuration),
        "config": configuration.config,
        "seeds": list(configuration.repeats),
        "metrics": {metric: _plain(configuration.spread(metric)) for metric in metrics(comparison)},
        "tried": list(configuration.tried),
        "status": configuration.status,
        "folders": [str(record.run.folder) for record in configuration.records],
        "not_averaged": [
            {"folder": str(record.run.folder), "status": record.status, "reason": reason}
            for record, reason in configuration.left_out
        ],
    }


def _plain(spread: Spread | None) -> dict[str, Any] | None:
    return spread and vars(spread)
