"""Lists runs one by one, and finds the best of them for other programs."""

import os
from collections.abc import Sequence
from typing import Any

from alexnet.comparison.columns import Column, find_common_parent
from alexnet.comparison.compare import choose_metrics
from alexnet.comparison.groups import name_data
from alexnet.comparison.layout import cut_end, fit_runs, measure
from alexnet.comparison.metrics import is_higher_better
from alexnet.comparison.records import Record, format_value
from alexnet.comparison.tables import render
from alexnet.config.keys import DATA
from alexnet.errors import Damaged, Failure, Mistake, make_printable, nearest
from alexnet.messages.lines import wrap
from alexnet.runs.folder import natural_sort_key

ACCURACIES = {"validation_accuracy": "val %", "test_accuracy": "test %"}


def sort_records(records: Sequence[Record], key: str | None) -> list[Record]:
    """By a metric, the best first; by folder, status or a key of the configuration, upwards; None: the newest last.

    A run that lacks the metric or the key comes last. Raises Mistake if no run has it.
    """
    by_start = sorted(
        records, key=lambda each: (each.started == "", each.started, natural_sort_key(str(each.run.folder)))
    )
    own = {"folder": lambda each: natural_sort_key(str(each.run.folder)), "status": lambda each: each.status}
    if key in (None, "started"):
        return by_start
    if key in own:
        return sorted(by_start, key=own[key])
    names = {name for each in records for name in (*each.metrics, *each.config)}
    if key not in names:
        known = sorted({*names, *own, "started"})
        raise Mistake(
            f"--sort {key}: expected a key or a number of these runs, folder, status or started{nearest(key, known)}"
        )
    return sorted(by_start, key=lambda each: _rank(each, key))


def _rank(record: Record, key: str) -> tuple[bool, bool, Any]:
    """What to sort by: numbers by size, before texts, before nothing."""
    if key in record.metrics:
        return False, False, -record.metrics[key] if is_higher_better(key) else record.metrics[key]
    value = record.config.get(key)
    number = type(value) in (int, float)
    return value is None, not number, value if number else format_value(value)


def list_runs(records: Sequence[Record], width: int | None) -> str:
    """A line for each run under the headers, the folder last. width: of the terminal; None: all in full."""
    columns = _list_columns(records)
    table = _render(columns)
    if width is None or measure(table) <= width:
        return table
    common = find_common_parent(records)
    folders = [make_printable(os.path.relpath(each.run.folder, common or ".")) for each in records]
    shown, spared = fit_runs([*columns[:-1], Column("folder", "folder", folders)], width)
    lines = [cut_end(line, width) for line in _render(shown).splitlines()]
    notes = [f"folders are in {make_printable(common)}"] if common.strip("/") else []
    notes += [f"not shown: {', '.join(spared)}; --json, a pipe or a wider terminal has all"] if spared else []
    return "\n".join([*lines, *([""] if notes else []), *(wrap(note, width) for note in notes)])


def _list_columns(records: Sequence[Record]) -> list[Column]:
    """Tags and notes only if a run has one."""
    accuracies = [name for name in ACCURACIES if any(name in each.metrics for each in records)]
    cells = {"status": [each.status for each in records]}
    for name in accuracies:
        cells[ACCURACIES[name]] = [
            f"{100 * each.metrics[name]:.2f}" if name in each.metrics else "-" for each in records
        ]
    cells |= {
        "data set": name_data(records),
        "model": [format_value(each.config.get("model")) for each in records],
        "epochs": list(map(_count_epochs, records)),
        "seconds": [f"{each.metrics['seconds']:.4g}" if "seconds" in each.metrics else "-" for each in records],
        "tags": [",".join(map(str, each.tags)) or "-" for each in records],
        "note": [each.note or "-" for each in records],
        "folder": [str(each.run.folder) for each in records],
    }
    return [
        Column(kind, kind, list(map(make_printable, found)))
        for kind, found in cells.items()
        if kind not in ("tags", "note") or any(cell != "-" for cell in found)
    ]


def _render(columns: Sequence[Column]) -> str:
    rows = [list(row) for row in zip(*(column.cells for column in columns), strict=True)]
    lines = render("text", [column.header for column in columns], rows).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def list_values(records: Sequence[Record], form: str) -> str:
    """The runs for other programs, nothing rounded. form: csv or json; json has all metrics and the configuration."""
    rows = []
    for each, data in zip(records, name_data(records), strict=True):
        row: dict[str, Any] = {"folder": str(each.run.folder), "status": each.status, "reason": each.reason}
        row |= {
            "dataset": data,
            "model": format_value(each.config.get("model")),
            "seed": each.seed,
            "started": each.started,
        }
        row |= {name: each.metrics.get(name) for name in (*ACCURACIES, "epochs", "seconds")}
        row |= {"checkpoint": each.checkpoint, "note": each.config.get("note")}
        if form == "json":
            row |= {"tags": each.tags, "metrics": each.metrics, "config": each.config}
        else:
            row = {name: make_printable("" if value is None else value) for name, value in row.items()}
            row["tags"] = make_printable(",".join(map(str, each.tags)))
        rows.append(row)
    return render(form, list(rows[0]), [list(row.values()) for row in rows])


def find_best(records: Sequence[Record]) -> tuple[Record, str]:
    """The run with the best accuracy by choose_metrics, the first of equal ones, and a note on the choice or "".

    The note says if the test images chose it, or how many finished runs had no validation accuracy to choose by.
    Raises Failure if no run has an accuracy, Mistake if those with one are of several data sets.
    """
    metric = choose_metrics(records)[0]
    measured = [each for each in records if any(name in each.metrics for name in ACCURACIES)]
    if not measured:
        raise Failure(f"None of these runs ({len(records)}) has an accuracy: none of them is the best.")
    having = [each for each in measured if metric in each.metrics]
    names = sorted(set(name_data(measured)))
    if len(names) > 1:
        keys = ("dataset", "dataset.root", DATA)
        key = next((key for key in keys if len({each.config.get(key) for each in measured}) > 1), DATA)
        raise Mistake(
            f"Accuracies on {len(names)} data sets can't be compared: {', '.join(names[:5])}"
            f"{', …' if len(names) > 5 else ''}. Choose one with --where, "
            f"such as --where {key}={format_value(measured[0].config.get(key))}"
        )
    note = ""
    if metric != "validation_accuracy":
        note = (
            "Chosen by test accuracy, because no run held out images. So the accuracy of the best is too good. "
            "dataset.validation=0.1 holds out."
        )
    elif len(having) < len(measured):
        note = (
            f"Chosen by validation accuracy; {len(measured) - len(having)} of {len(measured)} runs have none and were "
            f"left out. dataset.validation=0.1 holds out."
        )
    return max(having, key=lambda each: each.metrics[metric]), note


def locate(record: Record, what: str) -> str:
    """The path of the run's folder, or of its checkpoint. what: folder or checkpoint. Raises Failure without one."""
    path = record.run.folder if what == "folder" else record.checkpoint
    if path is None:
        raise Failure(
            f"The best run, {record.run.folder}, has no checkpoint any more. To train it again: "
            f"python scripts/reproduce.py {record.run.folder}"
        )
    if make_printable(path) != str(path):
        raise Mistake(f"The best run is {path}, whose name would change a terminal: rename that folder.")
    return str(path)


def _count_epochs(record: Record) -> str:
    """'30', or '4 of 30' of a run that didn't finish."""
    if "epochs" in record.metrics:
        return f"{record.metrics['epochs']:g}"
    try:
        done = str(len(record.run.epochs()))
    except Damaged:
        done = "?"
    return done if record.finished else f"{done} of {format_value(record.config.get('epochs'))}"
