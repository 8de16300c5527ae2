"""Initial weights other than torch's own."""

from collections.abc import Sequence
from typing import Literal, TypeVar

import torch
from torch import nn

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def draw_gaussian(layer: Layer, bias: float) -> Layer:
    """The layer, its weights drawn from N(0, 0.01^2) and all its biases set to `bias` (Krizhevsky et al. 2012, §5)."""
    nn.init.normal_(layer.weight, std=0.01)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, bias)
    return layer


def draw_kaiming(network: nn.Module, activation: str) -> None:
    """Draws Gaussian weights that keep the variance of the maps (He et al. 2015); biases are 0.

    The weights of the last layer are 0 too, so training starts with the same probability for every class.
    """
    # torch has no gain for gelu; it is close to relu.
    gain: Literal["tanh", "relu"] = "tanh" if activation == "tanh" else "relu"
    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity=gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    nn.init.zeros_(layers[-1].weight)


@torch.no_grad()
def copy_maps(convolutions: Sequence[nn.Conv2d], crossing: Sequence[int]) -> None:
    """Makes each kernel of conv2 to conv5 copy one input map, as far as there are kernels and maps (Jordan 2024, §3.3).

    convolutions: five a column. crossing: the numbers of the layers that see both columns. Those copy the maps of their
    own column first; otherwise both columns would start as the same network.
    """
    columns = len(convolutions) // 5
    for index, layer in enumerate(convolutions):
        column, number = index // 5, index % 5 + 1
        if number > 1:
            nn.init.dirac_(layer.weight[: layer.in_channels])
        if number in crossing:
            layer.weight.copy_(layer.weight.roll(column * layer.in_channels // columns, 1))
