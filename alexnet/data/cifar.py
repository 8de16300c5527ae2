"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 32x32 colour images from the archives that the authors publish.

torchvision reads the archives; here they are downloaded once and checked by their published hashes.
"""

from pathlib import Path
from typing import Any

import torch

from alexnet.data.dataset import Dataset, Split, resize_images
from alexnet.data.download import exclusive, fetch, intact


def cifar10(root: str, download: bool, url: str | None, size: int) -> Dataset:
    """CIFAR-10: 50,000 training and 10,000 test images in 10 classes."""
    return _load("CIFAR10", root, download, url, size)


def cifar100(root: str, download: bool, url: str | None, size: int) -> Dataset:
    """CIFAR-100: 50,000 training and 10,000 test images in 100 classes."""
    return _load("CIFAR100", root, download, url, size)


def _load(name: str, root: str, download: bool, url: str | None, size: int) -> Dataset:
    """Raises Mistake if the data is missing and download is false, Failure if it can't be downloaded."""
    from torchvision import datasets

    source = getattr(datasets, name)
    folder = Path(root).expanduser()
    found = _read(source, folder) or _bring(source, folder, url, download)
    train, test = (
        Split(resize_images(torch.from_numpy(split.data).permute(0, 3, 1, 2), size), torch.tensor(split.targets))
        for split in found
    )
    return Dataset(found[0].classes, 3, size, train, test)


def _read(source: Any, folder: Path) -> list[Any] | None:
    """torchvision's training and test set; None if a file is missing or has another hash."""
    try:
        return [source(folder, train=train) for train in (True, False)]
    except RuntimeError:
        return None


def _bring(source: Any, folder: Path, url: str | None, download: bool) -> list[Any]:
    """The two sets from the archive, which is downloaded unless it is in the folder."""
    from torchvision.datasets.utils import extract_archive

    with exclusive(folder, source.filename):
        found = _read(source, folder)  # another process may have brought it meanwhile
        if found is not None:
            return found
        for file, md5 in [*source.train_list, *source.test_list]:
            intact(folder / source.base_folder / file, md5)  # logs the names of damaged files
        archive = fetch(url or source.url, folder / source.filename, source.tgz_md5, download)
        extract_archive(archive, folder)
        return [source(folder, train=train) for train in (True, False)]
