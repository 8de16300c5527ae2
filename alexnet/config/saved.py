"""Loads the configuration in a run's folder. It may be untrusted, so it is checked before anything is built."""

import sys
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from alexnet.config import keys, options
from alexnet.config.checks import check_run
from alexnet.config.keys import LAUNCH
from alexnet.config.overrides import with_overrides
from alexnet.config.own_code import hash_own_code, list_changed_code
from alexnet.errors import Mistake, make_printable
from alexnet.messages.console import warn
from alexnet.messages.lines import show
from alexnet.runs.folder import Run

USED = ("model", "dataset")  # the groups that matter when a trained network is used


def load_run_config(
    run: Run, overrides: Sequence[str], trains: bool = True
) -> tuple[DictConfig, list[tuple[str, Any, Any]]]:
    """The folder's configuration with overrides, checked, and (key, before, after) of each change.

    trains: whether the run is to be trained with it, and not only tested.
    Raises Mistake if the folder has no configuration, and for any value or target that this project wouldn't use.
    """
    config, changes = with_overrides(_load_saved(run), overrides)
    try:
        check_run(config, trains)
    except OmegaConfBaseException as error:
        raise _refuse(run, str(error)) from error
    if not trains:
        _warn_of_other_code(run, config)
    return config, changes


def choose_weights(config: DictConfig, changed: Sequence[tuple[str, Any, Any]] = ()) -> str:
    """The name of the weights that the run is tested with: best if it holds out images for validation, else last.

    changed: of the run's own configuration. If that is ema=0, it is last: the best weights are averages.
    """
    no_average = any(key == "ema" and before and not after for key, before, after in changed)
    return "best" if config.dataset.get("validation", 0) > 0 and not no_average else "last"


def _warn_of_other_code(run: Run, config: DictConfig) -> None:
    """Says which files of the person's own network and data have changed since the run was trained."""
    environment = run.environment()  # empty beside a copy of the weights
    if environment and (changed := list_changed_code(environment.get("own_code"), hash_own_code(config), USED)):
        warn("Your own code has changed since the run was trained so far: {}", ", ".join(changed))


def _load_saved(run: Run) -> DictConfig:
    """config.yaml, unchecked. If it lacks a key, because it is older than the key, the default is used, and printed if
    it has an effect.

    What only launches a run is left out: a run that ended before it wrote config.yaml has it in Hydra's own file.
    """
    saved = run.config()
    if not saved:
        raise Mistake(f"{run.folder} isn't the folder of a run: there is no config.yaml in it.")
    flat = keys.flatten(saved)
    for key, value in flat.items():
        if "${" in f"{key} {value}":
            raise _refuse(run, f"{key} has an interpolation, ${{...}}.")
    try:
        config = DictConfig({key: value for key, value in saved.items() if key not in LAUNCH})
    except OmegaConfBaseException as error:
        raise _refuse(run, str(error)) from error
    for path, value in keys.list_since(flat.get("model._target_")).items():
        group, _, key = path.rpartition(".")
        place = config.get(group) if group else config
        if isinstance(place, DictConfig) and key not in place:
            place[key] = value
    for key in options.list_run_keys():
        if key not in config and key not in LAUNCH:
            config[key] = options.default_of(config, key)
            saved_as = make_printable(run.folder / "config.yaml")
            if key not in keys.WITHOUT_EFFECT:
                show(f"{saved_as} has no {key}: the default, {config[key]}, is used.", sys.stderr)
    return config


def _refuse(run: Run, reason: str) -> Mistake:
    return Mistake(f"{run.folder}/config.yaml is refused: {' '.join(reason.split())}")
