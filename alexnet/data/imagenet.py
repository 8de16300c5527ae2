"""Finds ImageNet's validation images as published (ILSVRC 2012): all in one folder, with their classes in a file."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from alexnet.data.facts import is_image
from alexnet.errors import Mistake

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
DEVKIT = Path("ILSVRC2012_devkit_t12", "data")  # the development kit's folder of that file and meta.mat


def is_flat(place: Path) -> bool:
    """Whether the folder has images and no folders of classes."""
    with os.scandir(place) as entries:
        kinds = {entry.is_dir() for entry in entries if entry.is_dir() or is_image(entry.name)}
    return kinds == {False}


def find_validation_images(place: Path, classes: Sequence[str]) -> tuple[list[str], list[int]]:
    """The images in a flat folder, in order of their names, and their labels: indices into `classes`.

    Line n of the ground truth is the class of image number n. It is a synset (n01440764), or the development kit's
    number for one, which its meta.mat explains. Raises Mistake if a file is missing or the files don't fit together.
    """
    file = _find_ground_truth(place)
    lines = file.read_text(encoding="utf-8", errors="replace").split()
    synsets = _as_synsets(file, lines)
    labels_of = {synset: label for label, synset in enumerate(classes)}
    names = sorted(name for name in os.listdir(place) if is_image(name))
    labels = []
    for name in names:
        number = re.fullmatch(r"ILSVRC2012_val_(\d{8})\.\w+", name)
        if not number or not 1 <= int(number[1]) <= len(synsets):
            raise Mistake(
                f"{place / name}: expected a name such as ILSVRC2012_val_00000001.JPEG, with the number of one of the "
                f"{len(synsets)} lines in {file}."
            )
        synset = synsets[int(number[1]) - 1]
        if synset not in labels_of:
            raise Mistake(
                f"{file} says that {name} shows {synset}, and there is no such folder in {place.parent / 'train'}: "
                f"expected one for each class."
            )
        labels.append(labels_of[synset])
    return [str(place / name) for name in names], labels


def are_imagenets(classes: Sequence[str]) -> bool:
    """Whether the classes are ImageNet's 1,000, in the order of their synsets, such as n01440764."""
    are_synsets = len(classes) == 1000 and all(name[:1] == "n" and name[1:].isdecimal() for name in classes)
    return are_synsets and list(classes) == sorted(classes)


def _find_ground_truth(place: Path) -> Path:
    root = place.parent
    for folder in (root, place, root / DEVKIT):
        if (folder / GROUND_TRUTH).is_file():
            return folder / GROUND_TRUTH
    raise Mistake(
        f"{place} has images and no class folders: expected {place}/CLASS/IMAGE, or in {root} the classes as "
        f"{GROUND_TRUTH}, the development kit's with its meta.mat, or one with a synset such as n01440764 a line."
    )


def _as_synsets(file: Path, lines: Sequence[str]) -> Sequence[str]:
    """The lines as synsets, whichever of the two they are. Raises Mistake if meta.mat is missing or doesn't fit."""
    if not all(line.isdecimal() for line in lines):
        return lines
    meta = file.with_name("meta.mat")
    if not meta.is_file():
        raise Mistake(
            f"{file} has class numbers, and there is no {meta} to say what they stand for: put the development kit's "
            f"meta.mat there."
        )
    from scipy.io import loadmat  # takes a moment to import, and most runs don't need it
    from scipy.io.matlab import MatReadError

    try:
        table = loadmat(meta, squeeze_me=True, variable_names=["synsets"])["synsets"]
        names = {int(number): str(name) for number, name in zip(table["ILSVRC2012_ID"], table["WNID"], strict=True)}
        return [names[int(line)] for line in lines]
    except (OSError, ValueError, TypeError, IndexError, KeyError, NotImplementedError, MatReadError) as error:
        raise Mistake(
            f"{meta} isn't the development kit's, or doesn't belong to {file}: {type(error).__name__}: {error}."
        ) from error
