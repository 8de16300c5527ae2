"""Finds a network's layers by the paper's names: conv1, conv2, ..., fc8."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from alexnet.errors import Mistake, nearest
from alexnet.models.columns import Columns
from alexnet.models.limits import refuse_layer

ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.GELU)


@dataclass
class NamedLayer:
    """A layer with weights, in all its columns.

    weighted: the convolution, or the matrix, of each column. activations: what follows it in each, such as a ReLU; none
    after the last layer. others: what else lies between this layer's weights and the next one's, such as batch
    normalisation; dropout is the next one's.
    """

    name: str
    weighted: Sequence[nn.Module]
    activations: Sequence[nn.Module] = ()
    others: list[nn.Module] = field(default_factory=list)


def find_layers(network: nn.Module) -> dict[str, NamedLayer]:
    """The network's layers by name, in order."""
    layers: dict[str, NamedLayer] = {}
    layer, dropouts = None, list[nn.Module]()
    for modules in group_columns(network).values():
        first = modules[0]
        if isinstance(first, (nn.Conv2d, nn.Linear)):
            kind = "conv" if isinstance(first, nn.Conv2d) else "fc"
            layer = NamedLayer(f"{kind}{len(layers) + 1}", modules, others=dropouts)
            layers[layer.name], dropouts = layer, []
        elif isinstance(first, nn.Dropout):
            dropouts = [*dropouts, *modules]
        elif layer is not None and isinstance(first, ACTIVATIONS) and not layer.activations:
            layer.activations = modules
        elif layer is not None:
            layer.others.extend(modules)
    return layers


def group_columns(network: nn.Module) -> dict[str, list[nn.Module]]:
    """The innermost modules by their names; the same one of all columns is under a name without the column's number."""
    prefixes = [f"{name}." for name, module in network.named_modules() if isinstance(module, Columns)]
    groups: dict[str, list[nn.Module]] = {}
    for name, module in network.named_modules():
        if not list(module.children()):
            for prefix in prefixes:
                if name.startswith(prefix):
                    name = f"{prefix}*.{name.removeprefix(prefix).partition('.')[2]}"
            groups.setdefault(name, []).append(module)
    return groups


def choose_layer(layers: dict[str, NamedLayer], name: str) -> NamedLayer:
    """The layer of that name, as a person types it: FC7 is fc7. Raises Mistake, with the nearest name, for none."""
    typed = name.strip().lower()
    if not typed:
        raise Mistake(f"A layer is missing{nearest(typed, list(layers))}")
    if typed not in layers:
        raise refuse_layer(name.strip(), list(layers))
    return layers[typed]


def choose_layers(layers: dict[str, NamedLayer], names: str) -> list[str]:
    """The layers' names, each once. names: as typed, with commas between. Raises Mistake like `choose_layer`."""
    return list(dict.fromkeys(choose_layer(layers, name).name for name in names.split(",")))


@contextmanager
def record_outputs(layers: Sequence[NamedLayer], before_activation: bool = False) -> Iterator[list[list[Tensor]]]:
    """Within this context, records what the layers give: after their activation, and before dropout.

    before_activation: what their activation is given. Yields a list that after each forward pass holds, for each layer,
    the output of each column, (B, C, H, W) or (B, units); `join` makes one of them. Nothing overwrites them later.
    With gradients on they are part of the graph.
    """
    recorded: list[list[Tensor]] = [[] for _ in layers]
    hooks = []
    for layer, outputs in zip(layers, recorded, strict=True):
        before = before_activation and len(layer.activations) > 0
        for column, module in enumerate(layer.activations or layer.weighted):
            record = partial(_record, outputs, column)
            hooks.append(
                module.register_forward_pre_hook(lambda _, given, record=record: record(given[0]))
                if before
                else module.register_forward_hook(lambda _, given, output, record=record: record(output))
            )
    try:
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()


def _record(outputs: list[Tensor], column: int, output: Tensor) -> Tensor:
    """Keeps a column's output. Returns a copy of it, for layers that overwrite what they are given."""
    outputs[column:] = [output]
    return output.clone()


def join(outputs: Sequence[Tensor]) -> Tensor:
    """The outputs of all columns as one, on the last column's device: (B, columns * C, ...)."""
    return torch.cat([each.to(outputs[-1].device) for each in outputs], 1)
