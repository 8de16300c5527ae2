"""Batches: every image once, seeded order and augmentation, the same from memory and from files."""

import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms.v2 import functional

from alexnet.data import augment
from alexnet.data import dataset as datasets
from alexnet.data.batches import Batches
from alexnet.data.image_folder import image_folder
from alexnet.data.preparation import Preparation
from alexnet.errors import Mistake
from support.programs import ROOT

CPU = torch.device("cpu")
PIXELS = Preparation(mean=0, std=1)  # pixels as they are, in [0, 1]


def numbered(count=23):
    """Images whose pixels all have the image's number, so that a batch shows which ones it holds."""
    pixels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()
    return datasets.Split(pixels, torch.arange(count))


def epoch(batches, *place):
    return [labels.tolist() for _, labels in batches.epoch(*place)]


def test_an_epoch_is_every_image_once_with_its_label():
    batches = Batches(numbered(), PIXELS, 5, CPU, shuffle=True)
    seen = []
    for images, labels in batches.epoch(3):
        torch.testing.assert_close(images[:, 0, 0, 0] * 255, labels.float())
        seen += labels.tolist()
    assert sorted(seen) == list(range(23)) and seen != list(range(23))
    assert len(batches) == 5


def test_order_follows_from_seed_and_epoch_alone():
    first = Batches(numbered(), PIXELS, 5, CPU, shuffle=True, seed=0)
    list(first.epoch(0))
    again = Batches(numbered(), PIXELS, 5, CPU, shuffle=True, seed=0)
    assert epoch(first, 1) == epoch(again, 1) != epoch(again, 2)
    assert epoch(again, 1) != epoch(Batches(numbered(), PIXELS, 5, CPU, shuffle=True, seed=1), 1)


def test_an_epoch_can_be_entered_at_any_batch():
    """From batch 2 on the pixels are the same as in an epoch from its start, with augmentation."""
    batches = Batches(numbered(), Preparation(crop=2, flip=True, cutout=3), 5, CPU, shuffle=True)
    whole, rest = list(batches.epoch(1)), list(batches.epoch(1, 2))
    assert len(rest) == 3
    for (expected, _), (images, _) in zip(whole[2:], rest, strict=True):
        assert torch.equal(images, expected)


def test_every_place_and_both_directions_come_up():
    """4,050 crops by 1 pixel fall evenly on 9 places (chi-square). About half of the images are mirrored. The next
    epoch draws again."""
    pixels = torch.arange(1, 10, dtype=torch.uint8).view(1, 1, 3, 3).repeat(4050, 1, 1, 1)
    split = datasets.Split(pixels, torch.zeros(4050, dtype=torch.int64))

    def values(options, epoch, row, column):
        batches = Batches(split, replace(PIXELS, **options), 100, CPU).epoch(epoch)
        return torch.cat([(images[:, 0, row, column] * 255).round().long() for images, _ in batches])

    centres = values({"crop": 1}, 0, 1, 1)
    counts = torch.bincount(centres, minlength=10)[1:]
    assert ((counts - 450) ** 2 / 450).sum() < 26.1  # 0.1% point with 8 degrees of freedom
    assert not torch.equal(centres, values({"crop": 1}, 1, 1, 1))
    assert 0.45 < (values({"flip": True}, 0, 0, 0) == 3).float().mean() < 0.55


def test_alternating_mirrors_show_both_sides_of_every_image_in_two_epochs():
    """In shuffled epochs, also if one begins in its middle. The seed decides which half is mirrored first."""
    pixels = torch.arange(3000).view(-1, 1, 1, 1).repeat(1, 1, 1, 2)
    pixels[..., 1] = 255
    split = datasets.Split((pixels // torch.tensor([12, 1])).byte(), torch.arange(3000))

    def find_mirrored(epoch, start=0, seed=3):
        batches = Batches(split, replace(PIXELS, flip="alternate"), 7, CPU, shuffle=True, seed=seed)
        seen = [(labels, images[:, 0, 0, 0] == 1) for images, labels in batches.epoch(epoch, start)]
        labels, mirrored = (torch.cat(column) for column in zip(*seen, strict=True))
        return dict(zip(labels.tolist(), mirrored.tolist(), strict=True))

    first, second, third = map(find_mirrored, range(3))
    assert len(first) == 3000 and first == third and all(first[image] != second[image] for image in first)
    assert stats.binomtest(sum(first.values()), 3000).pvalue > 0.001
    assert find_mirrored(1, start=200).items() <= second.items()
    others = find_mirrored(0, seed=4)
    assert 0.45 < sum(first[image] == others[image] for image in first) / 3000 < 0.55


def test_crops_fall_evenly_on_every_place_and_side():
    """Each of 4,096 crops of 5 out of 8 pixels is the window at its corner, or its mirror image. They fall evenly on
    all 16 places (chi-square), and half are mirrored."""
    pixels = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8)
    split = datasets.Split(pixels.repeat(4096, 1, 1, 1), torch.zeros(4096, dtype=torch.int64))
    batches = Batches(split, replace(PIXELS, flip=True), 100, CPU, size=5, seed=2)
    crops = torch.cat([batch for batch, _ in batches.epoch(1)])[:, 0].mul(255).round().byte()
    assert crops.shape == (4096, 5, 5)
    mirrored = crops[:, 0, 0] > crops[:, 0, 1]
    upright = torch.where(mirrored[:, None, None], crops.flip(2), crops)
    rows, columns = upright[:, 0, 0] // 8, upright[:, 0, 0] % 8
    for crop, row, column in zip(upright, rows.tolist(), columns.tolist(), strict=True):
        assert torch.equal(crop, pixels[0, 0, row : row + 5, column : column + 5])
    for side in (mirrored, ~mirrored):
        counts = torch.bincount((4 * rows + columns)[side].long(), minlength=16)
        assert stats.chisquare(counts).pvalue > 0.001 and len(counts) == 16
    assert stats.binomtest(int(mirrored.sum()), 4096).pvalue > 0.001
    again = torch.cat([batch for batch, _ in batches.epoch(2)])
    assert not torch.equal(again[:, 0].mul(255).round().byte(), crops)


def test_the_hidden_square_is_centred_on_every_place_evenly():
    """One pixel of each of 4,096 images is hidden: evenly on all 16 places (chi-square), new in each epoch."""
    split = datasets.Split(torch.full((4096, 1, 4, 4), 255, dtype=torch.uint8), torch.zeros(4096, dtype=torch.int64))
    batches = Batches(split, replace(PIXELS, cutout=1), 100, CPU)
    first, second = (torch.cat([images for images, _ in batches.epoch(epoch)])[:, 0].flatten(1) for epoch in (0, 1))
    assert torch.equal(first.sum(1), torch.full((4096,), 15.0))
    assert stats.chisquare((first == 0).sum(0)).pvalue > 0.001
    assert not torch.equal(first, second)


def test_the_draws_are_gaussian_and_new_for_each_image_and_epoch():
    """4,000 images: Gaussian by Kolmogorov-Smirnov, with standard deviation 0.1, and independent of one another."""
    split = datasets.Split(torch.zeros(4000, 3, 1, 1, dtype=torch.uint8), torch.zeros(4000, dtype=torch.int64))
    shifts = replace(PIXELS, colour=0.1, components=np.eye(3, dtype=int).tolist())
    batches = Batches(split, shifts, 500, CPU)
    draws = [torch.cat([batch for batch, _ in batches.epoch(epoch)])[:, :, 0, 0].numpy() for epoch in (0, 1)]
    for values in (*draws[0].T, *draws[1].T):
        assert stats.kstest(values, "norm", (0, 0.1)).pvalue > 0.001
    together = np.concatenate(draws, 1)
    assert np.abs(np.corrcoef(together.T) - np.eye(6)).max() < 0.06
    assert len(np.unique(draws[0])) > 11_900
    assert np.array_equal(draws[1], torch.cat([batch for batch, _ in batches.epoch(1)])[:, :, 0, 0].numpy())


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_batches_equal_those_in_memory(images, workers):
    """Crop, flip and order are drawn outside the workers, so neither workers nor streaming change a pixel."""
    preparation = Preparation(crop=4, flip=True)
    held = Batches(image_folder(str(images), 32, 0.25).train, preparation, 5, CPU, shuffle=True, seed=3)
    streamed = image_folder(str(images), 32, 0).train
    files = Batches(streamed, preparation, 5, CPU, shuffle=True, seed=3, workers=workers)
    for (expected, labels), (streamed, theirs) in zip(held.epoch(2), files.epoch(2), strict=True):
        assert torch.equal(streamed, expected) and torch.equal(theirs, labels)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_streamed_image_is_one_sentence(images, workers):
    (images / "train" / "dark" / "07.jpg").write_bytes(b"no image")
    batches = Batches(image_folder(str(images), 32, 0).train, PIXELS, 5, CPU, workers=workers)
    with pytest.raises(Mistake, match=r"07\.jpg can't be read") as caught:
        list(batches.epoch())
    assert "Traceback" not in str(caught.value)


def test_a_worker_whose_run_was_killed_while_it_started_ends():
    """The worker begins when its run is already gone: it prints nothing, and its pipes close."""
    program = """
import multiprocessing, os, signal, time
from alexnet.data.batches import _start_worker

def worker(run):
    while os.getppid() == run:
        time.sleep(0.01)
    _start_worker(0)
    print("still here", flush=True)

multiprocessing.get_context("fork").Process(target=worker, args=(os.getpid(),)).start()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, ""), done.stderr


def test_each_side_has_an_equal_part_of_the_training():
    """Two epochs of four batches, eight steps: 4, 4, 4 | 6, 6 | 8, 8, 8, also for an epoch that is entered later."""
    batches = Batches(numbered(20), Preparation(progressive=[4, 6]), 5, CPU, epochs=2, shuffle=True)
    sides = [images.shape[-1] for epoch in range(2) for images, _ in batches.epoch(epoch)]
    assert sides == [4, 4, 4, 6, 6, 6, 8, 8]
    assert [images.shape[-1] for images, _ in batches.epoch(1, 2)] == [8, 8]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_smaller_images_are_torchvisions(memory_format):
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(memory_format=memory_format)
    smaller = augment.resize(images, 20)
    expected = torch.stack([functional.resize(image, [20, 20], antialias=True) for image in images])
    torch.testing.assert_close(smaller, expected)
    assert smaller.is_contiguous(memory_format=memory_format)
