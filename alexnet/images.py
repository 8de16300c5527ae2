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
from tqdm import tqdm

from alexnet.errors import Mistake


class ImageFiles:
    """Images that are decoded when asked for: a torch dataset of RGB files, each cut to size x size."""

    def __init__(self, paths: Sequence[Path], size: int):
        self.paths, self.size = np.array(paths, dtype=object), size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Tensor) -> "ImageFiles":
        """The files at those indices, (N,)."""
        return ImageFiles(self.paths[indices.numpy()], self.size)

    def __getitems__(self, indices: Sequence[int]) -> Tensor | Mistake:
        """(B, 3, size, size) uint8, or the Mistake that a broken file makes (a worker can't raise it whole)."""
        try:
            return torch.stack([decode(self.paths[index], self.size) for index in indices])
        except Mistake as mistake:
            return mistake

    def decoded(self) -> Tensor:
        """All of them, (N, 3, size, size) uint8. Raises Mistake for a broken file."""
        images = torch.empty(len(self), 3, self.size, self.size, dtype=torch.uint8)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow lets go of the interpreter lock
            results = pool.map(lambda path: decode(path, self.size), self.paths)
            for index, image in enumerate(tqdm(results, "Decoding", len(self), leave=False, disable=None)):
                images[index] = image
        return images


class VisibleImages(torchvision.datasets.ImageFolder):
    """Without the hidden folders and files that editors and operating systems leave behind."""

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        classes, _ = super().find_classes(directory)
        visible = [name for name in classes if not name.startswith(".")]
        return visible, {name: index for index, name in enumerate(visible)}


def is_image(path: str) -> bool:
    """By its name: hidden files aren't."""
    name = Path(path).name
    return not name.startswith(".") and torchvision.datasets.folder.is_image_file(name)


def scan(place: Path) -> tuple[list[str], list[Path], list[int]]:
    """The classes, image files and labels under one split's folder, in sorted order."""
    try:
        found = VisibleImages(place, is_valid_file=is_image)
    except (FileNotFoundError, ValueError) as error:  # torchvision names the empty classes
        endings = ", ".join(torchvision.datasets.folder.IMG_EXTENSIONS)
        raise Mistake(f"{place}: {error} Images end in {endings}.") from error
    return found.classes, [Path(path) for path, _ in found.samples], found.targets


def decode(path: Path, size: int) -> Tensor:
    """One image file as RGB, upright, (3, size, size) uint8. Raises Mistake where it can't be read."""
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):  # 16-bit greys, which Pillow would cut off at 255
                image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
            image = functional.resize(image.convert("RGB"), size)
            return functional.pil_to_tensor(functional.center_crop(image, size))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Mistake(f"{path} can't be read as an image ({error}): mend it or take it away.") from error
