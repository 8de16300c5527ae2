"""The images of a run: loaded once on each machine, however many of its processes train on them."""

import ctypes
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import asdict, fields, replace
from json import dumps, loads
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor

from alexnet.data import facts
from alexnet.data.dataset import Dataset, Split, Splits, choose_splits
from alexnet.data.preparation import Preparation
from alexnet.engine.distributed import Group
from alexnet.training.network import choose_preparation, load_dataset


class Data(NamedTuple):
    """dataset: without images of its own if the splits' are shared with other processes."""

    dataset: Dataset
    splits: Splits
    preparation: Preparation


def load_data(config: DictConfig, group: Group, device: torch.device, dataset: Dataset | None = None) -> Data:
    """Loads, splits and measures the images. Processes that have memory in common share the images in it.

    Process 0 is the first one that reads, so it alone downloads and decodes. dataset: used instead of the
    configuration's own source. Raises Mistake or Failure for images that can't be loaded.
    """
    alone = group.messages is None
    data = _load(config, dataset) if alone else _load_once(config, group, device, dataset)
    _return_freed_memory()
    return data


def _load_once(config: DictConfig, group: Group, device: torch.device, dataset: Dataset | None) -> Data:
    """Loads the images in one process of each machine; the others map them."""
    assert group.messages is not None
    messages, place = group.messages, f"data/{group.rank - group.local_rank}"
    data = _load(config, dataset) if group.rank == 0 else None
    if data is not None:
        messages.put("preparation", dumps(asdict(data.preparation)))
    group.connect(device)
    with ExitStack() as files:  # what is mapped stays
        if group.local_rank == 0:
            data = data or _load(config, dataset)
            messages.put(place, _save(data, files) or "")
        found = messages.wait(place)
        if found:
            data = _map(found, Preparation(**loads(messages.wait("preparation"))))
        elif data is None:
            data = _load(config, dataset)
        group.wait()
    return data


def _load(config: DictConfig, dataset: Dataset | None) -> Data:
    dataset = load_dataset(config.dataset) if dataset is None else dataset
    validation, share = config.dataset.get("validation", 0), config.dataset.get("share", 1)
    splits = choose_splits(dataset, validation, share, config.seed)
    facts.check_batch(config.batch_size, len(splits.train))
    return Data(dataset, splits, choose_preparation(config.dataset, dataset))


def _return_freed_memory() -> None:
    """Gives the system what decoding and copies have freed: glibc keeps it, as much as the images take."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _save(data: Data, files: ExitStack) -> str | None:
    """Writes the images and labels to a new file, and returns its path; None if they aren't in memory.

    The file has no name where the system allows that, so nothing is left of it if the process is killed.
    """
    splits = {field.name: getattr(data.splits, field.name) for field in fields(Splits)}
    held = {name: split for name, split in splits.items() if split is not None}
    if not all(isinstance(split.images, Tensor) for split in held.values()):
        return None
    dataset = data.dataset
    facts = {"classes": list(dataset.classes), "channels": dataset.channels, "size": dataset.size}
    tensors = {name: {"images": split.images, "labels": split.labels} for name, split in held.items()}
    needed = sum(split.images.nbytes for split in held.values())
    nameless = sys.platform == "linux"
    make = tempfile.TemporaryFile if nameless else tempfile.NamedTemporaryFile
    file = files.enter_context(make(prefix="alexnet-", dir=_choose_place(needed)))
    torch.save({**facts, "fingerprint": dataset.fingerprint(), "splits": tensors}, file)
    file.flush()
    return f"/proc/{os.getpid()}/fd/{file.fileno()}" if nameless else file.name


def _choose_place(needed: int) -> str | None:
    """A folder in memory, if it has the room; None: that for temporary files."""
    with suppress(OSError):
        if shutil.disk_usage("/dev/shm").free > 1.1 * needed:
            return "/dev/shm"
    return None


def _map(path: str, preparation: Preparation) -> Data:
    """What `_save` wrote, in memory that all processes of this machine share."""
    found = torch.load(path, mmap=True, weights_only=True)
    splits: dict[str, Any] = {name: Split(**parts) for name, parts in found["splits"].items()}
    dataset = Dataset.without_images(found["classes"], found["channels"], found["size"])
    dataset = replace(dataset, known_fingerprint=found["fingerprint"])
    return Data(dataset, Splits(**{"validation": None, **splits}), preparation)
