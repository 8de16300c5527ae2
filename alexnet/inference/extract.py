"""Writes what layers give for a run's images, or for other image files."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexnet.data.batches import Batches
from alexnet.data.image_files import get_class_and_name
from alexnet.errors import Mistake
from alexnet.inference.feature_files import write_features
from alexnet.inference.paths import Found, find_classes, find_images
from alexnet.inference.trained import Trained, load
from alexnet.messages.console import say, warn
from alexnet.models.named_layers import choose_layer, find_layers

SPLITS = ("train", "validation", "test")


def extract(
    run: str,
    images: Sequence[str],
    layer: str,
    before_relu: bool = False,
    invert: bool = False,
    weights: str | None = None,
    device: str | None = None,
    out: str | None = None,
    force: bool = False,
) -> int:
    """Writes LAYER.npy of each layer, index.csv and about.json. Returns the exit status: 1 if an image can't be read.

    run: a run's folder, or a published file of weights. images: train, validation or test of the run's data set, and
    key=value for where it is now; or files, folders and patterns. layer: names with commas between. out: the folder;
    None: `features/SPLIT`, or `features/files`, in the run's. force: replaces features that are there.

    Raises Mistake for what isn't there or doesn't fit.
    """
    overrides = [given for given in images if given.startswith("dataset.") and "=" in given]
    named = [given for given in images if given not in overrides]
    split = named[0] if len(named) == 1 and named[0] in SPLITS and not os.path.exists(named[0]) else None
    if split is None and overrides:
        raise Mistake(f"{overrides[0]} says where the run's data set is: it goes with train, validation or test.")
    found = [] if split is not None else find_images(named)
    trained = load(run, overrides, weights, device)
    layers = [choose_layer(find_layers(trained.model), name).name for name in layer.split(",")]
    folder = Path(out or Path(run if trained.run else ".", "features", split or "files"))
    if split is not None:
        batches, rows, source = _open_split(trained, split)
    else:
        batches, rows, source = _open_files(trained, found, invert)
    broken = write_features(
        trained, batches, rows, layers, folder=folder, source=source, before_activation=before_relu, force=force
    )
    for reason in broken.values():
        warn("{}", reason)
    say("{} images, layers {}: {}", f"{len(rows):,}", ", ".join(layers), folder)
    return 1 if broken else 0


Opened = tuple[Batches, list[tuple[str, str]], dict[str, Any]]


def _open_files(trained: Trained, found: Sequence[Found], invert: bool) -> Opened:
    """One view of each image, their rows of index.csv, and what about.json says of them."""
    batches = trained.make_batches(trained.open_files([each.path for each in found], invert), views=1)
    numbers = find_classes(found, {name: number for number, name in enumerate(trained.classes)})
    known = ["" if number is None else trained.classes[number] for number in numbers]
    rows = [(each.path, name) for each, name in zip(found, known, strict=True)]
    return batches, rows, {"files": len(rows), "files_sha256": _hash_files(rows), "inverted": invert}


def _open_split(trained: Trained, split: str) -> Opened:
    """One view of each image, their rows of index.csv, and what about.json says of them."""
    dataset, loaded = trained.load_split(split)
    batches = trained.make_batches(loaded.images, views=1, labels=loaded.labels)
    paths = getattr(loaded.images, "paths", None)
    names = [f"{split}/{row}" for row in range(len(loaded.labels))]
    if paths is not None:
        names = list(map(get_class_and_name, paths))
    labels = [trained.classes[label] for label in loaded.labels.tolist()]
    return batches, list(zip(names, labels, strict=True)), {"split": split, **dataset.fingerprint()}


def _hash_files(rows: Sequence[tuple[str, str]]) -> str:
    """SHA-256 of the files' names, sizes and times: reading all of them would take as long as the extraction."""
    digest = hashlib.sha256()
    for path, _ in rows:
        status = os.stat(path)
        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
