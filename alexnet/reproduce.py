"""A run done again from its folder, with a verdict: identical, or where and why it first differs."""

import time
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from alexnet import checks
from alexnet.difference import brief
from alexnet.errors import Mistake
from alexnet.job import execute, log_to
from alexnet.run import Run, claim

# What a reproduction must have in common with the original; times can't be.
WINDOW_VALUES = ("epoch", "batch", "step", "loss", "accuracy", "learning_rate")


def reproduce(folder: str, overrides: Sequence[str]) -> int:
    """Trains anew from the folder's config.yaml in a new folder, and compares. 0 where identical, else 1.

    Raises Mistake where the folder isn't a run's, or its configuration or an override is refused.
    """
    original = Run(folder)
    config, differences = overridden(saved_config(original), overrides)
    run = Run(claim(time.strftime("outputs/%Y-%m-%d/%H-%M-%S")))
    print(f"Reproducing {folder} in {run.folder}")
    for key, before, after in differences:
        print(f"intended difference: {key}: {before} -> {after}")
    log_to(run)
    exit_status = execute(config, run, parent=original)
    if exit_status not in (0, 1):
        return exit_status
    identical, text = verdict(original, run)
    print(text)
    if not identical:
        for key, before, after in environment_differences(original, run):
            print(f"environment differs: {key}: {brief(before)} -> {brief(after)}")
    return 0 if identical else 1


def saved_config(run: Run) -> DictConfig:
    """The folder's resolved configuration, checked: a stranger may have written it.

    Raises Mistake where there is none, and for any value or target that the project itself wouldn't use.
    """
    saved = run.config()
    if not saved:
        raise Mistake(f"{run.folder} isn't the folder of a run: there is no config.yaml in it.")
    for key, value in checks.flat(saved).items():
        if "${" in f"{key} {value}":
            raise Mistake(f"{run.folder}/config.yaml is refused: {key} has an interpolation, ${{...}}.")
    try:
        config = OmegaConf.create(saved)
    except OmegaConfBaseException as error:
        raise Mistake(f"{run.folder}/config.yaml is refused: {' '.join(str(error).split())}") from error
    checks.check(config)
    return config


def overridden(config: DictConfig, overrides: Sequence[str]) -> tuple[DictConfig, list[tuple[str, Any, Any]]]:
    """A copy with `key=value` and `group=option` applied, and the (key, before, after) of all that differs.

    Raises Mistake for what isn't of that form, and for an unknown key or option.
    """
    changed = OmegaConf.create(OmegaConf.to_container(config))
    OmegaConf.set_struct(changed, True)
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        for override in parsed:
            key, value = override.key_or_group, override.value()
            if override.type is not OverrideType.CHANGE or override.is_sweep_override():
                raise Mistake(f"{override.input_line}: expected key=value or group=option.")
            if key in checks.GROUPS:
                value = _option(key, value)
            OmegaConf.update(changed, key, value)
    except (HydraException, OmegaConfBaseException) as error:
        raise Mistake(f"{' '.join(overrides)}: {' '.join(str(error).split())}") from error
    OmegaConf.set_struct(changed, False)
    checks.check(changed)
    return changed, differing(checks.flat(config), checks.flat(changed))


def _option(group: str, option: str) -> DictConfig:
    path = checks.CONF / group / f"{option}.yaml"
    options = sorted(path.stem for path in path.parent.glob("*.yaml"))
    if option not in options:
        raise Mistake(f"{group}={option}: there is no such {group}{checks.nearest(str(option), options)}")
    return OmegaConf.load(path)


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(key, before, after) of what isn't the same in both; None where it isn't there."""
    keys = list(dict.fromkeys([*before, *after]))
    return [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


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
    environments = [checks.flat(of.environment() or {}) for of in (original, run)]
    told = ("command", "working_directory", "reproduces", "earlier")
    return [difference for difference in differing(*environments) if difference[0].split(".")[0] not in told]
