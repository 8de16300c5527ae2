"""The facts about a dataset that are known before it is read. No torch: the checks of a configuration use them."""

import os
import re
from collections.abc import Sequence
from functools import cache
from itertools import islice
from math import ceil
from pathlib import Path
from typing import NamedTuple

from alexnet.errors import Mistake

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # torchvision's
EXPECTED = "{0}/train/CLASS/IMAGE and {0}/test/CLASS/IMAGE (or val in place of test)"  # in dataset.root


class Facts(NamedTuple):
    """What is known of a dataset; None if only its data can tell."""

    classes: int | None = None
    channels: int | None = None
    images: int | None = None  # to train on
    light_on_black: bool = False  # all images are grey: light shapes on black


# By the name of the function that loads the dataset.
FACTS = {
    "cifar10": Facts(10, 3, 50_000),
    "cifar100": Facts(100, 3, 50_000),
    "fashion_mnist": Facts(10, 1, 60_000, light_on_black=True),
    "digits": Facts(10, 3, 1_437, light_on_black=True),
    "image_folder": Facts(channels=3),
}


def get_facts(target: str) -> Facts:
    """What is known of the dataset that the function `target` loads."""
    return FACTS.get(target.rpartition(".")[2], Facts()) if target.startswith("alexnet.") else Facts()


def count_held_out(images: int, fraction: float) -> int:
    """How many training images the `fraction` for validation is. Raises Mistake if it is none of them, or all."""
    count = round(fraction * images)
    if fraction and not 0 < count < images:
        raise Mistake(
            f"dataset.validation={fraction} of {images} training images leaves {images - count} to train on "
            f"and {count} to validate on: give a fraction that leaves some of both, for example dataset.validation=0.1"
        )
    return count


def count_taken(images: int, share: float) -> int:
    """How many images the `share` of them is. Raises Mistake if it is none."""
    count = round(share * images)
    if count == 0:
        raise Mistake(f"dataset.share={share} of {images} training images is none: give more, up to 1 for all.")
    return count


def check_batch(batch_size: int, images: int) -> None:
    """Raises Mistake if a batch is more than the images to train on."""
    if batch_size > images:
        some = "one image" if images == 1 else f"{images} images"
        raise Mistake(f"batch_size={batch_size} is more than the {some} to train on: give batch_size={images} or less.")


def find_image_folders(root: str) -> tuple[Path, Path]:
    """root/train, and root/test or else root/val. Raises Mistake if one of the two is missing."""
    return _find_folder(root, "train"), _find_folder(root, "test", "val")


def find_test_folder(root: str, classes: Sequence[str] = ()) -> Path:
    """root/test, else root/val, or root itself if a class has its folder there. Raises Mistake if there is none."""
    folder = Path(root).expanduser()
    if not any((folder / name).is_dir() for name in ("test", "val")) and any(
        (folder / name).is_dir() for name in classes
    ):
        return folder
    expected = "{0}/test/CLASS/IMAGE (or val in place of test)"
    if classes and folder.is_dir() and not any((folder / name).is_dir() for name in ("test", "val")):
        others = sorted(each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
        if others and "train" not in others:
            whose = "ImageNet's" if re.fullmatch(r"n\d{8}", classes[0]) else "the network's"
            raise Mistake(
                f"dataset.root={root}: its folders ({_name_some(others)}) aren't {whose} classes "
                f"({_name_some(classes)}), and there is no test or val folder in it; expected {folder}/CLASS/IMAGE, or "
                f"{expected.format(folder)}"
            )
    return _find_folder(root, "test", "val", expected=expected)


def _name_some(names: Sequence[str]) -> str:
    """The first three of them, and the last."""
    return ", ".join(names if len(names) <= 4 else [*names[:3], "...", names[-1]])


def _find_folder(root: str, *names: str, expected: str = EXPECTED) -> Path:
    """The first of these folders that is there. Raises Mistake if none is."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise Mistake(f"dataset.root={root}: there is no such folder; expected {expected.format(folder)}")
    place = next((folder / name for name in names if (folder / name).is_dir()), None)
    if place is None:
        raise Mistake(
            f"dataset.root={root}: there is no {' or '.join(names)} folder in it; expected {expected.format(folder)}"
        )
    return place


def is_image(path: str) -> bool:
    """Whether a file is an image, by its name. The hidden files that editors and systems leave behind aren't."""
    name = os.path.basename(path)  # making a Path of each takes seconds for a large folder
    return not name.startswith(".") and name.lower().endswith(ENDINGS)


def list_images(folder: str | Path) -> list[str]:
    """The images in a folder and in those within it, also behind links: folders sorted by path, then by name."""
    walked = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [each for each in folders if not leads_back(os.path.join(place, each))]
        walked.append((place, sorted(filter(is_image, names))))
    return [os.path.join(place, name) for place, names in sorted(walked) for name in names]


def leads_back(folder: str) -> bool:
    """Whether the folder is a link to one that it is in, so that following it would never end."""
    return os.path.islink(folder) and any(
        os.path.samefile(folder, parent) for parent in Path(os.path.abspath(folder)).parents
    )


@cache
def count_images(place: Path, most: float) -> int:
    """How many images are in the class folders there, or about `most` if there are more: to list all can take long.

    Raises Mistake if there are none.
    """
    images = (
        name
        for each in sorted(place.iterdir())
        if each.is_dir() and not each.name.startswith(".")
        for _, _, names in os.walk(each, followlinks=True)
        for name in names
        if is_image(name)
    )
    count = sum(1 for _ in islice(images, ceil(most)))
    if count == 0:
        raise Mistake(f"{place}: found no images in class folders. Images end in {', '.join(ENDINGS)}.")
    return count
