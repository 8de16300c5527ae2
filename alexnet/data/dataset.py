"""The dataset that every source of images returns: its splits, and the facts that determine a network's shape.

A source is a function that returns a Dataset; its parameters are options in conf/dataset/NAME.yaml. What is done to
the images afterwards is in preparation.py.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from alexnet.data import augment, facts, randomness
from alexnet.data.image_files import ImageFiles
from alexnet.errors import Mistake, nearest

SAMPLE = 500  # training images that initial weights are taken from, if they depend on images


@dataclass(frozen=True)
class SourceFiles:
    """The image files of a split. names: CLASS/FILE, which are the same wherever the data lies. hashes: SHA-256 of the
    contents, (N, 32) uint8. lengths: in bytes, (N,)."""

    names: Sequence[str]
    hashes: np.ndarray
    lengths: np.ndarray

    def subset(self, indices: Tensor) -> "SourceFiles":
        return SourceFiles([self.names[i] for i in indices.tolist()], self.hashes[indices], self.lengths[indices])


@dataclass(frozen=True)
class Split:
    """images: (N, C, S, S) uint8 in memory, or the files to decode; labels: (N,) int64.

    files: of all images, whether in memory or not; None if they come from no files of their own.
    """

    images: Tensor | ImageFiles
    labels: Tensor
    files: SourceFiles | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> "Split":
        files = None if self.files is None else self.files.subset(indices)
        return Split(self.images[indices], self.labels[indices], files)


@dataclass(frozen=True)
class Dataset:
    """A training and a test split, and the facts that determine a network's shape. size: that the network sees.

    known_fingerprint: of the images, if they aren't here.
    """

    classes: Sequence[str]
    channels: int
    size: int
    train: Split
    test: Split
    known_fingerprint: Mapping[str, str] | None = None

    @classmethod
    def without_images(cls, classes: Sequence[str], channels: int, size: int) -> "Dataset":
        """What a network is built for, if only that is known."""
        none = Split(torch.empty(0, channels, size, size, dtype=torch.uint8), torch.empty(0, dtype=torch.int64))
        return cls(classes, channels, size, none, none)

    def fingerprint(self) -> dict[str, str]:
        """What identifies the data in environment.json.

        data_sha256: the hash of all images and labels; for files, of CLASS/FILE and the hash of the contents, so it
        doesn't depend on whether the images are in memory. data_lengths_sha256, for files only: the same with lengths
        instead of contents, which earlier versions recorded as data_sha256.
        """
        if self.known_fingerprint is not None:
            return dict(self.known_fingerprint)
        found = {"data_sha256": self._hash("hashes")}
        if self.train.files is not None:
            found["data_lengths_sha256"] = self._hash("lengths")
        return found

    def _hash(self, of_files: str) -> str:
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            if split.files is not None:
                values = [value.tobytes().hex() if value.ndim else value for value in getattr(split.files, of_files)]
                lines = (f"{name} {value}\n" for name, value in zip(split.files.names, values, strict=True))
                digest.update("".join(lines).encode(errors="surrogateescape"))
            else:
                assert isinstance(split.images, Tensor)  # files have names
                digest.update(split.images.numpy().data)
            digest.update(split.labels.numpy().data)
        return digest.hexdigest()


def check_dataset(dataset: Dataset) -> None:
    """Raises Mistake for what isn't a Dataset, or not as its facts say. Files are checked when they are read."""
    if not isinstance(dataset, Dataset):
        raise Mistake(
            f"dataset: its function returned {type(dataset).__name__}, and not an alexnet.data.dataset.Dataset."
        )
    for name, split in (("train", dataset.train), ("test", dataset.test)):
        images, labels = split.images, split.labels
        if isinstance(images, Tensor):
            shape = (len(labels), dataset.channels)
            square = images.ndim == 4 and images.shape[2] == images.shape[3] >= dataset.size
            if images.dtype != torch.uint8 or not square or tuple(images.shape[:2]) != shape:
                raise Mistake(
                    f"dataset: {name}.images has shape {tuple(images.shape)} and {images.dtype}; expected "
                    f"({shape[0]}, {shape[1]}, S, S) with S of {dataset.size} or more, and torch.uint8."
                )
        if labels.dtype != torch.int64 or not bool(((labels >= 0) & (labels < len(dataset.classes))).all()):
            raise Mistake(f"dataset: {name}.labels: expected torch.int64 from 0 to {len(dataset.classes) - 1}.")


@dataclass(frozen=True)
class Splits:
    """The images of a run, by what it does with them.

    validation: held out to choose the best epoch; None if there are none. train_subset: training images drawn at
    random, as many as test images, to be tested like those. sample: a few more, for initial weights.
    """

    train: Split
    validation: Split | None
    test: Split
    train_subset: Split
    sample: Split


def choose_splits(dataset: Dataset, validation: float, share: float, seed: int) -> Splits:
    """Holds out the fraction `validation` of the training images, and trains on a `share` of the rest.

    Raises Mistake if that leaves nothing to train or to validate on.
    """
    train, held_out = split_validation(dataset.train, validation, seed)
    train = take_part(train, share, seed)
    order = torch.randperm(len(train), generator=randomness.make_generator(seed, randomness.SPLIT, 1))
    train_subset = train.subset(order[: len(dataset.test)].sort().values)
    return Splits(train, held_out, dataset.test, train_subset, train.subset(order[:SAMPLE]))


def repeat_batch(splits: Splits, size: int, steps: int, seed: int) -> Splits:
    """Of the training images only one batch, drawn at random: so many times one after another, and once as the subset.

    Raises Mistake if there are fewer images.
    """
    facts.check_batch(size, len(splits.train))
    order = torch.randperm(len(splits.train), generator=randomness.make_generator(seed, randomness.SPLIT, 3))
    batch = splits.train.subset(order[:size])
    return replace(splits, train=batch.subset(torch.arange(size).repeat(steps)), train_subset=batch)


def keep_classes(dataset: Dataset, names: Sequence[str | int] | None) -> Dataset:
    """The dataset with only these classes and their images; None: all. Raises Mistake for an unknown class."""
    if names is None:
        return dataset
    known = list(map(str, dataset.classes))
    for name in map(str, names):
        if name not in known:
            raise Mistake(f"dataset.only: {name} isn't one of the classes here{nearest(name, known)}")
    kept = sorted(known.index(str(name)) for name in names)
    numbers = torch.full((len(known),), -1)
    numbers[kept] = torch.arange(len(kept))

    def choose(split: Split) -> Split:
        chosen = split.subset((numbers[split.labels] >= 0).nonzero().flatten())
        return replace(chosen, labels=numbers[chosen.labels])

    classes = [dataset.classes[number] for number in kept]
    return Dataset(classes, dataset.channels, dataset.size, choose(dataset.train), choose(dataset.test))


def split_validation(train: Split, fraction: float, seed: int) -> tuple[Split, Split | None]:
    """The training split without a random `fraction` of it, and that fraction. A fraction of 0 gives None.

    Raises Mistake if one of the two would be empty.
    """
    if fraction == 0:
        return train, None
    count = facts.count_held_out(len(train), fraction)
    order = torch.randperm(len(train), generator=randomness.make_generator(seed, randomness.SPLIT))
    return train.subset(order[count:].sort().values), train.subset(order[:count].sort().values)


def take_part(train: Split, share: float, seed: int) -> Split:
    """A random `share` of the training split; 1 is all of it. Raises Mistake if it would be empty."""
    if share == 1:
        return train
    count = facts.count_taken(len(train), share)
    order = torch.randperm(len(train), generator=randomness.make_generator(seed, randomness.SPLIT, 2))
    return train.subset(order[:count].sort().values)


def resize_images(images: Tensor, size: int) -> Tensor:
    """(N, C, H, W) to (N, C, size, size), bilinear with anti-aliasing; unchanged if that is their size already."""
    images = images.contiguous()
    return images if images.shape[2:] == (size, size) else augment.resize(images, size)
