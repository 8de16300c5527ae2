"""A network drawn as the paper's Figure 2: boxes in perspective for feature maps, bars for dense layers. No torch.

Lengths are in inches. A map's height and depth grow with its side, a box's width with its number of channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

INK, QUIET, CROSSING, KERNEL = "#2b2f36", "#8a919c", "#c2410c", "#0f766e"
FILLS = ("#dbe7f5", "#fdebd3")  # of the columns
SLANT = (0.42, 0.30)  # where a depth of one inch goes to on paper
GAP, SMALL, LARGE = 0.62, 7.5, 11  # between boxes; sizes of type in points


@dataclass(frozen=True)
class Stage:
    """A box or a bar in each column: what one convolution or dense layer gives."""

    name: str
    columns: int
    channels: int
    side: int = 0  # of its maps; 0 for a dense layer
    kernel: int = 0
    stride: int = 1
    share: float = 0  # of the maps' side before it, that a kernel covers
    pool: str = ""  # what follows
    crosses: bool = False  # whether each column sees all columns of the stage before

    @property
    def width(self) -> float:
        return 0.08 + 0.03 * self.channels**0.5 if self.side else 0.14

    @property
    def height(self) -> float:
        return 0.16 * self.side**0.5 if self.side else max(0.3, 0.028 * self.channels**0.5)

    @property
    def slant(self) -> tuple[float, float]:
        """What the depth adds to x and to y."""
        depth = self.height if self.side else 0.14
        return SLANT[0] * depth, SLANT[1] * depth

    @property
    def size(self) -> str:
        return f"{self.side}×{self.side}×{self.channels:,}" if self.side else f"{self.channels:,}"

    @property
    def caption(self) -> str:
        window = f"{self.kernel}×{self.kernel}" if self.kernel else ""
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        kind = window + stride if self.side else "dense"
        return "\n".join(filter(None, [kind if self.name != "image" else "", self.pool]))


def stages(layers: Sequence[Any], channels: int, size: int) -> list[Stage]:
    """The boxes to draw, the image first. layers: of alexnet.walk."""
    found, side, crosses = [Stage("image", 1, channels, size)], size, False
    for layer in layers:
        if layer.name in ("cross", "merge"):
            crosses = True
        elif layer.name.startswith(("conv", "fc")):
            window = {"side": layer.shape[-1], "kernel": layer.kernel, "stride": layer.stride} if layer.kernel else {}
            share = min(1, layer.kernel / side)
            found.append(Stage(layer.name, layer.columns, layer.shape[0], **window, share=share, crosses=crosses))
            crosses = False
        elif layer.name.endswith("pool"):
            window = f" {layer.kernel}/{layer.stride}" if layer.kernel else f" to {layer.shape[-1]}×{layer.shape[-1]}"
            found[-1] = replace(found[-1], pool=layer.name + window)
        side = layer.shape[-1]
    return found


class Box:
    """One stage in one column, its front's lower left corner at (x, y); fc8 belongs to the last column."""

    def __init__(self, stage: Stage, column: int, x: float, middle: float):
        self.stage, self.column, self.x = stage, column, x
        self.y = middle - (stage.height + stage.slant[1]) / 2

    def on_map(self, across: float, up: float) -> tuple[float, float]:
        """A point of the right face, which is a feature map: shares of its depth and its height."""
        (dx, dy), stage = self.stage.slant, self.stage
        return self.x + stage.width + across * dx, self.y + up * stage.height + across * dy

    def draw(self, axes) -> None:
        (dx, dy), width, height = self.stage.slant, self.stage.width, self.stage.height
        x, y = self.x, self.y
        fill = "#eceef1" if self.stage.name == "image" else FILLS[self.column]
        front = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        top = [(x, y + height), (x + width, y + height), (x + width + dx, y + height + dy), (x + dx, y + height + dy)]
        face = [self.on_map(0, 0), self.on_map(1, 0), self.on_map(1, 1), self.on_map(0, 1)]
        for corners, shade in ((front, 0.93), (top, 1.0), (face, 0.97)):
            colour = tuple(shade * part for part in to_rgb(fill))
            axes.add_patch(
                Polygon(corners, facecolor=colour, edgecolor=INK, linewidth=0.7, joinstyle="round", zorder=3)
            )
        place = {"ha": "center", "va": "top", "zorder": 6, "bbox": {"facecolor": "white", "linewidth": 0, "pad": 0.8}}
        axes.text(x + (width + dx) / 2, y - 0.07, self.stage.size, fontsize=SMALL, color=INK, **place)


def draw(paths: Sequence[Path], layers: Sequence[Any], image: tuple[int, int], name: str) -> None:
    """image: channels and side. layers: of alexnet.walk. A picture a path, of the kind that its name ends in."""
    picture = figure(layers, image, name)
    for path in paths:
        picture.savefig(path, dpi=200, facecolor="white")


def figure(layers: Sequence[Any], image: tuple[int, int], name: str) -> Figure:
    row = stages(layers, *image)
    columns = max(stage.columns for stage in row)
    tallest = max(stage.height + stage.slant[1] for stage in row if stage.columns == columns)
    apart = tallest + 0.55 if columns > 1 else 0
    boxes, x, right = [], 0.35, 0.35
    for stage in row:
        total = stage.width + stage.slant[0]
        room = max(total, 0.062 * max(map(len, [stage.size, *stage.caption.split("\n"), stage.name])))
        x = max(right + (room - total) / 2, x)
        middles = [((stage.columns - 1) / 2 - column) * apart for column in range(stage.columns)]
        first = columns - 1 if stage.name != "image" and stage.columns < columns else 0
        boxes.append([Box(stage, column, x, middle) for column, middle in enumerate(middles, first)])
        right = x + (total + room) / 2 + 0.12
        x += total + GAP
    ends = [(box.y, box.y + box.stage.height + box.stage.slant[1]) for some in boxes for box in some]
    low, high = min(end[0] for end in ends) - 0.32, max(end[1] for end in ends)
    width, bottom, top = max(right + 0.2, 5.5), low - 0.75, high + 0.85
    picture = Figure(figsize=(width, top - bottom))
    axes = picture.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(bottom, top))
    axes.axis("off")
    _write(axes, layers, boxes, name, low, top)
    for before, after in pairwise(boxes):
        for box in after:
            sources = [each for each in before if box.stage.crosses or len(before) == 1 or each.column == box.column]
            for source in sources:
                _connect(axes, source, box, crossing=len(before) > 1 and source.column != box.column)
    for some in boxes:
        for box in some:
            box.draw(axes)
    for before, after in pairwise(boxes):
        for box in before:
            if after[0].stage.share:
                _kernel(axes, box, after[0].stage.share)
    return picture


def _connect(axes, source: Box, target: Box, crossing: bool) -> None:
    """Lines from the kernel in the source to a unit of the target, or from all of it to a dense layer's ends."""
    style = {"color": CROSSING if crossing else QUIET, "linewidth": 0.8 if crossing else 0.6, "zorder": 4}
    if target.stage.side:
        low, high = (1 - target.stage.share) / 2, (1 + target.stage.share) / 2
        point = (target.x, target.y + target.stage.height / 2)
        for corner in ((low, low), (low, high), (high, low), (high, high)):
            axes.plot(*zip(source.on_map(*corner), point, strict=True), **style)
    else:
        for end in (0, 1):
            point = (target.x, target.y + end * target.stage.height)
            axes.plot(*zip(source.on_map(1, end), point, strict=True), **style)


def _kernel(axes, box: Box, share: float) -> None:
    low, high = (1 - share) / 2, (1 + share) / 2
    corners = [box.on_map(*corner) for corner in ((low, low), (high, low), (high, high), (low, high))]
    axes.add_patch(Polygon(corners, facecolor=KERNEL, edgecolor=KERNEL, alpha=0.55, linewidth=0.6, zorder=5))


def _write(axes, layers: Sequence[Any], boxes: Sequence[Sequence[Box]], name: str, low: float, top: float) -> None:
    """Title and legend at the top, a caption beneath each stage, the columns' names."""
    parameters, operations, crossed = (
        sum(getattr(layer, count) for layer in layers) for count in ("parameters", "multiply_adds", "crossed_bytes")
    )
    axes.text(0.3, top - 0.2, name, fontsize=LARGE, weight="bold", va="top", color=INK)
    line = f"{parameters:,} parameters, {operations / 1e6:,.0f} million multiply-adds an image"
    axes.text(0.3, top - 0.43, line, fontsize=SMALL + 1, va="top", color=INK)
    if crossed:
        line = f"between the columns: {crossed:,} bytes an image, and as many back for the gradients"
        axes.text(0.3, top - 0.61, line, fontsize=SMALL + 1, va="top", color=CROSSING)
    columns = len(boxes[1])
    for column in range(columns) if columns > 1 else []:
        place = axes.get_xlim()[1] - 0.35 - 0.8 * (columns - 1 - column), top - 0.22
        frame = {"facecolor": FILLS[column], "edgecolor": INK, "linewidth": 0.7, "pad": 3}
        axes.text(*place, f"column {column + 1}", fontsize=SMALL, ha="right", va="top", color=INK, bbox=frame)
    for some in boxes:
        stage, centre = some[0].stage, some[0].x + (some[0].stage.width + some[0].stage.slant[0]) / 2
        axes.text(centre, low, stage.name, fontsize=SMALL + 1, weight="bold", ha="center", va="top", color=INK)
        axes.text(
            centre, low - 0.18, stage.caption, fontsize=SMALL, ha="center", va="top", color=QUIET, linespacing=1.35
        )
