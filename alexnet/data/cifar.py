"""CIFAR-10 and CIFAR-100."""

from pathlib import Path

import torch

from alexnet.data.dataset import Dataset, Split, resize_images
from alexnet.data.download import exclusive, fetch, intact


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
        Split(resize_images(torch.from_numpy(split.data).permute(0, 3, 1, 2), size), torch.tensor(split.targets))
        for split in splits
    )
    return Dataset(splits[0].classes, 3, size, train, test)
