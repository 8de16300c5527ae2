"""Collects what the page of a comparison shows, as plain values for JSON.

What all runs share is stored once, and long curves are shortened, so a page with 1,000 runs stays small.
"""

import os
import shlex
from collections.abc import Hashable, Sequence
from math import ceil
from typing import Any

from alexnet.comparison.compare import Comparison
from alexnet.comparison.configurations import Configuration, find_differing_keys
from alexnet.comparison.curves import choose_curves, get_level
from alexnet.comparison.difference import format_fact
from alexnet.comparison.groups import Group
from alexnet.comparison.metrics import METRICS, get_bounds, is_higher_better, is_share
from alexnet.comparison.notes import write_notes
from alexnet.comparison.records import Record, flatten_config, format_value, is_usable, read_curves
from alexnet.config.keys import NOTES
from alexnet.errors import Damaged, make_printable, shorten

MOST_POINTS = 150_000  # of all curves together
MOST_METRICS = 60  # names, those asked for first
MOST_FACTS = 300  # of an environment, and keys of a configuration
MOST_SHOWN_CLASSES = 20  # with more, the confusion matrix is left out
MOST_WORST = 10  # classes with the lowest accuracy
# Of environment.json: what is shown elsewhere on the page.
NOT_SHOWN = ("config", "config_before", "sha256", "earlier", "classes")


def collect(groups: Sequence[Group]) -> dict[str, Any]:
    """Everything that the page shows of these groups: its runs, configurations, notes and metrics."""
    records = [record for group in groups for each in group.comparison.configurations for record in each.records]
    common = os.path.commonpath([os.path.abspath(record.run.folder.parent) for record in records])
    names = list_metric_names(groups, records)
    most = max(20, min(1000, MOST_POINTS // len(records)))
    numbers = {id(record): number for number, record in enumerate(records)}
    configs = [_list_config(record) for record in records]
    shared_config, own_configs = factor_out(configs)
    shared_environment, own_environments = factor_out([_list_environment(record) for record in records])
    classes = Numbering()
    runs = [
        {
            "name": make_printable(os.path.relpath(record.run.folder, common)),
            **_describe_run(record),
            "metrics": _keep_metrics(record, names),
            "config": config,
            "environment": environment,
            **_read_details(record, most, classes),
        }
        for record, config, environment in zip(records, own_configs, own_environments, strict=True)
    ]
    return {
        "groups": [_list_group(group, names, numbers) for group in groups],
        "runs": runs,
        "config": shared_config,
        "environment": shared_environment,
        "classes": classes.values,
        "keys": find_differing_keys(configs)[:MOST_FACTS],
        "metrics": {
            make_printable(name): {"share": is_share(name), "higher": is_higher_better(name)} for name in names
        },
        "most_points": most,
        "shortened": any(len(points) > most for record in records for points in record.curves.values()),
    }


def _describe_run(record: Record) -> dict[str, Any]:
    """Where it is, how it ended, and what a person noted of it."""
    return {
        "folder": make_printable(record.run.folder),
        "command": make_printable(f"python scripts/reproduce.py {shlex.quote(str(record.run.folder))}"),
        "status": make_printable(record.status),
        "reason": make_printable(record.reason),
        "started": make_printable(record.started),
        "tags": [make_printable(shorten(str(tag))) for tag in record.tags],
        "note": make_printable(shorten(record.note, 1000)),
    }


class Numbering:
    """Numbers values in the order in which they are met, equal ones alike."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def add(self, value: Hashable) -> int:
        if value not in self._numbers:
            self._numbers[value] = len(self.values)
            self.values.append(value)
        return self._numbers[value]


def list_metric_names(groups: Sequence[Group], records: Sequence[Record]) -> list[str]:
    """Those asked for first, then those of every table, then all others but those of single classes."""
    asked = [name for group in groups for name in group.comparison.metrics]
    others = sorted({name for record in records for name in record.metrics if "." not in name})
    present = {name for record in records for name in record.metrics}
    return [name for name in dict.fromkeys([*asked, *METRICS, *others]) if name in present or name in asked][
        :MOST_METRICS
    ]


def factor_out(dicts: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is the same in all of them, and for each what is its own."""
    missing = object()
    same = {key: value for key, value in dicts[0].items() if all(each.get(key, missing) == value for each in dicts)}
    return same, [{key: value for key, value in each.items() if key not in same} for each in dicts]


def _list_config(record: Record) -> dict[str, Any]:
    config = [(key, value) for key, value in record.config.items() if key not in NOTES]
    return {make_printable(key): to_plain(value) for key, value in config[:MOST_FACTS]}


def to_plain(value: Any) -> Any:
    """A number that JavaScript can hold, or the text that stands for the value."""
    is_number = type(value) in (int, float) and is_usable(value)
    return value if is_number and (type(value) is float or abs(value) < 2**53) else format_value(value)


def _list_environment(record: Record) -> dict[str, str]:
    """What the run was made with, by name. Empty if the file can't be read."""
    try:
        environment = record.run.environment()
    except Damaged:
        return {}
    facts = flatten_config({key: value for key, value in environment.items() if key not in NOT_SHOWN})
    if isinstance(facts.get("command"), tuple):
        facts["command"] = shlex.join(map(str, facts["command"]))
    return {make_printable(key): format_fact(value) for key, value in list(facts.items())[:MOST_FACTS]}


def _keep_metrics(record: Record, names: Sequence[str]) -> dict[str, float]:
    return {make_printable(name): round_off(record.metrics[name], 8) for name in names if name in record.metrics}


def round_off(number: float, digits: int = 4) -> float:
    """The number with that many digits."""
    return float(f"{number:.{digits}g}")


def _list_group(group: Group, names: Sequence[str], numbers: dict[int, int]) -> dict[str, Any]:
    comparison, best = group.comparison, group.comparison.find_best()
    return {
        "name": make_printable(group.name),
        "keys": list(map(make_printable, comparison.keys)),
        "metrics": list(map(make_printable, comparison.metrics)),
        "by_validation": comparison.metric.startswith("validation"),
        "curve": _choose_first_curve(comparison),
        "level": get_level(comparison),
        "best": None if best is None else comparison.configurations.index(best),
        "notes": write_notes(comparison, verbose=False),
        "configurations": [_list_configuration(comparison, each, names, numbers) for each in comparison.configurations],
    }


def _choose_first_curve(comparison: Comparison) -> str:
    """The curve of the metric that decides, if it has one."""
    curves, metric = choose_curves(comparison), comparison.metric
    kind = "error" if is_share(metric) else "loss"
    own = [name for name in curves if name == f"{metric.partition('_')[0]}_{kind}"]
    return next(iter([*own, *curves]), "training_loss")


def _list_configuration(
    comparison: Comparison, configuration: Configuration, names: Sequence[str], numbers: dict[int, int]
) -> dict[str, Any]:
    spreads = {make_printable(name): configuration.get_spread(name) for name in names}
    return {
        "name": comparison.name(configuration),
        "status": make_printable(configuration.status),
        "runs": [numbers[id(record)] for record in configuration.records],
        "averaged": [numbers[id(record)] for record in configuration.repeats.values()],
        "left_out": {numbers[id(record)]: make_printable(why) for record, why in configuration.left_out},
        "metrics": {
            name: [
                spread.n,
                *(
                    None if value is None else round_off(value, 8)
                    for value in (spread.mean, spread.std, *(spread.get_interval(get_bounds(name)) or (None, None)))
                ),
            ]
            for name, spread in spreads.items()
            if spread is not None
        },
    }


def _read_details(record: Record, most: int, classes: Numbering) -> dict[str, Any]:
    """Curves and confusion of a run, as far as its files can be read, even if it didn't finish."""
    try:
        epochs, result, environment = record.run.epochs(), record.run.result() or {}, record.run.environment()
        curves = record.curves or (read_curves(record.run, epochs) if epochs else {})
        rates = [(epoch["epoch"], epoch["learning_rate"]) for epoch in epochs if "learning_rate" in epoch]
        found = {name: shorten_curve(points, most, name) for name, points in {**curves, "learning_rate": rates}.items()}
        return {
            "curves": {name: curve for name, curve in found.items() if curve is not None},
            "chosen": to_plain(result["chosen_epoch"]) if "chosen_epoch" in result else None,
            **_list_confusion(result.get("confusion_matrix"), environment.get("classes"), classes),
        }
    except (Damaged, LookupError, TypeError, ValueError, ArithmeticError):
        return {"curves": {}}


def shorten_curve(points: Sequence[tuple[float, float]], most: int, name: str) -> list[list[Any]] | None:
    """[epochs passed, values]: as few neighbours as make at most `most` points become one, their mean at the last.

    Errors are in percent. None if there are no points.
    """
    if not points:
        return None
    size, scale = ceil(len(points) / most), 100 if is_share(name) else 1
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    means = [scale * sum(value for _, value in part) / len(part) for part in parts]
    return [
        [round_off(part[-1][0], 5) for part in parts],
        [round_off(mean) if is_usable(mean) else None for mean in means],
    ]


def _list_confusion(matrix: Any, names: Any, classes: Numbering) -> dict[str, Any]:
    """The matrix itself for few classes, and the classes that were recognised least."""
    if not matrix or any(len(row) != len(matrix) for row in matrix):
        return {}
    if not (isinstance(names, list) and len(names) == len(matrix)):
        names = list(range(len(matrix)))
    names = tuple(make_printable(shorten(str(name), 60)) for name in names)
    found = {"worst": list_worst_classes(matrix, names)}
    if len(matrix) > MOST_SHOWN_CLASSES:
        return found
    return {**found, "confusion": [[int(count) for count in row] for row in matrix], "classes": classes.add(names)}


def list_worst_classes(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> list[list[Any]]:
    """[class, share recognised, images, the class it was taken for most, times], the worst first.

    Only classes with errors, at most MOST_WORST.
    """

    def share(number: int) -> float:
        return matrix[number][number] / sum(matrix[number])

    wrong = [number for number, row in enumerate(matrix) if sum(row) > row[number]]
    worst = []
    for number in sorted(wrong, key=share)[:MOST_WORST]:
        row = matrix[number]
        count, taken = max((count, -other) for other, count in enumerate(row) if other != number)
        worst.append([names[number], round_off(share(number)), sum(row), names[-taken], count])
    return worst
