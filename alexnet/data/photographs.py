"""Image files that a trained network is shown: a broken one is named, and the others are still read."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexnet.data.decoding import decode
from alexnet.data.image_files import ImageFiles, decode_in_threads
from alexnet.errors import Mistake

MODES = {1: "L", 3: "RGB"}  # Pillow's, by the number of channels


class Photographs(ImageFiles):
    """Images (channels, size, size) that are decoded when asked for. One that can't be read is black.

    inverted: dark becomes light. broken: by its number, why a file couldn't be read; known once it was loaded.
    """

    def __init__(
        self,
        paths: Collection[str],
        size: int,
        channels: int = 3,
        inverted: bool = False,
        rows: np.ndarray | None = None,
    ):
        super().__init__(paths, size, np.empty((len(paths), 0), np.uint8), rows=rows)
        self.channels, self.inverted = channels, inverted
        self.broken: dict[int, str] = {}

    def __getitem__(self, indices: Tensor | range | Sequence[int] | np.ndarray) -> "Photographs":
        some = np.asarray(indices)
        return Photographs(self.paths[some], self.size, self.channels, self.inverted, self.rows[some])

    def load(self) -> tuple[Tensor, Any]:
        """All of them, (N, channels, size, size) uint8, and by its number why one couldn't be read."""
        images = torch.zeros(len(self), self.channels, self.size, self.size, dtype=torch.uint8)
        broken = {}

        def decode_one(index: int) -> None:
            try:
                image = decode(self.paths[index], self.size, mode=MODES[self.channels])
                images[index] = 255 - image if self.inverted else image
            except Mistake as mistake:
                broken[int(self.rows[index])] = str(mistake)

        decode_in_threads(decode_one, range(len(self)))
        return images, broken

    def tell(self, broken: Any) -> None:
        self.broken.update(broken)
