"""The layers of a network, with shapes, parameters, multiply-adds and memory.

Nothing is computed: an image without values goes through a network without weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from alexnet.models.columns import Columns, Cross, Merge
from alexnet.models.layers import MaxPoolTo

NAMES = {
    nn.MaxPool2d: "max-pool",
    nn.AvgPool2d: "average-pool",
    nn.LocalResponseNorm: "response norm",
    nn.BatchNorm2d: "batch norm",
    nn.ZeroPad2d: "zero-pad",
}


@dataclass(frozen=True)
class Layer:
    """A layer of all columns together, for one image: shape is each column's output, bytes are of float32."""

    name: str  # conv1, max-pool, relu, cross, fc6
    kernel: int  # side of a window; 0 where there is none
    stride: int
    columns: int
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    output_bytes: int  # 0 where the input is overwritten
    crossed_bytes: int  # between columns, in the forward pass


def walk(network: nn.Module, channels: int, size: int) -> list[Layer]:
    """The layers in the order in which an image meets them. network: on the meta device."""
    columns = [f"{name}." for name, module in network.named_modules() if isinstance(module, Columns)]
    calls: dict[str, list[tuple[nn.Module, Any, Any]]] = {}  # by name, without the number of the column

    def record(name: str):
        prefix = next((prefix for prefix in columns if name.startswith(prefix)), None)
        key = f"{prefix}*.{name.removeprefix(prefix).partition('.')[2]}" if prefix else name
        return lambda module, arguments, output: calls.setdefault(key, []).append((module, arguments[0], output))

    for name, module in network.named_modules():
        if not list(module.children()):
            module.register_forward_hook(record(name))
    with torch.no_grad():
        network.eval()(torch.zeros(1, channels, size, size, device="meta"))
    weighted, layers = 0, []
    for same in calls.values():
        weighted += isinstance(same[0][0], (nn.Conv2d, nn.Linear))
        layers.append(_layer(same, weighted))
    return layers


def _layer(calls: list[tuple[nn.Module, Any, Any]], number: int) -> Layer:
    """One layer from its (module, input, output) in each column. number: of layers with weights up to it."""
    module, given, output = calls[0]
    outputs = list(output) if isinstance(module, Cross) else [output for _, _, output in calls]
    name = next((name for kind, name in NAMES.items() if isinstance(module, kind)), type(module).__name__.lower())
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        name = f"{'conv' if isinstance(module, nn.Conv2d) else 'fc'}{number}"
    parameters = [parameter for each, _, _ in calls for parameter in each.parameters()]
    positions = outputs[0][0, 0].numel() if isinstance(module, nn.Conv2d) else 1  # at which a weight is used
    weights = sum(parameter.numel() for parameter in parameters if parameter.dim() > 1)
    own_windows = isinstance(module, MaxPoolTo) and not module.fits(given)  # of as many sizes as it takes
    return Layer(
        name,
        kernel=0 if own_windows else _side(getattr(module, "kernel_size", 0)),
        stride=1 if own_windows else _side(getattr(module, "stride", 1)),
        columns=len(outputs),
        shape=tuple(outputs[0].shape[1:]),
        parameters=sum(parameter.numel() for parameter in parameters),
        multiply_adds=weights * positions,
        output_bytes=0 if getattr(module, "inplace", False) else sum(map(_bytes, outputs)),
        crossed_bytes=module.bytes_sent(given) if isinstance(module, (Cross, Merge)) else 0,
    )


def _bytes(maps: Tensor) -> int:
    return maps.numel() * maps.element_size()


def _side(value: int | tuple[int, ...]) -> int:
    return value[0] if isinstance(value, tuple) else value
