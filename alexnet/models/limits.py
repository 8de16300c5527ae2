"""What the networks' knobs may be, without torch: a configuration is checked before that is imported."""

from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

# The layers, 2 for conv2 to 7 for fc7, that see the maps of both columns. fc8 sees both in any case, for one softmax
# over all classes: so `none` is two networks of half the width that meet in their answer alone.
CROSS = {"none": (), "conv3": (3, 6, 7), "all": (2, 3, 4, 5, 6, 7)}
CHOICES = {
    "activation": ("relu", "tanh", "gelu"),
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
# What a network was published for; others take any images of a size.
IMAGENET = {"classes": 1000, "channels": 3, "size": 224}
PUBLISHED = {"alexnet_2012": IMAGENET, "alexnet": IMAGENET}
# The least pixels a side of the networks that take smaller images than those they are built for.
SMALLER = {"alexnet": 63, "alexnet_cifar": 7}


def is_one(value: Any, options: Sequence[Any]) -> bool:
    """Whether it is one of them, and of its type: True is no 1."""
    return any(type(value) is type(option) and value == option for option in options)


def check_choice(knob: str, value: Any) -> None:
    """Raises ValueError for another value than the knob's choices."""
    if not is_one(value, CHOICES[knob]):
        raise ValueError(f"{knob}={value!r}: expected one of {', '.join(map(str, CHOICES[knob]))}")


def check_size(model: str, size: int, progressive: Sequence[int] = ()) -> None:
    """Raises ValueError where images of that size, or of the smaller sides before, don't fit the model, with one that
    does."""
    least, most, _ = SIDES.get(model, (1, inf, None))
    if not least <= size <= most:
        much, bound = ("small", f"{least} or more") if size < least else ("large", f"{most} or less")
        fits = [name for name, (_, _, smallest) in SIDES.items() if smallest and size >= smallest]
        other = f"model={fits[0]}, or " if fits else ""
        raise ValueError(f"images of {size}x{size} are too {much} for {model}: give {other}dataset.size={bound}")
    for side in progressive:
        if side < SMALLER.get(model, inf if model in SIDES else 1):
            others = " and ".join(f"model={name} from {smallest}" for name, smallest in SMALLER.items())
            raise ValueError(
                f"dataset.progressive={list(progressive)}: {model} doesn't take images of {side}x{side}; "
                f"smaller ones than dataset.size are taken by {others} pixels on"
            )


def check_devices(devices: Any, columns: int) -> None:
    """Raises ValueError for anything but a list of as many devices as the network has columns."""
    listed = isinstance(devices, Sequence) and not isinstance(devices, str)
    if not (listed and devices and all(isinstance(name, str) for name in devices)):
        raise ValueError("expected null or a list, for example device.columns=[cuda:0,cuda:1]")
    if len(devices) != columns:
        way = f"{columns} of them" if columns > 1 else "two, with model=alexnet_2012 or model.columns=2"
        raise ValueError(
            f"expected a device a column, and the network has {columns}: give {way}, or device.columns=null"
        )


def find_weights_file(weights: str) -> Path:
    """The file of that name. Raises ValueError where there is none."""
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ValueError(f"weights={weights}: there is no such file; expected the path of a state dict, or null")
    return path


def list_crossings(columns: int, cross: str) -> tuple[int, ...]:
    """The numbers of the layers that see the maps of both columns; none where there is one column.

    Raises ValueError for another number of columns than 1 or 2, or another word than those of CROSS.
    """
    if type(columns) is not int or columns not in (1, 2):
        raise ValueError(f"columns={columns!r}: expected 1 or 2")
    check_choice("cross", cross)
    return CROSS[cross] if columns == 2 else ()


def split_kernels(kernels: Sequence[int], columns: int) -> list[int]:
    """One column's kernels of each of the five convolutions. Raises ValueError where they can't be shared evenly."""
    good = isinstance(kernels, (list, tuple)) and len(kernels) == 5
    if not good or not all(type(count) is int and 0 < count <= 2**16 and count % columns == 0 for count in kernels):
        raise ValueError(
            f"kernels={kernels}: expected five whole numbers from 1 to 65536, each divisible by columns={columns}"
        )
    return [count // columns for count in kernels]


def check_layers(
    columns: int,
    kernel_sizes: Sequence[int] = (5, 5, 3, 3, 3),
    pool_after: Sequence[int] = (1, 2, 5),
    pool_to: int | None = None,
    hidden: int = 4096,
) -> None:
    """Raises ValueError for sides of kernels, places of poolings or units that alexnet_cifar can't be built with."""

    def wholes(values: Any, count: int) -> bool:
        return isinstance(values, (list, tuple)) and len(values) == count and all(type(each) is int for each in values)

    if not wholes(kernel_sizes, 5) or not all(0 < side <= 15 and side % 2 for side in kernel_sizes):
        raise ValueError(f"kernel_sizes={kernel_sizes}: expected five odd numbers from 1 to 15")
    if not wholes(pool_after, 3) or not 0 < pool_after[0] < pool_after[1] < pool_after[2] == 5:
        raise ValueError(f"pool_after={pool_after}: expected three convolutions in order, the last 5, such as [2,3,5]")
    if pool_to is not None and (type(pool_to) is not int or not 0 < pool_to <= 15):
        raise ValueError(f"pool_to={pool_to}: expected null or a whole number from 1 to 15")
    if type(hidden) is not int or not 0 < hidden <= 2**16 or hidden % columns:
        raise ValueError(f"hidden={hidden}: expected a whole number from 1 to 65536, divisible by columns={columns}")
