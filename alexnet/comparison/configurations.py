"""Groups runs into configurations, because configurations are compared, not single runs.

A configuration is every key of a run's config.yaml except `seed` and those of WITHOUT_EFFECT, and the hashes of its
data and of the weights that it began with. Its runs are repeats of one another. Each seed counts once, by its newest
finished run, because a repeat of the same run adds no information. A run that didn't finish is listed, but never
averaged.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from alexnet.comparison.metrics import get_bounds, is_share
from alexnet.comparison.records import MADE_WITH, Record, is_usable
from alexnet.comparison.spread import Spread
from alexnet.config.keys import DATA, MEASURED, SOURCE, WITHOUT_EFFECT


class Curve(NamedTuple):
    """A learning curve averaged over seeds: arrays of shape (W,), one point per window or epoch."""

    epochs: np.ndarray  # passed at each point
    mean: np.ndarray
    std: np.ndarray | None  # standard deviation over seeds; None for one seed


@dataclass
class Configuration:
    """The runs that differ in nothing but their seed."""

    config: dict[str, Any]  # flat, without the seed and the keys of WITHOUT_EFFECT
    records: list[Record]
    tried: Sequence[Any] = ()  # the values of the best_of key among which this configuration has the best

    @cached_property
    def repeats(self) -> dict[Any, Record]:
        """The newest finished run of each seed."""
        finished = [record for record in self.records if record.finished]
        newest_last = sorted(finished, key=lambda record: record.started)
        return {record.seed: record for record in newest_last}

    @cached_property
    def left_out(self) -> list[tuple[Record, str]]:
        """The runs that are not averaged, each with the reason."""
        kept = {record.run.folder for record in self.repeats.values()}
        return [(record, self._explain(record)) for record in self.records if record.run.folder not in kept]

    def _explain(self, record: Record) -> str:
        if not record.finished:
            return record.reason
        kept = self.repeats[record.seed]
        which = "is newer" if kept.started > record.started else "began at the same time"
        return f"the same configuration and seed as {kept.run.folder}, which {which}"

    @cached_property
    def mixed(self) -> dict[str, list[str]]:
        """Commits, devices or precisions, if the averaged runs have more than one: {'commits': ['aaa', 'bbb']}."""
        made = [record.made_with for record in self.repeats.values()]
        found = {name: {each.get(name, "?") for each in made} for name in MADE_WITH}
        return {name: sorted(values) for name, values in found.items() if len(values) > 1}

    @property
    def status(self) -> str:
        """'finished', or '2 finished, 1 diverged'."""
        counts = Counter(record.status for record in self.records)
        if len(counts) == 1:
            return self.records[0].status
        return ", ".join(f"{count} {status}" for status, count in counts.items())

    def get_values(self, metric: str) -> dict[Any, float]:
        """The metric by seed, of the runs that have it."""
        return {seed: record.metrics[metric] for seed, record in self.repeats.items() if metric in record.metrics}

    def get_spread(self, metric: str) -> Spread | None:
        return Spread.of(self.get_values(metric).values(), get_bounds(metric))

    def average_curve(self, name: str) -> Curve | None:
        """That curve of the records, errors in percent. None if no finished run has it."""
        scale = 100 if is_share(name) else 1
        curves = []
        for record in self.repeats.values():
            points = [point for point in record.curves.get(name, []) if all(map(is_usable, point))]
            if points:
                curves.append(np.array(points).T * [[1], [scale]])
        if not curves:
            return None
        # Windows may differ in length (log_every), so the others are interpolated here. One that stopped early stays at
        # its last value.
        epochs = max((curve[0] for curve in curves), key=lambda points: points[-1])
        means = np.stack([np.interp(epochs, *curve) for curve in curves])
        return Curve(epochs, means.mean(0), means.std(0, ddof=1) if len(means) > 1 else None)


def group_records(records: Iterable[Record]) -> list[Configuration]:
    """The configurations of the runs.

    A run that ended before it read its data has no hashes. It joins the runs with the same keys, if these have all used
    the same data and weights.
    """
    hashes, unread = (DATA, SOURCE), (None, None)
    places: dict[frozenset, dict[tuple[str | None, ...], list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        config = identify(record.config)
        read = tuple(config.pop(key, None) for key in hashes)
        places[frozenset(config.items())][read].append(record)
    configurations = []
    for by_data in places.values():
        if unread in by_data and len(by_data) == 2:
            known = next(read for read in by_data if read != unread)
            by_data[known] += by_data.pop(unread)
        for runs in by_data.values():
            config = identify(runs[0].config)
            for key, read in zip(hashes, zip(*by_data, strict=True), strict=True):
                if len(set(read)) == 1:  # other keys identify it, so the hash would only take up space
                    config.pop(key, None)
            configurations.append(Configuration(config, runs))
    return configurations


def identify(config: dict[str, Any]) -> dict[str, Any]:
    """The keys of a run's configuration that are the same in all its repeats."""
    return {key: value for key, value in config.items() if key != "seed" and key not in WITHOUT_EFFECT}


def find_differing_keys(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The keys whose value is not the same in all of them, in the order of the configuration."""
    missing = object()
    keys = dict.fromkeys(key for config in configs for key in config)
    return [key for key in keys if len({config.get(key, missing) for config in configs}) > 1]


def find_telling_keys(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The differing keys, without those that only follow from another choice.

    For example, only adam has betas. And what is measured on the data follows from the option that needs it, as the
    colour components do from dataset.colour.
    """
    keys = find_differing_keys(configs)

    def count_distinct(by: Sequence[str]) -> int:
        return len({tuple(config.get(key) for key in by) for config in configs})

    measured = {SOURCE, *(f"dataset.{name}" for name in MEASURED)}
    chosen = [key for key in keys if key not in measured]
    if count_distinct(chosen) == count_distinct(keys):
        keys = chosen

    def follows(key: str) -> bool:
        values = {config[key] for config in configs if key in config}
        return len(values) == 1 and key.rpartition(".")[0] in keys

    return [key for key in keys if not follows(key)]
