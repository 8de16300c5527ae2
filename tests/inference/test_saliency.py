"""What a class depends on is found right, in every network, and the score tells a good order from a bad one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from alexnet.inference import saliency
from alexnet.models.alexnet import AlexNet
from alexnet.models.alexnet_2012 import AlexNet2012
from alexnet.models.alexnet_cifar import AlexNetCifar
from alexnet.models.cuda_convnet import CudaConvnet
from alexnet.models.named_layers import find_layers

NETWORKS = {
    "alexnet": lambda: (AlexNet(4, 3, 64), 64),
    "alexnet_2012": lambda: (AlexNet2012(4, 3, 64), 64),
    "alexnet_cifar": lambda: (AlexNetCifar(4, 3, 32, columns=2, cross="all", normalisation="batch", hidden=64), 32),
    "cuda_convnet": lambda: (CudaConvnet(4, 3, 32), 32),
}


def as_trained(network):
    """What saliency.py uses of a Trained."""
    return SimpleNamespace(model=network.eval(), network=SimpleNamespace(forward=network, batch_size=64))


def measure_slopes(network, layer, image, label):
    """The maps of the layer for an image, each column's (C, H, W), and how the class's logit changes with a small
    change of all places of a map, (C,). All changes are one batch, which begins behind the layer.
    """
    maps, step = [], 1e-6
    handles = [each.register_forward_hook(lambda _, g, output: maps.append(output[0].clone())) for each in layer]
    network(image[None])
    widths = [len(each) for each in maps]
    changes = torch.cat([step * torch.eye(sum(widths)), -step * torch.eye(sum(widths))]).double().split(widths, 1)
    for handle, each, own in zip(handles, layer, changes, strict=True):
        handle.remove()
        each.register_forward_hook(lambda _, g, output, own=own: output + own[:, :, None, None])
    up, down = network(image[None])[:, label].chunk(2)
    return maps, ((up - down) / (2 * step)).split(widths)


@pytest.mark.parametrize("name", NETWORKS)
def test_grad_cam_is_the_formula_with_slopes_measured_by_small_changes(name):
    """In-place ReLUs and two columns included. All weights are drawn so large that every layer has a say."""
    torch.manual_seed(0)
    network, size = NETWORKS[name]()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, (2 / parameter[0].numel()) ** 0.5)
    network, images = network.double(), torch.rand(2, 3, size, size, dtype=torch.float64)
    found = saliency.compute_grad_cam(as_trained(network), images, torch.tensor([1, 3]))
    assert found.shape == (2, size, size) and found.min() >= 0 and found[1].max() > 0
    layer = [each for each in find_layers(network).values() if each.name.startswith("conv")][-1]
    with torch.no_grad():
        maps, slopes = measure_slopes(network, layer.activations, images[1], 3)
    weighted = [
        (each * slope[:, None, None] / each[0].numel()).sum(0) for each, slope in zip(maps, slopes, strict=True)
    ]
    expected = sum(weighted).relu()[None, None]
    expected = nn.functional.interpolate(expected, (size, size), mode="bilinear", align_corners=False)[0, 0]
    torch.testing.assert_close(found[1], expected.float(), rtol=1e-3, atol=1e-4 * float(expected.max()))


class Corner(nn.Module):
    """Sees only the mean of the top left quarter: a class for light, a class for dark."""

    def forward(self, images):
        half = images.shape[-1] // 2
        light = 8 * images[:, :, :half, :half].mean((1, 2, 3))
        return torch.stack([light, -light], 1)


def test_occlusion_and_the_deletion_score_find_the_only_place_that_counts():
    trained = as_trained(Corner())
    image = torch.ones(3, 32, 32)
    found = saliency.compute_occlusion(trained, image, 0)
    assert found[4:12, 4:12].min() > 0 and found[24:].abs().max() == 0 == found[:, 24:].abs().max()
    best = saliency.order_cells(found)
    assert {*best[:16]} == {row * 8 + column for row in range(4) for column in range(4)}
    curves = saliency.delete(trained, image, 0, [best, best[::-1].copy()])
    assert curves.shape == (2, 65) and curves[0, 0] == pytest.approx(1, abs=1e-3) and curves[0, 16:].max() == 0.5
    assert curves[1, 48] == curves[1, 0] and curves[1, 64] == 0.5
    low, high = saliency.measure_area(curves)
    assert low < 0.65 < 0.9 < high


@pytest.mark.parametrize("size", [5, 8, 28, 227])
def test_cells_cover_every_image_and_are_nearly_equal(size):
    counts = np.bincount(saliency.number_cells(size).flatten())
    assert len(counts) == min(8, size) ** 2 and counts.sum() == size**2 and counts.min() > 0
    assert saliency.measure_area(np.array([[1.0, 1, 1], [1, 0.5, 0]])).tolist() == [1, 0.5]
