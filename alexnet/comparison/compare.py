"""Compares the configurations of runs: finds the keys that they differ in, and the order of the table."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from alexnet.comparison.configurations import Configuration, find_telling_keys, group_records, identify
from alexnet.comparison.metrics import METRICS, count_epochs_to, is_epochs_to, is_higher_better, parse_target
from alexnet.comparison.records import Record, format_value
from alexnet.errors import Mistake, make_printable, nearest, shorten


@dataclass
class Comparison:
    configurations: list[Configuration]  # in the table's order
    keys: list[str]  # that the configurations differ in
    metrics: Sequence[str]  # the runs are compared by the first
    by_default: bool = False  # whether nobody asked for these metrics
    best_of: str | None = None  # a key: only the best value of it is shown
    others: Sequence[Configuration] = ()  # with the other values of that key

    @property
    def metric(self) -> str:
        return self.metrics[0]

    def name(self, configuration: Configuration, other: Configuration | None = None) -> str:
        """'optimizer.lr=0.01, epochs=3': by the keys that differ, or only by those that differ from another one."""
        config, keys = configuration.config, self.keys
        if other is not None:
            keys = [key for key in keys if config.get(key) != other.config.get(key)]
        name = ", ".join(f"{make_printable(key)}={self.format_value(configuration, key, 'null')}" for key in keys)
        return shorten(name, 1000) or "all runs"

    def format_value(self, configuration: Configuration, key: str, missing: str = "-") -> str:
        """The configuration's value of one of the keys, in 4 digits if that is enough to tell the values apart."""
        if key not in configuration.config:
            return missing
        value = configuration.config[key]
        rounded = _round(value)
        return format_value(rounded if self._values[key][rounded] == 1 else value)

    @cached_property
    def _values(self) -> dict[str, Counter[Any]]:
        """How many values of each key become the same if they are rounded."""
        values = {key: {each.config.get(key) for each in (*self.configurations, *self.others)} for key in self.keys}
        return {key: Counter(map(_round, found)) for key, found in values.items()}

    def find_best(self) -> Configuration | None:
        """The best by the metric; None if no run has it."""
        measured = [each for each in self.configurations if each.get_spread(self.metric) is not None]
        return min(measured, key=lambda each: rank_by_metric(each, self.metric), default=None)

    def find_swept_keys(self) -> list[str]:
        """The differing keys that have at least two numbers as values, and no other kind of value."""
        configs = [each.config for each in self.configurations]
        given = {key: {config.get(key) for config in configs} - {None} for key in self.keys}
        return [key for key, found in given.items() if len(found) > 1 and {*map(type, found)} <= {int, float}]

    @cached_property
    def left_out(self) -> list[tuple[Record, str]]:
        """The runs that are not averaged, each with the reason."""
        return [pair for configuration in (*self.configurations, *self.others) for pair in configuration.left_out]


def compare(
    records: Sequence[Record],
    metrics: Sequence[str] | None = None,
    sort: str | None = None,
    best_of: str | None = None,
) -> Comparison:
    """Compares the configurations of the runs: best first by the first metric, or sorted by `sort`.

    metrics: of METRICS, any number of result.json, or epochs_to_N: the epochs until the training error falls to N
    percent, interpolated linearly between epochs. None: see choose_metrics.
    sort: a key of the configuration, a metric, n or status.
    best_of: a key. Of the configurations that differ only in this key, the best is kept: by the metric, among those
    with the most runs that have it; by the final loss if no run has it.
    Raises Mistake if no run has a metric, the sort key or the best_of key. No run needs to have reached N percent.
    """
    check_names(records, metrics, sort, best_of)
    return compare_known(records, metrics, sort, best_of)


def compare_known(
    records: Sequence[Record], metrics: Sequence[str] | None, sort: str | None, best_of: str | None
) -> Comparison:
    """compare() for a part of the runs, which may lack a metric or a key that others have."""
    by_default = metrics is None
    metrics = metrics or choose_metrics(records)
    for name in metrics:
        records = [_add_epochs_to(record, name) for record in records]
    if sort is None:
        sort = metrics[0]
    configurations = group_records(records)
    keys = {key for each in configurations for key in each.config}
    if best_of not in keys:
        best_of = None
    telling = find_telling_keys([each.config for each in configurations])
    others: list[Configuration] = []
    if best_of is not None:
        configurations, others = _keep_best(configurations, metrics[0], best_of, telling)
    configurations.sort(key=lambda each: _rank(each, sort, metrics[0], keys))
    return Comparison(configurations, telling, metrics, by_default, best_of, others)


def choose_metrics(records: Sequence[Record]) -> Sequence[str]:
    """Validation accuracy first, if a run has one, so that the test images choose nothing.

    Runs without it come last, and a note counts them. Everything that chooses by itself chooses by the first.
    """
    validated = any("validation_accuracy" in record.metrics for record in records)
    if not any(record.finished for record in records):  # a sweep that was stopped in its first job: as it will be
        validated = any(record.config.get("dataset.validation") for record in records)
    if validated:
        return "validation_accuracy", *METRICS[:1]
    return METRICS[:1]


def check_names(
    records: Sequence[Record], metrics: Sequence[str] | None, sort: str | None, best_of: str | None
) -> None:
    """Raises Mistake if no run has a metric, the sort key or the best_of key."""
    metrics = metrics or ()
    keys = {key for record in records for key in identify(record.config)}
    known_metrics = {*METRICS, *(name for record in records for name in record.metrics), *filter(is_epochs_to, metrics)}
    for name in metrics:
        if name not in known_metrics:
            near = nearest(name, sorted({*known_metrics, "epochs_to_25"}))
            raise Mistake(f"--metric {name}: no finished run here has it{near}")
    known = known_metrics | keys | {"n", "status"}
    if sort is not None and sort not in known:
        near = nearest(sort, sorted(known))
        raise Mistake(f"--sort {sort}: expected a key or a metric of these runs, n or status{near}")
    if best_of is not None and best_of not in keys:
        raise Mistake(f"--best-of {best_of}: it isn't a key of these runs{nearest(best_of, sorted(keys))}")


def _add_epochs_to(record: Record, metric: str) -> Record:
    """Adds the metric epochs_to_N to the record, if its training error falls to N percent."""
    target = parse_target(metric)
    errors = [error for _, error in record.curves.get("training_error", [])]
    epochs = None if target is None else count_epochs_to(target, errors)
    return record if epochs is None else replace(record, metrics={**record.metrics, metric: epochs})


def _keep_best(
    configurations: Sequence[Configuration], metric: str, key: str, telling: Sequence[str]
) -> tuple[list[Configuration], list[Configuration]]:
    """The best configuration of each group, with the values that were tried, and all the others.

    A group agrees in every telling key but `key`.
    """
    groups = defaultdict(list)
    for each in configurations:
        groups[tuple(each.config.get(name) for name in telling if name != key)].append(each)

    def rank(each: Configuration) -> tuple:
        return -len(each.get_values(metric)), rank_by_metric(each, metric), rank_by_metric(each, "final_loss")

    best, others = [], []
    for group in groups.values():
        tried = sorted((each.config[key] for each in group if key in each.config), key=_rank_value)
        first, *rest = sorted(group, key=rank)
        best.append(replace(first, tried=tried))
        others += rest
    return best, others


def _rank(configuration: Configuration, sort: str, metric: str, keys: set[str]) -> tuple:
    """What to sort by: metrics best first, keys upwards. A configuration without a value comes last."""
    if sort == "n":
        return (-len(configuration.get_values(metric)),)
    if sort == "status":
        return _rank_value(configuration.status)
    if sort in keys:
        value = configuration.config.get(sort)
        return value is None, *_rank_value(value)
    return rank_by_metric(configuration, sort)


def rank_by_metric(configuration: Configuration, metric: str) -> tuple[bool, float]:
    """What to sort by: the best first, those without the metric last."""
    spread = configuration.get_spread(metric)
    if spread is None:
        return True, 0.0
    return False, -spread.mean if is_higher_better(metric) else spread.mean


def _round(value: Any) -> Any:
    """Floats, and those in tuples, in 4 digits."""
    if isinstance(value, tuple):
        return tuple(map(_round, value))
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _rank_value(value: Any) -> tuple[bool, Any]:
    """What to sort by: numbers by size, before texts."""
    is_number = type(value) in (int, float)
    return not is_number, value if is_number else str(value)
