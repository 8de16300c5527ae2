"""Shows what a network is made of: its layers, as a table and as a picture."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from tabulate import tabulate

from alexnet.config import checks, options
from alexnet.config.combinations import check_size
from alexnet.config.compose import compose_config
from alexnet.data.facts import get_facts
from alexnet.errors import Mistake
from alexnet.models import limits


def summarise(overrides: Sequence[str], classes: int | None, channels: int | None, out: str | None) -> None:
    """Prints the table of the network that the overrides compose, and draws it as OUT.png and OUT.svg.

    classes, channels: for a dataset whose own aren't known before it is read. Raises Mistake if the configuration can't
    be composed, the network can't be built or the pictures can't be written.
    """
    config, name = _compose(overrides)
    facts, remark = _choose_facts(config, overrides, classes, channels)
    check_size(config, facts["size"])
    stem = Path(out or f"outputs/summary/{name}")
    stem = stem.with_suffix("") if stem.suffix in (".png", ".svg") else stem
    if not stem.name:
        raise Mistake(f"--out {out}: expected the path of a picture, such as --out network.png.")
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg")]
    # Importing matplotlib and torch takes seconds: an error in the command must not wait for that.
    from alexnet.models import drawing, layer_table
    from alexnet.training.build import build_weightless
    from alexnet.training.targets import refusing

    with refusing("model", config.model):
        layers = layer_table.list_layers(build_weightless(config, **facts), facts["channels"], facts["size"])
    size = f"{facts['channels']}x{facts['size']}x{facts['size']}"
    print(f"{name}: images of {size} in {facts['classes']:,} classes{remark}\n")
    print(layer_table.as_table(layers))
    print("\nFor one image, in float32. A layer without activation bytes overwrites its input.")
    if config.model.get("cross") and any(layer.columns > 1 for layer in layers):
        print(f"\n{_compare_crosses(config, facts)}")
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        drawing.draw(paths, layers, (facts["channels"], facts["size"]), name)
    except OSError as error:
        raise Mistake(f"{stem}.png can't be written: {error.strerror}. Give another place with --out PATH.") from error
    print(f"\nDrawn as {paths[0]} and {paths[1]}")


def _compose(overrides: Sequence[str]) -> tuple[DictConfig, str]:
    """The checked configuration, and the name of its model's file."""
    config, choices = compose_config(overrides)
    if OmegaConf.is_missing(config.dataset, "root"):
        config.dataset.root = "."  # no data is read
    checks.check(config)
    return config, choices.model


def _choose_facts(
    config: DictConfig, overrides: Sequence[str], classes: int | None, channels: int | None
) -> tuple[dict[str, int], str]:
    """The classes, channels and size to build the network for, and a remark on where they come from.

    They are those that the network was published for, if the overrides choose no dataset.
    """
    given = {"classes": classes, "channels": channels}
    for name, value in given.items():
        if value is not None and not 1 <= value <= 10**6:
            raise Mistake(f"--{name} {value}: expected a whole number from 1 to 1000000.")
    known = get_facts(config.dataset._target_)
    facts, remark = {"classes": known.classes, "channels": known.channels, "size": config.dataset.size}, ""
    published = limits.PUBLISHED.get(options.get_module_name(config.model))
    chosen = any(override.startswith(("dataset", "experiment")) for override in overrides)
    if published is not None and not chosen:
        facts, remark = dict(published), ", as published (for another dataset give dataset=NAME)"
    assumed = {name: value for name, value in (("classes", 1000), ("channels", 3)) if facts[name] is None}
    facts |= assumed | {name: value for name, value in given.items() if value is not None}
    missing = [f"--{name} N" for name in assumed if given[name] is None]
    if missing:
        remark = f", assumed (give {' and '.join(missing)})"
    return facts, remark


def _compare_crosses(config: DictConfig, facts: dict[str, int]) -> str:
    """A table of the bytes sent between the columns and of the parameters, for each choice of `cross`."""
    from alexnet.models.columns import count_bytes_crossed
    from alexnet.training.build import build_weightless

    rows = []
    for cross in limits.CROSS:
        other = config.copy()
        other.model.cross = cross
        network = build_weightless(other, **facts)
        crossed = count_bytes_crossed(network, facts["channels"], facts["size"])
        parameters = sum(parameter.numel() for parameter in network.parameters())
        rows.append([f"model.cross={cross}", f"{crossed:,}", f"{parameters:,}"])
    headers = ["between the columns, per image", "bytes", "parameters"]
    return tabulate(rows, headers, tablefmt="plain", colalign=["left", "right", "right"], disable_numparse=True)
