"""A run done again from its folder, with a verdict: identical, or where and why it first differs."""

import time
from collections.abc import Sequence
from typing import Any

from alexnet.comparison.difference import shorten
from alexnet.config import keys
from alexnet.config.machine import check_machine
from alexnet.config.saved import load_run_config
from alexnet.runs.folder import Run, claim
from alexnet.training.job import execute, log_to

# What a reproduction must have in common with the original; times can't be.
WINDOW_VALUES = ("epoch", "batch", "step", "learning_rate", "loss", "accuracy")  # causes first


def reproduce(folder: str, overrides: Sequence[str]) -> int:
    """Trains anew from the folder's config.yaml in a new folder, and compares. 0 where identical, else 1.

    What was stopped or failed before its end is not compared: its exit status, and its reason on stderr.
    Raises Mistake where the folder isn't a run's, or its configuration or an override is refused.
    """
    original = Run(folder)
    config, differences = load_run_config(original, overrides)
    check_machine(config)
    run = Run(claim(time.strftime("outputs/%Y-%m-%d/%H-%M-%S")))
    print(f"Reproducing {folder} in {run.folder}")
    for key, before, after in differences:
        print(f"intended difference: {key}: {before} -> {after}")
    log_to(run)
    exit_status = execute(config, run, parent=original)
    if not run.is_done():
        return exit_status
    identical, text = verdict(original, run)
    print(text)
    if not identical:
        for shorter in original.environment().get("extended_from", []):
            print(f"the original was extended: it had the learning rates of a run with {shorter}")
        for key, before, after in environment_differences(original, run):
            print(f"environment differs: {key}: {shorten(before)} -> {shorten(after)}")
    return 0 if identical else 1


def verdict(original: Run, run: Run) -> tuple[bool, str]:
    """Whether all windows and the final weights are equal, and a sentence that says so or what differs first."""
    before, after = ([[row[name] for name in WINDOW_VALUES] for row in of.windows()] for of in (original, run))
    ended, result = original.result() or {"status": "unfinished"}, run.result() or {}
    if ended["status"] in ("unfinished", "interrupted"):
        after = after[: len(before)]
    equal = sum(a == b for a, b in zip(before, after, strict=False))
    total = max(len(before), len(after))
    for a, b in zip(before, after, strict=False):
        for name, old, new in zip(WINDOW_VALUES, a, b, strict=True):
            if old != new:
                return False, (
                    f"different: first in epoch {b[0]:.0f}, batch {b[1]:.0f}: {name} {old!r} -> {new!r} "
                    f"(by {new - old:+.3g}); {equal} of {total} windows equal"
                )
    if len(before) != len(after):
        return False, f"different: {len(before)} windows -> {len(after)}; the first {equal} are equal"
    if ended["status"] in ("unfinished", "interrupted"):
        return True, f"identical as far as the original went: {equal} of {total} windows (it is {ended['status']})"
    if ended["status"] != result["status"]:
        return False, f"different: {equal} of {total} windows equal, but {ended['status']} -> {result['status']}"
    if "weights_sha256" not in ended:
        return True, f"identical: {equal} of {total} windows, both {ended['status']}"
    if ended["weights_sha256"] != result["weights_sha256"]:
        return False, f"different: {equal} of {total} windows equal, weights not"
    return True, f"identical: {equal} of {total} windows, weights equal"


def environment_differences(original: Run, run: Run) -> list[tuple[str, Any, Any]]:
    """What differs between the two environments, apart from the command and where it was given."""
    environments = [keys.flatten(of.environment() or {}) for of in (original, run)]
    told = ("command", "working_directory", "reproduces", "started", "earlier", "extended_from")
    return [difference for difference in keys.list_changes(*environments) if difference[0].split(".")[0] not in told]
