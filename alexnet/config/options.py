"""Reads the files in conf/: groups, their options, their targets and default values. No torch."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from alexnet.runs.reading import load_yaml

CONF = Path(__file__).parents[2] / "conf"
GROUPS = ("model", "dataset", "optimizer", "schedule", "device")


@cache
def load_files(group: str) -> dict[str, dict[str, Any]]:
    """conf/GROUP/*.yaml by name, each merged with the files in its defaults list. The group "" is conf/ itself."""
    return {path.stem: _load_file(path) for path in sorted((CONF / group).glob("*.yaml"))}


@cache
def _load_file(path: Path) -> dict[str, Any]:
    """The file as Hydra composes it. Entries of the defaults list that choose an option of a group are left out."""
    own = load_yaml(path.read_text(encoding="utf-8"))  # ten times as fast as OmegaConf.load
    merged: dict[str, Any] = {}
    for name in own.pop("defaults", ["_self_"]):
        if not isinstance(name, str):
            continue
        added = own if name == "_self_" else _load_file(path.parent / f"{name}.yaml")
        merged |= {key: value for key, value in added.items() if value != "???" or key not in merged}
    return merged


def list_targets(group: str) -> set[str]:
    """The _target_s in conf/GROUP/*.yaml. Only these are ever imported for that group."""
    return {file["_target_"] for file in load_files(group).values() if "_target_" in file}


def get_module_name(config: DictConfig) -> str:
    """alexnet_cifar, from the _target_ alexnet.models.alexnet_cifar.AlexNetCifar."""
    return config._target_.split(".")[-2]


def find_option(group: str, target: str) -> str:
    """The name to type for that _target_, such as alexnet_cifar or adam; the target's last name if conf/ lacks it."""
    names = (name for name, file in load_files(group).items() if file.get("_target_") == target)
    return next(names, target.rpartition(".")[2])


def list_run_keys() -> list[str]:
    """The keys of conf/train.yaml that belong to the run itself."""
    return [key for key in load_files("")["train"] if key != "hydra"]


def default_of(config: Mapping[str, Any], path: str) -> Any:
    """The value that conf/ gives the option; None if it gives none. path: its whole name, such as optimizer.lr."""
    group, _, key = path.rpartition(".")
    target = config[group].get("_target_") if group else None
    same = (file for file in load_files(group).values() if file.get("_target_") == target)
    return next((file[key] for file in same if file.get(key, "???") != "???"), None)
