"""Image files that a trained network is shown: a broken one is named, and the others are still read."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexnet.data.decoding import decode_as
from alexnet.data.image_files import ImageFiles, decode_in_threads
from alexnet.errors import Mistake

MODES = {1: "L", 3: "RGB"}  # Pillow's, by the number of channels
Inspect = Callable[[Tensor, Tensor], Any]


class Photographs(ImageFiles):
    """Images (channels, size, size) that are decoded when asked for. One that can't be read is black.

    inverted: dark becomes light. broken: by its number, why a file couldn't be read; known once it was loaded.
    inspect: is given each image, and the same in colour, (3, size, size), where it is decoded; seen: by its number,
    what that returned.
    """

    def __init__(
        self,
        paths: Collection[str],
        size: int,
        channels: int = 3,
        inverted: bool = False,
        rows: np.ndarray | None = None,
        inspect: Inspect | None = None,
    ):
        super().__init__(paths, size, np.empty((len(paths), 0), np.uint8), rows=rows)
        self.channels, self.inverted, self.inspect = channels, inverted, inspect
        self.broken: dict[int, str] = {}
        self.seen: dict[int, Any] = {}

    def __getitem__(self, indices: Tensor | range | Sequence[int] | np.ndarray) -> "Photographs":
        some = np.asarray(indices)
        return Photographs(self.paths[some], self.size, self.channels, self.inverted, self.rows[some], self.inspect)

    def load(self) -> tuple[Tensor, Any]:
        """All of them, (N, channels, size, size) uint8, and what `tell` is to be told: `broken` and `seen` of them."""
        images = torch.zeros(len(self), self.channels, self.size, self.size, dtype=torch.uint8)
        modes = [MODES[self.channels], *(["RGB"] if self.inspect is not None and self.channels == 1 else [])]
        broken, seen = {}, {}

        def decode_one(index: int) -> None:
            row = int(self.rows[index])
            try:
                decoded = decode_as(self.paths[index], self.size, modes)
                images[index] = 255 - decoded[0] if self.inverted else decoded[0]
                if self.inspect is not None:
                    seen[row] = self.inspect(images[index], decoded[-1])
            except Mistake as mistake:
                broken[row] = str(mistake)

        decode_in_threads(decode_one, range(len(self)))
        return images, (broken, seen)

    def tell(self, found: Any) -> None:
        broken, seen = found
        self.broken.update(broken)
        self.seen.update(seen)
