"""Lists a network's layers with shapes, parameters, multiply-adds and memory, and formats them as a table.

It runs the network on torch's meta device, which has shapes and no values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from tabulate import tabulate
from torch import nn

from alexnet.models.columns import Cross, Merge
from alexnet.models.layers import MaxPoolTo
from alexnet.models.named_layers import group_columns

NAMES = {
    nn.MaxPool2d: "max-pool",
    nn.AvgPool2d: "average-pool",
    nn.LocalResponseNorm: "response norm",
    nn.BatchNorm2d: "batch norm",
    nn.ZeroPad2d: "zero-pad",
}


@dataclass(frozen=True)
class Layer:
    """One layer of all columns together, for one image. Bytes are those of float32."""

    name: str  # conv1, max-pool, relu, cross, fc6
    kernel: int  # side of the window; 0 if the layer has none
    stride: int
    columns: int
    shape: tuple[int, ...]  # of each column's output
    parameters: int
    multiply_adds: int
    output_bytes: int  # 0 if the layer overwrites its input
    crossed_bytes: int  # sent between columns in the forward pass


class Call(NamedTuple):
    """What a module was given and what it returned: tensors, or lists of them for Cross and Merge."""

    module: nn.Module
    given: Any
    output: Any


def list_layers(network: nn.Module, channels: int, size: int) -> list[Layer]:
    """The layers, in the order in which an image passes them. network: on the meta device. size: pixels a side."""
    calls: dict[str, list[Call]] = {}  # one call per column, under the layer's name without the column's number

    def record(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda module, arguments, output: calls.setdefault(name, []).append(Call(module, arguments[0], output))

    for name, modules in group_columns(network).items():
        for module in modules:
            module.register_forward_hook(record(name))
    with torch.no_grad():
        network.eval()(torch.zeros(1, channels, size, size, device="meta"))
    number, layers = 0, []
    for of_columns in calls.values():
        number += isinstance(of_columns[0].module, (nn.Conv2d, nn.Linear))
        layers.append(_make_layer(of_columns, number))
    return layers


def _make_layer(calls: Sequence[Call], number: int) -> Layer:
    """The layer of these calls, one per column. number: of layers with weights up to and including this one."""
    module, given, output = calls[0]
    outputs = list(output) if isinstance(module, Cross) else [call.output for call in calls]
    parameters = [parameter for call in calls for parameter in call.module.parameters()]
    weights = sum(parameter.numel() for parameter in parameters if parameter.dim() > 1)
    uses = outputs[0][0, 0].numel() if isinstance(module, nn.Conv2d) else 1  # positions at which a weight is used
    adaptive = isinstance(module, MaxPoolTo) and not module.fits(given)  # its windows then have several sizes
    return Layer(
        _name(module, number),
        kernel=0 if adaptive else _get_side(getattr(module, "kernel_size", 0)),
        stride=1 if adaptive else _get_side(getattr(module, "stride", 1)),
        columns=len(outputs),
        shape=tuple(outputs[0].shape[1:]),
        parameters=sum(parameter.numel() for parameter in parameters),
        multiply_adds=weights * uses,
        output_bytes=0 if getattr(module, "inplace", False) else sum(each.nbytes for each in outputs),
        crossed_bytes=module.bytes_sent(given) if isinstance(module, (Cross, Merge)) else 0,
    )


def _name(module: nn.Module, number: int) -> str:
    if isinstance(module, nn.Conv2d):
        return f"conv{number}"
    if isinstance(module, nn.Linear):
        return f"fc{number}"
    return next((name for kind, name in NAMES.items() if isinstance(module, kind)), type(module).__name__.lower())


def _get_side(value: int | tuple[int, ...]) -> int:
    return value[0] if isinstance(value, tuple) else value


def as_table(layers: Sequence[Layer]) -> str:
    """A line for each layer, and their sums. The bytes crossed are left out if there are none."""
    numbers = [(each.parameters, each.multiply_adds, each.output_bytes, each.crossed_bytes) for each in layers]
    sums = tuple(sum(column) for column in zip(*numbers, strict=True))
    headers = ["parameters", "multiply-adds", "activation bytes", "bytes crossed"][: 4 if sums[-1] else 3]
    labels = [*((_label(layer), _describe_shape(layer)) for layer in layers), ("all", "")]
    cells = [[f"{number:,}" if number else "" for number in row[: len(headers)]] for row in [*numbers, sums]]
    return tabulate(
        [[*label, *row] for label, row in zip(labels, cells, strict=True)],
        ["layer", "output", *headers],
        tablefmt="plain",
        colalign=["left", "left", *["right"] * len(headers)],
        disable_numparse=True,
    )


def _label(layer: Layer) -> str:
    if layer.kernel == 0:
        return layer.name
    stride = f", stride {layer.stride}" if layer.stride > 1 else ""
    return f"{layer.name} {layer.kernel}x{layer.kernel}{stride}"


def _describe_shape(layer: Layer) -> str:
    shape = "x".join(map(str, layer.shape))
    return f"{layer.columns} of {shape}" if layer.columns > 1 else shape
