"""How far a few repeats tell: mean, standard deviation, and the interval that the true mean may lie in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Any

from scipy.special import stdtrit  # Student's t without scipy.stats, which takes a second to import


@dataclass(frozen=True)
class Spread:
    """Of n values. With n=1 there is no spread: std, low and high are None."""

    n: int
    mean: float
    std: float | None  # of the sample: n - 1 below
    low: float | None  # of the 95% interval of the mean, by Student's t
    high: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """None for no values."""
        values = list(values)
        if len(values) < 2:
            return cls(1, values[0], None, None, None) if values else None
        mean, std = fmean(values), stdev(values)
        half = float(stdtrit(len(values) - 1, 0.975)) * std / sqrt(len(values))
        return cls(len(values), mean, std, mean - half, mean + half)

    @property
    def contains_zero(self) -> bool:
        return self.low is None or self.low <= 0 <= self.high


def paired(first: Mapping[Any, float], second: Mapping[Any, float]) -> Spread | None:
    """The spread of first - second over the seeds that both have; None where they share none."""
    return Spread.of(first[seed] - second[seed] for seed in first if seed in second)
