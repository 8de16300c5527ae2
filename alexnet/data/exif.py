"""Finds out how a photograph lies, from metadata that may be damaged or odd.

Pillow reads metadata while it opens a file, and fails for some that viewers ignore. So this looks for one tag only.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

ORIENTATION = 0x0112  # the tag of TIFF 6.0 (and so of EXIF): 1, upright, to 8
NUMBERS = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"}  # 5 and 10: fractions
BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">", b"II\0*": "<", b"MM*\0": ">"}  # the last two are wrong, but seen

# Tags of a TIFF file that say nothing of its pixels: texts, resolution, XMP, IPTC, Photoshop, EXIF, GPS.
TIFF_METADATA = {269, 270, 271, 272, 282, 283, 285, 296, 305, 306, 315, 316, 700, 33723, 34377, 34665, 34853, 40965}

JPEG_START, JPEG_PIXELS, JPEG_END = 0xD8, 0xDA, 0xD9
JPEG_METADATA = (0xE1, 0xE2)  # APP1: EXIF, XMP. APP2: colour profile, further pictures
JPEG_PADDING = (0x00, 0xFF)
JPEG_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
MOST_SEGMENTS = 10_000


def find_orientation(blocks: Iterable[bytes]) -> int:
    """The orientation in blocks of EXIF or, if they have none, of XMP: 1 to 8 if it is valid; 1 if there is none."""
    blocks = list(blocks)
    for block in blocks:
        tiff = re.sub(rb"^(Exif\0\0)+", b"", block)
        for entry in _list_entries(tiff):
            numbers = _read_number(entry, tiff) if entry.tag == ORIENTATION else ()
            if numbers:
                over, under = (*numbers, 1)[:2]
                return next((number for number in range(1, 9) if number * under == over), 1)
    for block in blocks:
        match = re.search(rb'tiff:Orientation(?:="|>)([0-9])', block)
        if match:
            return int(match[1])
    return 1


def split_jpeg(content: bytes) -> tuple[bytes, list[bytes]]:
    """A JPEG file without its metadata, and the blocks of that."""
    kept, blocks, place = bytearray(), [], 0
    for _ in range(MOST_SEGMENTS):
        start = content.find(b"\xff", place)
        if start < 0 or start + 1 >= len(content) or content[start + 1] in (JPEG_PIXELS, JPEG_END):
            break
        marker = content[start + 1]
        if marker in JPEG_PADDING:
            end = start + 1
        elif marker in JPEG_WITHOUT_LENGTH:
            end = start + 2
        else:
            end = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
        if marker in JPEG_METADATA:
            blocks.append(content[start + 4 : end])
            kept += content[place:start]
        else:
            kept += content[place:end]
        place = end
    return (bytes(kept) + content[place:] if blocks else content), blocks


def mute_tiff(content: bytes) -> bytes:
    """A TIFF file whose metadata has an unknown type, so that readers skip it."""
    muted = bytearray(content)
    for entry in _list_entries(content):
        if entry.tag in TIFF_METADATA:
            struct.pack_into(entry.order + "H", muted, entry.place + 2, 0)
    return bytes(muted)


class _Entry(NamedTuple):
    order: str  # "<" or ">"
    place: int
    tag: int
    kind: int  # 1 to 12
    length: int  # of the values, in number
    value: bytes  # 4: the value, or its place if it takes more


def _read_number(entry: _Entry, tiff: bytes) -> tuple[float, ...]:
    """The first value of an entry: a number, or numerator and denominator. () if it isn't one."""
    form = entry.order + NUMBERS.get(entry.kind, "")
    length = entry.length * struct.calcsize(form)
    try:
        if length <= 4:
            return struct.unpack_from(form, entry.value) if length else ()
        (place,) = struct.unpack(entry.order + "I", entry.value)
        return struct.unpack_from(form, tiff, place) if entry.length == 1 else ()
    except struct.error:
        return ()


def _list_entries(tiff: bytes) -> Iterator[_Entry]:
    """The entries of the first directory, until the data ends."""
    order = BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            yield _Entry(order, place, *struct.unpack_from(order + "HHI4s", tiff, place))
    except struct.error:
        return
