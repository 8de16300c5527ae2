"""Writes the lines under a comparison's table: which runs aren't averaged, and whether differences are significant."""

import re
from collections import Counter
from collections.abc import Sequence

from alexnet.comparison.compare import Comparison
from alexnet.comparison.metrics import is_higher_better, is_share, parse_target
from alexnet.comparison.records import format_value
from alexnet.comparison.verdicts import Verdict, judge
from alexnet.errors import make_printable

MORE_SEEDS = "Repeat with several seeds: python scripts/train.py -m seed=0,1,2 ..."
MOST_PAIRS = 5
HINT = "compare.py --verbose lists them"


def write_notes(comparison: Comparison, verbose: bool = True) -> list[str]:
    """verbose: a line for each run that isn't averaged, each mixed average and each pair, however many they are."""
    return [
        *note_choice(comparison),
        *_note_left_out(comparison, verbose),
        *_note_mixed(comparison, verbose),
        *_note_missing(comparison, verbose),
        *_note_best_of(comparison),
        *_note_verdicts(comparison, verbose),
    ]


def note_choice(comparison: Comparison) -> list[str]:
    """By which images the rows are ordered, if there is something to choose and nobody asked for the metric."""
    every = [*comparison.configurations, *comparison.others]
    ordered = [each for each in every if each.get_spread(comparison.metric) is not None]
    if not comparison.by_default or len(ordered) < 2:
        return []
    if comparison.metric == "validation_accuracy":
        return ["ordered by the accuracy on held-out training images; test_accuracy is only shown"]
    records = [record for each in ordered for record in each.repeats.values()]
    shares = {
        record.config.get("dataset.validation", 0.1) for record in records if "validation_accuracy" in record.metrics
    }
    if shares:
        return [
            "ordered by test accuracy, because not all of the runs held out images, so the best row's is too good; "
            f"to leave out those that didn't: --where dataset.validation={format_value(min(shares, key=str))}"
        ]
    return ["ordered by test accuracy, so the best row's is too good; to choose without it: dataset.validation=0.1"]


def _note_left_out(comparison: Comparison, verbose: bool) -> list[str]:
    lines = [
        make_printable(f"not averaged: {record.run.folder}: {record.status}: {reason}")
        for record, reason in comparison.left_out
    ]
    if verbose or len(lines) < 2:
        return lines
    kinds = ["repeated seed" if record.finished else record.status for record, _ in comparison.left_out]
    counts = ", ".join(f"{count} {make_printable(kind)}" for kind, count in Counter(kinds).items())
    return [f"not averaged: {counts}; {HINT}"]


def _note_mixed(comparison: Comparison, verbose: bool) -> list[str]:
    mixed = [(each, name, values) for each in comparison.configurations for name, values in each.mixed.items()]
    if verbose or len(mixed) < 2:
        return [
            f"{comparison.name(each)}: averaged over {name} {_list_values(values)}; see --diff"
            for each, name, values in mixed
        ]
    counts = Counter(name for _, name, _ in mixed)
    rows = ", ".join(f"{name} ({count} row{'s' * (count > 1)})" for name, count in counts.items())
    return [f"averaged over several {rows}; {HINT}"]


def _list_values(values: Sequence[str]) -> str:
    """Of hashes, such as commits, the first 12 digits."""
    return ", ".join(make_printable(re.sub(r"^([0-9a-f]{12})[0-9a-f]{28,}", r"\1", value)) for value in values)


def _note_missing(comparison: Comparison, verbose: bool) -> list[str]:
    """Which configurations have finished runs without the metric."""
    metric, target = comparison.metric, parse_target(comparison.metric)
    why = "" if target is None else f": their training error never fell to {100 * target:g}%"
    lines, missing, total = [], 0, 0
    for each in comparison.configurations:
        without = len(each.repeats) - len(each.get_values(metric))
        if without:
            missing, total = missing + without, total + len(each.repeats)
            lines.append(
                f"{comparison.name(each)}: {without} of {len(each.repeats)} finished runs have no {metric}{why}"
            )
    if verbose or len(lines) < 2:
        return lines
    return [f"{missing} of {total} finished runs in {len(lines)} rows have no {metric}{why}; {HINT}"]


def _note_best_of(comparison: Comparison) -> list[str]:
    """Which values of the best_of key were tried, and for which rows the best value may lie beyond them."""
    key, rows = comparison.best_of, comparison.configurations
    if key is None or all(each.get_spread("final_loss") is None for each in rows):
        return []
    by = ""
    if all(each.get_spread(comparison.metric) is None for each in rows):
        by = f", by final_loss because no run has {comparison.metric}"
    tried = dict.fromkeys(",".join(map(format_value, each.tried)) for each in rows)
    lines = [f"only the best of {make_printable(key)}={values} is shown{by}" for values in tried]
    for each in rows:
        if not each.repeats:  # all failed, so none of the values is the best
            continue
        are_numbers = {*map(type, each.tried)} <= {int, float}
        if len(each.tried) > 1 and are_numbers and each.config[key] in (each.tried[0], each.tried[-1]):
            lines.append(f"{comparison.name(each)} is at the edge of the values tried: the best may lie beyond")
    return lines


def _note_verdicts(comparison: Comparison, verbose: bool) -> list[str]:
    """A line for each pair that shares at least two seeds, up to MOST_PAIRS, and one line for all other pairs."""
    verdicts = judge(comparison)
    if not verdicts:
        single = [each for each in comparison.configurations if len(each.get_values(comparison.metric)) == 1]
        return [f"n=1: one run has no spread. {MORE_SEEDS}"] if single else []
    repeated = [verdict for verdict in verdicts if len(verdict.seeds) > 1]
    unrepeated = [verdict for verdict in verdicts if len(verdict.seeds) < 2]
    best = comparison.name(verdicts[0].best)
    most = len(repeated) if verbose else MOST_PAIRS
    lines = [_write_verdict(comparison, verdict) for verdict in repeated[:most]]
    if len(comparison.keys) > 1 and lines:
        lines.insert(0, f"the best of several seeds is {best}:")
        best = "it"
    if len(repeated) > most:
        lines.append(f"... and {len(repeated) - most} more such pairs; {HINT}")
    if len(unrepeated) == 1:
        lines.append(_write_verdict(comparison, unrepeated[0]))
    elif unrepeated:
        lines.append(
            f"{len(unrepeated)} of the others share fewer than two seeds with {best}: with n=1 a difference "
            f"can't be told from chance. {MORE_SEEDS}"
        )
    return lines


def _write_verdict(comparison: Comparison, verdict: Verdict) -> str:
    """'A against B, seeds 0, 1: test_accuracy +1.20 points, 95% interval [...]: not distinguishable ...'

    A and B are named by the keys in which the two differ.
    """
    metric, difference, best, other = comparison.metric, verdict.difference, verdict.best, verdict.other
    pair = f"{comparison.name(best, other)} against {comparison.name(other, best)}"
    if difference is None:
        return f"{pair}: they share no seed, so there is no paired difference. {MORE_SEEDS}"
    seeds = "seed" if difference.n == 1 else "seeds"
    amount = _format_signed(difference.mean, metric) + (" points" if is_share(metric) else "")
    start = f"{pair}, {seeds} {', '.join(map(format_value, verdict.seeds))}: {metric} {amount}"
    if difference.low is None or difference.high is None:
        return f"{start}; with n=1 a difference can't be told from chance. {MORE_SEEDS}"
    interval = f"[{_format_signed(difference.low, metric)}, {_format_signed(difference.high, metric)}]"
    if difference.contains_zero:
        judgement = "not distinguishable"
    else:
        judgement = "better" if (difference.mean > 0) == is_higher_better(metric) else "worse"
    return f"{start}, 95% interval {interval}: {judgement} with n={difference.n}."


def _format_signed(value: float, metric: str) -> str:
    """'+1.20' percentage points of a share, '-0.0123' of any other number."""
    return f"{100 * value:+.2f}" if is_share(metric) else f"{value:+.4g}"
