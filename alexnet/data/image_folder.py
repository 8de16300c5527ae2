"""Reads your own images, or ImageNet: a folder per class under root/train and root/test (or root/val)."""

import logging
import os
from collections.abc import Sequence

import torch

from alexnet.data import facts, imagenet
from alexnet.data.dataset import Dataset, SourceFiles, Split
from alexnet.data.file_hashes import hash_files
from alexnet.data.image_files import ImageFiles, get_class_and_name, scan
from alexnet.data.pixel_cache import cached
from alexnet.errors import Mistake
from alexnet.messages.console import translate

logger = logging.getLogger(__name__)

Found = tuple[list[str], list[int]]  # the files and labels of a split


def image_folder(
    root: str,
    size: int,
    memory_share: float,
    cache: str | None = None,
    resize: int | None = None,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """RGB images of JPEG, PNG, WebP and other files; each is resized, and its centre cut out as a square.

    resize: pixels a side of that square, of which the network sees crops of `size`; None: `size`. memory_share: decoded
    images that take up to this share of the machine's memory are held there; more is streamed. cache: the folder that
    keeps decoded images, so that each is decoded once; None: every start decodes them. ImageNet's root/val may have no
    class folders: see imagenet.py. classes: of a trained network that is to be tested; then only the test images are
    read, and there need be no others.

    Raises Mistake if a folder is missing, a class is empty, the splits' classes differ or an image is broken.
    """
    side = resize or size
    classes, *found = _scan_splits(root) if classes is None else _scan_test(root, classes)
    total = sum(len(paths) for paths, _ in found) * 3 * side**2
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    held = total <= memory_share * memory
    if not held:
        text = translate("The decoded images take {:.1f} GiB, over dataset.memory_share={}: streaming.")
        logger.info(text.format(total / 2**30, memory_share))

    def make_split(paths: Sequence[str], labels: Sequence[int]) -> Split:
        if not paths:
            return Split(torch.empty(0, 3, side, side, dtype=torch.uint8), torch.empty(0, dtype=torch.int64))
        hashes, lengths = hash_files(paths, cache)
        files = ImageFiles(paths, side, hashes)
        if cache is not None:
            files = cached(files, cache)
        names = [get_class_and_name(path) for path in paths]
        return Split(files.decode_all() if held else files, torch.tensor(labels), SourceFiles(names, hashes, lengths))

    train, test = (make_split(paths, labels) for paths, labels in found)
    return Dataset(classes, 3, size, train, test)


def _scan_splits(root: str) -> tuple[list[str], Found, Found]:
    """The classes, then the files and labels of the training and of the test split."""
    places = facts.find_image_folders(root)
    classes, paths, labels = scan(places[0])
    if len(classes) < 2:
        raise Mistake(f"{places[0]} has one class folder, {classes[0]}: expected two or more to tell apart.")
    if imagenet.is_flat(places[1]):
        return classes, (paths, labels), imagenet.find_validation_images(places[1], classes)
    test_classes, test_paths, test_labels = scan(places[1])
    if classes != test_classes:
        only = [
            f"{place.name} alone has {', '.join(sorted(set(a) - set(b)))}"
            for place, a, b in zip(places, (classes, test_classes), (test_classes, classes), strict=True)
            if set(a) - set(b)
        ]
        raise Mistake(f"dataset.root={root}: the class folders differ: {'; '.join(only)}. Make them the same.")
    return classes, (paths, labels), (test_paths, test_labels)


def _scan_test(root: str, classes: Sequence[str]) -> tuple[list[str], Found, Found]:
    """The same with no training images. classes: of ImageNet's validation images, which don't tell them."""
    place = facts.find_test_folder(root, classes)
    if imagenet.is_flat(place):
        return list(classes), ([], []), imagenet.find_validation_images(place, classes)
    found, paths, labels = scan(place)
    return found, ([], []), (paths, labels)
