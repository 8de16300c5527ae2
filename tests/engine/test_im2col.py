"""The weight gradient as one matrix product is torch's, and trains the same network."""

import pytest
import torch
from torch import nn

from alexnet.engine import device as devices
from alexnet.engine.convolutions import change_convolutions
from alexnet.engine.im2col import Im2colConv2d
from alexnet.training.build import assemble
from alexnet.training.loop import step


@pytest.mark.parametrize("height, width", [(7, 7), (4, 4), (3, 5), (1, 1), (12, 12)])
def test_outputs_and_gradients_are_those_of_the_definition(height, width):
    """They are torch's in float64, within bfloat16's rounding. An error of one position or channel differs by 100%."""
    torch.manual_seed(0)
    plain = nn.Conv2d(128, 144, 3, padding=1).double()
    fast = nn.Sequential(nn.Conv2d(128, 144, 3, padding=1))
    fast[0].load_state_dict(plain.state_dict())
    change_convolutions(fast, Im2colConv2d)
    assert type(fast[0]) is Im2colConv2d
    maps, gradient = torch.randn(16, 128, height, width), torch.randn(16, 144, height, width)
    found, expected = maps.clone().requires_grad_(), maps.double().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = fast(found)
    assert outputs.dtype == torch.bfloat16
    outputs.backward(gradient.bfloat16())
    plain(expected).backward(gradient.double())
    assert close(outputs, plain(expected))
    assert close(found.grad, expected.grad)
    assert close(fast[0].weight.grad, plain.weight.grad)
    assert close(fast[0].bias.grad, plain.bias.grad)
    assert fast[0].weight.grad.dtype == torch.float32


def close(found, expected):
    return (found - expected).norm() < 0.01 * expected.norm()


def test_a_processor_with_amx_takes_it_for_small_maps(compose, monkeypatch):
    """In bfloat16 conv3 to conv5 take it, and the losses are those without it. float32 uses Winograd's convolutions."""
    losses = []
    for amx in (True, False):
        monkeypatch.setattr(devices, "list_cpu_units", lambda amx=amx: {"amx_bf16"} if amx else {"avx512_bf16"})
        data = [
            "dataset=digits",
            "dataset.size=16",
            "device=cpu",
            "batch_size=8",
            "model.dropout=0",
            "optimizer.lr=0.01",
        ]
        data.append("model.kernels=[16,128,128,128,128]")
        training = assemble(compose(*data, "model.initialisation=kaiming", "device.precision=bf16"))
        kinds = [type(layer) for layer in training.model.features if isinstance(layer, nn.Conv2d)]
        assert kinds == [nn.Conv2d] * 2 + [Im2colConv2d if amx else nn.Conv2d] * 3
        training.model.train()
        batches = training.batches.train.epoch(0)
        losses.append([step(training, *next(batches), 0, batch)[0].item() for batch in range(4)])
        full = assemble(compose(*data, "device.precision=float32")).model
        assert not any(isinstance(layer, Im2colConv2d) for layer in full.modules())
    assert losses[0] == pytest.approx(losses[1], rel=0.02) and max(losses[1]) - min(losses[1]) > 0.05
