"""Checks the options of the networks. No torch: a configuration is checked before torch is imported."""

from collections.abc import Sequence
from math import inf
from typing import Any

from alexnet.errors import Mistake, nearest

# The layers that see the maps of both columns, from 2 for conv2 to 7 for fc7. fc8 always sees both, because one softmax
# is taken over all classes. So with `none` two networks of half the width share only the output.
CROSS = {"none": (), "conv3": (3, 6, 7), "all": (2, 3, 4, 5, 6, 7)}
CHOICES: dict[str, tuple[str | int, ...]] = {
    "activation": ("relu", "tanh", "gelu"),
    "cross": tuple(CROSS),
    "initialisation": ("torch", "kaiming", "whitening"),
    "normalisation": ("none", "batch", "lrn"),
    "pool": (3, 2),  # side of a pooling window; the stride is 2, so windows of 3 overlap
    "stride": (1, 2),  # of conv1 of alexnet_cifar
}
# Pixels a side: the fewest, the most, and the fewest for which an error message suggests the network (None: never).
# Those of alexnet_cifar are for its own stride and poolings; `check_size` computes the fewest for others.
SIDES = {
    "alexnet_2012": (64, inf, None),
    "alexnet": (63, inf, 128),
    "alexnet_cifar": (15, 127, 15),  # at 128 fc6 alone would have 236 million weights
    "cuda_convnet": (8, 127, 8),
}
# The data that a network was published for. The other networks were made for images of any kind.
IMAGENET = {"classes": 1000, "channels": 3, "size": 224}
PUBLISHED = {"alexnet_2012": IMAGENET, "alexnet": IMAGENET}
# The layers of each network, in order, by the paper's names.
LAYERS = {
    **dict.fromkeys(
        ("alexnet", "alexnet_2012", "alexnet_cifar"), ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
    ),
    "cuda_convnet": ("conv1", "conv2", "conv3", "fc4"),
}
TRANSFER = ("weights", "keep", "freeze")  # the options that any network takes: see training/transfer.py
KEPT = "kept"  # a choice of freeze: the layers that are taken
# The fewest pixels a side for the networks that also take smaller images than those they are built for.
SMALLER = {"alexnet": 63, "alexnet_cifar": 7}


def refuse_layer(name: str, layers: Sequence[str], key: str = "", others: Sequence[str] = ()) -> Mistake:
    """For a layer that a network hasn't got. key: the option that names it. others: what else that may name."""
    ending = nearest(name.lower(), [*layers, *others])
    listed = f" ({', '.join(layers)})" if "did you mean" in ending else ""  # else the ending lists them
    there = "there is" if key else "There is"
    return Mistake(f"{f'{key}={name}: ' if key else ''}{there} no layer {name} in this network{listed}{ending}")


def is_one(value: Any, choices: Sequence[Any]) -> bool:
    """Whether the value is one of the choices and of its type: True isn't 1."""
    return any(type(value) is type(choice) and value == choice for choice in choices)


def check_choice(option: str, value: Any) -> None:
    """Raises ValueError if the value isn't one of the option's choices."""
    if not is_one(value, CHOICES[option]):
        raise ValueError(f"{option}={value!r}: expected one of {', '.join(map(str, CHOICES[option]))}")


def check_size(model: str, size: int, progressive: Sequence[int] = (), stride: int = 1, pool: int = 3) -> None:
    """Raises ValueError if the model can't take images of that size, or of the smaller sizes of progressive training.

    The message names a model and a size that fit. size, progressive: pixels a side. stride, pool: of alexnet_cifar.
    """
    fewest, most, _ = SIDES.get(model, (1, inf, None))
    smaller = dict(SMALLER)
    if model == "alexnet_cifar":
        fewest, smaller[model] = (_find_fewest_pixels(stride, pool, poolings) for poolings in (3, 2))
    if not fewest <= size <= most:
        problem, bound = ("small", f"{fewest} or more") if size < fewest else ("large", f"{most} or less")
        fitting = [name for name, (_, _, smallest) in SIDES.items() if smallest is not None and size >= smallest]
        other = f"model={fitting[0]}, or " if fitting else ""
        raise ValueError(f"images of {size}x{size} are too {problem} for {model}: give {other}dataset.size={bound}")
    for side in progressive:
        if side < smaller.get(model, inf if model in SIDES else 1):
            others = " and ".join(f"model={name} from {smallest} pixels" for name, smallest in smaller.items())
            raise ValueError(
                f"dataset.progressive={list(progressive)}: {model} doesn't take images of {side}x{side}; "
                f"only these take images smaller than dataset.size: {others}"
            )


def _find_fewest_pixels(stride: int, pool: int, poolings: int) -> int:
    """The fewest pixels a side of which a convolution with that stride and so many poolings leave one."""
    side = 1
    for _ in range(poolings):
        side = 2 * (side - 1) + pool
    return stride * (side - 1) + 1


def check_devices(devices: Any, columns: int) -> None:
    """Raises ValueError if `devices` isn't a list of names, one for each column of the network."""
    listed = isinstance(devices, Sequence) and not isinstance(devices, str)
    if not (listed and devices and all(isinstance(name, str) for name in devices)):
        raise ValueError("expected null or a list, for example device.columns=[cuda:0,cuda:1]")
    if len(devices) != columns:
        way = f"{columns} of them" if columns > 1 else "two, with model=alexnet_2012 or model.columns=2"
        raise ValueError(
            f"expected one device for each column, and the network has {columns}: give {way}, or device.columns=null"
        )


def list_crossings(columns: int, cross: str) -> tuple[int, ...]:
    """The numbers of the layers that see the maps of both columns; none if there is one column.

    Raises ValueError if columns isn't 1 or 2, or cross isn't a key of CROSS.
    """
    if type(columns) is not int or columns not in (1, 2):
        raise ValueError(f"columns={columns!r}: expected 1 or 2")
    check_choice("cross", cross)
    return CROSS[cross] if columns == 2 else ()


def split_kernels(kernels: Sequence[int], columns: int) -> list[int]:
    """One column's number of kernels in each of the five convolutions.

    Raises ValueError if they aren't five whole numbers that the columns can share evenly.
    """
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
    """Raises ValueError if alexnet_cifar can't be built with these kernel sizes, poolings or hidden units."""

    def whole_numbers(values: Any, count: int) -> bool:
        return isinstance(values, (list, tuple)) and len(values) == count and all(type(each) is int for each in values)

    if not whole_numbers(kernel_sizes, 5) or not all(0 < side <= 15 and side % 2 for side in kernel_sizes):
        raise ValueError(f"kernel_sizes={kernel_sizes}: expected five odd numbers from 1 to 15")
    if not whole_numbers(pool_after, 3) or not 0 < pool_after[0] < pool_after[1] < pool_after[2] == 5:
        raise ValueError(f"pool_after={pool_after}: expected three convolutions in order, the last 5, such as [2,3,5]")
    if pool_to is not None and (type(pool_to) is not int or not 0 < pool_to <= 15):
        raise ValueError(f"pool_to={pool_to}: expected null or a whole number from 1 to 15")
    if type(hidden) is not int or not 0 < hidden <= 2**16 or hidden % columns:
        raise ValueError(f"hidden={hidden}: expected a whole number from 1 to 65536, divisible by columns={columns}")
