"""Folders of images: what is read, in which order, and what is said of a broken one."""

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from alexnet.data.image_files import ImageFiles
from alexnet.data.image_folder import image_folder
from alexnet.errors import Mistake
from support.images import write_images


def test_image_folder_is_torchvisions_reading(images):
    """RGB images of the right size have the pixels and labels that torchvision's ImageFolder gives."""
    data = image_folder(str(images), 32, 0.25)
    reference = torchvision.datasets.ImageFolder(images / "train")
    for index, (image, label) in enumerate(reference):
        assert torch.equal(data.train.images[index], torchvision.transforms.functional.pil_to_tensor(image))
        assert data.train.labels[index] == label
    assert data.classes == ["dark", "light"]


def test_image_folder_takes_every_common_kind(tmp_path):
    """JPEG, PNG and WebP; grey, 16-bit grey, RGBA, palette and CMYK; wide, high and tiny; rotated by EXIF."""
    root = write_images(tmp_path / "images", train=1)
    folder = root / "train" / "dark"
    grey = Image.fromarray(np.full((50, 90), 77, np.uint8))
    grey.save(folder / "grey.png")
    Image.fromarray(np.full((40, 40), 77 * 257, np.uint16)).save(folder / "deep.png")
    grey.convert("RGBA").save(folder / "alpha.webp", lossless=True)
    grey.convert("P").save(folder / "palette.png")
    Image.merge("CMYK", [Image.new("L", (20, 300), 255 - 77)] * 3 + [Image.new("L", (20, 300))]).save(
        folder / "print.jpg", quality=100
    )
    Image.new("RGB", (3, 2), (77, 77, 77)).save(folder / "tiny.jpeg")
    sideways = Image.new("RGB", (64, 32), (0, 0, 0))
    sideways.paste((255, 255, 255), (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: what was left is on top
    sideways.save(folder / "turned.jpg", exif=exif, quality=100)
    data = image_folder(str(root), 32, 0.25)
    names = [path.name for path in sorted(folder.iterdir())]
    shown = dict(zip(names, data.train.images, strict=False))
    for name in ("grey.png", "deep.png", "alpha.webp", "palette.png", "print.jpg", "tiny.jpeg"):
        assert (shown[name].int() - 77).abs().max() <= 3, name
    assert shown["turned.jpg"][:, 0].float().mean() > 200 > 50 > shown["turned.jpg"][:, -1].float().mean()


def test_streamed_images_are_those_held_in_memory(images):
    held = image_folder(str(images), 32, 0.25)
    streamed = image_folder(str(images), 32, 0)
    assert isinstance(streamed.train.images, ImageFiles)
    assert torch.equal(streamed.train.images.decode_all(), held.train.images)
    assert torch.equal(streamed.train.labels, held.train.labels)


def test_val_may_replace_test(images):
    (images / "test").rename(images / "val")
    assert len(image_folder(str(images), 32, 0.25).test) == 8


def test_hidden_files_and_folders_are_no_images(images):
    """The files that editors and operating systems leave behind are ignored."""
    (images / "train" / ".ipynb_checkpoints").mkdir()
    (images / "train" / "dark" / "._00.jpg").write_bytes(b"no image")
    assert len(image_folder(str(images), 32, 0.25).train) == 24


@pytest.mark.parametrize(
    "spoil, named",
    [
        (lambda root: (root / "train/light/05.jpg").write_bytes(b"no image"), "05.jpg"),
        (
            lambda root: (root / "train/dark/03.jpg").write_bytes((root / "train/dark/02.jpg").read_bytes()[:300]),
            "03.jpg",
        ),
        (lambda root: (root / "train" / "grey").mkdir(), "grey"),
        (lambda root: (root / "test" / "light").rename(root / "test" / "bright"), "test alone has bright"),
        (lambda root: (root / "test").rename(root / "later"), "no test or val folder"),
        (lambda root: root.rename(root.with_name("gone")), "no such folder"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(images, spoil, named):
    spoil(images)
    with pytest.raises(Mistake, match=named):
        image_folder(str(images), 32, 0.25)
