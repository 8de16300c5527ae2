"""What the networks' knobs may be, without torch: a configuration is checked before that is imported."""

from collections.abc import Sequence
from math import inf
from typing import Any

CHOICES = {
    "activation": ("relu", "tanh"),
    "cross": ("none", "conv3", "all"),
    "initialisation": ("torch", "kaiming", "whitening"),
    "normalisation": ("none", "batch", "lrn"),
    "pool": (3, 2),  # the side of a pooling's window, which overlaps at a stride of 2, or doesn't
}
# The least and most pixels a side, and the least for which that network is one to take.
SIDES = {
    "alexnet_2012": (64, inf, None),
    "alexnet": (63, inf, 128),
    "alexnet_cifar": (15, 127, 15),  # at 128 fc6 alone would have 236 million weights
    "cuda_convnet": (8, 127, 8),
}


def is_one(value: Any, options: Sequence[Any]) -> bool:
    """Whether it is one of them, and of its type: True is no 1."""
    return any(type(value) is type(option) and value == option for option in options)


def check_choice(knob: str, value: Any) -> None:
    """Raises ValueError for another value than the knob's choices."""
    if not is_one(value, CHOICES[knob]):
        raise ValueError(f"{knob}={value!r}: expected one of {', '.join(map(str, CHOICES[knob]))}")


def check_size(model: str, size: int) -> None:
    """Raises ValueError, which names a model that fits, where images of that size don't fit this one."""
    least, most, _ = SIDES[model]
    if least <= size <= most:
        return
    much, bound = ("small", f"{least} or more") if size < least else ("large", f"{most} or less")
    fits = [name for name, (_, _, smallest) in SIDES.items() if smallest and size >= smallest]
    other = f"model={fits[0]}, or " if fits else ""
    raise ValueError(f"images of {size}x{size} are too {much} for {model}: give {other}dataset.size={bound}")
