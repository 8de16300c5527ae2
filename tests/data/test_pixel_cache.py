"""Images are decoded once. The next start reads their pixels from the cache."""

import logging
import os
import shutil
from errno import EACCES, ENOSPC

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.data import dataset as datasets
from alexnet.data import file_hashes, pixel_cache
from alexnet.data import image_files as image_module
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

    def decode(path, *options):
        names.append(image_module.get_class_and_name(path))
        return real(path, *options)

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


@pytest.mark.parametrize("split", ["train", "test"])
def test_images_replaced_by_others_of_the_same_length_and_time_are_decoded_again(tmp_path, split):
    """Bitmaps of one size have one length; rsync -t, mv and tar keep the modification time."""
    for place in [tmp_path / split / name / "0.bmp" for split in ("train", "test") for name in ("a", "b")]:
        place.parent.mkdir(parents=True)
        Image.new("RGB", (32, 32), (1, 2, 3)).save(place)
        os.utime(place, (0, 0))
    before = image_folder(str(tmp_path), 32, 0.25, str(tmp_path / "cache"))
    Image.new("RGB", (32, 32), (9, 9, 9)).save(tmp_path / "new.bmp")
    os.utime(tmp_path / "new.bmp", (0, 0))
    os.replace(tmp_path / "new.bmp", tmp_path / split / "b" / "0.bmp")
    after = image_folder(str(tmp_path), 32, 0.25, str(tmp_path / "cache"))
    assert after.fingerprint()["data_sha256"] != before.fingerprint()["data_sha256"]
    assert after.fingerprint()["data_lengths_sha256"] == before.fingerprint()["data_lengths_sha256"]
    assert getattr(after, split).images[1].unique().tolist() == [9]


def test_the_fingerprint_is_of_names_contents_and_labels(load, images):
    """Two images that change places are other data; a copy elsewhere is the same."""
    before = load().fingerprint()
    copy = shutil.copytree(images, images.with_name("copy"))
    assert image_folder(str(copy), 32, 0.25).fingerprint() == before
    first, second = images / "train" / "dark" / "00.jpg", images / "train" / "dark" / "01.jpg"
    first.rename(images / "kept")
    second.rename(first)
    (images / "kept").rename(second)
    assert load().fingerprint() != before


def flip(path):
    content = bytearray(path.read_bytes())
    for place in (0, 100, 5000, len(content) - 1):  # the first and the second row, and the last one's hash
        content[place] ^= 1
    path.write_bytes(content)


def swap_rows(path):
    content = path.read_bytes()
    row = len(content) // 24
    path.write_bytes(content[row : 2 * row] + content[:row] + content[2 * row :])


DAMAGE = {
    "flipped": flip,
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "swapped rows": swap_rows,
    "cut": lambda path: os.truncate(path, 1000),
    "emptied": lambda path: os.truncate(path, 0),
    "longer": lambda path: os.truncate(path, path.stat().st_size + 1),
    "deleted": lambda path: path.unlink(),
}
HARMLESS = ("longer",)


def find_pixels(tmp_path):
    (path,) = (tmp_path / "cache").glob("*-24x*.pixels")
    return path


@pytest.mark.parametrize("memory_share", [0.25, 0])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_told_and_its_images_are_decoded_again(load, tmp_path, caplog, damage, memory_share):
    expected = load()
    whole = find_pixels(tmp_path).read_bytes()
    DAMAGE[damage](find_pixels(tmp_path))
    for told in (damage not in (*HARMLESS, "deleted"), False):
        caplog.clear()
        found = load(memory_share).train.images
        assert torch.equal(found if memory_share else found.decode_all(), expected.train.images)
        assert caplog.text.count("is damaged or gone") == told
    assert find_pixels(tmp_path).read_bytes()[: len(whole)] == whole


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("damage", [damage for damage in DAMAGE if damage not in HARMLESS])
def test_a_cache_damaged_while_it_is_streamed_changes_no_batch(load, tmp_path, caplog, damage, workers):
    load()
    batches = Batches(load(0).train, Preparation(), 5, torch.device("cpu"), shuffle=True, workers=workers)
    expected = [batch for batch, _ in batches.epoch(1)]
    epoch = batches.epoch(1)
    found = [next(epoch)[0]]
    DAMAGE[damage](find_pixels(tmp_path))
    found += [batch for batch, _ in epoch] + [batch for batch, _ in batches.epoch(1)]
    assert all(torch.equal(a, b) for a, b in zip(found, expected * 2, strict=True))
    assert caplog.text.count("is damaged or gone") == 1


@pytest.mark.parametrize("cached", [True, False])
def test_an_image_that_is_changed_after_its_hash_was_taken_is_never_trained_on(images, tmp_path, cached):
    """With another image in its place the run would be on data that its fingerprint doesn't name."""
    streamed = image_folder(str(images), 32, 0, str(tmp_path / "cache") if cached else None).train.images
    expected = streamed.decode_all()
    shutil.copy(images / "train" / "light" / "03.jpg", images / "train" / "dark" / "03.jpg")
    if cached:
        assert torch.equal(streamed.decode_all(), expected)
        find_pixels(tmp_path).unlink()
    with pytest.raises(Mistake, match=r"dark/03\.jpg was changed after its hash was taken"):
        streamed.decode_all()


def test_the_fingerprint_does_not_depend_on_where_the_images_are_held(load):
    """Otherwise a run couldn't be resumed on a machine with less memory."""
    assert load(0.25).fingerprint() == load(0).fingerprint()


def test_what_was_decoded_before_an_interruption_is_not_decoded_again(load, decoded, images, monkeypatch):
    """Ctrl-C ends the first try at image 11 of 24. The second try begins at the last chunk of four, which a power cut
    may have kept from the disk."""
    monkeypatch.setattr(pixel_cache, "CHUNK", 4)
    decode = image_module.decode

    def stopped(path, *options):
        if path.endswith("dark/10.jpg"):
            raise KeyboardInterrupt
        return decode(path, *options)

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
    assert not [path for path in (tmp_path / "cache").iterdir() if path.suffix not in (".lock", ".hashes")]


def test_a_full_disk_is_logged_and_the_images_stay_files(load, images, tmp_path, monkeypatch, caplog):
    usage = shutil.disk_usage(images)
    monkeypatch.setattr(pixel_cache.shutil, "disk_usage", lambda place: usage._replace(free=1000))
    with caplog.at_level(logging.INFO):
        dataset = load()
    assert not list((tmp_path / "cache").glob("*.part"))
    assert "more than half of the" in caplog.text and "dataset.cache" in caplog.text
    assert torch.equal(dataset.train.images, image_folder(str(images), 32, 0.25).train.images)


def test_a_network_disk_that_tells_no_size_is_written_to(load, decoded, monkeypatch):
    monkeypatch.setattr(pixel_cache.shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(0, 0, 0))
    for _ in range(2):
        load()
    assert len(decoded) == 32


def test_room_that_an_interrupted_decoding_takes_counts_as_free(load, decoded, tmp_path, monkeypatch):
    """Otherwise the second try would be refused for want of the room that the first one uses."""
    load()
    (path,) = (tmp_path / "cache").glob("*-24x*.pixels")
    length = path.stat().st_size
    path.rename(path.with_suffix(".part"))
    usage = shutil.disk_usage(tmp_path)._replace(free=length + 1)
    monkeypatch.setattr(pixel_cache.shutil, "disk_usage", lambda place: usage)
    load()
    assert path.stat().st_size == length


def test_a_disk_that_fills_up_gets_its_room_back(load, images, tmp_path, monkeypatch, caplog):
    def full(file):
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(pixel_cache.os, "fsync", full)
    with caplog.at_level(logging.INFO):
        dataset = load()
    assert "aren't kept in dataset.cache" in caplog.text and not list((tmp_path / "cache").glob("*.part"))
    assert torch.equal(dataset.train.images, image_folder(str(images), 32, 0.25).train.images)


def test_a_cache_that_may_not_be_written_is_logged_and_the_images_stay_files(load, images, monkeypatch, caplog):
    def refuse(*_):
        raise Mistake("give another dataset.root") from PermissionError(EACCES, "Permission denied")

    monkeypatch.setattr(pixel_cache, "exclusive", refuse)
    with caplog.at_level(logging.INFO):
        dataset = load()
    assert "aren't kept in dataset.cache" in caplog.text and "Permission denied" in caplog.text
    assert torch.equal(dataset.train.images, image_folder(str(images), 32, 0.25).train.images)


def test_hashes_are_kept_if_there_is_no_room_for_pixels(load, images, monkeypatch):
    monkeypatch.setattr(file_hashes, "GRANULE", 0)
    usage = shutil.disk_usage(images)._replace(free=1000)
    monkeypatch.setattr(pixel_cache.shutil, "disk_usage", lambda place: usage)
    first = load(0).fingerprint()
    monkeypatch.setattr(file_hashes, "read", pytest.fail)
    assert load(0).fingerprint() == first
