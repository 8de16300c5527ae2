"""Writes files atomically."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alexnet.errors import Mistake


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of `path` at the end of the block.

    If the block raises, the temporary file is deleted, which on a full disk makes room, and `path` stays as it was.
    """
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace_text(path: Path, text: str) -> None:
    """Writes the file, or leaves the one that is there."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_space(folder: Path, needed: int, way_out: str) -> None:
    """Raises Mistake if the folder's disk has fewer than `needed` bytes free. The folder need not exist yet."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise Mistake(
            f"The disk of {folder} has {free >> 20} MB free, and this may write {needed >> 20} MB: make room, "
            f"or {way_out}."
        )
