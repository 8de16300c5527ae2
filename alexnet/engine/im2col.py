"""Computes the weight gradient of convolutions over small maps as one matrix product, for CPUs with Intel's AMX units.

For small maps with many channels, such as those of conv3 to conv5 with 32-pixel images, oneDNN takes about four times
as long as the multiplications alone. Writing the window of every output as a row of one matrix (im2col) and multiplying
once takes about 70% of oneDNN's time. docs/decisions.md has the figures.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, pad
from torch.nn.grad import conv2d_input

from alexnet.engine.convolutions import FastConv2d

POSITIONS = 49  # of a map, at most; from 9x9 on oneDNN is faster


class Im2colConv2d(FastConv2d):
    """A 3x3 convolution that keeps the size: maps (B, C, H, W) to (B, K, H, W). Large maps are left to nn.Conv2d."""

    sides = (3,)
    channels = 128

    def forward(self, maps: Tensor) -> Tensor:
        if maps.shape[2] * maps.shape[3] > POSITIONS:
            return super().forward(maps)
        return Convolution.apply(maps, self.weight, self.bias)


class Convolution(torch.autograd.Function):
    """maps (B, C, H, W), weight (K, C, 3, 3) and bias (K,) to (B, K, H, W)."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)
    def forward(context: Any, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        context.save_for_backward(maps, weight)
        return conv2d(maps, weight, bias, padding=1)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps, weight = context.saved_tensors
        kernels, channels = weight.shape[:2]
        padded = pad(maps.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        windows = padded.unfold(1, 3, 1).unfold(2, 3, 1)  # (B, H, W, C, 3, 3), a view
        columns = windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, 9 * channels)  # (B * H * W, 9 * C)
        of_weights = gradient.permute(0, 2, 3, 1).reshape(-1, kernels).T @ columns  # (K, 9 * C)
        return (
            conv2d_input(maps.shape, weight, gradient, padding=1),
            of_weights.view(kernels, 3, 3, channels).permute(0, 3, 1, 2),
            gradient.sum((0, 2, 3)),
        )
