"""Finds image files, and gives their images, decoded or as they were kept."""

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from alexnet.data.decoding import decode
from alexnet.data.facts import ENDINGS, list_images
from alexnet.data.pixel_file import PixelFile
from alexnet.errors import Mistake
from alexnet.messages.console import progress

CHUNK = 256  # images decoded between two moves of a bar


class ImageFiles(Dataset["ImageFiles"]):
    """RGB images of size x size that are decoded when asked for.

    hashes: SHA-256 of each file, (N, 32) uint8. pixels: the file that keeps them decoded, if there is one; rows: each
    one's place in it. What isn't whole there is decoded from its own file.
    """

    def __init__(
        self,
        paths: Collection[str],
        size: int,
        hashes: np.ndarray,
        pixels: PixelFile | None = None,
        rows: np.ndarray | None = None,
    ):
        self.paths, self.size, self.hashes, self.pixels = np.array(paths, dtype=object), size, hashes, pixels
        self.rows = np.arange(len(self.paths)) if rows is None else rows
        self.image_bytes = 3 * size**2

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Tensor | range | Sequence[int] | np.ndarray) -> "ImageFiles":
        """The files at those indices, (N,)."""
        some = np.asarray(indices)
        return ImageFiles(self.paths[some], self.size, self.hashes[some], self.pixels, self.rows[some])

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Any] | Mistake:
        """As `load` gives them, or the Mistake of a broken file: what a worker raises arrives as a stack trace."""
        try:
            return self[indices].load()
        except Mistake as mistake:
            return mistake

    def read_from(self, pixels: PixelFile) -> "ImageFiles":
        """The same images, to be read from a file that holds all of them decoded."""
        return ImageFiles(self.paths, self.size, self.hashes, pixels)

    def decode_all(self) -> Tensor:
        """All of them, (N, 3, size, size) uint8. Raises Mistake for a broken file."""
        if len(self) <= CHUNK:
            images, again = self.load()
            self.tell(again)
            return images
        images = torch.empty(len(self), 3, self.size, self.size, dtype=torch.uint8)
        with progress("Decoding" if self.pixels is None else "Reading", len(self), "image") as advance:
            for start in range(0, len(self), CHUNK):
                some = self[range(start, min(start + CHUNK, len(self)))]
                images[start : start + CHUNK] = some.decode_all()
                advance(len(some))
        return images

    def load(self) -> tuple[Tensor, Any]:
        """All of them, and what `tell` is to be told: how many had to be decoded again.

        Raises Mistake for a broken file.
        """
        images = np.empty((len(self), self.image_bytes), np.uint8)
        if self.pixels is None:
            self._decode(images, np.arange(len(self)))
            again = 0
        else:
            missing = self.pixels.read(self.rows, self.hashes, images)
            self._decode(images, missing)
            self.pixels.mend(self.rows[missing], self.hashes[missing], images[missing])
            again = len(missing)
        return torch.from_numpy(images).view(-1, 3, self.size, self.size), again

    def tell(self, again: Any) -> None:
        """Warns that so many images had to be decoded again."""
        if self.pixels is not None:
            self.pixels.tell(again)

    def _decode(self, images: np.ndarray, some: np.ndarray) -> None:
        """Decodes some of the files into their rows of images (N, image_bytes)."""

        def decode_one(index: int) -> None:
            image = decode(self.paths[index], self.size, self.hashes[index].tobytes())
            images[index] = image.reshape(-1).numpy()

        decode_in_threads(decode_one, some)


def decode_in_threads(decode_one: Callable[[int], None], some: Sequence[int] | np.ndarray) -> None:
    """Calls it for each of the indices, several at a time. Raises what it raises."""
    if len(some) > 0:
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow releases the interpreter lock
            list(pool.map(decode_one, some))


def get_class_and_name(path: str) -> str:
    """CLASS/FILE, which is the same wherever the data lies."""
    return "/".join(path.split(os.sep)[-2:])


def scan(place: Path) -> tuple[list[str], list[str], list[int]]:
    """The classes, image files and labels in one split's folder, in the order of torchvision's ImageFolder.

    Raises Mistake if there is no class, or one without images.
    """
    with os.scandir(place) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    found = []
    with progress("Listing", len(classes), "class") as advance:
        for each in classes:
            found.append(list_images(place / each))
            advance(1)
    empty = [name for name, paths in zip(classes, found, strict=True) if not paths]
    if empty or not classes:
        lacking = f"no images in {', '.join(empty)}" if empty else "no class folders"
        raise Mistake(f"{place}: found {lacking}. Images end in {', '.join(ENDINGS)}.")
    labels = [label for label, paths in enumerate(found) for _ in paths]
    return classes, [path for paths in found for path in paths], labels
