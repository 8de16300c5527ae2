"""What is seen of an image on the way to a network: thumbnails, and whether the run learnt on such images."""

import io

import numpy as np
import torch
from PIL import Image

from alexnet.data.photographs import Photographs
from alexnet.inference.looks import Inspector, Remarks
from support.photographs import photograph


def test_a_network_of_one_channel_is_told_of_colours_it_does_not_see(tmp_path, capsys):
    photograph(0, 0).save(tmp_path / "flower.png")
    photograph(0, 0).convert("L").save(tmp_path / "grey.png")
    files = Photographs([str(tmp_path / name) for name in ("grey.png", "flower.png")], 28, 1, inspect=Inspector())
    images, found = files.load()
    files.tell(found)
    assert images.shape == (2, 1, 28, 28) and files.seen[0].colour == 0 and files.seen[1].colour > 0.1
    remarks = Remarks("alexnet.data.fashion_mnist.fashion_mnist", 1, inverted=False)
    for number, name in enumerate(("grey.png", "flower.png")):
        remarks.see(name, files.seen[number])
    told = capsys.readouterr().err
    assert (
        "flower.png has colours" in told
        and "it sees the photograph in grey" in told
        and "grey.png has colours" not in told
    )
    assert not Remarks("alexnet.data.cifar.cifar10", 3, inverted=False).needed


def test_the_images_a_run_learnt_on_are_not_remarked_on(capsys):
    from alexnet.data.digits import digits

    remarks, inspect = Remarks("alexnet.data.digits.digits", 3, inverted=False), Inspector()
    for image in digits(32).train.images:
        remarks.see("image", inspect(image, image))
    remarks.end()
    assert capsys.readouterr().err == ""


def test_thumbnails_are_exact_if_small_and_else_close():
    image = torch.from_numpy(np.array(photograph(0, 1).resize((256, 256)))).permute(2, 0, 1)
    for side in (256, 128):
        thumbnail = Image.open(io.BytesIO(Inspector(side)(image, image).thumbnail))
        expected = np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).resize((side, side)), dtype=int)
        difference = np.abs(np.asarray(thumbnail.convert("RGB"), dtype=int) - expected)
        assert thumbnail.size == (side, side) and difference.mean() < (4 if side == 128 else 1e-9)
    assert Inspector()(image, image).thumbnail == b""
