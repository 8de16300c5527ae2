"""Image files of any common kind: found, named when broken, and made the same size."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.v2 import functional

from alexnet.errors import Mistake


class ImageFiles:
    """Images that are decoded when asked for: a torch dataset of RGB files, each cut to size x size.

    pixels: a file that holds them decoded, one after the other; rows: the place of each of them in it.
    """

    def __init__(self, paths: Sequence[str], size: int, pixels: Path | None = None, rows: np.ndarray | None = None):
        self.paths, self.size, self.pixels = np.array(paths, dtype=object), size, pixels
        self.rows = np.arange(len(self.paths)) if rows is None else rows
        self.image_bytes = 3 * size**2

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Tensor | range) -> "ImageFiles":
        """The files at those indices, (N,)."""
        some = np.asarray(indices)
        return ImageFiles(self.paths[some], self.size, self.pixels, self.rows[some])

    def __getitems__(self, indices: Sequence[int]) -> Tensor | Mistake:
        """(B, 3, size, size) uint8, or the Mistake that a broken file makes (a worker can't raise it whole)."""
        try:
            return self[indices].decoded()
        except Mistake as mistake:
            return mistake

    def read_from(self, pixels: Path) -> "ImageFiles":
        """The same images, all of which that file holds decoded."""
        return ImageFiles(self.paths, self.size, pixels)

    def decoded(self) -> Tensor:
        """All of them, (N, 3, size, size) uint8. Raises Mistake for a broken file."""
        if self.pixels:
            pixels = np.memmap(self.pixels, np.uint8, "r").reshape(-1, 3, self.size, self.size)
            return torch.from_numpy(pixels[self.rows])
        images = torch.empty(len(self), 3, self.size, self.size, dtype=torch.uint8)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow lets go of the interpreter lock
            for index, image in enumerate(pool.map(lambda path: decode(path, self.size), self.paths)):
                images[index] = image
        return images


class VisibleImages(torchvision.datasets.ImageFolder):
    """Without the hidden folders and files that editors and operating systems leave behind."""

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        classes, _ = super().find_classes(directory)
        visible = [name for name in classes if not name.startswith(".")]
        return visible, {name: index for index, name in enumerate(visible)}


def class_and_name(path: str) -> str:
    """CLASS/FILE, which stays the same wherever the data are."""
    return "/".join(path.split(os.sep)[-2:])


def is_image(path: str) -> bool:
    """By its name: hidden files aren't."""
    name = os.path.basename(path)  # a Path each would take seconds for a large folder
    return not name.startswith(".") and torchvision.datasets.folder.is_image_file(name)


def scan(place: Path) -> tuple[list[str], list[str], list[int]]:
    """The classes, image files and labels under one split's folder, in sorted order."""
    try:
        found = VisibleImages(place, is_valid_file=is_image)
    except (FileNotFoundError, ValueError) as error:  # torchvision names the empty classes
        endings = ", ".join(torchvision.datasets.folder.IMG_EXTENSIONS)
        raise Mistake(f"{place}: {error} Images end in {endings}.") from error
    return found.classes, [path for path, _ in found.samples], found.targets


def decode(path: str, size: int) -> Tensor:
    """One image file as RGB, upright, (3, size, size) uint8. Raises Mistake where it can't be read."""
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):  # 16-bit greys, which Pillow would cut off at 255
                image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
            image = image.convert("RGB")
            # Resized whole, a strip of 30,000 x 2 pixels would take gigabytes: more than 4:1 is never seen.
            image = functional.center_crop(
                image, [min(image.height, 4 * image.width), min(image.width, 4 * image.height)]
            )
            image = functional.resize(image, size)
            return functional.pil_to_tensor(functional.center_crop(image, size))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Mistake(f"{path} can't be read as an image ({error}): mend it or take it away.") from error
