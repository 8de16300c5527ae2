"""Decodes an image file of any common kind to one size. Whatever is wrong with a file, a Mistake names it."""

import hashlib
import io
import os
import stat
import warnings
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from alexnet.data.exif import find_orientation, mute_tiff, split_jpeg
from alexnet.errors import Mistake

LARGEST = 2**30  # bytes of a file
# What a file may be, whatever its name says. Not among them: PostScript, for which Pillow starts another program.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "PPM", "TIFF")
TRANSPOSITIONS = {  # that turn an image of each orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow warns of odd metadata, which is ignored here, and of large images. It would do so for each of 50,000 files.
warnings.filterwarnings("ignore", module="PIL")


def decode(path: str, size: int, sha256: bytes | None = None, mode: str = "RGB") -> Tensor:
    """One image file, upright, as `fit` makes it: (C, size, size) uint8. Raises Mistake like `decode_as`."""
    return decode_as(path, size, [mode], sha256)[0]


def decode_as(path: str, size: int, modes: Sequence[str], sha256: bytes | None = None) -> list[Tensor]:
    """The same in several of Pillow's modes.

    Raises Mistake if it can't be read, or if its contents no longer have the SHA-256 that is given.
    """
    content = read(path)
    if sha256 is not None and hashlib.sha256(content).digest() != sha256:
        raise Mistake(
            f"{path} was changed after its hash was taken: leave images as they are during a run. To start again: "
            f"touch {path}"
        )
    try:
        image = _open_upright(content)
        return [fit(image, size, mode) for mode in modes]
    except Exception as error:  # what Pillow raises for damaged files has no common kind
        raise _refuse(path, error) from error


def fit(image: Image.Image, size: int, mode: str = "RGB") -> Tensor:
    """The image with its shorter side resized to `size`, and of that the centre: (C, size, size) uint8.

    mode: RGB, or L for grey. Raises ValueError for a kind of numbers whose black and white isn't known.
    """
    image = _reduce_to_8_bits(image).convert(mode)
    # A strip of 30,000 x 2 pixels would take gigabytes when resized, and at most its middle, 4:1, is of use.
    image = _cut_centre(image, min(image.width, 4 * image.height), min(image.height, 4 * image.width))
    shorter = min(image.size)
    width, height = (size * side // shorter for side in image.size)
    pixels = np.array(_cut_centre(image.resize((width, height), Image.Resampling.BILINEAR), size, size))
    return torch.from_numpy(pixels).view(size, size, -1).permute(2, 0, 1)


def read(path: str) -> bytes:
    """The contents of an image file. Raises Mistake if it can't be read or can't be an image."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # a pipe would never end
            raise ValueError("it is no regular file")
        if status.st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 20} MiB")
        with open(path, "rb") as file:
            return file.read(LARGEST)
    except (OSError, ValueError) as error:
        raise _refuse(path, error) from error


def _refuse(path: str, error: Exception) -> Mistake:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):  # it would print the address of an object
        reason = "no known format"
    return Mistake(f"{path} can't be read as an image ({reason}): fix or delete the file.")


def _open_upright(content: bytes) -> Image.Image:
    """The image as viewers show it. No metadata keeps it from being decoded."""
    if content.startswith(b"\xff\xd8"):
        pixels, metadata = split_jpeg(content)
        image = _load(pixels)
    else:
        image = _load_any(content)
        metadata = _list_metadata(image)
    method = TRANSPOSITIONS.get(find_orientation(metadata))
    return image if method is None else image.transpose(method)


def _reduce_to_8_bits(image: Image.Image) -> Image.Image:
    """An image whose values are at most 255: Pillow would cut off larger ones.

    Raises ValueError for a kind of numbers whose black and white the file doesn't tell.
    """
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        kind = "floats" if image.mode == "F" else "signed numbers or have 32 bits"
        raise ValueError(f"its pixels are {kind}; expected whole numbers from 0, of 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    tags = getattr(image, "tag_v2", {})  # of a TIFF file
    (bits,) = tags.get(258, (16,))  # 12 or 16
    pixels = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
    return Image.fromarray(255 - pixels if tags.get(262) == 0 else pixels)  # 0 means white, which Pillow ignores


def _load(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content), formats=FORMATS)
    image.load()
    return image


def _load_any(content: bytes) -> Image.Image:
    try:
        return _load(content)
    except Exception:
        muted = mute_tiff(content)
        if muted == content:
            raise
        return _load(muted)


def _list_metadata(image: Image.Image) -> list[bytes]:
    """The EXIF and XMP that Pillow found. None of a TIFF file, which it has turned upright."""
    if image.format == "TIFF":
        return []
    found = [image.info.get(key) for key in ("exif", "xmp", "XML:com.adobe.xmp")]
    lines = str(image.info.get("Raw profile type exif", "")).split("\n")  # ImageMagick's way in a PNG file
    with suppress(ValueError):
        found.append(bytes.fromhex("".join(lines[3:])))
    return [block.encode(errors="replace") if isinstance(block, str) else block for block in found if block]


def _cut_centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))
