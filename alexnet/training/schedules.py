"""Learning-rate schedules: pure functions of the epochs so far and their errors.

Each takes `epoch`, the epochs so far (a fraction within one), `epochs`, the run's length, and `errors`, the error of
every finished epoch. It returns the factor of the base learning rate for the next step. There is no state, so nothing
has to be saved and nothing can go wrong on resume.
"""

from collections.abc import Sequence
from math import cos, inf, pi


def constant(epoch: float, epochs: int, errors: Sequence[float]) -> float:
    """The base learning rate at every step."""
    return 1.0


def step(epoch: float, epochs: int, errors: Sequence[float], *, every: int, factor: float) -> float:
    """Multiplies the learning rate by `factor` after every `every` epochs."""
    return factor ** (int(epoch) // every)


def cosine(epoch: float, epochs: int, errors: Sequence[float], *, warmup: float, final: float) -> float:
    """Rises linearly over `warmup` epochs, then follows half a cosine from 1 to `final` (Loshchilov, Hutter 2017)."""
    if epoch < warmup:
        return epoch / warmup
    return _half_cosine(1.0, final, (epoch - warmup) / (epochs - warmup))


def linear(epoch: float, epochs: int, errors: Sequence[float], *, warmup: float, final: float) -> float:
    """Rises linearly over `warmup` epochs, then falls linearly from 1 to `final`."""
    if epoch < warmup:
        return epoch / warmup
    return 1.0 + (final - 1.0) * (epoch - warmup) / (epochs - warmup)


def one_cycle(epoch: float, epochs: int, errors: Sequence[float], *, rise: float, start: float, final: float) -> float:
    """Rises from `start` to 1 over the share `rise` of training, then falls to `final` (Smith 2018)."""
    progress = epoch / epochs
    if progress < rise:
        return _half_cosine(start, 1.0, progress / rise)
    return _half_cosine(1.0, final, (progress - rise) / (1 - rise))


def plateau(
    epoch: float, epochs: int, errors: Sequence[float], *, factor: float, patience: int, threshold: float
) -> float:
    """Multiplies the learning rate by `factor` after more than `patience` epochs without a better error.

    Better means below (1 - `threshold`) times the best so far. AlexNet was trained like this by hand, with three
    divisions by 10 (Krizhevsky et al. 2012, §5).
    """
    drops, best, waited = 0, inf, 0
    for error in errors:
        if error < best * (1 - threshold):
            best, waited = error, 0
        else:
            waited += 1
        if waited > patience:
            drops, waited = drops + 1, 0
    return factor**drops


def _half_cosine(first: float, last: float, progress: float) -> float:
    return last + (first - last) * (1 + cos(pi * progress)) / 2
