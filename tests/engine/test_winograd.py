"""Convolutions with fewer multiplications give torch's results, and train the same network."""

from math import ceil

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from alexnet.engine.convolutions import change_convolutions
from alexnet.engine.winograd import Convolution, WinogradConv2d
from alexnet.training.build import assemble
from alexnet.training.loop import step


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("height, width", [(7, 7), (15, 15), (13, 27), (4, 5), (1, 2)])
def test_outputs_and_gradients_are_those_of_the_definition(kernel, height, width):
    """They are within 1e-4 of the largest value of torch's in float64. TF32 differs by ten times as much."""
    torch.manual_seed(0)
    fast = nn.Conv2d(64, 96, kernel, padding=kernel // 2)
    plain = nn.Conv2d(64, 96, kernel, padding=kernel // 2).double()
    plain.load_state_dict(fast.state_dict())
    maps, gradient = torch.randn(64, 64, height, width), torch.randn(64, 96, height, width)
    found, expected = maps.clone().requires_grad_(), maps.double().requires_grad_()
    with FlopCounterMode(display=False) as counter:
        outputs = Convolution.apply(found, fast.weight, fast.bias)
        outputs.backward(gradient)
    counts = {str(name): count for name, count in counter.get_flop_counts()["Global"].items()}
    points = {3: 36, 5: 64}[kernel]
    tiles = 64 * ceil(height / 4) * ceil(width / 4)
    once = 2 * points * tiles * 64 * 96  # a product of the values: one forward, two backward, and all are counted
    assert counts["aten.baddbmm"] == once and counts["aten.bmm"] > 2 * once
    plain(expected).backward(gradient.double())
    assert close(outputs, plain(expected))
    assert close(found.grad, expected.grad)
    assert close(fast.weight.grad, plain.weight.grad)
    assert close(fast.bias.grad, plain.bias.grad)


@pytest.mark.parametrize("kernel", [3, 5])
def test_no_memory_is_read_before_it_is_written(kernel, monkeypatch):
    """torch fills new memory with NaN here."""
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True)
    try:
        layer = WinogradConv2d(64, 64, kernel, padding=kernel // 2)
        maps = torch.randn(40, 64, 12, 15, requires_grad=True)
        assert torch.empty(5).isnan().all()
        outputs = layer(maps)
        outputs.sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(each.isfinite().all() for each in (outputs, maps.grad, layer.weight.grad, layer.bias.grad))


def close(found, expected):
    return (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_a_processor_in_float32_takes_it_where_it_wins_and_the_option_turns_it_off(compose):
    """conv2 to conv5 take it; conv1 has too few channels. The parameters keep their names and values."""
    data = ["dataset=digits", "device=cpu", "device.precision=float32"]
    fast, plain = (assemble(compose(*data, f"device.winograd={on}")).model for on in ("true", "false"))
    kinds = [type(layer) for layer in fast.features if isinstance(layer, nn.Conv2d)]
    assert kinds == [nn.Conv2d] + [WinogradConv2d] * 4
    assert not any(isinstance(layer, WinogradConv2d) for layer in plain.modules())
    assert fast.state_dict().keys() == plain.state_dict().keys()
    assert all(map(torch.equal, fast.state_dict().values(), plain.state_dict().values()))
    sixteen = assemble(compose(*data, "device.precision=bf16")).model
    assert not any(isinstance(layer, WinogradConv2d) for layer in sixteen.modules())


@pytest.mark.slow
def test_it_trains_the_same_network_with_less_than_half_the_operations(compose):
    losses, operations = [], []
    learns = ["model.initialisation=kaiming", "optimizer.lr=0.004", "model.dropout=0"]
    for on in ("true", "false"):
        settings = ["device=cpu", "device.precision=float32", f"device.winograd={on}"]
        training = assemble(compose("dataset=digits", "batch_size=24", *learns, *settings))
        training.model.train()
        batches = training.batches.train.epoch(0)
        with FlopCounterMode(display=False) as counter:
            losses.append([step(training, *next(batches), 0, batch)[0].item() for batch in range(4)])
        operations.append(counter.get_total_flops())
    assert losses[0] == pytest.approx(losses[1], rel=1e-3) and max(losses[1]) - min(losses[1]) > 0.05
    assert operations[0] < 0.5 * operations[1]


@pytest.mark.parametrize(
    "kernel, batch, side, torchs",
    [(3, 64, 7, False), (3, 2, 7, True), (3, 64, 5, True), (5, 64, 15, False), (5, 64, 9, True)],
)
def test_a_small_batch_and_maps_that_tiles_cover_badly_are_left_to_torch(kernel, batch, side, torchs):
    """There the transforms of weights or maps cost more than they save: 5x5 maps take four tiles of 4x4 outputs."""
    layer = nn.Sequential(nn.Conv2d(64, 64, kernel, padding=kernel // 2))
    change_convolutions(layer, WinogradConv2d)
    maps = torch.randn(batch, 64, side, side)
    expected = nn.functional.conv2d(maps, layer[0].weight, layer[0].bias, padding=kernel // 2)
    assert torch.equal(layer(maps), expected) == torchs
