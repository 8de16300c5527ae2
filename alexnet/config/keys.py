"""Nested configurations as flat keys, and what kind each key is: launch only, without effect, free to change."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

MEASURED = ("mean", "components")  # of a dataset: null has them measured on its training images


LAUNCH = ("resume", "dry_run", "report")  # how to launch, and no part of what is trained


# They can't change a number that the network computes. Where the data lies is not what it is: data_sha256 is.
WITHOUT_EFFECT = (
    *LAUNCH,
    "language",
    "log_every",
    "checkpoint_minutes",
    "dataset.root",
    "dataset.url",
    "dataset.download",
    "dataset.memory_share",
    "dataset.cache",
    "device.workers",
    "device.capture",
)


# What a run may go on with otherwise than it began.
MAY_CHANGE = ("epochs", "device.columns", *WITHOUT_EFFECT)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"model.dropout": 0.5, ...}: every value under its whole name, lists as they are, "???" where there is none."""
    leaves = {}
    for key in config:
        path = f"{prefix}{key}"
        missing = isinstance(config, DictConfig) and OmegaConf.is_missing(config, key)
        value = "???" if missing else config[key]
        if isinstance(value, (Mapping, DictConfig)):
            leaves |= flatten(value, f"{path}.")
        else:
            leaves[path] = value
    return leaves


def list_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(key, before, after) of what isn't the same in both; None where it isn't there."""
    keys = list(dict.fromkeys([*before, *after]))
    return [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
