"""Where images come from: one function a source, each returning the data and its facts.

The first arguments of a function are its own knobs in conf/dataset/NAME.yaml; everything that is done to
the images afterwards (normalisation, augmentation) is the loaders' business.
"""

import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alexnet.data import augment, facts, imagenet, randomness
from alexnet.data.download import exclusive, fetch, intact
from alexnet.data.image_files import ImageFiles, class_and_name, scan
from alexnet.data.pixel_cache import stored
from alexnet.errors import Mistake

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
                    digest.update(f"{class_and_name(path)} {os.path.getsize(path)}\n".encode())
            digest.update(split.labels.numpy())
        return digest.hexdigest()


def split_validation(train: Split, fraction: float, seed: int) -> tuple[Split, Split | None]:
    """`train` without a random `fraction` of it, and that fraction: the images to choose on.

    A fraction of 0 leaves the training split whole and gives None.
    Raises Mistake where one of the two would be empty.
    """
    if fraction == 0:
        return train, None
    count = facts.held_out(len(train), fraction)
    order = torch.randperm(len(train), generator=randomness.generator(seed, randomness.SPLIT))
    return train.subset(order[count:].sort().values), train.subset(order[:count].sort().values)


def part(train: Split, share: float, seed: int) -> Split:
    """A random `share` of the training split, 1 for all of it; raises Mistake where that is no image at all."""
    if share == 1:
        return train
    count = facts.taken(len(train), share)
    order = torch.randperm(len(train), generator=randomness.generator(seed, randomness.SPLIT, 2))
    return train.subset(order[:count].sort().values)


def cifar10(root: str, download: bool, url: str | None, size: int) -> Dataset:
    """CIFAR-10: 50,000 and 10,000 colour images in 10 classes (Krizhevsky 2009)."""
    return _cifar("CIFAR10", root, download, url, size)


def cifar100(root: str, download: bool, url: str | None, size: int) -> Dataset:
    """CIFAR-100: 50,000 and 10,000 colour images in 100 classes (Krizhevsky 2009)."""
    return _cifar("CIFAR100", root, download, url, size)


def _cifar(name: str, root: str, download: bool, url: str | None, size: int) -> Dataset:
    from torchvision import datasets
    from torchvision.datasets.utils import extract_archive

    source = getattr(datasets, name)
    folder = Path(root).expanduser()

    def load() -> list | None:
        try:  # torchvision checks every file's hash
            return [source(folder, train=train) for train in (True, False)]
        except RuntimeError:
            return None

    splits = load()
    if splits is None:
        with exclusive(folder, source.filename):
            splits = load()
            if splits is None:
                for file, md5 in [*source.train_list, *source.test_list]:
                    intact(folder / source.base_folder / file, md5)  # names the damaged ones
                archive = fetch(url or source.url, folder / source.filename, source.tgz_md5, download)
                extract_archive(archive, folder)
                splits = load()
    train, test = (
        Split(_resized(torch.from_numpy(split.data).permute(0, 3, 1, 2), size), torch.tensor(split.targets))
        for split in splits
    )
    return Dataset(splits[0].classes, 3, size, train, test)


# MD5 of the unpacked files, so that any packing of them will do: Debian's package compresses them anew.
FASHION_MNIST = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


def fashion_mnist(root: str, download: bool, url: str | None, size: int) -> Dataset:
    """Fashion-MNIST: 60,000 and 10,000 greyscale images in 10 classes (Xiao et al. 2017)."""
    from torchvision.datasets import FashionMNIST as source

    folder = Path(root).expanduser()
    home = folder / "FashionMNIST" / "raw"  # where torchvision keeps it
    base = (url or source.mirrors[0]).rstrip("/")

    def find() -> list[bytes | None]:
        return [_fashion_file([folder, home], name) for name in FASHION_MNIST]

    files = find()
    if None in files:
        with exclusive(folder, "fashion-mnist"):
            for (packed, md5), content in zip(source.resources, find(), strict=True):
                if content is None:
                    fetch(f"{base}/{packed}", home / packed, md5, download)
        files = find()
    images, labels, test_images, test_labels = map(_idx, files)
    train = Split(_resized(images[:, None], size), labels.long())
    test = Split(_resized(test_images[:, None], size), test_labels.long())
    return Dataset(source.classes, 1, size, train, test)


def _fashion_file(places: Sequence[Path], name: str) -> bytes | None:
    """The content of the file in the first place that has it whole, packed or not; damaged ones are named."""
    for path in (place / (name + ending) for place in places for ending in (".gz", "")):
        if not path.is_file():
            continue
        try:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except (EOFError, OSError, zlib.error):
            content = b""
        if hashlib.md5(content).hexdigest() == FASHION_MNIST[name]:
            return content
        log.warning(f"{path} is damaged or incomplete and is not used.")
    return None


def _idx(content: bytes) -> Tensor:
    """The array in an IDX file of unsigned bytes: two zeros, type 8, rank, lengths, data."""
    rank = content[3]
    shape = np.frombuffer(content, ">u4", rank, offset=4)
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * rank).copy()).view(*shape.tolist())


def digits(size: int) -> Dataset:
    """1,797 handwritten digits from scikit-learn's package, 8x8 greys made RGB; a fixed fifth is the test split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    pixels = torch.from_numpy(data.images).float()[:, None] * (255 / 16)  # (N, 1, 8, 8), values 0 to 16
    images = _resized(pixels, size).round().clamp(0, 255).byte().repeat(1, 3, 1, 1)
    labels = torch.from_numpy(data.target).long()
    parts = train_test_split(range(len(labels)), test_size=0.2, random_state=0, stratify=data.target)
    train, test = (Split(images[part], labels[part]) for part in map(torch.tensor, parts))
    return Dataset([str(name) for name in data.target_names], 3, size, train, test)


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
    places = facts.image_folders(root)
    classes, *train = scan(places[0])
    if len(classes) < 2:
        raise Mistake(f"{places[0]} has one class folder, {classes[0]}: expected two or more to tell apart.")
    if imagenet.is_flat(places[1]):
        return classes, train, imagenet.validation(places[1], classes)
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
    return stored(files, cache) if cache else files


def _resized(images: Tensor, size: int) -> Tensor:
    """(N, C, H, W) to (N, C, size, size), bilinear with anti-aliasing; as they are where that is their size."""
    images = images.contiguous()
    return images if images.shape[2:] == (size, size) else augment.resize(images, size)
