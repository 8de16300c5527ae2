"""Keeps decoded images on disk, so that the next start reads pixels instead of decoding files again."""

import hashlib
import logging
import os
import shutil
from pathlib import Path

from tqdm import tqdm

from alexnet.data.download import exclusive
from alexnet.data.image_files import ImageFiles
from alexnet.errors import Mistake

logger = logging.getLogger(__name__)

CHUNK = 128  # images decoded between two writes: 24 MiB of 256 x 256 pixels


def cached(files: ImageFiles, folder: str) -> ImageFiles:
    """The same images, to be read from one file of pixels in `folder`, which is written if it isn't there.

    What was decoded before an interruption isn't decoded again. If the pixels would take more than half of the free
    disk, or can't be written, a log line says so and the images stay files.
    Raises Mistake for a broken image.
    """
    place = Path(folder).expanduser()
    path = place / f"{_make_key(files)}.pixels"
    needed = len(files) * files.image_bytes

    def is_complete() -> bool:
        return path.is_file() and path.stat().st_size == needed

    try:
        if not is_complete():
            place.mkdir(parents=True, exist_ok=True)
            with exclusive(place, path.name):
                if not is_complete():  # another process may have written it meanwhile
                    free = shutil.disk_usage(place).free
                    if needed > free / 2:
                        raise OSError(f"{needed / 2**30:.1f} GiB, more than half of the {free / 2**30:.1f} GiB free")
                    _write(files, path)
    except OSError as error:
        logger.info(f"The decoded images aren't kept in dataset.cache={folder}: {error}")
        return files
    return files.read_from(path)


def _write(files: ImageFiles, path: Path) -> None:
    """Decodes all images into a temporary file, from where an earlier try ended, then renames it to `path`.

    Raises Mistake for a broken image.
    """
    unfinished = path.with_suffix(".part")
    with open(unfinished, "ab") as file:
        done = max(0, file.tell() // files.image_bytes - CHUNK)  # the last chunk may not have reached the disk
        file.truncate(done * files.image_bytes)
        starts = range(done, len(files), CHUNK)
        with tqdm(total=len(files), initial=done, desc="Decoding", unit="image", leave=False, disable=None) as bar:
            for start in starts:
                try:
                    chunk = files[range(start, min(start + CHUNK, len(files)))].decode_all()
                except Mistake:  # if the broken image is deleted or fixed, the key changes
                    unfinished.unlink()
                    raise
                file.write(chunk.numpy().data)
                file.flush()
                os.fsync(file.fileno())
                bar.update(len(chunk))
    unfinished.rename(path)


def _make_key(files: ImageFiles) -> str:
    """A name for these files at this size: from their paths, lengths and times of change."""
    digest = hashlib.sha256(f"{files.size}\n".encode())
    for path in files.paths:
        status = os.stat(path)
        digest.update(f"{os.path.abspath(path)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return f"{digest.hexdigest()[:16]}-{len(files)}x3x{files.size}x{files.size}"
