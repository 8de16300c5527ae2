"""Writes the lines under a comparison's table: which runs aren't averaged, and whether differences are significant."""

import re
from collections import Counter
from collections.abc import Sequence

from alexnet.comparison.columns import format_ends, name_metric, name_status
from alexnet.comparison.compare import Comparison
from alexnet.comparison.metrics import get_bounds, is_higher_better, is_share, parse_target
from alexnet.comparison.records import format_value
from alexnet.comparison.spread import bound_difference
from alexnet.comparison.verdicts import Verdict, judge
from alexnet.errors import make_printable
from alexnet.messages.console import translate
from alexnet.messages.lines import join_sentences

MOST_PAIRS = 5


def more_seeds() -> str:
    return translate("Repeat with several seeds: {}").format("python scripts/train.py -m seed=0,1,2 ...")


def _hint() -> str:
    return translate("compare.py --verbose lists them")


def write_notes(comparison: Comparison, verbose: bool = True) -> list[str]:
    """verbose: a line for each run that isn't averaged, each mixed average and each pair, however many they are."""
    return [
        *note_choice(comparison),
        *_note_left_out(comparison, verbose),
        *_note_mixed(comparison, verbose),
        *_note_missing(comparison, verbose),
        *_note_stopped_early(comparison, verbose),
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
        text = translate("ordered by the accuracy on held-out training images; {} is only shown")
        return [text.format(name_metric("test_accuracy"))]
    text = translate("ordered by test accuracy, so the best row's is too good; to choose without it: {}")
    return [text.format("dataset.validation=0.1")]


def _note_left_out(comparison: Comparison, verbose: bool) -> list[str]:
    text = translate("not averaged: {}")
    lines = [
        make_printable(text.format(f"{record.run.folder}: {record.status}: {reason}"))
        for record, reason in comparison.left_out
    ]
    if verbose or len(lines) < 2:
        return lines
    counts = Counter(record.status for record, _ in comparison.left_out)
    repeated = translate("{} repeated seed") if counts["finished"] == 1 else translate("{} repeated seeds")
    parts = [
        repeated.format(count) if status == "finished" else f"{count} {name_status(status)}"
        for status, count in counts.items()
    ]
    return [f"{text.format(', '.join(parts))}; {_hint()}"]


def _note_mixed(comparison: Comparison, verbose: bool) -> list[str]:
    mixed = [(each, name, values) for each in comparison.configurations for name, values in each.mixed.items()]
    if verbose or len(mixed) < 2:
        text = translate("{}: averaged over {} {}; see --diff")
        return [text.format(comparison.name(each), name, _list_values(values)) for each, name, values in mixed]
    counts = Counter(name for _, name, _ in mixed)
    rows = ", ".join(_count(count, name) for name, count in counts.items())
    return [f"{translate('averaged over several {}').format(rows)}; {_hint()}"]


def _count(rows: int, name: str) -> str:
    return translate("{} (1 row)").format(name) if rows == 1 else translate("{} ({} rows)").format(name, rows)


def _list_values(values: Sequence[str]) -> str:
    """Of hashes, such as commits, the first 12 digits."""
    return ", ".join(make_printable(re.sub(r"^([0-9a-f]{12})[0-9a-f]{28,}", r"\1", value)) for value in values)


def _note_missing(comparison: Comparison, verbose: bool) -> list[str]:
    """Which configurations have finished runs without the metric."""
    metric, target = comparison.metric, parse_target(comparison.metric)
    never = translate(": their training error never fell to {:g}%")
    why = "" if target is None else never.format(100 * target)
    if comparison.by_default and metric == "validation_accuracy":
        why = translate("; to compare them, too: {}").format("compare.py --metric test_accuracy")
    text = translate("{}: {} of {} finished runs have no {}{}")
    lines, missing, total = [], 0, 0
    for each in comparison.configurations:
        without = len(each.repeats) - len(each.get_values(metric))
        if without:
            missing, total = missing + without, total + len(each.repeats)
            lines.append(text.format(comparison.name(each), without, len(each.repeats), name_metric(metric), why))
    if verbose or len(lines) < 2:
        return lines
    text = translate("{} of {} finished runs in {} rows have no {}{}")
    return [f"{text.format(missing, total, len(lines), name_metric(metric), why)}; {_hint()}"]


def _note_stopped_early(comparison: Comparison, verbose: bool) -> list[str]:
    """Which configurations have runs that `patience` ended."""
    lines = []
    for each in comparison.configurations:
        epochs = sorted(record.metrics["epochs"] for record in each.repeats.values() if record.stopped_early)
        if epochs:
            after = " - ".join(f"{count:g}" for count in dict.fromkeys([epochs[0], epochs[-1]]))
            text = translate("{}: {} of {} runs stopped early, after {} epochs; their curves stay at their last values")
            lines.append(text.format(comparison.name(each), len(epochs), len(each.repeats), after))
    if verbose or len(lines) < 2:
        return lines
    text = translate("runs stopped early in {} rows; their curves stay at their last values")
    return [f"{text.format(len(lines))}; {_hint()}"]


def _note_best_of(comparison: Comparison) -> list[str]:
    """Which values of the best_of key were tried, and for which rows the best value may lie beyond them."""
    key, rows = comparison.best_of, comparison.configurations
    if key is None or all(each.get_spread("final_loss") is None for each in rows):
        return []
    by = ""
    unmeasured = [each for each in rows if each.repeats and each.get_spread(comparison.metric) is None]
    if unmeasured and all(each.get_spread(comparison.metric) is None for each in rows):
        by = translate(", by final_loss because no run has {}").format(name_metric(comparison.metric))
    tried = dict.fromkeys(",".join(map(format_value, each.tried)) for each in rows)
    text = translate("only the best of {}={} is shown{}")
    lines = [text.format(make_printable(key), values, by) for values in tried]
    if unmeasured and not by:
        text = translate("{} of the rows by final_loss, because their runs have no {}")
        lines.append(text.format(len(unmeasured), name_metric(comparison.metric)))
    for each in rows:
        if not each.repeats:  # all failed, so none of the values is the best
            continue
        are_numbers = {*map(type, each.tried)} <= {int, float}
        if len(each.tried) > 1 and are_numbers and each.config[key] in (each.tried[0], each.tried[-1]):
            text = translate("{} is at the edge of the values tried: the best may lie beyond")
            lines.append(text.format(comparison.name(each)))
    return lines


def _note_verdicts(comparison: Comparison, verbose: bool) -> list[str]:
    """A line for each pair that shares at least two seeds, up to MOST_PAIRS, and one line for all other pairs."""
    verdicts = judge(comparison)
    if not verdicts:
        single = [each for each in comparison.configurations if len(each.get_values(comparison.metric)) == 1]
        return [join_sentences(translate("n=1: one run has no spread."), more_seeds())] if single else []
    repeated = [verdict for verdict in verdicts if len(verdict.seeds) > 1]
    unrepeated = [verdict for verdict in verdicts if len(verdict.seeds) < 2]
    best = comparison.name(verdicts[0].best)
    most = len(repeated) if verbose else MOST_PAIRS
    lines = [_write_verdict(comparison, verdict) for verdict in repeated[:most]]
    if len(comparison.keys) > 1 and lines:
        lines.insert(0, translate("the best of several seeds is {}:").format(best))
        best = translate("it")
    if len(repeated) > most:
        lines.append(f"{translate('... and {} more such pairs').format(len(repeated) - most)}; {_hint()}")
    if len(unrepeated) == 1:
        lines.append(_write_verdict(comparison, unrepeated[0]))
    elif unrepeated:
        text = translate(
            "{} of the others share fewer than two seeds with {}: with n=1 a difference can't be told from chance."
        )
        lines.append(join_sentences(text.format(len(unrepeated), best), more_seeds()))
    return lines


def _write_verdict(comparison: Comparison, verdict: Verdict) -> str:
    """'A against B, seeds 0, 1: test_accuracy +1.20 points, 95% interval [...]: not distinguishable ...'

    A and B are named by the keys in which the two differ.
    """
    metric, difference, best, other = comparison.metric, verdict.difference, verdict.best, verdict.other
    pair = translate("{} against {}").format(comparison.name(best, other), comparison.name(other, best))
    if difference is None:
        text = translate("{}: they share no seed, so there is no paired difference.")
        return join_sentences(text.format(pair), more_seeds())
    seeds = translate("seed {}") if difference.n == 1 else translate("seeds {}")
    amount = _format_signed(difference.mean, metric) + (translate(" points") if is_share(metric) else "")
    start = f"{pair}, {seeds.format(', '.join(map(format_value, verdict.seeds)))}: {name_metric(metric)} {amount}"
    if difference.low is None or difference.high is None:
        text = translate("{}; with n=1 a difference can't be told from chance.")
        return join_sentences(text.format(start), more_seeds())
    ends = difference.get_interval(bound_difference(get_bounds(metric)))
    interval = translate("over all that can be")
    if ends is not None:
        interval = format_ends(*ends, metric, "+")
    if difference.contains_zero:
        judgement = translate("not distinguishable")
    else:
        is_better = (difference.mean > 0) == is_higher_better(metric)
        judgement = translate("better") if is_better else translate("worse")
    return translate("{}, 95% interval {}: {} with n={}.").format(start, interval, judgement, difference.n)


def _format_signed(value: float, metric: str) -> str:
    """'+1.20' percentage points of a share, '-0.0123' of any other number."""
    return f"{100 * value:+.2f}" if is_share(metric) else f"{value:+.4g}"
