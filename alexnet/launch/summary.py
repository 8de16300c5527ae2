"""What a network is made of: its layers, as a table and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from alexnet.comparison import tables
from alexnet.config import checks, options
from alexnet.config.compose import compose_config
from alexnet.data.facts import get_facts as known_facts
from alexnet.errors import Mistake
from alexnet.models import limits

if TYPE_CHECKING:
    from alexnet.models.layer_table import Layer


def summarise(overrides: Sequence[str], classes: int | None, channels: int | None, out: str | None) -> None:
    """Prints the table of the network that the overrides compose, and draws it as OUT.png and OUT.svg.

    classes, channels: where they aren't known without the data. Raises Mistake for what can't be composed or built.
    """
    config, name = _configured(overrides)
    facts, assumed = _facts(config, overrides, classes, channels)
    checks.check_size(config, facts["size"])
    stem = Path(out or f"outputs/summary/{name}")
    stem = stem.with_suffix("") if stem.suffix in (".png", ".svg") else stem
    if not stem.name:
        raise Mistake(f"--out {out}: expected the path of a picture, such as --out network.png.")
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg")]
    from alexnet.models import drawing  # matplotlib and torch take seconds to import: not for a typing error
    from alexnet.models.layer_table import walk
    from alexnet.training.build import build_weightless

    layers = walk(build_weightless(config, **facts), facts["channels"], facts["size"])
    size = f"{facts['channels']}x{facts['size']}x{facts['size']}"
    print(f"{name}: images of {size} in {facts['classes']:,} classes{assumed}\n")
    print(table(layers))
    print("\nFor one image, in float32; a layer without activation bytes overwrites its input.")
    if config.model.get("cross") and any(layer.columns > 1 for layer in layers):
        print(f"\n{_crosses(config, facts)}")
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        drawing.draw(paths, layers, (facts["channels"], facts["size"]), name)
    except OSError as error:
        raise Mistake(f"{stem}.png can't be written: {error.strerror}. Give another place with --out PATH.") from error
    print(f"\nDrawn as {paths[0]} and {paths[1]}")


def _configured(overrides: Sequence[str]) -> tuple[DictConfig, str]:
    """The checked configuration, and the name of its model's file."""
    config, choices = compose_config(overrides)
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
    published = limits.PUBLISHED.get(options.get_module_name(config.model))
    known = known_facts(config.dataset._target_)
    facts, remark = {"classes": known.classes, "channels": known.channels, "size": config.dataset.size}, ""
    chosen = any(override.startswith(("dataset", "experiment")) for override in overrides)
    if published and not chosen:
        facts, remark = dict(published), ", as published (for another dataset give dataset=NAME)"
    given = {"classes": classes, "channels": channels}
    for name, value in given.items():
        if value is not None and not 1 <= value <= 10**6:
            raise Mistake(f"--{name} {value}: expected a whole number from 1 to 1000000.")
    assumed = {name: value for name, value in (("classes", 1000), ("channels", 3)) if facts[name] is None}
    facts |= assumed | {name: value for name, value in given.items() if value is not None}
    if open_ones := [f"--{name} N" for name in assumed if given[name] is None]:
        remark = f", assumed (give {' and '.join(open_ones)})"
    return facts, remark


def table(layers: Sequence["Layer"]) -> str:
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


def _label(layer: "Layer") -> str:
    if not layer.kernel:
        return layer.name
    stride = f", stride {layer.stride}" if layer.stride > 1 else ""
    return f"{layer.name} {layer.kernel}x{layer.kernel}{stride}"


def _shape(layer: "Layer") -> str:
    return f"{layer.columns} of " * (layer.columns > 1) + "x".join(map(str, layer.shape))


def _crosses(config: DictConfig, facts: dict[str, int]) -> str:
    """What each choice of `cross` sends and weighs."""
    from alexnet.models.columns import count_bytes_crossed
    from alexnet.training.build import build_weightless

    rows = []
    for cross in limits.CROSS:
        other = OmegaConf.merge(config, {"model": {"cross": cross}})
        network = build_weightless(other, **facts)
        crossed = count_bytes_crossed(network, facts["channels"], facts["size"])
        parameters = sum(parameter.numel() for parameter in network.parameters())
        rows.append([f"model.cross={cross}", f"{crossed:>9,}", f"{parameters:>10,}"])
    return tables.text(["between the columns, for an image", "bytes", "parameters"], rows)
