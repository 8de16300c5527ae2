"""Lists runs one by one, and finds the best of them for other programs."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from wcwidth import wcwidth

from alexnet.comparison.compare import choose_metrics
from alexnet.comparison.groups import name_data
from alexnet.comparison.metrics import is_higher_better
from alexnet.comparison.records import Record, format_value
from alexnet.comparison.tables import render
from alexnet.config.keys import DATA
from alexnet.errors import Damaged, Failure, Mistake, make_printable, nearest
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
            f"--sort {key}: expected a key or a metric of these runs, folder, status or started{nearest(key, known)}"
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
    """A line for each run under the headers. width: of the terminal, at which lines are cut; None: in full."""
    accuracies = [name for name in ACCURACIES if any(name in each.metrics for each in records)]
    noted = any(each.config.get("note") for each in records)
    headers = ["folder", "status", *(ACCURACIES[name] for name in accuracies), "data set", "model"]
    headers += ["epochs", "seconds", "tags", *(["note"] if noted else [])]
    rows = []
    for each, data in zip(records, name_data(records), strict=True):
        shares = [f"{100 * each.metrics[name]:.2f}" if name in each.metrics else "-" for name in accuracies]
        seconds = f"{each.metrics['seconds']:.4g}" if "seconds" in each.metrics else "-"
        row = [str(each.run.folder), each.status, *shares, data, format_value(each.config.get("model"))]
        row += [_count_epochs(each), seconds, ",".join(map(str, _get_tags(each))) or "-"]
        rows.append(list(map(make_printable, [*row, *([each.config.get("note") or ""] if noted else [])])))
    lines = render("text", headers, rows).splitlines()
    return "\n".join(line.rstrip() if width is None else _cut(line.rstrip(), width) for line in lines)


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
            row |= {"tags": _get_tags(each), "metrics": each.metrics, "config": each.config}
        else:
            row = {name: make_printable("" if value is None else value) for name, value in row.items()}
            row["tags"] = make_printable(",".join(map(str, _get_tags(each))))
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
        raise Failure(f"None of these {len(records)} runs has an accuracy: none of them is the best.")
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


def _get_tags(record: Record) -> Sequence[Any]:
    tags = record.config.get("tags", ())
    return tags if isinstance(tags, tuple) else (tags,)


def _count_epochs(record: Record) -> str:
    """'30', or '4 of 30' of a run that didn't finish."""
    if "epochs" in record.metrics:
        return f"{record.metrics['epochs']:g}"
    try:
        done = str(len(record.run.epochs()))
    except Damaged:
        done = "?"
    return f"{done} of {format_value(record.config.get('epochs'))}"


def _cut(line: str, width: int) -> str:
    """The line, or its beginning and an ellipsis. width: columns; a Chinese letter takes two."""
    columns = list(accumulate(max(0, wcwidth(letter)) for letter in line))
    if not columns or columns[-1] <= width:
        return line
    return line[: sum(column < width for column in columns)] + "…"
