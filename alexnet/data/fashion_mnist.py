"""Fashion-MNIST (Xiao et al. 2017): 28x28 greyscale images of clothes, from the four published IDX files.

A file may be compressed or not, and may lie where torchvision or Debian's package keeps it.
"""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alexnet.data.dataset import Dataset, Split, resize_images
from alexnet.data.download import exclusive, fetch
from alexnet.messages.console import translate

logger = logging.getLogger(__name__)

# MD5 of the files without compression: Debian's package compresses them in another way.
FASHION_MNIST = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


def fashion_mnist(root: str, download: bool, url: str | None, size: int) -> Dataset:
    """60,000 training and 10,000 test images in 10 classes, one channel.

    Raises Mistake if a file is missing and download is false, Failure if it can't be downloaded.
    """
    from torchvision.datasets import FashionMNIST as source

    folder = Path(root).expanduser()
    home = folder / "FashionMNIST" / "raw"  # where torchvision keeps it
    base = (url or source.mirrors[0]).rstrip("/")

    def find() -> list[bytes | None]:
        return [_read([folder, home], name) for name in FASHION_MNIST]

    files = find()
    if None in files:
        with exclusive(folder, "fashion-mnist"):
            for (packed, md5), content in zip(source.resources, find(), strict=True):
                if content is None:
                    fetch(f"{base}/{packed}", home / packed, md5, download)
        files = find()
    images, labels, test_images, test_labels = (_parse_idx(content) for content in files if content is not None)
    train = Split(resize_images(images[:, None], size), labels.long())
    test = Split(resize_images(test_images[:, None], size), test_labels.long())
    return Dataset(source.classes, 1, size, train, test)


def _read(places: Sequence[Path], name: str) -> bytes | None:
    """The file's content, decompressed, from the first place that has it intact; the log names damaged ones."""
    for path in (place / (name + ending) for place in places for ending in (".gz", "")):
        if not path.is_file():
            continue
        try:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except (EOFError, OSError, zlib.error):
            content = b""
        if hashlib.md5(content).hexdigest() == FASHION_MNIST[name]:
            return content
        logger.warning(translate("{} is damaged or incomplete and is not used.").format(path))
    return None


def _parse_idx(content: bytes) -> Tensor:
    """The array in an IDX file of unsigned bytes: two zeros, type 8, rank, lengths, data."""
    rank = content[3]
    shape = np.frombuffer(content, ">u4", rank, offset=4)
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * rank).copy()).view(*shape.tolist())
