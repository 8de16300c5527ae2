"""The mean, the principal components and the shift along them (§4.1) against numpy, on real photographs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from alexnet.data import colours
from alexnet.data import dataset as datasets
from alexnet.data.batches import Batches
from alexnet.data.image_folder import image_folder
from alexnet.data.preparation import Preparation
from support.photographs import write_imagenet


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_imagenet(tmp_path_factory.mktemp("imagenet"))


def photographs(root, memory_share=0.25):
    """The 20 training images, 72 pixels a side."""
    return image_folder(str(root), 72, memory_share).train


def test_mean_and_components_are_numpys(written):
    """numpy takes all pixels of all training images. Streamed images give the same."""
    train = photographs(written)
    pixels = train.images.permute(0, 2, 3, 1).reshape(-1, 3).numpy() / 255
    variances, vectors = np.linalg.eigh(np.cov(pixels.T, bias=True))
    found = colours.measure_colours(train)
    np.testing.assert_allclose(found["mean"], pixels.mean(0), atol=1e-6)
    for component, variance, vector in zip(found["components"], variances[::-1], vectors.T[::-1], strict=True):
        sign = np.sign(component @ vector)
        np.testing.assert_allclose(component, sign * variance * vector, atol=1e-6)
    assert variances[-1] > 10 * variances[0] > 0
    assert colours.measure_colours(photographs(written, 0)) == found


def test_a_large_training_set_is_measured_on_a_sample_of_all_classes(monkeypatch):
    """The sample is evenly spaced, with the first and the last image."""
    monkeypatch.setattr(colours, "SAMPLE", 5)
    levels = torch.tensor([0, 9, 20, 9, 40, 9, 60, 9, 80], dtype=torch.uint8)
    split = datasets.Split(levels.view(-1, 1, 1, 1).expand(-1, 1, 2, 2), torch.zeros(9))
    assert colours.measure_colours(split) == {"mean": [round(40 / 255, 6)], "components": [[round(800 / 255**2, 6)]]}


def test_the_colour_shift_is_the_papers(written):
    """Written out with numpy: each pixel gets the sum of a_i l_i p_i, where a_i is drawn once for each image."""
    train = photographs(written)
    found = colours.measure_colours(train)
    without = Preparation(mean=found["mean"], std=1 / 255)
    with_shift = replace(without, colour=0.1, components=found["components"])
    plain, shifted = (
        next(Batches(train, preparation, 20, torch.device("cpu")).epoch(4))[0] for preparation in (without, with_shift)
    )
    variances = np.linalg.norm(found["components"], axis=1)
    vectors = np.array(found["components"]) / variances[:, None]
    for before, after, pixels in zip(plain.numpy(), shifted.numpy(), train.images.numpy(), strict=True):
        draws = (after - before).mean((1, 2)) / 255 @ vectors.T / variances
        expected = np.empty((3, 72, 72))
        for channel in range(3):
            added = sum(draws[i] * variances[i] * vectors[i][channel] for i in range(3))
            expected[channel] = 255 * (pixels[channel] / 255 + added - found["mean"][channel])
        np.testing.assert_allclose(after, expected, atol=0.02)
        assert 0 < np.abs(draws).max() < 0.5
