"""Images are decoded once: the next start reads their pixels from the cache."""

import logging
import os
import shutil

import pytest
import torch

from alexnet import cache, datasets
from alexnet import images as image_module
from alexnet.errors import Mistake
from alexnet.loaders import Batches


@pytest.fixture
def load(images, tmp_path):
    """load(memory_share) gives the dataset of the small images, with the cache in tmp_path/cache."""
    return lambda memory_share=0.25: datasets.image_folder(str(images), 32, memory_share, str(tmp_path / "cache"))


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that are decoded."""
    names, real = [], image_module.decode

    def decode(path, size):
        names.append(image_module.class_and_name(path))
        return real(path, size)

    monkeypatch.setattr(image_module, "decode", decode)
    return names


def test_the_second_start_decodes_nothing(load, decoded, images):
    reference = datasets.image_folder(str(images), 32, 0.25)
    decoded.clear()
    for expected in (32, 32):  # the first start alone decodes all 24 + 8
        dataset = load()
        assert len(decoded) == expected
        assert torch.equal(dataset.train.images, reference.train.images)
        assert dataset.fingerprint() == reference.fingerprint()


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_batches_come_from_the_cache(load, decoded, images, workers):
    plain = Batches(datasets.image_folder(str(images), 32, 0).train, 5, torch.device("cpu"), shuffle=True)
    expected = [batch for batch, _ in plain.epoch(1)]
    load()
    decoded.clear()
    train, _ = datasets.split_validation(load(0).train, 0, 0)
    batches = Batches(train, 5, torch.device("cpu"), shuffle=True, workers=workers)
    assert all(torch.equal(a, b) for (a, _), b in zip(batches.epoch(1), expected, strict=True))
    assert decoded == []


def test_a_part_of_a_streamed_set_is_its_own_images(load):
    """The validation split, which takes images out of order."""
    parts = datasets.split_validation(load(0).train, 0.25, 3)
    held = datasets.split_validation(load().train, 0.25, 3)
    for streamed, expected in zip(parts, held, strict=True):
        assert torch.equal(streamed.images.decoded(), expected.images)


def test_a_changed_image_is_decoded_anew(load, decoded, images):
    before = load().train.images
    changed = images / "train" / "dark" / "03.jpg"
    shutil.copy(images / "train" / "light" / "03.jpg", changed)
    assert not torch.equal(load().train.images, before)


def test_what_was_decoded_before_an_interruption_is_not_decoded_again(load, decoded, images, monkeypatch):
    """A broken image ends the first try at the eleventh of 24; mended, it goes on after the last whole chunk."""
    monkeypatch.setattr(cache, "CHUNK", 4)
    broken = images / "train" / "dark" / "10.jpg"
    content, times = broken.read_bytes(), broken.stat()
    broken.write_bytes(b"\0" * len(content))
    os.utime(broken, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(Mistake, match=r"10\.jpg can't be read"):
        load()
    broken.write_bytes(content)
    os.utime(broken, ns=(times.st_atime_ns, times.st_mtime_ns))
    decoded.clear()
    dataset = load()
    assert decoded[:3] == ["dark/08.jpg", "dark/09.jpg", "dark/10.jpg"]
    assert torch.equal(dataset.train.images, datasets.image_folder(str(images), 32, 0.25).train.images)


def test_a_disk_without_room_is_said_and_the_run_goes_on(load, images, monkeypatch, caplog):
    usage = shutil.disk_usage(images)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda place: usage._replace(free=1000))
    with caplog.at_level(logging.INFO):
        dataset = load()
    assert "more than half of the" in caplog.text and "dataset.cache" in caplog.text
    assert torch.equal(dataset.train.images, datasets.image_folder(str(images), 32, 0.25).train.images)
