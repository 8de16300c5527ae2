"""Flattens a configuration; lists the keys that only launch a run, can't affect its numbers, or may change later."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from alexnet.models.limits import TRANSFER

MEASURED = ("mean", "components")  # of a dataset; null: measured on its training images
LAUNCH = ("resume", "join", "dry_run", "report")  # they say how to launch, not what is trained

# These can't change a number that the network computes. Where the data is doesn't matter: data_sha256 says what it is.
NOTES = ("tags", "note")
WITHOUT_EFFECT = (
    *LAUNCH,
    *NOTES,
    "report.metrics",
    "report.best_of",
    "language",
    "console",
    "log_every",
    "checkpoint_minutes",
    "keep",
    "test",
    "dataset.root",
    "dataset.url",
    "dataset.download",
    "dataset.memory_share",
    "dataset.cache",
    "device.processes",
    "device.workers",
    "device.capture",
)
MAY_CHANGE = ("epochs", "patience", "device.columns", *WITHOUT_EFFECT)  # when a run is resumed

# Of an environment: the hash of the data, and what earlier versions recorded under that name for image files: a hash of
# their names and lengths. Only an environment without the second can be an earlier version's.
DATA, DATA_BY_LENGTHS = "data_sha256", "data_lengths_sha256"

# The hash of the weights that a run began with, among the keys of a comparison.
SOURCE = "model.weights_sha256"
# Keys that older runs lack, and the value with which a run is like theirs.
SINCE = {
    **{"mixup": 0, "clip_norm": None, "accumulate": 1, "ema": 0, "patience": None, "overfit": None},
    **{f"model.{name}": None for name in TRANSFER},
    "optimizer.new_layers": 1,
    "dataset.only": None,
    "device.processes": 1,
    "device.shards": 1,
}
# The same for the runs of one network, by its _target_.
SINCE_OF = {"alexnet.models.alexnet_cifar.AlexNetCifar": {"model.stride": 1, "model.pool": 3}}


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


def list_since(model: Any) -> dict[str, Any]:
    """The keys that an older run may lack, and the values that it had in effect. model: the run's model._target_."""
    return {**SINCE, **SINCE_OF.get(str(model), {})}


def without_launch(overrides: Sequence[str]) -> list[str]:
    """The overrides that are part of what is trained. Whether it is shown or tested isn't."""
    others = (*LAUNCH, "console", "test")
    return [given for given in overrides if given.lstrip("+").partition("=")[0].partition(".")[0] not in others]


def list_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(key, before, after) for each key whose values differ; None stands for a key that isn't there."""
    keys = list(dict.fromkeys([*before, *after]))
    return [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def align_data_hashes(environments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The environments, with today's hash of the data in place of an earlier version's of lengths.

    That is done if all newer runs on files of these names and lengths had the same contents. An earlier version's run
    can't tell more.
    """
    contents: dict[str, set[Any]] = {}
    for each in environments:
        if DATA_BY_LENGTHS in each:
            contents.setdefault(str(each[DATA_BY_LENGTHS]), set()).add(str(each.get(DATA)))

    def align(each: dict[str, Any]) -> dict[str, Any]:
        known = contents.get(str(each.get(DATA)), set())
        return {**each, DATA: min(known)} if DATA_BY_LENGTHS not in each and len(known) == 1 else each

    return list(map(align, environments))
