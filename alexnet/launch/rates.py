"""What a learning-rate range test says: its curve, smoothed, and the rate that it suggests. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
WIDTH = 0.1  # of the smoothing: the standard deviation of a Gaussian, in powers of ten of the rate
SURE = 5  # times the standard deviation of the noise, by which a loss is lower than another


def space_rates(lowest: float, highest: float, steps: int) -> list[float]:
    """So many rates, each the same multiple of the one before."""
    return np.geomspace(lowest, highest, steps).tolist()


@dataclass(frozen=True)
class Curve:
    """The loss over the rate as far as all seeds got.

    losses: (seeds, steps). smooth, spread: their mean and standard deviation over the seeds (0 for one seed), smoothed.
    width: of the smoothing, in steps.
    """

    rates: Numbers
    losses: Numbers
    smooth: Numbers
    spread: Numbers
    width: float

    @property
    def lowest(self) -> int:
        """The step with the lowest smoothed loss."""
        return int(self.smooth.argmin())

    @property
    def begins_at(self) -> float:
        """The loss before the rate is high enough to change it."""
        return float(self._first.mean())

    @property
    def falls(self) -> bool:
        """Whether some rate lowers the loss, by more than noise does. It may be little: a deep network without batch
        normalisation begins to learn late.
        """
        averaged = len(self.losses) * max(1.0, 2 * np.pi**0.5 * self.width)  # losses in a smoothed one
        fall = self.begins_at - self.smooth[self.lowest]
        return bool(fall > SURE * self._first.std() / averaged**0.5 and fall > 0.001 * self.begins_at)

    @property
    def _first(self) -> Numbers:
        return self.losses[:, : max(5, len(self.rates) // 10)]


def make_curve(rates: Sequence[float], losses: Sequence[Sequence[float]]) -> Curve:
    """rates: of all steps. losses: of each seed, as far as it got, at least two steps."""
    steps = min(map(len, losses))
    held, used = np.array([each[:steps] for each in losses]), np.array(rates[:steps])
    width = WIDTH / np.log10(rates[1] / rates[0])  # in steps
    spread = held.std(0, ddof=1) if len(held) > 1 else np.zeros(steps)
    return Curve(used, held, _smooth(held.mean(0), width), _smooth(spread, width), float(width))


def _smooth(values: Numbers, width: float) -> Numbers:
    """Each value averaged with those around it, weighted by a Gaussian. Unlike fastai's average it doesn't lag behind,
    which would move the curve to higher rates.
    """
    steps = np.arange(len(values))
    weights = np.exp(-(((steps[:, None] - steps) / width) ** 2) / 2)
    smoothed: Numbers = weights @ values / weights.sum(1)
    return smoothed


def find_middle(curve: Curve) -> float:
    """The middle, as powers of ten, of the rates between which the loss has done at least half of its fall."""
    low = curve.smooth <= (curve.begins_at + curve.smooth.min()) / 2
    first, last = curve.rates[low.argmax()], curve.rates[len(low) - 1 - low[::-1].argmax()]
    return float((first * last) ** 0.5)


def round_rate(rate: float) -> float:
    """To two digits, as people write rates."""
    return float(f"{rate:.1e}")
