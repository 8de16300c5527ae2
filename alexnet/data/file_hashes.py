"""Hashes the contents of image files, and remembers the hashes for as long as a file is unchanged."""

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from alexnet.data.decoding import read
from alexnet.messages.console import progress, translate

logger = logging.getLogger(__name__)

CHUNK = 1024  # files between two moments at which Ctrl-C is noticed
GRANULE = 2 * 10**9  # nanoseconds: the coarsest time of change that a common file system notes
ENTRY = np.dtype([("status", "<i8", 4), ("sha256", "u1", 32)])


def hash_files(paths: Sequence[str], folder: str | None) -> tuple[np.ndarray, np.ndarray]:
    """SHA-256 of each file (N, 32) uint8, and its length in bytes (N,).

    In `folder` the hashes are kept beside what tells that a file is unchanged: its length, inode and the times at which
    contents and inode were changed. (A program can set the former time, but not the latter.) So the next call reads
    new and changed files only. folder: None keeps nothing.
    Raises Mistake for a file that can't be read.
    """
    statuses = np.array(_get_statuses(paths), np.int64).reshape(-1, 4)
    index = None if folder is None else _Index(Path(folder).expanduser(), paths)
    entries = np.zeros(len(paths), ENTRY) if index is None else index.load()
    changed = np.flatnonzero((entries["status"] != statuses).any(1) | ~statuses.any(1))
    if len(changed) > 0:
        try:
            _hash_again(paths, entries, changed)
        finally:  # what was read before Ctrl-C isn't read again
            if index is not None:
                index.save(entries)
    return entries["sha256"], statuses[:, 0]


def _get_statuses(paths: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Of each file. A million on a slow disk take a minute."""
    statuses = []
    with progress("Listing", len(paths), "file") as advance:
        for start in range(0, len(paths), CHUNK):
            statuses += [_get_status(path) for path in paths[start : start + CHUNK]]
            advance(len(statuses) - start)
    return statuses


def _get_status(path: str) -> tuple[int, int, int, int]:
    """What changes whenever the file does; zeros for a file that isn't there."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0, 0, 0
    largest = 2**63 - 1  # some file systems can note more
    times = status.st_mtime_ns & largest, status.st_ctime_ns & largest
    return status.st_size & largest, *times, status.st_ino & largest


def _hash_again(paths: Sequence[str], entries: np.ndarray, changed: np.ndarray) -> None:
    with (
        progress("Reading", len(changed), "file") as advance,
        ThreadPoolExecutor(os.cpu_count()) as pool,  # reading and hashing release the interpreter lock
    ):
        for start in range(0, len(changed), CHUNK):
            some = changed[start : start + CHUNK]
            for place, entry in zip(some, pool.map(_hash, [paths[place] for place in some]), strict=True):
                entries[place] = entry
            advance(len(some))


def _hash(path: str) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """A file's entry. Its status is zeros if it was changed so lately that another change might leave it the same."""
    now, status = time.time_ns(), _get_status(path)
    sha256 = np.frombuffer(hashlib.sha256(read(path)).digest(), np.uint8)
    return status if status[2] < now - GRANULE else (0, 0, 0, 0), sha256


class _Index:
    """A file of entries for a list of files: SHA-256 of the list and of the entries, then the entries."""

    def __init__(self, folder: Path, paths: Sequence[str]):
        place = "" if os.path.isabs(paths[0]) else os.getcwd()
        self.key = hashlib.sha256("\0".join([place, *paths]).encode(errors="surrogateescape"))
        self.path, self.count = folder / f"{self.key.hexdigest()[:16]}.hashes", len(paths)

    def load(self) -> np.ndarray:
        """The entries; zeros if there are none, or damaged ones."""
        try:
            content = self.path.read_bytes()
        except OSError:
            content = b""
        if len(content) == 32 + self.count * ENTRY.itemsize and content[:32] == self._seal(content[32:]):
            return np.frombuffer(content, ENTRY, offset=32).copy()
        return np.zeros(self.count, ENTRY)

    def save(self, entries: np.ndarray) -> None:
        content = entries.tobytes()
        temporary = self.path.with_suffix(".hashes.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(self._seal(content) + content)
            os.replace(temporary, self.path)
        except OSError as error:
            text = translate("The hashes of the images aren't kept in dataset.cache={}: {}")
            logger.info(text.format(self.path.parent, error))

    def _seal(self, content: bytes) -> bytes:
        seal = self.key.copy()
        seal.update(content)
        return seal.digest()
