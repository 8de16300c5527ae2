"""Flattens a configuration; lists the keys that only launch a run, can't affect its numbers, or may change later."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

MEASURED = ("mean", "components")  # of a dataset; null: measured on its training images
LAUNCH = ("resume", "dry_run", "report")  # they say how to launch, not what is trained

# These can't change a number that the network computes. Where the data is doesn't matter: data_sha256 says what it is.
WITHOUT_EFFECT = (
    *LAUNCH,
    "report.metrics",
    "report.best_of",
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
MAY_CHANGE = ("epochs", "device.columns", *WITHOUT_EFFECT)  # when a run is resumed


def flatten(config: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """{"model.dropout": 0.5, ...}: each value under its whole name. Lists stay lists; "???" is a missing value."""
    leaves: dict[str, Any] = {}
    for key in config:
        path = prefix + str(key)
        missing = isinstance(config, DictConfig) and OmegaConf.is_missing(config, key)
        value = "???" if missing else config[key]
        if isinstance(value, Mapping):
            leaves |= flatten(value, f"{path}.")
        else:
            leaves[path] = value
    return leaves


def list_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(key, before, after) for each key whose values differ; None stands for a key that isn't there."""
    keys = list(dict.fromkeys([*before, *after]))
    return [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
