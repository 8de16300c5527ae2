import torch
from conftest import SHARED
from torch import nn

from alexnet.models.alexnet_cifar import AlexNetCifar
from alexnet.models.cuda_convnet import CudaConvnet


def tutorial_network():
    """The tutorial's network, written out a second time: one list of layers."""
    layers = [
        nn.Conv2d(3, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(2304, 4096),
        nn.ReLU(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, 10),
    ]
    return nn.Sequential(*layers)


def test_is_the_tutorials_network():
    """28,714,826 parameters, and the same logits as an independent rewrite on the same weights."""
    model, reference = AlexNetCifar(10, 3, 32).eval(), tutorial_network()
    assert sum(parameter.numel() for parameter in model.parameters()) == 28_714_826
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        theirs.data.copy_(ours.data)
    images = torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(model(images), reference(images), atol=1e-6, rtol=1e-6)


def test_takes_the_tutorials_own_weights():
    """Weights saved by the tutorial's script load key for key."""
    import pytest

    script = SHARED / "seed" / "seed_script.py"
    if not script.is_file():
        pytest.skip("the tutorial's script isn't here")
    names = {"__name__": "seed"}
    exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), names)
    theirs = names["AlexNet"]().eval()
    ours = AlexNetCifar(10, 3, 32).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours(images), theirs(images))


def test_cuda_convnet_has_its_known_size():
    model = CudaConvnet(10, 3, 32)
    assert sum(parameter.numel() for parameter in model.parameters()) == 89_578
    assert model.features(torch.zeros(1, 3, 32, 32)).shape == (1, 64, 4, 4)


def test_local_response_normalisation_is_the_papers():
    """§3.3: b = a / (k + alpha * sum over 5 neighbouring channels of a^2) ^ beta, alpha not divided by n."""
    model = AlexNetCifar(10, 3, 32, normalisation="lrn")
    layer = next(layer for layer in model.features if isinstance(layer, nn.LocalResponseNorm))
    activity = 30 * torch.rand(2, 9, 4, 4)
    expected = torch.empty_like(activity)
    for channel in range(9):
        around = activity[:, max(0, channel - 2) : channel + 3]
        expected[:, channel] = activity[:, channel] / (2 + 1e-4 * around.square().sum(1)) ** 0.75
    torch.testing.assert_close(layer(activity), expected)


def test_normalisation_and_activation_stand_where_they_say():
    """batch: after each of five convolutions; lrn: after the first two; tanh replaces every ReLU."""

    def count(kind, **knobs):
        return sum(isinstance(layer, kind) for layer in AlexNetCifar(10, 3, 32, **knobs).modules())

    assert count(nn.BatchNorm2d, normalisation="batch") == 5
    assert count(nn.LocalResponseNorm, normalisation="lrn") == 2
    assert count(nn.Tanh, activation="tanh") == 7
    assert count(nn.ReLU, activation="tanh") == 0
