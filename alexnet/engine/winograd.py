"""Computes convolutions with fewer multiplications, on CPUs: Lavin and Gray 2016, "Fast Algorithms for
Convolutional Neural Networks", §4.

A convolution is the transpose of a product of polynomials. Such a product follows from the values of both polynomials
at a few points, with one multiplication for each point. So m outputs of a kernel of r weights take m + r - 1
multiplications instead of m * r. Here this is done in both directions of the image: 4x4 outputs take 36
multiplications instead of 144 with a 3x3 kernel, and 64 instead of 400 with a 5x5 kernel.

The multiplications at one point, over all channels and all tiles of outputs, are one matrix product. The transforms
between maps and values are matrix products too, one for each direction. They take about as long as the multiplications
that are left, because they move more bytes than they multiply.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from alexnet.engine.convolutions import FastConv2d

M = 4  # outputs on a tile's side
# For each kernel, the points besides infinity. Points near 1 keep the rounding small.
POINTS = {3: (0, 1, -1, 0.5, -2), 5: (0, 1, -1, 2, -2, 0.5, -0.5)}
TILES_LEAST = 64  # with fewer tiles, the transforms of the weights cost more than they save
# For each kernel: how many times fewer multiplications make up for the transforms of the maps, measured with AVX2.
FEWER_LEAST = {3: 2.5, 5: 4}
TILES_AT_ONCE = 128  # tiles whose values exist at one time: those of a large batch would need too much memory


class WinogradConv2d(FastConv2d):
    """A convolution with stride 1 that keeps the size: maps (B, C, H, W) to (B, K, H, W), float32.

    It is a plain nn.Conv2d if the batch is too small to save time, or if tiles cover the maps badly.
    """

    sides = POINTS
    channels = 64  # with fewer, the transforms of the maps cost more than they save

    def forward(self, maps: Tensor) -> Tensor:
        (height, width), kernel = maps.shape[2:], self.kernel_size[0]
        tiles = _count_tiles(height, width)
        fewer = height * width * kernel**2 / (tiles * (M + kernel - 1) ** 2)
        if len(maps) * tiles < TILES_LEAST or fewer < FEWER_LEAST[kernel]:
            return super().forward(maps)
        return Convolution.apply(maps, self.weight, self.bias)


class Convolution(torch.autograd.Function):
    """maps (B, C, H, W), weight (K, C, side, side) and bias (K,) to (B, K, H, W). side: a key of POINTS.

    Values have the shape (points, tiles of some images, channels). Backward uses the transposed transforms. It computes
    the values again: keeping them takes two to five times the memory of the maps. The outputs aren't a view of another
    tensor, because torch would copy them when an activation changes them in place.
    """

    @staticmethod
    def forward(context: Any, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        context.save_for_backward(maps, weight)
        kernels, _, kernel, _ = weight.shape
        height, width = maps.shape[2:]
        a, g, b = _make_transforms(kernel)
        weights = _transform_weights(g, weight)
        outputs = torch.empty(len(maps), kernels, height, width, memory_format=torch.channels_last)
        for some, target in _split_batch(maps, outputs):
            windows = _cut_windows(some, kernel)
            images, rows, columns = windows.shape[:3]
            tiles = _transform(a, torch.bmm(_transform_windows(b, windows), weights))
            tiles = tiles.view(M, M, images, rows, columns, kernels).permute(2, 3, 0, 4, 1, 5)
            covered = maps.new_empty(images, rows * M, columns * M, kernels)  # the maps, up to full tiles
            torch.add(tiles, bias, out=covered.view(images, rows, M, columns, M, kernels))
            target.copy_(covered[:, :height, :width])
        return outputs

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps, weight = context.saved_tensors
        kernels, channels, kernel, _ = weight.shape
        height, width = maps.shape[2:]
        a, g, b = _make_transforms(kernel)
        side, margin = M + kernel - 1, kernel // 2
        weights = _transform_weights(g, weight)
        of_values = torch.empty_like(weights)
        of_maps = torch.empty_like(maps)
        rows, columns = -(-height // M), -(-width // M)
        for number, (some, of_outputs, target) in enumerate(_split_batch(maps, gradient, of_maps)):
            images = len(some)
            values = _transform_windows(b, _cut_windows(some, kernel))
            covered = pad(of_outputs, (0, 0, 0, columns * M - width, 0, rows * M - height))
            tiles = covered.view(images, rows, M, columns, M, kernels).permute(2, 4, 0, 1, 3, 5)
            products = _transform(a.T, tiles.reshape(M * M, -1, kernels))
            # baddbmm_, in place, would do the same, but torch's counter of operations doesn't count it.
            torch.baddbmm(of_values, values.transpose(1, 2), products, beta=min(number, 1), out=of_values)
            of_windows = _multiply_each(b.T, torch.bmm(products, weights.transpose(1, 2)).view(side, side, -1))
            of_windows = of_windows.view(side, side, images, rows, columns, channels)
            # Windows overlap. Between the directions they are added up to strips, which have fewer columns.
            strips = maps.new_zeros(side, images, rows, columns * M + kernel - 1, channels)
            for x in range(side):
                strips[:, :, :, x : x + columns * M : M] += of_windows[:, x]
            strips = (b.T @ strips.view(side, -1)).view(strips.shape)
            padded = maps.new_zeros(images, rows * M + kernel - 1, columns * M + kernel - 1, channels)
            for y in range(side):
                padded[:, y : y + rows * M : M] += strips[y]
            target.copy_(padded[:, margin : margin + height, margin : margin + width])
        return (
            of_maps,
            _transform(g.T, of_values).view(kernel, kernel, channels, kernels).permute(3, 2, 0, 1),
            gradient.sum((0, 2, 3)),
        )


def _split_batch(*maps: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Maps (B, ..., H, W) of the same images as (some, H, W, ...): as many images as have TILES_AT_ONCE tiles."""
    images = max(1, TILES_AT_ONCE // _count_tiles(*maps[0].shape[2:]))
    return zip(*(each.movedim(1, 3).split(images) for each in maps), strict=True)


def _count_tiles(height: int, width: int) -> int:
    """How many M x M tiles cover a map."""
    return -(-height // M) * -(-width // M)


def _cut_windows(maps: Tensor, kernel: int) -> Tensor:
    """The inputs of each tile of outputs: maps (B, H, W, C) to a view (B, rows, columns, C, side, side)."""
    margin = kernel // 2
    right, below = (-length % M + margin for length in maps.shape[2:0:-1])
    padded = pad(maps, (0, 0, margin, right, margin, below))
    side = M + kernel - 1
    return padded.unfold(1, side, M).unfold(2, side, M)


def _transform_windows(b: Tensor, windows: Tensor) -> Tensor:
    """The values of windows: (points, tiles, C)."""
    return _transform(b, windows.permute(4, 5, 0, 1, 2, 3).reshape(len(b) ** 2, -1, windows.shape[3]))


def _transform_weights(g: Tensor, weight: Tensor) -> Tensor:
    """The values of the weights: (points, C, K)."""
    kernels, channels, kernel, _ = weight.shape
    return _transform(g, weight.permute(2, 3, 1, 0).reshape(kernel**2, channels, kernels))


def _transform(matrix: Tensor, values: Tensor) -> Tensor:
    """A matrix (P, Q) times values (Q * Q, ...) in both directions: (P * P, ...)."""
    p, q = matrix.shape
    half = (matrix @ values.reshape(q, -1)).view(p, q, -1)
    return _multiply_each(matrix, half).view(p * p, *values.shape[1:])


def _multiply_each(matrix: Tensor, values: Tensor) -> Tensor:
    """A matrix (P, Q) times each of values (B, Q, ...): (B, P, ...)."""
    return torch.bmm(matrix.expand(len(values), *matrix.shape), values)


@cache
def _make_transforms(kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    """A, G, B for one direction: outputs = A (G weights * B inputs).

    V(k) gives the values of a polynomial of k coefficients at the points. Then V(n)^-1 (V(r) g * V(M) d) is a product
    of polynomials, and its transpose is V(M)^T (V(r) g * V(n)^-T d).
    """

    def evaluate(coefficients: int) -> Tensor:
        at = torch.tensor(POINTS[kernel], dtype=torch.float64)[:, None] ** torch.arange(coefficients)
        at_infinity = torch.eye(coefficients, dtype=torch.float64)[-1:]
        return torch.cat([at, at_infinity])

    return evaluate(M).T.float(), evaluate(kernel).float(), torch.linalg.inv(evaluate(M + kernel - 1)).T.float()
