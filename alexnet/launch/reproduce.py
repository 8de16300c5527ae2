"""Trains a run again from its folder and says whether it is identical, or where and by how much it first differs."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexnet.comparison.difference import NOT_COMPARED, format_fact
from alexnet.config import keys
from alexnet.config.machine import check_machine, check_source_is_there
from alexnet.config.saved import load_run_config
from alexnet.disk import check_space
from alexnet.errors import Damaged, make_printable, shorten
from alexnet.launch.notify import call_around, split_callbacks
from alexnet.launch.torchrun import find_begun_folder
from alexnet.messages.lines import show
from alexnet.runs.claim import claim
from alexnet.runs.folder import Run
from alexnet.training.job import execute, log_to

# What a reproduction must have in common with its original, causes first. Times can't be equal.
WINDOW_VALUES = ("epoch", "batch", "step", "learning_rate", "loss", "accuracy")
# Keys of environment.json that say nothing about the numbers.
SAYS_NOTHING = (
    "command",
    "working_directory",
    "reproduces",
    "extended_from",
    "processes",
    "hosts",
    keys.DATA_BY_LENGTHS,
    *NOT_COMPARED,
)
MOST_CAUSES = 100  # printed


def reproduce(folder: str, overrides: Sequence[str]) -> int:
    """Trains again from the folder's config.yaml, in a new folder, and compares. Returns 0 if identical, else 1.

    A reproduction that was stopped or failed isn't compared; its own exit status is returned. Raises Mistake if the
    folder isn't a run's, or if its configuration or an override is refused.
    """
    original = Run(folder)
    callbacks, overrides = split_callbacks(overrides)
    config, differences = load_run_config(original, overrides)
    check_source_is_there(config, original)
    check_machine(config)
    for read in (list_windows, Run.environment):  # damage is told now, and not after the training
        read(original)
    original.check_tables(original.result() or {})
    from alexnet.training.build import build_without_data, check_options  # torch takes seconds: not before the checks
    from alexnet.training.disk_use import estimate
    from alexnet.training.transfer import check_source

    check_options(config)
    check_source(config, original, build_without_data(config))
    check_space(Path("outputs"), estimate(config).peak, "call this in a folder on another disk")
    run = Run(find_begun_folder() or claim(time.strftime("outputs/%Y-%m-%d/%H-%M-%S")))
    show(f"Reproducing {make_printable(folder)} in {run.folder}")
    _print_restoring(original)
    for key, before, after in differences:
        show(f"intended difference: {key}: {make_printable(shorten(f'{before} -> {after}'))}")
    log_to(run)
    exit_status = call_around(callbacks, config, run, lambda: execute(config, run, parent=original))
    if not run.is_done():
        return exit_status
    identical, verdict = compare_runs(original, run)
    show(make_printable(verdict))
    if not identical:
        _print_causes(original, run)
    return 0 if identical else 1


def compare_runs(original: Run, run: Run) -> tuple[bool, str]:
    """Whether all windows and the final weights are equal, and the verdict in a sentence."""
    before = list_windows(original)
    steps, every = {step for _, _, step, *_ in before}, run.config()["log_every"]
    # Version 0.1.0 wrote no row for what is left of an epoch after its last whole window.
    after = [row for row in list_windows(run) if row[1] % every == 0 or row[2] in steps]
    ended, result = original.result() or {"status": "unfinished"}, run.result() or {}
    stopped = ended["status"] in ("unfinished", "interrupted")
    if stopped:
        after = after[: len(before)]
    equal = sum(a == b for a, b in zip(before, after, strict=False))
    total = max(len(before), len(after))
    for a, b in zip(before, after, strict=False):
        if a != b:
            return False, f"{_describe_difference(a, b)}; {equal} of {total} windows equal"
    if len(before) != len(after):
        return False, f"different: windows: {len(before)} -> {len(after)}; the first {equal} are equal"
    if stopped:
        return True, f"identical as far as the original went: {equal} of {total} windows (it is {ended['status']})"
    if ended["status"] != result["status"]:
        return False, f"different: {equal} of {total} windows equal, but {ended['status']} -> {result['status']}"
    if "weights_sha256" not in ended:
        return True, f"identical: {equal} of {total} windows, both {ended['status']}"
    if ended["weights_sha256"] != result["weights_sha256"]:
        return False, f"different: {equal} of {total} windows equal, weights not"
    return True, f"identical: {equal} of {total} windows, weights equal"


def list_windows(run: Run) -> list[list[float]]:
    """The WINDOW_VALUES of each window. Raises Damaged if one is missing."""
    rows = run.windows()
    if any(row.get(name) is None for row in rows for name in WINDOW_VALUES):
        raise Damaged(f"{run.folder / 'losses.csv'} can't be read: expected {', '.join(WINDOW_VALUES)} in each row.")
    return [[row[name] for name in WINDOW_VALUES] for row in rows]


def _describe_difference(before: Sequence[float], after: Sequence[float]) -> str:
    """The first value in which two windows differ."""
    name, old, new = next(
        (name, old, new) for name, old, new in zip(WINDOW_VALUES, before, after, strict=True) if old != new
    )
    place = f"epoch {after[0]:.0f}, batch {after[1]:.0f}"
    return f"different: first in {place}: {name} {old!r} -> {new!r} (by {new - old:+.3g})"


def _print_causes(original: Run, run: Run) -> None:
    """What may explain a difference: an extended original, another environment."""
    for shorter in original.environment().get("extended_from", []):
        show(f"the original was extended: it had the learning rates of a run with {format_fact(shorter)}")
    changes = list_environment_changes(original, run)
    for key, before, after in changes[:MOST_CAUSES]:
        show(f"environment differs: {make_printable(key)}: {format_fact(before)} -> {format_fact(after)}")
    if len(changes) > MOST_CAUSES:
        print(f"... and in {len(changes) - MOST_CAUSES} more keys.")
    _print_restoring(original)


def _print_restoring(original: Run) -> None:
    """How to install the original's packages, if others are here."""
    from alexnet.engine.environment import describe_restoring

    if restoring := describe_restoring(original.environment()):
        show(f"the original had other packages. {restoring}")


def list_environment_changes(original: Run, run: Run) -> list[tuple[str, Any, Any]]:
    """(key, before, after) for what differs between the two environments and may change a number."""
    environments = keys.align_data_hashes([keys.flatten(each.environment()) for each in (original, run)])
    changes = keys.list_changes(*environments)
    return [change for change in changes if change[0].split(".")[0] not in SAYS_NOTHING]
