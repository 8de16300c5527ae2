"""Replaces torch's convolutions by others that compute the same in another way."""

from collections.abc import Collection
from typing import ClassVar

from torch import nn


class FastConv2d(nn.Conv2d):
    """A convolution with its own way to compute. It suits layers with these properties: kernels of a side in `sides`,
    at least `channels` maps in and out, stride 1, one group, and zero padding that keeps the size of the maps."""

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
    """Turns each plain convolution that `kind` suits into one of that kind. Its parameters stay as they are."""
    for layer in model.modules():
        if type(layer) is nn.Conv2d and kind.suits(layer):
            layer.__class__ = kind
