"""What the networks' knobs may be, without torch: a configuration is checked before that is imported."""

from collections.abc import Sequence
from math import inf
from typing import Any

# The layers, 2 for conv2 to 7 for fc7, that see the maps of both columns. fc8 sees both in any case, for one softmax
# over all classes: so `none` is two networks of half the width that meet in their answer alone.
CROSS = {"none": (), "conv3": (3, 6, 7), "all": (2, 3, 4, 5, 6, 7)}
CHOICES = {
    "activation": ("relu", "tanh"),
    "cross": tuple(CROSS),
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
    least, most, _ = SIDES.get(model, (1, inf, None))
    if least <= size <= most:
        return
    much, bound = ("small", f"{least} or more") if size < least else ("large", f"{most} or less")
    fits = [name for name, (_, _, smallest) in SIDES.items() if smallest and size >= smallest]
    other = f"model={fits[0]}, or " if fits else ""
    raise ValueError(f"images of {size}x{size} are too {much} for {model}: give {other}dataset.size={bound}")


def crossings(columns: int, cross: str) -> tuple[int, ...]:
    """The numbers of the layers that see the maps of both columns; none where there is one column.

    Raises ValueError for another number of columns than 1 or 2, or another word than those of CROSS.
    """
    if type(columns) is not int or columns not in (1, 2):
        raise ValueError(f"columns={columns!r}: expected 1 or 2")
    check_choice("cross", cross)
    return CROSS[cross] if columns == 2 else ()


def shares(kernels: Sequence[int], columns: int) -> list[int]:
    """One column's kernels of each of the five convolutions. Raises ValueError where they can't be shared evenly."""
    good = isinstance(kernels, (list, tuple)) and len(kernels) == 5
    if not good or not all(type(count) is int and 0 < count <= 2**16 and count % columns == 0 for count in kernels):
        raise ValueError(
            f"kernels={kernels}: expected five whole numbers from 1 to 65536, each divisible by columns={columns}"
        )
    return [count // columns for count in kernels]
