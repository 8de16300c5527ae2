"""Images in a folder a class."""

import logging
import os
from collections.abc import Sequence

import torch

from alexnet.data import facts, imagenet
from alexnet.data.dataset import Dataset, Split
from alexnet.data.image_files import ImageFiles, scan
from alexnet.data.pixel_cache import cached
from alexnet.errors import Mistake

log = logging.getLogger(__name__)


def image_folder(
    root: str, size: int, memory_share: float, cache: str | None = None, resize: int | None = None
) -> Dataset:
    """A folder per class under root/train and root/test (or root/val): JPEG, PNG, WebP and the like.

    Each image's shorter side is resized to `resize` and the centre cut out; the network's crops of `size` are taken
    from that. None: `size` itself. They are held decoded where all take at most `memory_share` of this machine's
    memory, and streamed otherwise. Either way they are decoded once, into a file in the folder `cache`; None decodes
    the files each time. ImageNet's root/val may be flat: see imagenet.validation.
    Raises Mistake for a folder that isn't there, an empty class, classes that differ, a broken image.
    """
    side = resize or size
    classes, *found = _scanned(root)
    total = sum(len(paths) for paths, _ in found) * 3 * side**2
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    held = total <= memory_share * memory
    if not held:
        log.info(
            f"The decoded images take {total / 2**30:.1f} GiB, over dataset.memory_share={memory_share}: streaming."
        )
    train, test = (
        Split(files.decoded() if held else files, torch.tensor(labels), files.paths)
        for files, labels in ((_files(paths, side, cache), labels) for paths, labels in found)
    )
    return Dataset(classes, 3, size, train, test)


def _scanned(root: str) -> tuple[list[str], tuple[list[str], list[int]], tuple[list[str], list[int]]]:
    """The classes, and the files and labels of the training and of the test split."""
    places = facts.find_image_folders(root)
    classes, *train = scan(places[0])
    if len(classes) < 2:
        raise Mistake(f"{places[0]} has one class folder, {classes[0]}: expected two or more to tell apart.")
    if imagenet.is_flat(places[1]):
        return classes, train, imagenet.find_validation_images(places[1], classes)
    test_classes, *test = scan(places[1])
    if classes != test_classes:
        only = [
            f"{place.name} alone has {', '.join(sorted(set(a) - set(b)))}"
            for place, a, b in zip(places, (classes, test_classes), (test_classes, classes), strict=True)
            if set(a) - set(b)
        ]
        raise Mistake(f"dataset.root={root}: the class folders differ: {'; '.join(only)}. Make them the same.")
    return classes, train, test


def _files(paths: Sequence[str], size: int, cache: str | None) -> ImageFiles:
    files = ImageFiles(paths, size)
    return cached(files, cache) if cache else files
