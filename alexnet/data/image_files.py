"""Finds image files of any common kind, decodes them to one size, and reports broken ones."""

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

from alexnet.data.facts import ENDINGS, is_image
from alexnet.errors import Mistake


class ImageFiles(Dataset["ImageFiles"]):
    """RGB images of size x size that are decoded when asked for.

    pixels: a file that holds them decoded, one after another; rows: each one's place in it. None: they are decoded
    from their own files.
    """

    def __init__(self, paths: Collection[str], size: int, pixels: Path | None = None, rows: np.ndarray | None = None):
        self.paths, self.size, self.pixels = np.array(paths, dtype=object), size, pixels
        self.rows = np.arange(len(self.paths)) if rows is None else rows
        self.image_bytes = 3 * size**2

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Tensor | range | Sequence[int]) -> "ImageFiles":
        """The files at those indices, (N,)."""
        some = np.asarray(indices)
        return ImageFiles(self.paths[some], self.size, self.pixels, self.rows[some])

    def __getitems__(self, indices: Sequence[int]) -> Tensor | Mistake:
        """(B, 3, size, size) uint8, or the Mistake of a broken file: what a worker raises arrives as a stack trace."""
        try:
            return self[indices].decode_all()
        except Mistake as mistake:
            return mistake

    def read_from(self, pixels: Path) -> "ImageFiles":
        """The same images, to be read from a file that holds all of them decoded."""
        return ImageFiles(self.paths, self.size, pixels)

    def decode_all(self) -> Tensor:
        """All of them, (N, 3, size, size) uint8. Raises Mistake for a broken file."""
        if self.pixels is not None:
            pixels = np.memmap(self.pixels, np.uint8, "r").reshape(-1, 3, self.size, self.size)
            return torch.from_numpy(pixels[self.rows])
        images = torch.empty(len(self), 3, self.size, self.size, dtype=torch.uint8)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow releases the interpreter lock
            for index, image in enumerate(pool.map(lambda path: decode(path, self.size), self.paths)):
                images[index] = image
        return images


def get_class_and_name(path: str) -> str:
    """CLASS/FILE, which is the same wherever the data lies."""
    return "/".join(path.split(os.sep)[-2:])


def scan(place: Path) -> tuple[list[str], list[str], list[int]]:
    """The classes, image files and labels in one split's folder, in the order of torchvision's ImageFolder.

    Raises Mistake if there is no class, or one without images.
    """
    with os.scandir(place) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    found = [
        [
            os.path.join(folder, name)
            for folder, _, names in sorted(os.walk(place / each, followlinks=True))
            for name in sorted(filter(is_image, names))
        ]
        for each in classes
    ]
    empty = [name for name, paths in zip(classes, found, strict=True) if not paths]
    if empty or not classes:
        lacking = f"no images in {', '.join(empty)}" if empty else "no class folders"
        raise Mistake(f"{place}: found {lacking}. Images end in {', '.join(ENDINGS)}.")
    labels = [label for label, paths in enumerate(found) for _ in paths]
    return classes, [path for paths in found for path in paths], labels


def decode(path: str, size: int) -> Tensor:
    """One image file as RGB, upright, (3, size, size) uint8. Raises Mistake if it can't be read."""
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):  # 16-bit grey, which Pillow would cut off at 255
                image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
            image = image.convert("RGB")
            # A strip of 30,000 x 2 pixels would take gigabytes when resized, and at most its middle, 4:1, is of use.
            image = _cut_centre(image, min(image.width, 4 * image.height), min(image.height, 4 * image.width))
            shorter = min(image.size)
            width, height = (size * side // shorter for side in image.size)
            image = image.resize((width, height), Image.Resampling.BILINEAR)
            return torch.from_numpy(np.array(_cut_centre(image, size, size))).permute(2, 0, 1)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Mistake(f"{path} can't be read as an image ({error}): fix or delete the file.") from error


def _cut_centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))
