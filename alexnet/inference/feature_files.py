"""Writes features of images as NumPy files, in pieces; a call that was interrupted goes on where it was."""

import csv
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from alexnet import disk
from alexnet.data.batches import Batches
from alexnet.data.photographs import Photographs
from alexnet.errors import Damaged, Mistake
from alexnet.inference.features import compute_features
from alexnet.inference.trained import Trained
from alexnet.messages.console import progress, warn
from alexnet.runs.reading import read_json

PIECE = 2**26  # bytes of features between two notes of how far the work is
PART = ".npy.part"  # ends the name of a file that isn't complete
NO_ROOM = "give a folder on another disk with --out FOLDER"
ANOTHER = "give --force to replace them, or another --out FOLDER."


@dataclass(frozen=True)
class FeatureFolder:
    """LAYER.npy, (N, ...) float32, of each layer; index.csv, a row for each of the N images; about.json.

    Until all of them are written, the layers' files have a hidden name, and `.progress.json` says how many rows they
    have. about.json is the last.
    """

    folder: Path

    @property
    def about(self) -> Path:
        return self.folder / "about.json"

    @property
    def progress(self) -> Path:
        return self.folder / ".progress.json"

    def find_progress(self, wanted: dict[str, Any], force: bool) -> tuple[int, dict[int, str]]:
        """How many rows of what is wanted are there, and by its row why an image couldn't be read.

        wanted: what about.json will say. Raises Mistake if the folder has anything else, unless `force` is given.
        """
        if force:
            self._clear()
        if self.about.exists():
            raise Mistake(f"{self.folder} has features already: {ANOTHER}")
        begun = read_json(self.progress)
        if begun is None:
            return 0, {}
        if begun.get("wanted") != wanted or not self._has_files(wanted):
            raise Mistake(f"{self.folder} has a part of other features, whose writing was interrupted: {ANOTHER}")
        try:
            rows, broken = begun["rows"], {int(row): str(reason) for row, reason in begun["broken"].items()}
            if type(rows) is not int or not 0 <= rows <= wanted["images"]:
                raise ValueError("rows")
        except (KeyError, ValueError, AttributeError) as error:
            raise Damaged(f"{self.progress} can't be read: give --force to begin again.") from error
        return rows, broken

    def _clear(self) -> None:
        """Deletes the features that are there, those of other layers, too."""
        for path in (self.about, self.progress, *self.folder.glob("*.npy"), *self.folder.glob(f".*{PART}")):
            if re.fullmatch(rf"\.?(conv|fc)\d+({re.escape(PART)}|\.npy)|about\.json|\.progress\.json", path.name):
                path.unlink(missing_ok=True)

    def _locate(self, name: str) -> Path:
        """The layer's file, complete or not."""
        complete = self.folder / f"{name}.npy"
        return complete if complete.exists() else self.folder / f".{name}{PART}"

    def _has_files(self, wanted: dict[str, Any]) -> bool:
        for name, layer in wanted["layers"].items():
            try:
                there = np.load(self._locate(name), mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError):
                return False
            if (list(there.shape), there.dtype) != (layer["shape"], np.float32):
                return False
        return True

    def open(self, wanted: dict[str, Any], rows: int) -> dict[str, np.memmap]:
        """The layers' files, to write to; new ones if no rows are there."""
        open_one = np.lib.format.open_memmap
        return {
            name: open_one(self._locate(name), "r+" if rows else "w+", np.float32, tuple(layer["shape"]))
            for name, layer in wanted["layers"].items()
        }

    def note(self, wanted: dict[str, Any], rows: int, broken: dict[int, str]) -> None:
        """Notes that so many rows are on the disk."""
        disk.replace_text(self.progress, json.dumps({"wanted": wanted, "rows": rows, "broken": broken}))

    def finish(self, wanted: dict[str, Any], table: Sequence[Sequence[Any]]) -> None:
        """Gives the files their names. table: the rows of index.csv."""
        for name in wanted["layers"]:
            os.replace(self._locate(name), self.folder / f"{name}.npy")
        text = StringIO(newline="")
        csv.writer(text).writerows([("row", "file", "class", "problem"), *table])
        with disk.replacing(self.folder / "index.csv") as temporary:
            temporary.write_bytes(text.getvalue().encode(errors="surrogateescape"))
        about = {**wanted, "command": sys.argv}
        disk.replace_text(self.about, json.dumps(about, indent=2, ensure_ascii=False) + "\n")
        self.progress.unlink(missing_ok=True)


class Images(NamedTuple):
    """batches: of one view each. rows: file and class of each, or "". source: what about.json says of all of them."""

    batches: Batches
    rows: Sequence[tuple[str, str]]
    source: dict[str, Any]


def write_features(
    trained: Trained,
    images: Images,
    layers: Sequence[str],
    folder: Path,
    before_activation: bool = False,
    force: bool = False,
    after_batch: Callable[[], None] = lambda: None,
) -> dict[int, str]:
    """Writes the layers' features of the images. Returns by its row why one couldn't be read; its features are NaN.

    folder: where the files go. after_batch: called after each batch.

    Raises Mistake for an unknown layer, a folder that has other features, or a disk without the room.
    """
    batches = images.batches
    wanted = _describe(trained, batches, layers, images.source, before_activation)
    place = FeatureFolder(folder)
    size = sum(4 * prod(layer["shape"]) for layer in wanted["layers"].values())
    if not folder.exists():
        disk.check_space(folder, size, NO_ROOM)
    disk.make_folder(folder, "--out")
    with disk.locked(folder / ".lock", lambda by: _refuse(folder, by)):
        rows, broken = place.find_progress(wanted, force)
        if rows == 0:
            disk.check_space(folder, size, NO_ROOM)
        try:
            _fill(trained, batches, wanted, place, rows, broken, after_batch)
        except KeyboardInterrupt:
            warn("The same command continues where this one was.")
            raise
        place.finish(wanted, [(row, *image, broken.get(row, "")) for row, image in enumerate(images.rows)])
    return broken


def _refuse(folder: Path, by: str) -> None:
    raise Mistake(f"{folder} is being written by another process{by}: wait for it, or stop it.")


def _fill(
    trained: Trained,
    batches: Batches,
    wanted: dict[str, Any],
    place: FeatureFolder,
    rows: int,
    broken: dict[int, str],
    after_batch: Callable[[], None],
) -> None:
    """Computes the rows that aren't there yet. Whole batches: a batch of other images might give other bits."""
    start = rows // batches.batch_size
    rows, noted = start * batches.batch_size, 0
    files = place.open(wanted, rows)
    layers, before = list(wanted["layers"]), wanted["before_relu"]
    with progress("Extracting", wanted["images"], "image", done=rows) as advance:
        for found in compute_features(trained, batches, layers, before, start):
            count = len(found[layers[0]])
            if isinstance(batches.images, Photographs):
                broken.update(batches.images.broken)
            unread = [row - rows for row in broken if rows <= row < rows + count]
            for name, values in found.items():
                files[name][rows : rows + count] = values.cpu().numpy()
                files[name][rows : rows + count][unread] = np.nan
            rows, noted = rows + count, noted + sum(values.nbytes for values in found.values())
            advance(count)
            after_batch()
            if noted > PIECE or rows == wanted["images"]:
                for file in files.values():
                    file.flush()
                place.note(wanted, rows, broken)
                noted = 0


def _describe(
    trained: Trained, batches: Batches, layers: Sequence[str], source: dict[str, Any], before_activation: bool
) -> dict[str, Any]:
    """What about.json says. The layers' shapes are those of a black image."""
    black = torch.zeros(1, trained.channels, trained.side, trained.side, dtype=torch.uint8)
    found = next(iter(compute_features(trained, trained.make_batches(black, views=1), layers, before_activation)))
    count, preparation = len(batches.labels), trained.preparation
    return {
        "run": os.path.abspath(trained.source),
        "weights": trained.weights,
        "weights_sha256": trained.weights_sha256,
        "images": count,
        "source": source,
        "layers": {
            name: {"file": f"{name}.npy", "shape": [count, *values.shape[1:]]} for name, values in found.items()
        },
        "before_relu": before_activation,
        "preprocessing": {
            "channels": trained.channels,
            "size": trained.size,
            "resize": trained.side,
            "mean": _as_plain(preparation.mean),
            "std": _as_plain(preparation.std),
        },
        "device": str(trained.network.engine.device),
        "precision": trained.network.engine.precision,
        "batch_size": batches.batch_size,
    }


def _as_plain(value: Any) -> Any:
    return value if isinstance(value, (int, float)) else list(value)
