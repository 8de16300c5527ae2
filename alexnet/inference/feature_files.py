"""Writes features of images as NumPy files, in pieces; a call that was interrupted goes on where it was."""

import csv
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet import disk
from alexnet.data.batches import Batches
from alexnet.data.photographs import Photographs
from alexnet.errors import Damaged, Mistake
from alexnet.inference.features import compute_features
from alexnet.inference.trained import Trained
from alexnet.messages.console import progress
from alexnet.runs.reading import read_json

PIECE = 2**26  # bytes of features between two notes of how far the work is
ANOTHER = "give --force to replace them, or another --out FOLDER."


@dataclass(frozen=True)
class FeatureFolder:
    """LAYER.npy, (N, ...) float32, of each layer; index.csv, a row for each of the N images; about.json.

    about.json is written last. Until then `.progress.json` says how many rows are there.
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
            self.about.unlink(missing_ok=True)
            self.progress.unlink(missing_ok=True)
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

    def _has_files(self, wanted: dict[str, Any]) -> bool:
        for layer in wanted["layers"].values():
            try:
                there = np.load(self.folder / layer["file"], mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError):
                return False
            if (list(there.shape), there.dtype) != (layer["shape"], np.float32):
                return False
        return True

    def open(self, wanted: dict[str, Any], rows: int) -> dict[str, np.memmap]:
        """The layers' files, to write to; new ones if no rows are there."""
        open_one = np.lib.format.open_memmap
        return {
            name: open_one(self.folder / layer["file"], "r+" if rows else "w+", np.float32, tuple(layer["shape"]))
            for name, layer in wanted["layers"].items()
        }

    def note(self, wanted: dict[str, Any], rows: int, broken: dict[int, str]) -> None:
        """Notes that so many rows are on the disk."""
        disk.replace_text(self.progress, json.dumps({"wanted": wanted, "rows": rows, "broken": broken}))

    def finish(self, wanted: dict[str, Any], table: Sequence[Sequence[Any]]) -> None:
        """table: the rows of index.csv."""
        text = StringIO(newline="")
        csv.writer(text).writerows([("row", "file", "class", "problem"), *table])
        with disk.replacing(self.folder / "index.csv") as temporary:
            temporary.write_bytes(text.getvalue().encode(errors="surrogateescape"))
        about = {**wanted, "command": sys.argv}
        disk.replace_text(self.about, json.dumps(about, indent=2, ensure_ascii=False) + "\n")
        self.progress.unlink(missing_ok=True)


def write_features(
    trained: Trained,
    batches: Batches,
    images: Sequence[tuple[str, str]],
    layers: Sequence[str],
    *,
    folder: Path,
    source: dict[str, Any],
    before_activation: bool = False,
    force: bool = False,
) -> dict[int, str]:
    """Writes the layers' features of the images. Returns by its row why one couldn't be read; its features are NaN.

    batches: of the images, one view each. images: file and class of each, or "". source: what about.json says of all
    of them. folder: where the files go.

    Raises Mistake for an unknown layer, a folder that has other features, or a disk without the room.
    """
    wanted = _describe(trained, batches, layers, source, before_activation)
    place = FeatureFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with disk.locked(folder / ".lock", lambda by: _refuse(folder, by)):
        rows, broken = place.find_progress(wanted, force)
        if rows == 0:
            size = sum(4 * prod(layer["shape"]) for layer in wanted["layers"].values())
            disk.check_space(folder, size, "give a folder on another disk with --out FOLDER")
        _fill(trained, batches, wanted, place, rows, broken)
        place.finish(wanted, [(row, *image, broken.get(row, "")) for row, image in enumerate(images)])
    return broken


def _refuse(folder: Path, by: str) -> None:
    raise Mistake(f"{folder} is being written by another process{by}: wait for it, or stop it.")


def _fill(
    trained: Trained, batches: Batches, wanted: dict[str, Any], place: FeatureFolder, rows: int, broken: dict[int, str]
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
            if noted > PIECE:
                for file in files.values():
                    file.flush()
                place.note(wanted, rows, broken)
                noted = 0
    for file in files.values():
        file.flush()


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
