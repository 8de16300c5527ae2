"""Convolutions with fewer multiplications, for processors: Lavin and Gray 2016, "Fast Algorithms for
Convolutional Neural Networks", §4.

A convolution is a product of polynomials, turned around. A product of polynomials can be had from their values at
a few points, one multiplication a point; so m outputs of a kernel of r weights take m + r - 1 multiplications and not
m * r. Here that is done in both directions of the image: 36 for 4x4 outputs of a 3x3 kernel in place of 144, and 49
for 3x3 outputs of a 5x5 kernel in place of 225. The multiplications at one point, over all channels and all
tiles of outputs, are a matrix product. So are the changes between maps and values, which cost about as much time
again as is left, since they move more bytes than they multiply.
"""

from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from alexnet.engine.convolutions import FastConv2d

# By kernel: the outputs of a tile along a side, and the points, beside infinity. Small ones keep the rounding small.
TILES = {3: (4, (0, 1, -1, 2, -2)), 5: (3, (0, 1, -1, 2, -2, 0.5))}
TILES_LEAST = 64  # with fewer the changes of the weights cost more than is won
# By kernel: how many times fewer multiplications outweigh the changes of the maps, as measured on a Zen 3.
FEWER_LEAST = {3: 2.5, 5: 4}
TILES_AT_ONCE = 128  # whose values are worked out together: those of a large batch would take more memory than all else


class WinogradConv2d(FastConv2d):
    """A convolution of stride 1 that keeps the size, maps (B, C, H, W) to (B, K, H, W) float32, by values at points.

    It is nn.Conv2d itself where the batch is too small to win time, or the maps' side is one that tiles cover badly.
    """

    sides = TILES
    channels = 64  # with fewer the changes between maps and values cost more than is won

    def forward(self, maps: Tensor) -> Tensor:
        (height, width), kernel = maps.shape[2:], self.kernel_size[0]
        m, _ = TILES[kernel]
        tiles = _tiles(m, height, width)
        fewer = height * width * kernel**2 / (tiles * (m + kernel - 1) ** 2)
        if len(maps) * tiles < TILES_LEAST or fewer < FEWER_LEAST[kernel]:
            return super().forward(maps)
        return convolution(maps, self.weight, self.bias)


def convolution(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Maps (B, C, H, W) to (B, K, H, W), by weight (K, C, side, side), a side of TILES, and bias (K,)."""
    return _Convolution.apply(maps, weight, bias)


class _Convolution(torch.autograd.Function):
    """Maps (B, C, H, W) to (B, K, H, W), and the gradients by the same products transposed.

    Values are (points, tiles of some images, channels), so that each change to and from them is one matrix product.
    Backward works them out again: kept, they would take twice to five times the memory of the maps.
    The outputs are no view of another tensor: torch would copy them again where an activation changes them in place.
    """

    @staticmethod
    def forward(context, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        context.save_for_backward(maps, weight)
        kernels, _, kernel, _ = weight.shape
        height, width = maps.shape[2:]
        m, a, g, b = _transforms(kernel)
        weights = _of_weights(g, weight)
        outputs = torch.empty(len(maps), kernels, height, width, memory_format=torch.channels_last)
        for some, target in _together(m, maps, outputs):
            windows = _windows(some, kernel)
            images, rows, columns = windows.shape[:3]
            tiles = a @ torch.bmm(_of_windows(b, windows), weights).view(len(b), -1)
            tiles = tiles.view(m, m, images, rows, columns, kernels).permute(2, 3, 0, 4, 1, 5)
            whole = maps.new_empty(images, rows * m, columns * m, kernels)
            torch.add(tiles, bias, out=whole.view(images, rows, m, columns, m, kernels))
            target.copy_(whole[:, :height, :width])
        return outputs

    @staticmethod
    @once_differentiable
    def backward(context, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps, weight = context.saved_tensors
        kernels, channels, kernel, _ = weight.shape
        height, width = maps.shape[2:]
        m, a, g, b = _transforms(kernel)
        side, margin = m + kernel - 1, kernel // 2
        weights = _of_weights(g, weight)
        changed = torch.zeros_like(weights)
        of_maps = torch.empty_like(maps)
        for some, outputs, target in _together(m, maps, gradient, of_maps):
            windows = _windows(some, kernel)
            images, rows, columns = windows.shape[:3]
            whole = pad(outputs, (0, 0, 0, columns * m - width, 0, rows * m - height))
            tiles = whole.view(images, rows, m, columns, m, kernels).permute(2, 4, 0, 1, 3, 5).reshape(m * m, -1)
            products = (a.T @ tiles).view(side**2, -1, kernels)
            # Not in place, by baddbmm_: torch counts no operations of that.
            torch.baddbmm(changed, _of_windows(b, windows).transpose(1, 2), products, out=changed)
            back = b.T @ torch.bmm(products, weights.transpose(1, 2)).view(side**2, -1)
            back = back.view(side, side, images, rows, columns, channels)
            padded = maps.new_zeros(images, rows * m + kernel - 1, columns * m + kernel - 1, channels)
            for y in range(side):
                for x in range(side):
                    padded[:, y : y + rows * m : m, x : x + columns * m : m] += back[y, x]
            target.copy_(padded[:, margin : margin + height, margin : margin + width])
        return (
            of_maps,
            (g.T @ changed.view(side**2, -1)).view(kernel, kernel, channels, kernels).permute(3, 2, 0, 1),
            gradient.sum((0, 2, 3)),
        )


def _together(m: int, *maps: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Maps (B, ..., H, W) of the same images as (some, H, W, ...), of as many at a time as have TILES_AT_ONCE tiles."""
    images = max(1, TILES_AT_ONCE // _tiles(m, *maps[0].shape[2:]))
    return zip(*(each.movedim(1, 3).split(images) for each in maps), strict=True)


def _tiles(m: int, height: int, width: int) -> int:
    """How many m x m tiles cover a map."""
    return -(-height // m) * -(-width // m)


def _windows(maps: Tensor, kernel: int) -> Tensor:
    """What each tile of outputs sees of maps (B, H, W, C): (B, rows, columns, C, side, side), nothing copied."""
    m, margin = TILES[kernel][0], kernel // 2
    right, below = (-length % m + margin for length in maps.shape[2:0:-1])
    padded = pad(maps, (0, 0, margin, right, margin, below))
    side = m + kernel - 1
    return padded.unfold(1, side, m).unfold(2, side, m)


def _of_windows(b: Tensor, windows: Tensor) -> Tensor:
    """The values of windows: (points, tiles, C)."""
    return (b @ windows.permute(4, 5, 0, 1, 2, 3).reshape(len(b), -1)).view(len(b), -1, windows.shape[3])


def _of_weights(g: Tensor, weight: Tensor) -> Tensor:
    """The values of the weights: (points, C, K)."""
    kernels, channels, kernel, _ = weight.shape
    return (g @ weight.permute(2, 3, 1, 0).reshape(kernel**2, -1)).view(-1, channels, kernels)


@cache
def _transforms(kernel: int) -> tuple[int, Tensor, Tensor, Tensor]:
    """m; and A, G, B for both directions: outputs = A (G weights * B inputs).

    With V(k) the values of a polynomial of k coefficients at the points: a product of polynomials is
    V(n)^-1 (V(r) g * V(m) d), and turned around that is V(m)^T (V(r) g * V(n)^-T d).
    """
    m, points = TILES[kernel]

    def values(coefficients: int) -> Tensor:
        at = torch.tensor(points, dtype=torch.float64)[:, None] ** torch.arange(coefficients)
        at_infinity = torch.eye(coefficients, dtype=torch.float64)[-1:]
        return torch.cat([at, at_infinity])

    a, g, b = values(m).T, values(kernel), torch.linalg.inv(values(m + kernel - 1)).T
    return m, *(torch.kron(each, each).float() for each in (a, g, b))
