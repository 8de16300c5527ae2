"""Writes what layers give for a run's images, or for other image files."""

import hashlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from alexnet.data.photographs import Photographs
from alexnet.errors import Mistake
from alexnet.inference.feature_files import Images, write_features
from alexnet.inference.looks import Inspector, Remarks
from alexnet.inference.paths import Found, find_classes, find_images
from alexnet.inference.trained import Trained, load
from alexnet.messages.console import say, warn
from alexnet.models.named_layers import choose_layers, find_layers

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
    split = _find_split(named)
    if split is None and overrides:
        raise Mistake(f"{overrides[0]} says where the run's data set is: it goes with train, validation or test.")
    found = [] if split is not None else find_images(named)
    trained = load(run, overrides, weights, device)
    layers = choose_layers(find_layers(trained.model), layer)
    folder = Path(out or Path(run if trained.run else ".", "features", split or "files"))
    opened = _open_split(trained, split) if split is not None else _open_files(trained, found, invert)
    remarks = Remarks(trained.config["dataset"]["_target_"], trained.channels, invert)
    look = partial(_look, opened, remarks)
    broken = write_features(trained, opened, layers, folder, before_relu, force, after_batch=look)
    remarks.end()
    for reason in broken.values():
        warn("{}", reason)
    say("{} images, layers {}: {}", f"{len(opened.rows):,}", ", ".join(layers), folder)
    return 1 if broken else 0


def _find_split(named: Sequence[str]) -> str | None:
    """The split that is named; None if files are. Raises Mistake if both are."""
    splits = [name for name in named if name in SPLITS and not os.path.exists(name)]
    if splits and len(named) > 1:
        raise Mistake(f"{' '.join(named)}: give {splits[0]} alone, or files and folders.")
    return splits[0] if splits else None


def _look(images: Images, remarks: Remarks) -> None:
    """Compares the files that were decoded since the last call with what the run learnt on."""
    files = images.batches.images
    if isinstance(files, Photographs):
        for place in sorted(files.seen):
            remarks.see(images.rows[place][0], files.seen.pop(place))


def _open_files(trained: Trained, found: Sequence[Found], invert: bool) -> Images:
    files = trained.open_files([each.path for each in found], invert, Inspector())
    batches = trained.make_batches(files, views=1)
    numbers = find_classes(found, trained.folder_names)
    known = ["" if number is None else trained.classes[number] for number in numbers]
    rows = [(each.path, name) for each, name in zip(found, known, strict=True)]
    return Images(batches, rows, {"files": len(rows), "files_sha256": _hash_files(rows), "inverted": invert})


def _open_split(trained: Trained, split: str) -> Images:
    dataset, loaded = trained.load_split(split)
    batches = trained.make_batches(loaded.images, views=1, labels=loaded.labels)
    names = [f"{split}/{row}" for row in range(len(loaded.labels))] if loaded.files is None else loaded.files.names
    labels = [trained.classes[label] for label in loaded.labels.tolist()]
    return Images(batches, list(zip(names, labels, strict=True)), {"split": split, **dataset.fingerprint()})


def _hash_files(rows: Sequence[tuple[str, str]]) -> str:
    """SHA-256 of the files' names, sizes and times: reading all of them would take as long as the extraction."""
    digest = hashlib.sha256()
    for path, _ in rows:
        try:
            status = os.stat(path)
            seen = f"{status.st_size} {status.st_mtime_ns}"
        except OSError as error:
            seen = str(error.errno)  # it will be a row with that problem
        digest.update(f"{path} {seen}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
