"""What several of the networks are made of."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from alexnet.models.limits import check_choice

ACTIVATIONS = {"relu": lambda: nn.ReLU(inplace=True), "tanh": nn.Tanh, "gelu": nn.GELU}


def choose_activation(name: str) -> Callable[[], nn.Module]:
    """What makes a layer of that activation, relu, tanh or gelu. Raises ValueError for another name."""
    check_choice("activation", name)
    return ACTIVATIONS[name]


def make_local_response_norm() -> nn.LocalResponseNorm:
    """§3.3, with k=2, n=5, alpha=1e-4, beta=0.75. torch divides alpha by n, the paper doesn't."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)


class MaxPoolTo(nn.MaxPool2d):
    """The 3x3 max-pool with stride 2 where it leaves `side`; for other maps windows that leave that side.

    Those are torch's adaptive ones, written out, because the CUDA gradient of its own isn't reproducible.
    """

    def __init__(self, side: int):
        super().__init__(3, 2)
        self.side = side

    def fits(self, maps: Tensor) -> bool:
        """Whether 3x3 windows with stride 2 leave that side of the maps."""
        return compute_pooled_side(maps.shape[-1]) == self.side

    def forward(self, maps: Tensor) -> Tensor:
        if self.fits(maps):
            return super().forward(maps)
        count = maps.shape[-1]
        windows = [slice(i * count // self.side, -(-(i + 1) * count // self.side)) for i in range(self.side)]
        rows = torch.stack([maps[:, :, window].amax(2) for window in windows], 2)
        return torch.stack([rows[:, :, :, window].amax(3) for window in windows], 3)


def compute_pooled_side(size: int) -> int:
    """The side that a 3x3 max-pool with stride 2 and no padding leaves."""
    return (size - 3) // 2 + 1
