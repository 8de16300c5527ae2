"""An image file is decoded upright, whatever its metadata; a file that can't be decoded is named."""

import importlib
import io
import os
import random
import struct
import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms.functional import pil_to_tensor

from alexnet.data import decoding
from alexnet.data.decoding import decode
from alexnet.data.exif import find_orientation
from alexnet.errors import Mistake

PIXELS = np.random.default_rng(0).integers(256, size=(24, 24, 3), dtype=np.uint8)


def save(path, form, **options):
    Image.fromarray(PIXELS).save(path, form, **options)
    return str(path)


def make_exif(*entries, order="<", tail=b""):
    """A block of EXIF. entries: tag, type, count and value or, if it takes more than four bytes, its place."""
    rows = [struct.pack(order + "HHI", *entry[:3]) + entry[3].ljust(4, b"\0") for entry in entries]
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(rows))
    return b"Exif\0\0" + start + b"".join(rows) + bytes(4) + tail


SIDEWAYS = (274, 3, 1, struct.pack("<H", 6))
ODD = {
    "resolution as a text": make_exif(SIDEWAYS, (282, 2, 3, b"72")),
    "artist as a number": make_exif(SIDEWAYS, (315, 3, 1, b"\1")),
    "width as a double": make_exif((256, 12, 1, b""), (258, 3, 1, b""), SIDEWAYS),
    "resolution 0/0": make_exif(SIDEWAYS, (282, 5, 1, struct.pack("<I", 38)), tail=bytes(8)),
    "a text that lies beyond the end, before the orientation": make_exif((270, 2, 2**31, b"\xff\xff\0\0"), SIDEWAYS),
    "a text of 4 GB": make_exif((270, 2, 2**32 - 1, b"\0\0\0\0"), SIDEWAYS),
    "a directory that refers to itself": make_exif(SIDEWAYS, (0x8769, 4, 1, struct.pack("<I", 8))),
    "fewer entries than it says": make_exif(SIDEWAYS).replace(b"\1\0\x12\1", b"\xff\xff\x12\1", 1),
    "orientation as a long": make_exif((274, 4, 1, struct.pack("<I", 6))),
    "orientation 6/1": make_exif((274, 5, 1, struct.pack("<I", 26)), tail=struct.pack("<II", 6, 1)),
    "orientation 12/2": make_exif((274, 10, 1, struct.pack("<I", 26)), tail=struct.pack("<ii", 12, 2)),
    "orientation 6.0": make_exif((274, 12, 1, struct.pack("<I", 26)), tail=struct.pack("<d", 6)),
    "orientation as a float": make_exif((274, 11, 1, struct.pack("<f", 6))),
    "big-endian": make_exif((274, 3, 1, struct.pack(">H", 6)), (315, 3, 1, b"\1"), order=">"),
    "marker twice": b"Exif\0\0" + make_exif(SIDEWAYS),
    "marker three times": b"Exif\0\0Exif\0\0" + make_exif(SIDEWAYS),
}
NOTHING = {
    "no header": b"Exif\0\0garbage!",
    "empty": b"Exif\0\0",
    "no directory": b"Exif\0\0II*\0\xff\xff\xff\xff",
    "orientation 9": make_exif((274, 3, 1, struct.pack("<H", 9))),
    "a list of orientations": make_exif((274, 3, 3, struct.pack("<H", 6))),
    "orientation 13/2": make_exif((274, 5, 1, struct.pack("<I", 26)), tail=struct.pack("<II", 13, 2)),
    "orientation 6/0": make_exif((274, 5, 1, struct.pack("<I", 26)), tail=struct.pack("<II", 6, 0)),
    "orientation NaN": make_exif((274, 11, 1, struct.pack("<f", float("nan")))),
    "a fraction beyond the end": make_exif((274, 5, 1, b"\xff\xff\xff\xff")),
    "orientation as a text": make_exif((274, 2, 2, b"6")),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_all_orientations_are_turned_as_pillow_turns_them(tmp_path, form, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    path = save(tmp_path / "image", form, exif=exif)
    expected = pil_to_tensor(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert torch.equal(decode(path, 24), expected)
    assert torch.equal(decode(path, 24), decode(save(tmp_path / "upright", form), 24)) == (orientation == 1)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [pytest.param(block, id=name) for name, block in {**ODD, **NOTHING}.items()])
def test_odd_exif_neither_stops_the_decoding_nor_loses_the_orientation(tmp_path, form, exif):
    upright = decode(save(tmp_path / "upright", form), 24)
    turned = decode(save(tmp_path / "odd", form, exif=exif), 24)
    assert torch.equal(turned, torch.rot90(upright, -1, (1, 2)) if exif in ODD.values() else upright)


def test_the_orientation_of_a_jpeg_is_found_behind_padding_and_in_a_second_block(tmp_path):
    save(tmp_path / "upright", "JPEG")
    content = (tmp_path / "upright").read_bytes()
    blocks = [b"\xff\xe1" + struct.pack(">H", 2 + len(block)) + block for block in (b"Exif\0\0", ODD["big-endian"])]
    (tmp_path / "odd").write_bytes(content[:2] + b"\xff\xff".join([b"", *blocks]) + content[2:])
    upright = decode(str(tmp_path / "upright"), 24)
    assert torch.equal(decode(str(tmp_path / "odd"), 24), torch.rot90(upright, -1, (1, 2)))


def test_xmp_counts_only_if_exif_has_no_orientation():
    xmp = b'<rdf:Description tiff:Orientation="3"/>'
    assert find_orientation([xmp]) == find_orientation([ODD["marker twice"][:6], xmp]) == 3
    assert find_orientation([ODD["marker twice"], xmp]) == find_orientation([xmp, ODD["big-endian"]]) == 6


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("odd", [(34665, 4, 2**32 - 1), (700, 4, 5), (282, 2, 2**31)])
def test_a_tiff_with_odd_metadata_is_decoded_and_upright(tmp_path, odd):
    """EXIF or XMP that is a number, or a resolution that lies beyond the end; the image lies on its side."""
    path = save(
        tmp_path / "image",
        "TIFF",
        tiffinfo={274: 6, odd[0]: 1 if odd[0] == 34665 else 1.0 if odd[0] == 282 else b"12345"},
    )
    content = bytearray((tmp_path / "image").read_bytes())
    place = next(at for at in range(10, 400, 12) if struct.unpack_from("<H", content, at) == odd[:1])
    content[place : place + 12] = struct.pack("<HHII", odd[0], odd[1], 1 if odd[1] == 4 else 2**31, odd[2])
    (tmp_path / "image").write_bytes(content)
    upright = decode(save(tmp_path / "upright", "TIFF"), 24)
    assert torch.equal(decode(path, 24), torch.rot90(upright, -1, (1, 2)))


def make_tiff(bits, pixels, order="<", kind=1, white=255):
    """A grey TIFF file of 8x8 pixels. kind: 1 of whole numbers, 2 of signed ones, 3 of floats. white: 255, or 0."""
    rows = [(256, 8), (257, 8), (258, bits), (259, 1), (262, int(white > 0)), (273, 134), (277, 1), (278, 8)]
    rows += [(279, len(pixels)), (339, kind)]
    entries = b"".join(
        struct.pack(order + "HHI", tag, 3, 1) + struct.pack(order + "H", value).ljust(4, b"\0") for tag, value in rows
    )
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(order + "IH", 8, len(rows)) + entries + bytes(4) + pixels


GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4  # the pixels that each of these files holds


@pytest.mark.parametrize(
    "content",
    [
        make_tiff(16, (GREY * np.uint16(257)).astype("<u2").tobytes()),
        make_tiff(16, (GREY * np.uint16(257)).astype(">u2").tobytes(), order=">"),
        make_tiff(16, ((255 - GREY) * np.uint16(257)).astype("<u2").tobytes(), white=0),
        make_tiff(12, np.packbits(np.pad(np.unpackbits(GREY.reshape(-1, 1), axis=1), ((0, 0), (0, 4)))).tobytes()),
        b"P5 8 8 65535\n" + (GREY * np.uint16(257)).astype(">u2").tobytes(),
    ],
    ids=["16 bits", "16 bits, big-endian", "16 bits, white is 0", "12 bits", "PGM of 16 bits"],
)
def test_grey_images_of_more_than_8_bits_keep_their_range(tmp_path, content):
    (tmp_path / "image").write_bytes(content)
    assert torch.equal(decode(str(tmp_path / "image"), 8), torch.from_numpy(GREY).expand(3, 8, 8))


@pytest.mark.parametrize(
    "content, said",
    [
        (make_tiff(32, (GREY / np.float32(255)).astype("<f4").tobytes(), kind=3), "floats"),
        (make_tiff(32, (GREY / np.float32(255)).astype(">f4").tobytes(), kind=3, order=">"), "floats"),
        (b"Pf\n8 8\n-1.0\n" + (GREY / np.float32(255)).astype("<f4").tobytes(), "floats"),
        (make_tiff(32, GREY.astype("<u4").tobytes()), "32 bits"),
        (make_tiff(32, GREY.astype("<i4").tobytes(), kind=2), "32 bits"),
        (make_tiff(16, GREY.astype("<i2").tobytes(), kind=2), "signed"),
    ],
)
def test_pixels_without_a_known_range_are_named_and_not_made_black(tmp_path, content, said):
    (tmp_path / "image").write_bytes(content)
    with pytest.raises(Mistake, match=rf"its pixels are .*{said}.*expected whole numbers from 0, of 8 or 16 bits"):
        decode(str(tmp_path / "image"), 8)


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_decoded_or_named(tmp_path):
    """Bytes of every format and of EXIF are changed at random: nothing but a Mistake that names the file is raised."""
    generator, outcomes = random.Random(0), set()
    for form in ("JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF", "GIF"):
        stream = io.BytesIO()
        options = {"exif": ODD["resolution 0/0"]} if form in ("JPEG", "PNG", "WEBP") else {}
        Image.fromarray(PIXELS).save(stream, form, **options)
        for _ in range(30):
            content = bytearray(stream.getvalue())
            for _ in range(generator.choice([1, 3, 20])):
                content[generator.randrange(min(len(content), 300))] = generator.randrange(256)
            path = tmp_path / "image"
            path.write_bytes(content[: generator.choice([len(content), generator.randrange(len(content))])])
            try:
                outcomes.add(decode(str(path), 8).shape)
            except Mistake as mistake:
                assert f"{path} can't be read as an image" in str(mistake)
                outcomes.add("named")
    assert outcomes == {(3, 8, 8), "named"}


def test_what_is_no_image_is_named_at_once(tmp_path, monkeypatch):
    """A pipe would be waited for, a header may ask for more pixels than there is memory."""
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "bomb.ppm").write_bytes(b"P6 60000 60000 255\n")
    (tmp_path / "flat.ppm").write_bytes(b"P6 10 0 255\n")
    (tmp_path / "large.jpg").write_bytes(bytes(2000))
    monkeypatch.setattr(decoding, "LARGEST", 1000)
    for name in ("pipe.jpg", "empty.jpg", "bomb.ppm", "flat.ppm", "large.jpg", "gone.jpg"):
        with pytest.raises(Mistake, match=rf"{name} can't be read as an image \(.+\): fix or delete the file"):
            decode(str(tmp_path / name), 8)


def test_pillow_prints_no_warning_for_each_large_or_odd_file(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    path = save(tmp_path / "image", "JPEG")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Image.open(path).load()
        assert told, "Pillow warns of this file"
        importlib.reload(decoding)
        told.clear()
        decoding.decode(path, 8)
    assert told == []


def test_no_file_starts_the_program_of_its_format(tmp_path, monkeypatch):
    """Pillow hands PostScript to Ghostscript, if that is installed, whatever the file's name says."""
    Image.fromarray(PIXELS).save(tmp_path / "photo.eps")
    path = (tmp_path / "photo.eps").rename(tmp_path / "photo.jpg")
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setattr("PIL.EpsImagePlugin.has_ghostscript", lambda: True)
    with pytest.raises(Mistake, match=r"photo\.jpg can't be read as an image \(no known format\)"):
        decode(str(path), 24)
