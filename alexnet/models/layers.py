"""Layers that several networks share."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from alexnet.models.limits import check_choice

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
}


def choose_activation(name: str) -> Callable[[], nn.Module]:
    """The function that makes a layer of that activation: relu, tanh or gelu. Raises ValueError for another name."""
    check_choice("activation", name)
    return ACTIVATIONS[name]


def make_local_response_norm() -> nn.LocalResponseNorm:
    """§3.3, with k=2, n=5, alpha=1e-4, beta=0.75. torch divides alpha by n; the paper doesn't."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)


class MaxPoolTo(nn.MaxPool2d):
    """Max-pools maps (B, C, H, H) to (B, C, side, side).

    It uses windows of `pool` pixels a side with stride 2 if they give that side, otherwise the windows of torch's
    adaptive pooling. Those are written out here, because the CUDA gradient of torch's adaptive pooling isn't
    reproducible.
    """

    def __init__(self, side: int, pool: int = 3):
        super().__init__(pool, 2)
        self.side, self.pool = side, pool

    def fits(self, maps: Tensor) -> bool:
        """Whether windows with stride 2 pool the maps to that side."""
        return compute_pooled_side(maps.shape[-1], self.pool) == self.side

    def forward(self, maps: Tensor) -> Tensor:
        if self.fits(maps):
            return super().forward(maps)
        size = maps.shape[-1]
        windows = [slice(i * size // self.side, -(-(i + 1) * size // self.side)) for i in range(self.side)]
        rows = torch.stack([maps[:, :, window].amax(2) for window in windows], 2)  # (B, C, side, H)
        return torch.stack([rows[:, :, :, window].amax(3) for window in windows], 3)


def compute_pooled_side(size: int, pool: int, times: int = 1) -> int:
    """The side of maps after max-pools with windows of `pool` pixels, stride 2 and no padding, so many in a row."""
    for _ in range(times):
        size = (size - pool) // 2 + 1
    return size
