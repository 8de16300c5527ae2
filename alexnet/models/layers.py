"""What several of the networks are made of, and which size of image each of them is for."""

from collections.abc import Callable
from math import inf

from torch import nn

ACTIVATIONS = {"relu": lambda: nn.ReLU(inplace=True), "tanh": nn.Tanh}
# The model to take for images of so many pixels a side or more.
SMALLEST = {"alexnet": 128, "alexnet_cifar": 15, "cuda_convnet": 8}


def activation(name: str) -> Callable[[], nn.Module]:
    """What makes a layer of that activation, relu or tanh. Raises ValueError for another name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation={name!r}: expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def local_response_norm() -> nn.LocalResponseNorm:
    """§3.3, with k=2, n=5, alpha=1e-4, beta=0.75. torch divides alpha by n, the paper doesn't."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)


def keeps_size(layer: nn.Conv2d) -> bool:
    """Whether it has a square kernel, stride 1, one group, and the zeros around its maps that keep their size."""
    side = layer.kernel_size[0]
    return (layer.kernel_size, layer.padding) == ((side, side), (side // 2, side // 2)) and (
        (layer.stride, layer.dilation, layer.groups, layer.padding_mode) == ((1, 1), (1, 1), 1, "zeros")
    )


def change_convolutions(model: nn.Module, kind: type[nn.Conv2d]) -> None:
    """Makes each plain convolution that `kind.suits` of that kind, its parameters as they are."""
    for layer in model.modules():
        if type(layer) is nn.Conv2d and kind.suits(layer):
            layer.__class__ = kind


def check_pool(side: int) -> None:
    """Raises ValueError for another side of a pooling's window than 3, which overlaps at a stride of 2, or 2."""
    if type(side) is not int or side not in (2, 3):
        raise ValueError(f"pool={side!r}: expected 3 or 2")


def check_size(model: str, size: int, least: int, most: float = inf) -> None:
    """Raises ValueError, which names a model that fits, where images of that size don't fit this one."""
    if least <= size <= most:
        return
    much, bound = ("small", f"{least} or more") if size < least else ("large", f"{most} or less")
    fits = [name for name, smallest in SMALLEST.items() if size >= smallest]
    other = f"model={fits[0]}, or " if fits else ""
    raise ValueError(f"images of {size}x{size} are too {much} for {model}: give {other}dataset.size={bound}")
