"""Saves and loads the checkpoints in a run's `checkpoints/`: tensors and plain values. One is always complete."""

import logging
import os
import pickle
import re
import shlex
import zipfile
from pathlib import Path
from typing import Any

import torch

from alexnet.errors import Damaged
from alexnet.runs.files import replacing

logger = logging.getLogger(__name__)


def save(folder: Path, name: str, state: dict[str, Any]) -> None:
    """Writes `NAME.pt`. The checkpoint before it is kept until this one is on the disk.

    Raises OSError if the disk is full.
    """
    folder.mkdir(exist_ok=True)
    path, before = folder / f"{name}.pt", folder / "previous.pt"
    with replacing(path) as temporary:
        _write(temporary, state)
        if name == "last" and path.exists():
            os.replace(path, before)
    _sync(folder)
    before.unlink(missing_ok=True)


def _write(path: Path, state: dict[str, Any]) -> None:
    try:
        with open(path, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):  # this is how torch reports a full disk
            raise error.__context__ from None
        raise


def load(folder: Path, name: str) -> dict[str, Any]:
    """What `save` wrote, on the CPU. Never runs code from the file. Raises Damaged if `save` didn't write it so."""
    path = folder / f"{name}.pt"
    try:
        with zipfile.ZipFile(path) as archive:  # torch doesn't look at the checksums
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own message says how to load it anyway
        named = re.search(r"GLOBAL (\S+)", str(error))
        what = f"it names {named[1]}" if named is not None else "there is something else in it"
        raise Damaged(f"{path} is refused: a checkpoint holds tensors and plain values only, and {what}.") from error
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise Damaged(f"{path} can't be read: {str(error).splitlines()[0].rstrip('.')}.") from error
    if not isinstance(state, dict):
        raise Damaged(f"{path} holds no checkpoint of this project.")
    return state


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
                logger.warning(f"{damaged} Resuming from the checkpoint before it.")
            return state
    if damaged is not None:
        raise Damaged(
            f"{damaged} There is no other checkpoint to resume from. To train from the start, with the same result: "
            f"rm {shlex.quote(str(folder / 'last.pt'))} and the command again."
        ) from damaged
    return None


def _sync(folder: Path) -> None:
    """Writes the folder's renames to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
