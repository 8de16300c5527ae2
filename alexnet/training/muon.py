"""Muon, an optimizer whose steps have the same length in all directions (Keller Jordan 2024, "Muon: An optimizer for
hidden layers in neural networks").
"""

from collections.abc import Iterable
from math import sqrt
from typing import Any

import torch
from torch import Tensor

# Jordan's polynomial a x + b x^3 + c x^5. Three times over it brings all x from 0.02 to 1 to between 0.68 and 1.21. He
# takes five times, for those from 0.003; three trained as well, and took less time: docs/lab-notes-sprint.md.
COEFFICIENTS = 3.4445, -4.775, 2.0315
TIMES = 3


class Muon(torch.optim.Optimizer):
    """SGD with Nesterov's momentum that makes the steps of all weights but vectors orthogonal.

    Such a step is taken as a matrix with a row for each kernel or unit. It keeps its singular vectors, and its singular
    values become about 1: no direction is learnt more slowly than another. torch.optim.Muon does so with matrices in
    bfloat16; this one also takes convolutions, and computes in float32.

    lr: of the orthogonal steps. vectors: of biases and normalisation, which take SGD's steps, times lr. weight_decay:
    times all other weights, taken off them in each step, times lr.
    """

    def __init__(self, params: Iterable[Any], lr: float, vectors: float, momentum: float, weight_decay: float):
        super().__init__(params, {"lr": lr, "vectors": vectors, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Updates all parameters that have a gradient. closure: computes the gradients, and returns the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state, keep = self.state[parameter], group["momentum"]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                momentum = state["momentum_buffer"].mul_(keep).add_(parameter.grad)
                step, rate = parameter.grad.add(momentum, alpha=keep), group["lr"]
                if parameter.ndim > 1:
                    parameter.mul_(1 - rate * group["weight_decay"]).add_(orthogonalise(step), alpha=-rate)
                else:
                    parameter.add_(step, alpha=-rate * group["vectors"])
        return loss


def orthogonalise(step: Tensor) -> Tensor:
    """A layer's step (R, ...) with singular values of about 1; more if there are more rows than columns, because such a
    layer has more outputs than inputs, and the root mean square of the outputs is to change equally.
    """
    last = step.movedim(1, -1)  # the channels, as the weights usually lie in memory: then nothing is copied
    matrix = last.flatten(1)
    even = equalise(matrix) * sqrt(max(1, len(matrix) / matrix.shape[1]))
    return even.view(last.shape).movedim(-1, 1)


def equalise(matrix: Tensor) -> Tensor:
    """A matrix (R, C) with the same singular vectors, whose singular values are about 1.

    Those below a fiftieth of the norm stay smaller. A polynomial P of the singular values is a product with a matrix:
    for X' = P X, all P are polynomials of X X^T. So the square matrices of the shorter side are multiplied, and the
    whole matrix only twice.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=1e-7)
    square, product = wide @ wide.T, None
    a, b, c = COEFFICIENTS
    for number in range(1, TIMES + 1):
        polynomial = torch.addmm(square, square, square, beta=b, alpha=c)
        polynomial.diagonal().add_(a)
        product = polynomial if product is None else polynomial @ product
        if number < TIMES:
            square = polynomial @ square @ polynomial
    wide = product @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T
