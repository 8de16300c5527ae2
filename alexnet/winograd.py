"""Convolutions with fewer multiplications, for processors: Lavin and Gray 2016, "Fast Algorithms for
Convolutional Neural Networks", §4.

A convolution is a product of polynomials, turned around. A product of polynomials can be had from their values at
a few points, one multiplication a point; so m outputs of a kernel of r weights take m + r - 1 multiplications and not
m * r. Here that is done in both directions of the image: 36 for 4x4 outputs of a 3x3 kernel in place of 144, and 49
for 3x3 outputs of a 5x5 kernel in place of 225. The multiplications at one point, over all channels and all
tiles of outputs, are a matrix product. So are the changes between maps and values, which cost about as much time
again as is left, since they move more bytes than they multiply.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from alexnet.models.layers import keeps_size

# By kernel: the outputs of a tile along a side, and the points, beside infinity. Small ones keep the rounding small.
TILES = {3: (4, (0, 1, -1, 2, -2)), 5: (3, (0, 1, -1, 2, -2, 0.5))}
# With fewer channels the changes between maps and values, with fewer tiles those of the weights, cost more than is won.
CHANNELS, TILES_LEAST = 64, 64
TILES_AT_ONCE = 256  # whose values are worked out together: those of a large batch would take more memory than all else


class WinogradConv2d(nn.Conv2d):
    """A convolution of stride 1 that keeps the size, maps (B, C, H, W) to (B, K, H, W) float32, by values at points.

    It is nn.Conv2d itself where the batch is too small to win time.
    """

    @staticmethod
    def suits(layer: nn.Conv2d) -> bool:
        """Whether that layer can be one, and gains by it."""
        channels = min(layer.in_channels, layer.out_channels)
        return layer.kernel_size[0] in TILES and keeps_size(layer) and layer.bias is not None and channels >= CHANNELS

    def forward(self, maps: Tensor) -> Tensor:
        outputs, _ = TILES[self.kernel_size[0]]
        tiles = len(maps) * -(-maps.shape[2] // outputs) * -(-maps.shape[3] // outputs)
        if tiles < TILES_LEAST:
            return super().forward(maps)
        return _Convolution.apply(maps.permute(0, 2, 3, 1), self.weight, self.bias).permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """Maps (B, H, W, C) to (B, H, W, K), and the gradients by the same products transposed.

    Values are (points, tiles of some images, channels), so that each change to and from them is one matrix product.
    Backward works them out again: kept, they would take twice to five times the memory of the maps.
    """

    @staticmethod
    def forward(context, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        context.save_for_backward(maps, weight)
        (batch, height, width, _), (kernels, _, kernel, _) = maps.shape, weight.shape
        m, a, g, b = _transforms(kernel)
        windows, images = _windows(maps, kernel)
        rows, columns = windows.shape[1:3]
        weights = _of_weights(g, weight)
        whole = maps.new_empty(batch, rows * m, columns * m, kernels)
        by_tile = whole.view(batch, rows, m, columns, m, kernels)
        for some, outputs in zip(windows.split(images), by_tile.split(images), strict=True):
            tiles = a @ torch.bmm(_of_windows(b, some), weights).view(len(b), -1)
            tiles = tiles.view(m, m, len(some), rows, columns, kernels).permute(2, 3, 0, 4, 1, 5)
            torch.add(tiles, bias, out=outputs)
        return whole if whole.shape[1:3] == (height, width) else whole[:, :height, :width].contiguous()

    @staticmethod
    @once_differentiable
    def backward(context, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps, weight = context.saved_tensors
        (batch, height, width, channels), (kernels, _, kernel, _) = maps.shape, weight.shape
        m, a, g, b = _transforms(kernel)
        side, margin = m + kernel - 1, kernel // 2
        windows, images = _windows(maps, kernel)
        rows, columns = windows.shape[1:3]
        weights = _of_weights(g, weight)
        changed = torch.zeros_like(weights)
        whole = pad(gradient, (0, 0, 0, columns * m - width, 0, rows * m - height))
        padded = gradient.new_zeros(batch, rows * m + kernel - 1, columns * m + kernel - 1, channels)
        for some, outputs, target in zip(*(each.split(images) for each in (windows, whole, padded)), strict=True):
            tiles = outputs.view(-1, rows, m, columns, m, kernels).permute(2, 4, 0, 1, 3, 5).reshape(m * m, -1)
            products = (a.T @ tiles).view(side**2, -1, kernels)
            # Not in place, by baddbmm_: torch counts no operations of that.
            torch.baddbmm(changed, _of_windows(b, some).transpose(1, 2), products, out=changed)
            back = b.T @ torch.bmm(products, weights.transpose(1, 2)).view(side**2, -1)
            back = back.view(side, side, len(some), rows, columns, channels)
            for y in range(side):
                for x in range(side):
                    target[:, y : y + rows * m : m, x : x + columns * m : m] += back[y, x]
        return (
            padded[:, margin : margin + height, margin : margin + width],
            (g.T @ changed.view(side**2, -1)).view(kernel, kernel, channels, kernels).permute(3, 2, 0, 1),
            gradient.sum((0, 1, 2)),
        )


def _windows(maps: Tensor, kernel: int) -> tuple[Tensor, int]:
    """What each tile of outputs sees, (B, rows, columns, C, side, side) without copies; the images to take at once."""
    m, margin = TILES[kernel][0], kernel // 2
    rows, columns = (-(-length // m) for length in maps.shape[1:3])
    right, below = columns * m + margin - maps.shape[2], rows * m + margin - maps.shape[1]
    padded = pad(maps, (0, 0, margin, right, margin, below))
    side = m + kernel - 1
    return padded.unfold(1, side, m).unfold(2, side, m), max(1, TILES_AT_ONCE // (rows * columns))


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
