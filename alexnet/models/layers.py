"""What several of the networks are made of."""

from collections.abc import Callable, Collection
from typing import ClassVar

from torch import nn

from alexnet.models.limits import check_choice

ACTIVATIONS = {"relu": lambda: nn.ReLU(inplace=True), "tanh": nn.Tanh, "gelu": nn.GELU}


def activation(name: str) -> Callable[[], nn.Module]:
    """What makes a layer of that activation, relu, tanh or gelu. Raises ValueError for another name."""
    check_choice("activation", name)
    return ACTIVATIONS[name]


def local_response_norm() -> nn.LocalResponseNorm:
    """§3.3, with k=2, n=5, alpha=1e-4, beta=0.75. torch divides alpha by n, the paper doesn't."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)


class FastConv2d(nn.Conv2d):
    """A convolution with a way of its own to compute, for those that it suits: kernels of one of the `sides`, at least
    `channels` maps in and out, stride 1, one group, and the zeros around its maps that keep their size."""

    sides: ClassVar[Collection[int]]
    channels: ClassVar[int]

    @classmethod
    def suits(cls, layer: nn.Conv2d) -> bool:
        side = layer.kernel_size[0]
        return (
            side in cls.sides
            and min(layer.in_channels, layer.out_channels) >= cls.channels
            and (layer.kernel_size, layer.padding) == ((side, side), (side // 2, side // 2))
            and (layer.stride, layer.dilation, layer.groups, layer.padding_mode) == ((1, 1), (1, 1), 1, "zeros")
            and layer.bias is not None
        )


def change_convolutions(model: nn.Module, kind: type[FastConv2d]) -> None:
    """Makes each plain convolution that `kind` suits one of that kind, its parameters as they are."""
    for layer in model.modules():
        if type(layer) is nn.Conv2d and kind.suits(layer):
            layer.__class__ = kind
