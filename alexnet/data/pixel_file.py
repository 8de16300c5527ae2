"""A file of decoded images in which damage is noticed: each row has the hash of its image file and of its own bytes."""

import hashlib
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from alexnet.messages.console import translate

logger = logging.getLogger(__name__)

HASH = 32  # bytes of a SHA-256
READ_BYTES = 2**20  # in one thread at a time


class PixelFile:
    """Rows of: SHA-256 of the image file, `image_bytes` of pixels, SHA-256 of both.

    So a row counts only if it is whole and shows that very file; all others are decoded again.
    """

    def __init__(self, path: Path, image_bytes: int):
        self.path, self.image_bytes = path, image_bytes
        self.row_bytes = HASH + image_bytes + HASH
        self.told = False

    def read(self, rows: np.ndarray, hashes: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Reads the rows (N,) of the image files with those hashes (N, 32) into images (N, image_bytes).

        Returns which of them, as indices, aren't there whole, so that their images are undefined.
        """
        whole = np.zeros(len(rows), bool)
        length = max(1, READ_BYTES // self.row_bytes)
        starts = range(0, len(rows), length)

        def read_chunk(start: int) -> None:
            chunk = slice(start, start + length)
            whole[chunk] = self._read_chunk(file.fileno(), rows[chunk], hashes[chunk], images[chunk])

        try:
            with open(self.path, "rb") as file:
                if len(starts) == 1:
                    read_chunk(0)
                else:
                    with ThreadPoolExecutor(os.cpu_count()) as pool:  # reading and hashing release the interpreter lock
                        list(pool.map(read_chunk, starts))
        except OSError:  # the file is gone, or its disk fails
            pass
        return np.flatnonzero(~whole)

    def _read_chunk(self, file: int, rows: np.ndarray, hashes: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Returns which rows are whole, (N,) bool."""
        buffer = np.empty((len(rows), self.row_bytes), np.uint8)
        for start, stop in _find_runs(rows):
            run = buffer[start:stop]
            length = os.preadv(file, [run.data], int(rows[start]) * self.row_bytes)
            run[length // self.row_bytes :] = 0  # where the file ends early, memory may hold rows that were read before
        images[:] = buffer[:, HASH:-HASH]
        return (buffer[:, :HASH] == hashes).all(1) & (buffer[:, -HASH:] == _hash_rows(buffer[:, :-HASH])).all(1)

    def pack(self, hashes: np.ndarray, images: np.ndarray) -> np.ndarray:
        """The rows (N, row_bytes) of images (N, image_bytes) decoded from files with those hashes (N, 32)."""
        content = np.concatenate([hashes, images], 1)
        return np.concatenate([content, _hash_rows(content)], 1)

    def mend(self, rows: np.ndarray, hashes: np.ndarray, images: np.ndarray) -> None:
        """Writes rows again, if the file is there and can be written."""
        if len(rows) == 0:
            return
        try:
            with open(self.path, "r+b") as file:
                for row, packed in zip(rows, self.pack(hashes, images), strict=True):
                    os.pwrite(file.fileno(), packed, int(row) * self.row_bytes)
        except OSError:
            logger.debug(f"{self.path} can't be mended.", exc_info=True)

    def tell(self, count: int) -> None:
        """Warns, once, that images weren't there whole."""
        if count > 0 and not self.told:
            self.told = True
            text = translate(
                "{} is damaged or gone. Images that aren't whole in it are decoded again from their files, so far {}."
            )
            logger.warning(text.format(self.path, count))


def _hash_rows(rows: np.ndarray) -> np.ndarray:
    """(N, bytes) to (N, 32)."""
    digests = b"".join(hashlib.sha256(row).digest() for row in rows)
    return np.frombuffer(digests, np.uint8).reshape(-1, HASH)


def _find_runs(rows: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where rows follow one another in the file, as start and stop: each such run is read at once."""
    ends = [*(np.flatnonzero(np.diff(rows) != 1) + 1), len(rows)]
    yield from zip([0, *ends[:-1]], ends, strict=True)
