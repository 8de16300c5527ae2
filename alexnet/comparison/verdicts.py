"""What a comparison says in sentences: is the best configuration better than the others, or is it chance?"""

from dataclasses import dataclass
from typing import Any

from alexnet.comparison.configurations import Comparison, Configuration, higher_is_better, is_share
from alexnet.comparison.records import format_value
from alexnet.comparison.spread import Spread, paired

MORE_SEEDS = "Repeat them with several seeds: python scripts/train.py -m seed=0,1,2 ..."


@dataclass(frozen=True)
class Verdict:
    """The best configuration against another one, paired by the seeds that they share."""

    best: Configuration
    other: Configuration
    seeds: list[Any]
    difference: Spread | None  # best - other; None where they share no seed


def verdicts(comparison: Comparison) -> list[Verdict]:
    """The best by the metric against each other one; it is one with several seeds, if there is such."""
    metric = comparison.metric
    measured = sorted(
        filter(lambda each: each.values(metric), comparison.configurations),
        key=lambda each: each.spread(metric).mean,
        reverse=higher_is_better(metric),
    )
    best = next((each for each in measured if len(each.values(metric)) > 1), next(iter(measured), None))
    return [_verdict(best, other, metric) for other in measured if other is not best]


def _verdict(best: Configuration, other: Configuration, metric: str) -> Verdict:
    first, second = best.values(metric), other.values(metric)
    return Verdict(best, other, [seed for seed in first if seed in second], paired(first, second))


def sentences(comparison: Comparison, most: int = 10) -> list[str]:
    """A line for each pair with two seeds or more in common, at most `most`, and one for all the rest."""
    judged = verdicts(comparison)
    if not judged:
        single = [each for each in comparison.configurations if len(each.values(comparison.metric)) == 1]
        return [f"n=1: one run has no spread. {MORE_SEEDS}"] if single else []
    told = [verdict for verdict in judged if len(verdict.seeds) > 1]
    untold = [verdict for verdict in judged if len(verdict.seeds) < 2]
    lines = [sentence(comparison, verdict) for verdict in told[:most]]
    if told[most:]:
        lines.append(f"... and {len(told) - most} more such pairs: --json has them all.")
    if len(untold) == 1:
        lines.append(sentence(comparison, untold[0]))
    elif untold:
        best = comparison.name(untold[0].best)
        lines.append(
            f"{len(untold)} of the others share fewer than two seeds with {best}: with n=1 a difference "
            f"can't be told from chance. {MORE_SEEDS}"
        )
    return lines


def sentence(comparison: Comparison, verdict: Verdict) -> str:
    """'A against B, seeds 0, 1: test_accuracy +1.20 points, 95% interval [...]: not distinguishable ...'"""
    metric, difference = comparison.metric, verdict.difference
    pair = f"{comparison.name(verdict.best)} against {comparison.name(verdict.other)}"
    if difference is None:
        return f"{pair}: they share no seed, so there is no paired difference. {MORE_SEEDS}"
    start = f"{pair}, seed{'s' * (difference.n > 1)} {', '.join(map(format_value, verdict.seeds))}: {metric} "
    amount = signed(difference.mean, metric) + (" points" if is_share(metric) else "")
    if difference.n == 1:
        return f"{start}{amount}; with n=1 a difference can't be told from chance. {MORE_SEEDS}"
    interval = f"95% interval [{signed(difference.low, metric)}, {signed(difference.high, metric)}]"
    if difference.contains_zero:
        return f"{start}{amount}, {interval}: not distinguishable with n={difference.n}."
    better = (difference.mean > 0) == higher_is_better(metric)
    return f"{start}{amount}, {interval}: {'better' if better else 'worse'} with n={difference.n}."


def signed(value: float, metric: str) -> str:
    """'+1.20' percentage points of a share, '-0.0123' of anything else."""
    return f"{100 * value:+.2f}" if is_share(metric) else f"{value:+.4g}"
