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
from alexnet.errors import Mistake, make_printable
from alexnet.messages.lines import show
from alexnet.runs.folder import Run


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
    return config, changes


def choose_weights(config: DictConfig) -> str:
    """The name of the weights that the run is tested with: best if it holds out images for validation, else last."""
    return "best" if config.dataset.get("validation", 0) > 0 else "last"


def _load_saved(run: Run) -> DictConfig:
    """config.yaml, unchecked. If it lacks a key, because it is older than the key, the default is used, and printed if
    it has an effect.

    What only launches a run is left out: a run that ended before it wrote config.yaml has it in Hydra's own file.
    """
    saved = run.config()
    if not saved:
        raise Mistake(f"{run.folder} isn't the folder of a run: there is no config.yaml in it.")
    for key, value in keys.flatten(saved).items():
        if "${" in f"{key} {value}":
            raise _refuse(run, f"{key} has an interpolation, ${{...}}.")
    try:
        config = DictConfig({key: value for key, value in saved.items() if key not in LAUNCH})
    except OmegaConfBaseException as error:
        raise _refuse(run, str(error)) from error
    for path, value in keys.SINCE.items():
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
