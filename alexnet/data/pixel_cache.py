"""Keeps decoded images on disk, so that the next start reads pixels instead of decoding files again."""

import hashlib
import logging
import os
import shutil
from contextlib import ExitStack
from errno import EDQUOT, ENOSPC
from pathlib import Path

from alexnet.data import facts
from alexnet.data.download import exclusive
from alexnet.data.image_files import ImageFiles
from alexnet.data.pixel_file import PixelFile
from alexnet.disk import measure_free
from alexnet.errors import Mistake
from alexnet.messages.console import progress, translate

logger = logging.getLogger(__name__)

CHUNK = 128  # images decoded between two writes: 24 MiB of 256 x 256 pixels


def cached(files: ImageFiles, folder: str) -> ImageFiles:
    """The same images, to be read from one file of pixels in `folder`, which is written if it isn't there.

    What was decoded before an interruption isn't decoded again. If the pixels would take more than half of the free
    disk, or can't be written, a log line says so and the images stay files.
    Raises Mistake for a broken image.
    """
    place = Path(folder).expanduser()
    pixels = PixelFile(place / f"{_make_key(files)}.pixels", files.image_bytes)
    try:
        if not pixels.path.is_file():
            place.mkdir(parents=True, exist_ok=True)
            with ExitStack() as lock:
                try:
                    lock.enter_context(exclusive(place, pixels.path.name))
                except Mistake as mistake:  # it asks for another folder, but there is a way without one
                    raise OSError(mistake.__cause__ or mistake) from mistake
                if not pixels.path.is_file():  # another process may have written it meanwhile
                    _write(files, pixels)
    except OSError as error:
        text = translate("The decoded images aren't kept in dataset.cache={}: {}")
        logger.info(text.format(folder, error))
        return files
    return files.read_from(pixels)


def _write(files: ImageFiles, pixels: PixelFile) -> None:
    """Decodes all images into a temporary file, from where an earlier try ended, then renames it.

    Raises OSError if there is no room, Mistake for a broken image.
    """
    unfinished = pixels.path.with_suffix(".part")
    _check_room(unfinished, len(files) * pixels.row_bytes)
    with open(unfinished, "ab") as file:
        done = max(0, file.tell() // pixels.row_bytes - CHUNK)  # the last chunk may not have reached the disk
        file.truncate(done * pixels.row_bytes)
        starts = range(done, len(files), CHUNK)
        with progress("Decoding", len(files), "image", done) as advance:
            for start in starts:
                some = files[range(start, min(start + CHUNK, len(files)))]
                try:
                    file.write(pixels.pack(some.hashes, some.decode_all().flatten(1).numpy()).data)
                    file.flush()
                    os.fsync(file.fileno())
                except (Mistake, OSError) as error:
                    # If a broken image is deleted or fixed, the key changes. A full disk needs the room.
                    if isinstance(error, Mistake) or error.errno in (ENOSPC, EDQUOT):
                        unfinished.unlink()
                    raise
                advance(len(some))
    unfinished.rename(pixels.path)


def _check_room(unfinished: Path, needed: int) -> None:
    """Raises OSError if that takes more than half of the disk that is free without the unfinished file."""
    written = unfinished.stat().st_size if unfinished.is_file() else 0
    disk = shutil.disk_usage(unfinished.parent)
    free = disk.free + written
    if disk.total > 0 and needed > free / 2:  # some network disks tell zeros only
        raise OSError(f"{needed / 2**30:.1f} GiB, more than half of the {free / 2**30:.1f} GiB free")


def _make_key(files: ImageFiles) -> str:
    """A name for images of these contents, in this order, at this size."""
    digest = hashlib.sha256(f"{files.size}\n".encode() + files.hashes.tobytes())
    return f"{digest.hexdigest()[:16]}-{len(files)}x3x{files.size}x{files.size}"


def estimate_missing(root: str, side: int, folder: str) -> int:
    """The bytes that a run on the images in that root will add to the folder `folder`. Reads no image.

    What was decoded from as many images at that size is taken as theirs. 0 if the images aren't there.
    side: of the decoded images, in pixels.
    """
    try:
        places = facts.find_image_folders(root)
    except Mistake:
        return 0
    missing = 0
    for place in places:
        count = sum(1 for _, _, names in os.walk(place, followlinks=True) for name in names if facts.is_image(name))
        size = count * PixelFile(place, 3 * side**2).row_bytes
        free = measure_free(Path(folder).expanduser())
        kept = any(Path(folder).expanduser().glob(f"*-{count}x3x{side}x{side}.pixels"))
        if not kept and (free is None or size <= free / 2):
            missing += size
    return missing
