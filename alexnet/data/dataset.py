"""Where images come from: one function a source, each returning the data and its facts.

The first arguments of a function are its own knobs in conf/dataset/NAME.yaml; everything that is done to
the images afterwards (normalisation, augmentation) is the loaders' business.
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alexnet.data import augment, facts, randomness
from alexnet.data.image_files import ImageFiles, get_class_and_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """images: (N, C, S, S) uint8 in memory, or the files to decode; labels: (N,) int64.

    paths: of the files that a whole split comes from, in memory or not; None where there are none.
    """

    images: Tensor | ImageFiles
    labels: Tensor
    paths: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> "Split":
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """A training and a test split, and the facts that the network's shape follows from."""

    classes: Sequence[str]
    channels: int
    size: int
    train: Split
    test: Split

    def fingerprint(self) -> str:
        """SHA-256 of all images and labels; of image files their CLASS/FILE and lengths in bytes stand for them.

        Whether those are held in memory makes no difference: another machine may have more of it.
        """
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            if split.paths is None:
                digest.update(split.images.numpy())
            else:
                for path in split.paths:
                    digest.update(f"{get_class_and_name(path)} {os.path.getsize(path)}\n".encode())
            digest.update(split.labels.numpy())
        return digest.hexdigest()


def split_validation(train: Split, fraction: float, seed: int) -> tuple[Split, Split | None]:
    """`train` without a random `fraction` of it, and that fraction: the images to choose on.

    A fraction of 0 leaves the training split whole and gives None.
    Raises Mistake where one of the two would be empty.
    """
    if fraction == 0:
        return train, None
    count = facts.count_held_out(len(train), fraction)
    order = torch.randperm(len(train), generator=randomness.make_generator(seed, randomness.SPLIT))
    return train.subset(order[count:].sort().values), train.subset(order[:count].sort().values)


def take_part(train: Split, share: float, seed: int) -> Split:
    """A random `share` of the training split, 1 for all of it; raises Mistake where that is no image at all."""
    if share == 1:
        return train
    count = facts.count_taken(len(train), share)
    order = torch.randperm(len(train), generator=randomness.make_generator(seed, randomness.SPLIT, 2))
    return train.subset(order[:count].sort().values)


def resize_images(images: Tensor, size: int) -> Tensor:
    """(N, C, H, W) to (N, C, size, size), bilinear with anti-aliasing; as they are where that is their size."""
    images = images.contiguous()
    return images if images.shape[2:] == (size, size) else augment.resize(images, size)
