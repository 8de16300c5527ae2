"""Tests whether the best configuration is better than the others, or whether the difference may be chance."""

from dataclasses import dataclass
from typing import Any

from alexnet.comparison.compare import Comparison, rank_by_metric
from alexnet.comparison.configurations import Configuration
from alexnet.comparison.metrics import get_bounds
from alexnet.comparison.spread import Spread


@dataclass(frozen=True)
class Verdict:
    """The best configuration against another one, paired by the seeds that both have."""

    best: Configuration
    other: Configuration
    seeds: list[Any]
    difference: Spread | None  # best - other; None if they share no seed


def judge(comparison: Comparison) -> list[Verdict]:
    """The best configuration by the metric against each of the others.

    The best is the best of those with several seeds, if there are any.
    """
    metric = comparison.metric
    measured = [each for each in comparison.configurations if each.get_values(metric)]
    measured.sort(key=lambda each: rank_by_metric(each, metric))
    repeated = [each for each in measured if len(each.get_values(metric)) > 1]
    if not measured:
        return []
    best = (repeated or measured)[0]
    return [_judge_pair(best, other, metric) for other in measured if other.config != best.config]


def _judge_pair(best: Configuration, other: Configuration, metric: str) -> Verdict:
    first, second = best.get_values(metric), other.get_values(metric)
    shared = [seed for seed in first if seed in second]
    return Verdict(best, other, shared, Spread.of_differences(first, second, get_bounds(metric)))
