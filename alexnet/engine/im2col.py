"""The weights' gradient of convolutions over small maps as one matrix product, for processors with AMX.

oneDNN's own way takes four to nine times as long as the multiplications alone where maps are small and channels many:
in the last three convolutions of images of 32 pixels. What every output saw, written out side by side (im2col) and
multiplied at once, takes a quarter to two thirds of that.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, pad

from alexnet.engine.convolutions import FastConv2d

POSITIONS = 49  # of a map, at most: from 9x9 on oneDNN is the faster one


class Im2colConv2d(FastConv2d):
    """A 3x3 convolution that keeps the size, maps (B, C, H, W) to (B, K, H, W).

    It is nn.Conv2d itself where they are large.
    """

    sides = (3,)
    channels = 128

    def forward(self, maps: Tensor) -> Tensor:
        if maps.shape[2] * maps.shape[3] > POSITIONS:
            return super().forward(maps)
        return _Convolution.apply(maps, self.weight, self.bias)


class _Convolution(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)
    def forward(context, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        context.save_for_backward(maps, weight)
        return conv2d(maps, weight, bias, padding=1)

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(context, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps, weight = context.saved_tensors
        kernels, channels = weight.shape[:2]
        padded = pad(maps.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        windows = padded.unfold(1, 3, 1).unfold(2, 3, 1)  # (B, H, W, C, 3, 3), nothing copied
        columns = windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, 9 * channels)
        of_weights = gradient.permute(0, 2, 3, 1).reshape(-1, kernels).T @ columns
        return (
            torch.nn.grad.conv2d_input(maps.shape, weight, gradient, padding=1),
            of_weights.view(kernels, 3, 3, channels).permute(0, 3, 1, 2),
            gradient.sum((0, 2, 3)),
        )
