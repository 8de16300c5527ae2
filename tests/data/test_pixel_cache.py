"""Images are decoded once. The next start reads their pixels from the cache."""

import logging
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.data import dataset as datasets
from alexnet.data import image_files as image_module
from alexnet.data import pixel_cache
from alexnet.data.batches import Batches
from alexnet.data.image_folder import image_folder
from alexnet.data.preparation import Preparation
from alexnet.errors import Mistake


@pytest.fixture
def load(images, tmp_path):
    """load(memory_share) gives the dataset of the small images, with its cache in tmp_path/cache."""
    return lambda memory_share=0.25: image_folder(str(images), 32, memory_share, str(tmp_path / "cache"))


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that have been decoded."""
    names, real = [], image_module.decode

    def decode(path, size):
        names.append(image_module.get_class_and_name(path))
        return real(path, size)

    monkeypatch.setattr(image_module, "decode", decode)
    return names


def test_the_second_start_decodes_nothing(load, decoded, images):
    reference = image_folder(str(images), 32, 0.25)
    decoded.clear()
    for expected in (32, 32):  # the first start alone decodes all 24 + 8
        dataset = load()
        assert len(decoded) == expected
        assert torch.equal(dataset.train.images, reference.train.images)
        assert dataset.fingerprint() == reference.fingerprint()


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_batches_come_from_the_cache(load, decoded, images, workers):
    plain = Batches(image_folder(str(images), 32, 0).train, Preparation(), 5, torch.device("cpu"), shuffle=True)
    expected = [batch for batch, _ in plain.epoch(1)]
    load()
    decoded.clear()
    train, _ = datasets.split_validation(load(0).train, 0, 0)
    batches = Batches(train, Preparation(), 5, torch.device("cpu"), shuffle=True, workers=workers)
    assert all(torch.equal(a, b) for (a, _), b in zip(batches.epoch(1), expected, strict=True))
    assert decoded == []


def test_a_part_of_a_streamed_set_is_its_own_images(load):
    """The validation split takes images that aren't next to each other."""
    parts = datasets.split_validation(load(0).train, 0.25, 3)
    held = datasets.split_validation(load().train, 0.25, 3)
    for streamed, expected in zip(parts, held, strict=True):
        assert torch.equal(streamed.images.decode_all(), expected.images)


def test_a_changed_image_is_decoded_again(load, decoded, images):
    before = load().train.images
    changed = images / "train" / "dark" / "03.jpg"
    shutil.copy(images / "train" / "light" / "03.jpg", changed)
    assert not torch.equal(load().train.images, before)


def test_files_that_differ_only_in_their_folder_are_not_confused(tmp_path):
    """All bitmaps have one length, and unpacked archives may have one time of change."""
    generator = np.random.default_rng(0)
    for place in [tmp_path / split / name / "0.bmp" for split in ("train", "test") for name in ("a", "b")]:
        place.parent.mkdir(parents=True)
        Image.fromarray(generator.integers(256, size=(32, 32, 3), dtype=np.uint8)).save(place)
        os.utime(place, (0, 0))
    plain, cached = (image_folder(str(tmp_path), 32, 0.25, cache) for cache in (None, str(tmp_path / "cache")))
    assert torch.equal(cached.test.images, plain.test.images) and torch.equal(cached.train.images, plain.train.images)


@pytest.mark.parametrize("length", [0, 1000, 24 * 3 * 32 * 32 + 1])
def test_a_cache_file_of_another_length_is_written_again(load, images, tmp_path, length):
    expected = load()
    for path in (tmp_path / "cache").glob("*.pixels"):
        os.truncate(path, length)
    for memory_share in (0.25, 0):
        found = load(memory_share).train.images
        assert torch.equal(found if memory_share else found.decode_all(), expected.train.images)


def test_the_fingerprint_does_not_depend_on_where_the_images_are_held(load):
    """Otherwise a run couldn't be resumed on a machine with less memory."""
    assert load(0.25).fingerprint() == load(0).fingerprint()


def test_what_was_decoded_before_an_interruption_is_not_decoded_again(load, decoded, images, monkeypatch):
    """Ctrl-C ends the first try at image 11 of 24. The second try begins at the last chunk of four, which a power cut
    may have kept from the disk."""
    monkeypatch.setattr(pixel_cache, "CHUNK", 4)
    decode = image_module.decode

    def stopped(path, size):
        if path.endswith("dark/10.jpg"):
            raise KeyboardInterrupt
        return decode(path, size)

    with monkeypatch.context() as patch:
        patch.setattr(image_module, "decode", stopped)
        with pytest.raises(KeyboardInterrupt):
            load()
    decoded.clear()
    dataset = load()
    assert decoded[:3] == ["dark/04.jpg", "dark/05.jpg", "dark/06.jpg"]
    assert torch.equal(dataset.train.images, image_folder(str(images), 32, 0.25).train.images)


def test_a_broken_image_leaves_no_half_decoded_file(load, images, tmp_path):
    """Without that image, or with it mended, the key is another, so nothing would use the file."""
    (images / "train" / "dark" / "10.jpg").write_bytes(b"no image")
    with pytest.raises(Mistake, match=r"10\.jpg can't be read"):
        load()
    assert not [path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"]


def test_a_full_disk_is_logged_and_the_images_stay_files(load, images, monkeypatch, caplog):
    usage = shutil.disk_usage(images)
    monkeypatch.setattr(pixel_cache.shutil, "disk_usage", lambda place: usage._replace(free=1000))
    with caplog.at_level(logging.INFO):
        dataset = load()
    assert "more than half of the" in caplog.text and "dataset.cache" in caplog.text
    assert torch.equal(dataset.train.images, image_folder(str(images), 32, 0.25).train.images)
