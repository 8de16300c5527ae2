"""What a network is made of: its layers with shapes, parameters, multiply-adds and memory, as a table and a picture.

Nothing is computed and no data is read: an image without values goes through a network without weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from alexnet import checks, drawing, tables
from alexnet.build import weightless
from alexnet.errors import Failure, Mistake
from alexnet.launch import composed
from alexnet.models.columns import Columns, Cross, Merge, bytes_crossed
from alexnet.models.knobs import CROSS

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


def summarise(overrides: Sequence[str], classes: int | None, channels: int | None, out: str | None) -> None:
    """Prints the table of the network that the overrides compose, and draws it as OUT.png and OUT.svg.

    classes, channels: where they aren't known without the data. Raises Mistake for what can't be composed or built.
    """
    config, name = _configured(overrides)
    facts, assumed = _facts(config, overrides, classes, channels)
    layers = walk(weightless(config, **facts), facts["channels"], facts["size"])
    size = f"{facts['channels']}x{facts['size']}x{facts['size']}"
    print(f"{name}: images of {size} in {facts['classes']:,} classes{assumed}\n")
    print(table(layers))
    print("\nFor one image, in float32; a layer without activation bytes overwrites its input.")
    if config.model.get("cross") and any(layer.columns > 1 for layer in layers):
        print(f"\n{_crosses(config, facts)}")
    stem = Path(out or f"outputs/summary/{name}")
    stem = stem.with_suffix("") if stem.suffix in (".png", ".svg") else stem
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg")]
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        drawing.draw(paths, layers, (facts["channels"], facts["size"]), name)
    except OSError as error:
        raise Failure(f"{stem}.png can't be written: {error.strerror}. Give another place with --out PATH.") from error
    print(f"\nDrawn as {paths[0]} and {paths[1]}")


def _configured(overrides: Sequence[str]) -> tuple[DictConfig, str]:
    """The checked configuration, and the name of its model's file."""
    config, choices = composed(overrides)
    if OmegaConf.is_missing(config.dataset, "root"):
        config.dataset.root = "."  # no data is read
    checks.check(config)
    return config, choices.model


def _facts(
    config: DictConfig, overrides: Sequence[str], classes: int | None, channels: int | None
) -> tuple[dict[str, int], str]:
    """classes, channels and size to build the network for, and a remark on where they come from.

    A model says what it was published for; that counts where no dataset is chosen.
    """
    source, model = (get_object(config[group]._target_) for group in ("dataset", "model"))
    known = {name: getattr(source, name, None) for name in ("classes", "channels")}
    facts, remark = {**known, "size": config.dataset.size}, ""
    chosen = any(override.startswith(("dataset", "experiment")) for override in overrides)
    if not chosen and hasattr(model, "published"):
        facts, remark = dict(model.published), ", as published (for another dataset give dataset=NAME)"
    given = {"classes": classes, "channels": channels}
    for name, value in given.items():
        if value is not None and value < 1:
            raise Mistake(f"--{name} {value}: expected 1 or more.")
    assumed = {name: value for name, value in (("classes", 1000), ("channels", 3)) if facts[name] is None}
    facts |= assumed | {name: value for name, value in given.items() if value is not None}
    if open_ones := [f"--{name} N" for name in assumed if given[name] is None]:
        remark = f", assumed (give {' and '.join(open_ones)})"
    return facts, remark


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
    return Layer(
        name,
        kernel=_side(getattr(module, "kernel_size", 0)),
        stride=_side(getattr(module, "stride", 1)),
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


def table(layers: Sequence[Layer]) -> str:
    """A line a layer, and their sums."""
    counts = ("parameters", "multiply_adds", "output_bytes", "crossed_bytes")
    numbers = [[getattr(layer, count) for count in counts] for layer in layers]
    numbers.append([sum(column) for column in zip(*numbers, strict=True)])
    shown = 4 if numbers[-1][-1] else 3
    headers = ["parameters", "multiply-adds", "activation bytes", "bytes crossed"][:shown]
    cells = [headers, *([f"{number:,}" if number else "" for number in row[:shown]] for row in numbers)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in cells]
    left = [[_label(layer), _shape(layer)] for layer in layers]
    return tables.text(
        ["layer", "output", *right[0]], [[*a, *b] for a, b in zip([*left, ["all", ""]], right[1:], strict=True)]
    )


def _label(layer: Layer) -> str:
    if not layer.kernel:
        return layer.name
    stride = f", stride {layer.stride}" if layer.stride > 1 else ""
    return f"{layer.name} {layer.kernel}x{layer.kernel}{stride}"


def _shape(layer: Layer) -> str:
    return f"{layer.columns} of " * (layer.columns > 1) + "x".join(map(str, layer.shape))


def _crosses(config: DictConfig, facts: dict[str, int]) -> str:
    """What each choice of `cross` sends and weighs."""
    rows = []
    for cross in CROSS:
        other = OmegaConf.merge(config, {"model": {"cross": cross}})
        network = weightless(other, **facts)
        crossed = bytes_crossed(network, facts["channels"], facts["size"])
        parameters = sum(parameter.numel() for parameter in network.parameters())
        rows.append([f"model.cross={cross}", f"{crossed:>9,}", f"{parameters:>10,}"])
    return tables.text(["between the columns, for an image", "bytes", "parameters"], rows)
