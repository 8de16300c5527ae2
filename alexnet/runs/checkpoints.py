"""Saves and loads the checkpoints in a run's `checkpoints/`: tensors and plain values. One is always complete."""

import logging
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from math import inf
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from torch import Tensor

from alexnet.disk import replacing, sync
from alexnet.errors import Damaged
from alexnet.messages.console import translate

logger = logging.getLogger(__name__)

# What version 0.1.0 wrote had no hash: last.pt and best.pt. Any other content without one is damaged.
WITHOUT_HASH = ({"model", "optimizer", "scaler", "state"}, {"model", "epoch"})


def save(folder: Path, name: str, state: dict[str, Any]) -> None:
    """Writes `NAME.pt`, with a hash of all tensors and values. The checkpoint before it is kept until this one is on
    the disk.

    Raises OSError if the disk is full.
    """
    if not folder.exists():
        folder.mkdir()
        sync(folder.parent)
    path, before = folder / f"{name}.pt", folder / "previous.pt"
    with replacing(path) as temporary:
        _write(temporary, {**state, "sha256": _hash(state)})
        sync(temporary)  # a disk that fails now leaves last.pt
        if name == "last" and path.exists():
            os.replace(path, before)
    before.unlink(missing_ok=True)


def _write(path: Path, state: dict[str, Any]) -> None:
    try:
        with open(path, "wb") as file:
            torch.save(state, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):  # this is how torch reports a full disk
            raise error.__context__ from None
        raise


def load(folder: Path, name: str) -> dict[str, Any]:
    """What `save` got, on the CPU. Never runs code from the file. Raises Damaged if `save` didn't write it so."""
    path = folder / f"{name}.pt"
    try:
        _check_size(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is in a hostile file, and refused below
            state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise ValueError("it holds no checkpoint of this project")
        if "sha256" in state:
            digest = state.pop("sha256")
            if digest != _hash(state, 16 * path.stat().st_size):
                raise ValueError("its content isn't what was saved (its SHA-256 differs)")
        elif set(state) not in WITHOUT_HASH:
            raise ValueError("it holds no checkpoint of this project")
        return state
    except pickle.UnpicklingError as error:  # torch's own message says how to load it anyway
        named = re.search(r"GLOBAL (\S+)", str(error))
        what = f"it names {named[1]}" if named is not None else "there is something else in it"
        raise Damaged(f"{path} is refused: a checkpoint holds tensors and plain values only, and {what}.") from error
    except FileNotFoundError as error:
        way_out = f"python scripts/resume.py {quote(str(folder.parent))} --from-start"
        raise Damaged(f"{path} is missing: bring it back, or train from epoch 1: {way_out}") from error
    except Exception as error:  # a damaged file may raise anything
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise Damaged(f"{path} can't be read: {why.rstrip('.')}.") from error


def load_newest(folder: Path) -> dict[str, Any] | None:
    """The newest complete checkpoint; None if the run was stopped before its first one.

    Raises Damaged if there are checkpoints and none is complete.
    """
    damaged = None
    for name in ("last", "previous"):
        if (folder / f"{name}.pt").exists():
            try:
                state = load(folder, name)
            except Damaged as error:
                damaged = damaged or error
                continue
            if damaged is not None:
                logger.warning(f"{damaged} {translate('Resuming from the checkpoint before it.')}")
            return state
    if damaged is not None:
        raise Damaged(
            f"{damaged} There is no other checkpoint to resume from. To train from epoch 1, with the same result: "
            f"python scripts/resume.py {quote(str(folder.parent))} --from-start"
        ) from damaged
    return None


def prune(folder: Path, with_weights: bool) -> None:
    """Deletes all checkpoints, or all but the chosen weights: those in best.pt, or else in last.pt.

    A call that was cut can be repeated. Raises OSError if the disk is full, Damaged if the weights to keep are damaged.
    """
    chosen = "best" if (folder / "best.pt").exists() else "last"
    if with_weights and chosen == "last" and (saved := load_newest(folder)) is not None and "state" in saved:
        owner = {"folder": saved["folder"]} if "folder" in saved else {}
        tested = {"model": saved["average"], "averaged": True} if "average" in saved else {"model": saved["model"]}
        save(folder, "last", {**tested, "epoch": saved["state"]["epoch"], **owner})
    for name in ("previous", "last", "best"):
        if not (with_weights and name == chosen):
            (folder / f"{name}.pt").unlink(missing_ok=True)


def _check_size(path: Path) -> None:
    """Reads all of the file by its checksums, which torch doesn't look at.

    Raises ValueError if it would unpack to more than it is, as nothing that torch writes does.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise ValueError("it isn't a file")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if packed or sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("it isn't packed as a checkpoint is")
        if damaged := archive.testzip():
            raise ValueError(f"wrong checksum of {damaged}")


def _hash(state: dict[str, Any], limit: float = inf) -> str:
    """SHA-256 over all tensors and values: their types, shapes and bytes, and where they are.

    Raises ValueError if they are more than `limit` bytes: those of a small file may be, if it names one many times.
    """
    digest = sha256()
    pending: list[Any] = [state]  # a stack: a damaged file may be deeper than Python's own
    while pending:
        value = pending.pop()
        limit -= value.nbytes if isinstance(value, Tensor) else 1
        if limit < 0:
            raise ValueError("it holds more than its size")
        if isinstance(value, Tensor):
            if value.nbytes > value.untyped_storage().nbytes():
                raise ValueError("a tensor is larger than its content")
            digest.update(f"tensor {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        elif isinstance(value, Mapping):
            digest.update(f"mapping {len(value)}\n".encode())
            pending += [part for item in value.items() for part in item]
        elif isinstance(value, (list, tuple)):
            digest.update(f"{type(value).__name__} {len(value)}\n".encode())
            pending += value
        elif value is None or isinstance(value, (bool, int, float, str)):
            digest.update(f"{type(value).__name__} {value!r}\n".encode())
        else:
            raise TypeError(f"{type(value).__name__} is no tensor and no plain value")
    return digest.hexdigest()
