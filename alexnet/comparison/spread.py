"""Computes the mean, standard deviation and 95% confidence interval of a few repeats."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, stdev
from typing import Any

from scipy.special import stdtrit  # Student's t; scipy.stats takes a second to import


@dataclass(frozen=True)
class Spread:
    """The spread of n values. A single value has none: std, low and high are None."""

    n: int
    mean: float
    std: float | None  # of the sample: divided by n - 1
    low: float | None  # of the mean's 95% interval, by Student's t
    high: float | None

    @classmethod
    def of(cls, values: Iterable[float], bounds: tuple[float, float] = (-inf, inf)) -> "Spread | None":
        """None if there are no values. bounds: the interval is cut there, at the least and the most that can be."""
        values = list(values)
        if not values:
            return None
        if len(values) == 1:
            return cls(1, values[0], None, None, None)
        mean, std = fmean(values), stdev(values)
        half = float(stdtrit(len(values) - 1, 0.975)) * std / sqrt(len(values))
        low, high = max(mean - half, bounds[0]), min(mean + half, bounds[1])
        return cls(len(values), mean, std, min(mean, low), max(mean, high))  # a damaged run's mean may be beyond them

    @classmethod
    def of_differences(
        cls, first: Mapping[Any, float], second: Mapping[Any, float], bounds: tuple[float, float] = (-inf, inf)
    ) -> "Spread | None":
        """The spread of first - second over the seeds that both have. None if they share no seed.

        bounds: the least and the most that either can be.
        """
        return cls.of((first[seed] - second[seed] for seed in first if seed in second), bound_difference(bounds))

    def get_interval(self, bounds: tuple[float, float]) -> tuple[float, float] | None:
        """None for a single value, and if the interval covers all that can be, so that it would tell nothing."""
        if self.low is None or self.high is None or (self.low <= bounds[0] and self.high >= bounds[1]):
            return None
        return self.low, self.high

    @property
    def contains_zero(self) -> bool:
        """Whether the interval contains zero. A single value has no interval, so it may."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


def bound_difference(bounds: tuple[float, float]) -> tuple[float, float]:
    """The least and the most that the difference of two such values can be."""
    most = bounds[1] - bounds[0]
    return -most, most


def compute_share_interval(right: int, count: int) -> tuple[float, float]:
    """The 95% interval of the share `right` of `count` independent images (Wilson 1927). It lies within [0, 1]."""
    from scipy.stats import binomtest  # takes a second to import

    interval = binomtest(right, count).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)
