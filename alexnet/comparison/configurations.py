"""Runs taken together by what they compute, so that configurations are compared and not single runs.

A configuration is every key of a run's config.yaml but `seed` and those WITHOUT_EFFECT, together with the
hash of its data. Runs of one configuration are its repeats: each seed counts once, by its newest finished
run, for the same run twice tells nothing new. What didn't finish is listed, and never averaged in.
No torch here.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from alexnet.comparison.records import MADE_WITH, Record, format_value, make_printable
from alexnet.comparison.spread import Spread
from alexnet.config.keys import MEASURED, WITHOUT_EFFECT
from alexnet.errors import Mistake, nearest

Curve = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # epochs passed, mean, standard deviation over seeds: (W,)
METRICS = ("test_accuracy", "best_loss", "final_loss", "seconds", "images_per_second")  # the table's


@dataclass
class Configuration:
    """The runs that differ in nothing but their seed."""

    config: dict[str, Any]  # flat, without the seed and WITHOUT_EFFECT
    records: list[Record]
    tried: Sequence[Any] = ()  # the values of a key of which this one has the best: see compare

    @cached_property
    def repeats(self) -> dict[Any, Record]:
        """By seed, the newest finished run."""
        finished = [record for record in self.records if record.finished]
        newest_last = sorted(finished, key=lambda record: record.started)
        return {record.seed: record for record in newest_last}

    @cached_property
    def left_out(self) -> list[tuple[Record, str]]:
        """The runs that are not averaged, and why."""
        kept = {id(record) for record in self.repeats.values()}
        return [(record, self._why(record)) for record in self.records if id(record) not in kept]

    def _why(self, record: Record) -> str:
        if record.finished:
            kept = self.repeats[record.seed]
            which = "is newer" if kept.started > record.started else "began at the same time"
            return f"the same configuration and seed as {kept.run.folder}, which {which}"
        return record.reason

    @cached_property
    def mixed(self) -> dict[str, list[str]]:
        """The commits, and the devices, of the averaged runs, where they are not from one."""
        made = [record.made_with for record in self.repeats.values()]
        found = {name: {each.get(name, "?") for each in made} for name in MADE_WITH}
        return {name: sorted(values) for name, values in found.items() if len(values) > 1}

    def values(self, metric: str) -> dict[Any, float]:
        """By seed, where the run has that metric."""
        return {seed: run.metrics[metric] for seed, run in self.repeats.items() if metric in run.metrics}

    def spread(self, metric: str) -> Spread | None:
        return Spread.of(self.values(metric).values())

    @property
    def status(self) -> str:
        """'finished', or '2 finished, 1 diverged'."""
        counts = Counter(record.status for record in self.records)
        if len(counts) == 1:
            return self.records[0].status
        return ", ".join(f"{count} {status}" for status, count in counts.items())

    def curve(self, metric: str) -> Curve | None:
        """Epochs passed, mean training loss, its standard deviation over seeds: each (W,), a point a window.

        For epochs_to_N it is the training error in percent, a point an epoch. The deviation is None for one seed,
        the whole curve where no run finished.
        """
        points = [record.curve for record in self.repeats.values()]
        if is_epochs_to(metric):
            points = [list(enumerate((100 * error for error in record.errors), 1)) for record in self.repeats.values()]
        curves = [np.array(each).T for each in points if each]
        if not curves:
            return None
        epochs = curves[0][0]  # windows may differ in length (log_every): the other curves are read off here
        losses = np.stack([np.interp(epochs, *curve) for curve in curves])
        return epochs, losses.mean(0), losses.std(0, ddof=1) if len(losses) > 1 else None


@dataclass
class Comparison:
    configurations: list[Configuration]  # in the table's order
    keys: list[str]  # those in which they differ
    metrics: Sequence[str]  # that were asked for
    best_of: str | None = None  # a key of which each of the configurations has its best value
    others: Sequence[Configuration] = ()  # with the values that aren't the best

    @property
    def metric(self) -> str:
        """By which is compared."""
        return self.metrics[0]

    def name(self, configuration: Configuration) -> str:
        """'optimizer.lr=0.01, epochs=3': by the keys that differ."""
        config = configuration.config
        return ", ".join(f"{make_printable(key)}={format_value(config.get(key))}" for key in self.keys) or "all runs"

    def swept(self) -> list[str]:
        """The keys with two different numbers or more, and nothing but numbers where they are given."""
        configs = [each.config for each in self.configurations]
        given = {key: {config.get(key) for config in configs} - {None} for key in self.keys}
        return [key for key, found in given.items() if len(found) > 1 and {*map(type, found)} <= {int, float}]

    def lines(self, key: str) -> dict[str, list[tuple[float, Spread]]]:
        """The metric over a swept key: points in order of its value, by the name of what else differs."""
        lines = defaultdict(list)
        others = replace(self, keys=[other for other in self.keys if other != key])
        for each in self.configurations:
            spread = each.spread(self.metric)
            if spread and each.config.get(key) is not None:
                lines[others.name(each) if others.keys else ""].append((each.config[key], spread))
        return {name: sorted(points, key=lambda point: point[0]) for name, points in lines.items()}

    @cached_property
    def left_out(self) -> list[tuple[Record, str]]:
        return [pair for configuration in (*self.configurations, *self.others) for pair in configuration.left_out]


def compare(
    records: Sequence[Record],
    metrics: Sequence[str] = METRICS[:1],
    sort: str | None = None,
    best_of: str | None = None,
) -> Comparison:
    """The configurations among the runs, best first by the first of the metrics, or in order of `sort`.

    metrics: of METRICS, any number of result.json, or epochs_to_N: epochs until the training error is N percent.
    sort: a key of the configuration, a metric, n or status. best_of: a key; of the configurations that differ in it
    alone, only the best is kept: by the metric, among those of which most runs have it; by the final loss if none has.
    Raises Mistake for a metric, a sort key or a best_of that none of the runs has; none need have come to N percent.
    """
    for name in metrics:
        if (share := reached(name)) is not None:
            records = [_with_epochs_to(record, name, share) for record in records]
    there = {*METRICS, *(name for record in records for name in record.metrics), *filter(is_epochs_to, metrics)}
    for name in metrics:
        if name not in there:
            near = nearest(name, sorted({*there, "epochs_to_25"}))
            raise Mistake(f"--metric {name}: no finished run here has it{near}")
    configurations = group(records)
    keys = {key for each in configurations for key in each.config}
    sort = sort or metrics[0]
    known = there | keys | {"n", "status"}
    if sort not in known:
        near = nearest(sort, sorted(known))
        raise Mistake(f"--sort {sort}: not a key or metric of these runs, n or status{near}")
    differ = telling([each.config for each in configurations])
    others = []
    if best_of is not None:
        if best_of not in keys:
            raise Mistake(f"--best-of {best_of}: not a key of these runs{nearest(best_of, sorted(keys))}")
        configurations, others = _best(configurations, metrics[0], best_of, differ)
    configurations.sort(key=lambda each: place(each, sort, metrics[0], keys))
    return Comparison(configurations, differ, metrics, best_of, others)


def is_epochs_to(metric: str) -> bool:
    return reached(metric) is not None


def reached(metric: str) -> float | None:
    """The training error, 0 to 1, that a metric epochs_to_N counts the epochs to; None of another metric."""
    found = re.fullmatch(r"epochs_to_(\d+(\.\d+)?)", metric)
    return found and float(found[1]) / 100


def _with_epochs_to(record: Record, metric: str, share: float) -> Record:
    """With the metric, where its training error comes down to `share`: between epochs by a straight line."""
    for epoch, error in enumerate(record.errors, 1):
        if error <= share:
            before = record.errors[epoch - 2] if epoch > 1 else error
            part = (share - error) / (before - error) if before > error else 0.0
            return replace(record, metrics={**record.metrics, metric: epoch - part})
    return record


def _best(
    configurations: Sequence[Configuration], metric: str, key: str, differ: Sequence[str]
) -> tuple[list[Configuration], list[Configuration]]:
    """Of those that differ in nothing but the key, and what comes along with it, the best, with what was tried; and
    all others. differ: the telling keys."""
    alike = defaultdict(list)
    for each in configurations:
        alike[tuple(each.config.get(name) for name in differ if name != key)].append(each)

    def rank(each: Configuration) -> tuple:
        return -len(each.values(metric)), *(place(each, name, name, set()) for name in (metric, "final_loss"))

    best = []
    for group in alike.values():
        tried = sorted((each.config[key] for each in group if key in each.config), key=_in_order)
        best.append(replace(min(group, key=rank), tried=tried))
    kept = [id(each.records) for each in best]
    return best, [each for each in configurations if id(each.records) not in kept]


def _in_order(value: Any) -> tuple:
    number = type(value) in (int, float)
    return not number, value if number else str(value)


def group(records: Iterable[Record]) -> list[Configuration]:
    """Taken together by configuration; a run that ended before its data was read goes with the others."""
    places = defaultdict(lambda: defaultdict(list))
    for record in records:
        config = compared(record.config)
        data = config.pop("data_sha256", None)
        places[frozenset(config.items())][data].append(record)
    configurations = []
    for by_data in places.values():
        if None in by_data and len(by_data) == 2:
            known = next(data for data in by_data if data is not None)
            by_data[known] += by_data.pop(None)
        for runs in by_data.values():
            config = compared(runs[0].config)
            if len(by_data) == 1:  # other keys tell it apart, so this one would only take room
                config.pop("data_sha256", None)
            configurations.append(Configuration(config, runs))
    return configurations


def compared(config: dict[str, Any]) -> dict[str, Any]:
    """What identifies the configuration."""
    return {key: value for key, value in config.items() if key != "seed" and key not in WITHOUT_EFFECT}


def differing(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The keys that don't have the same value in all of them, in the order of the configuration."""
    missing = object()
    keys = dict.fromkeys(key for config in configs for key in config)
    return [key for key in keys if len({config.get(key, missing) for config in configs}) > 1]


def telling(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The differing keys, but for those that only come along with another choice.

    adam alone has betas; what is measured on the data is noted where it is needed, such as components with colour.
    """
    keys = differing(configs)

    def told_apart(by: Sequence[str]) -> int:
        return len({tuple(config.get(key) for key in by) for config in configs})

    chosen = [key for key in keys if key not in (f"dataset.{name}" for name in MEASURED)]
    keys = chosen if told_apart(chosen) == told_apart(keys) else keys

    def comes_along(key: str) -> bool:
        values = {config[key] for config in configs if key in config}
        return len(values) == 1 and key.rpartition(".")[0] in keys

    return [key for key in keys if not comes_along(key)]


def higher_is_better(metric: str) -> bool:
    return not any(word in metric for word in ("loss", "seconds", "error", "epochs_to", "bytes"))


def is_share(metric: str) -> bool:
    """Whether it is shown in percent."""
    return "accuracy" in metric or "error" in metric


def place(configuration: Configuration, sort: str, metric: str, keys: set[str]) -> tuple:
    """What to sort by: metrics best first, keys upwards with numbers before texts; what has no value last."""
    if sort == "n":
        return (-len(configuration.values(metric)),)
    if sort in keys or sort == "status":
        value = configuration.status if sort == "status" else configuration.config.get(sort)
        return value is None, *_in_order(value)
    spread = configuration.spread(sort)
    return spread is None, spread and (-spread.mean if higher_is_better(sort) else spread.mean)
