"""What the shares of a batch add up to changes gradients and running statistics as one whole batch would."""

import pytest
import torch
from torch import nn

from alexnet.engine.packing import Packing


def test_the_sum_over_shares_has_the_whole_batchs_gradients_and_the_mean_of_the_shares_statistics():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, momentum=None))
    images, sizes = torch.randn(10, 4), (6, 4)
    packing, total = Packing(model, torch.device("cpu")), 0
    packing.begin_step()
    for share in images.split(sizes):
        packing.begin_share()
        model(share).square().sum().backward()
        total = total + packing.pack(torch.ones(2), torch.tensor(len(share) / len(images)))
    assert packing.unpack(total).tolist() == [2, 2]
    outputs = model[0](images).split(sizes)
    mean = sum(output.mean(0) * len(output) / len(images) for output in outputs)
    torch.testing.assert_close(model[1].running_mean, mean)
    norms = [nn.functional.batch_norm(output, None, None, *model[1].parameters(), training=True) for output in outputs]
    expected = torch.autograd.grad(torch.cat(norms).square().sum(), [*model.parameters()])
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


@pytest.mark.parametrize("steps", [0, 2**24, 2**40])
def test_the_number_of_steps_is_exact_in_a_run_of_any_length(steps):
    """float32, in which shares are added up, has no odd numbers above 2**24."""
    model = nn.BatchNorm1d(3)
    model.num_batches_tracked.fill_(steps)
    packing, shares = Packing(model, torch.device("cpu")), torch.randn(7, 3).split(3)[:2]
    for step in range(1, 4):
        packing.begin_step()
        total = 0
        for share in shares:
            packing.begin_share()
            model(share).sum().backward()
            total = total + packing.pack(torch.zeros(2), torch.tensor(1 / len(shares)))
        packing.unpack(total)
        assert model.num_batches_tracked == steps + step
