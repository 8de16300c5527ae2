"""What the files in conf/ offer: groups, options, what they build, usual values. No torch."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

CONF = Path(__file__).parents[2] / "conf"
GROUPS = ("model", "dataset", "optimizer", "schedule", "device")


@cache
def load_files(group: str) -> dict[str, DictConfig]:
    """conf/GROUP/*.yaml, by their names."""
    return {path.stem: OmegaConf.load(path) for path in sorted((CONF / group).glob("*.yaml"))}


def list_targets(group: str) -> set[str]:
    """The names that conf/GROUP/*.yaml build: the only ones that are ever imported for that group."""
    return {file._target_ for file in load_files(group).values() if "_target_" in file}


def get_module_name(config: DictConfig) -> str:
    """alexnet_cifar of the _target_ alexnet.models.alexnet_cifar.AlexNetCifar."""
    return config._target_.split(".")[-2]


def list_run_keys() -> list[str]:
    """The keys of conf/train.yaml that are a run's own."""
    return [key for key in load_files("")["train"] if key not in ("defaults", "hydra")]


def default_of(config: Mapping[str, Any], path: str) -> Any:
    """The value that conf/ gives that key; None where it gives none."""
    group, _, key = path.rpartition(".")
    target = config[group].get("_target_") if group else None
    same = (file for file in load_files(group).values() if file.get("_target_") == target)
    return next((file[key] for file in same if key in file and not OmegaConf.is_missing(file, key)), None)
