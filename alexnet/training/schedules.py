"""Learning-rate schedules: pure functions of where training stands.

Each takes `epoch`, the epochs done so far (fractional within one), `epochs`, the run's length, and
`errors`, the error of every finished epoch; it returns the factor on the optimizer's base learning
rate for the next step. There is no state, so nothing to save and nothing to go wrong on resume.
"""

from collections.abc import Sequence
from math import cos, inf, pi


def constant(epoch: float, epochs: int, errors: Sequence[float]) -> float:
    """The base learning rate, throughout."""
    return 1.0


def step(epoch: float, epochs: int, errors: Sequence[float], *, every: int, factor: float) -> float:
    """Multiplied by `factor` after every `every` epochs."""
    return factor ** (int(epoch) // every)


def cosine(epoch: float, epochs: int, errors: Sequence[float], *, warmup: float, final: float) -> float:
    """A linear rise over `warmup` epochs, then half a cosine from 1 to `final` (Loshchilov, Hutter 2017)."""
    if epoch < warmup:
        return epoch / warmup
    return _half_cosine(1.0, final, (epoch - warmup) / (epochs - warmup))


def one_cycle(epoch: float, epochs: int, errors: Sequence[float], *, rise: float, start: float, final: float) -> float:
    """Up from `start` to 1 over the share `rise` of training, down to `final` over the rest (Smith 2018)."""
    progress = epoch / epochs
    if progress < rise:
        return _half_cosine(start, 1.0, progress / rise)
    return _half_cosine(1.0, final, (progress - rise) / (1 - rise))


def plateau(
    epoch: float, epochs: int, errors: Sequence[float], *, factor: float, patience: int, threshold: float
) -> float:
    """Multiplied by `factor` each time more than `patience` epochs bring no error below the best so far.

    An epoch counts as better when its error is under (1 - `threshold`) times the best. AlexNet was
    trained so by hand, three times ÷10 (Krizhevsky et al. 2012, §5).
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
