"""Muon takes the steps that its papers and torch describe, for convolutions as well."""

import pytest
import torch

from alexnet.training.muon import Muon, equalise


def draw_gradients(weights, steps=3):
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        yield


@pytest.mark.parametrize("shape", [(40, 90), (90, 40), (64, 64), (1, 5)])
def test_singular_values_become_about_one(shape):
    """Against the polynomial of each singular value, computed in float64."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.norm()
    large = values > 0.02
    for _ in range(3):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    expected = (left * values) @ right
    assert torch.allclose(equalise(matrix).double(), expected, atol=1e-3)
    assert large.sum() > len(values) / 2
    assert (values[large] > 0.68).all() and (values < 1.21).all()


def test_matrices_take_torchs_steps():
    """torch's own computes in bfloat16, so the steps agree to about a hundredth."""
    shapes = [(32, 48), (48, 32)]
    ours, theirs = ([torch.nn.Parameter(torch.ones(shape)) for shape in shapes] for _ in range(2))
    optimizers = [
        Muon(ours, lr=0.1, vectors=1, momentum=0.9, weight_decay=0.2),
        torch.optim.Muon(theirs, lr=0.1, momentum=0.9, weight_decay=0.2, ns_steps=3),
    ]
    for _ in zip(draw_gradients(ours), draw_gradients(theirs), strict=True):
        for optimizer in optimizers:
            optimizer.step()
    for mine, other in zip(ours, theirs, strict=True):
        change = (other - 0.98**3).norm()  # without what weight decay took off
        assert (mine - other).norm() < 0.03 * change


def test_a_convolution_takes_the_step_of_its_matrix():
    kernels = torch.nn.Parameter(torch.ones(8, 6, 3, 3).to(memory_format=torch.channels_last))
    matrix = torch.nn.Parameter(torch.ones(8, 54))
    optimizer = Muon([kernels, matrix], lr=0.1, vectors=1, momentum=0.9, weight_decay=0)
    for _ in draw_gradients([kernels]):
        matrix.grad = kernels.grad.flatten(1)
        optimizer.step()
    assert torch.allclose(kernels.flatten(1), matrix, atol=1e-4) and (kernels != 1).any()


def test_vectors_take_sgds_steps_without_weight_decay():
    ours, theirs = (torch.nn.Parameter(torch.ones(5)) for _ in range(2))
    mine = Muon([ours], lr=0.1, vectors=0.5, momentum=0.9, weight_decay=0.3)
    other = torch.optim.SGD([theirs], lr=0.05, momentum=0.9, nesterov=True)
    for _ in zip(draw_gradients([ours]), draw_gradients([theirs]), strict=True):
        mine.step()
        other.step()
    assert torch.allclose(ours, theirs, atol=1e-6) and (ours != 1).any()
