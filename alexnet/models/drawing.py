"""Draws a network as the paper's Figure 2: boxes in perspective for feature maps, bars for dense layers. No torch.

Lengths are in inches. A box's height and depth grow with the side of its maps, its width with the number of channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

if TYPE_CHECKING:
    from alexnet.models.layer_table import Layer

INK, QUIET, CROSSING, KERNEL = "#2b2f36", "#8a919c", "#c2410c", "#0f766e"
FILLS = ("#dbe7f5", "#fdebd3")  # of the columns
SLANT = (0.42, 0.30)  # how far right and up one inch of depth is drawn
GAP = 0.62  # between boxes
SMALL, LARGE = 7.5, 11  # font sizes in points


@dataclass(frozen=True)
class Stage:
    """The output of one convolution or dense layer: a box or a bar in each column."""

    name: str
    columns: int
    channels: int
    side: int = 0  # of its maps; 0 for a dense layer
    kernel: int = 0
    stride: int = 1
    share: float = 0  # of the side of the maps before it that a kernel covers
    pool: str = ""  # the pooling that follows, such as max-pool 3/2
    crosses: bool = False  # whether each column sees all columns of the stage before it

    @property
    def width(self) -> float:
        return 0.08 + 0.03 * self.channels**0.5 if self.side else 0.14

    @property
    def height(self) -> float:
        return 0.16 * self.side**0.5 if self.side else max(0.3, 0.028 * self.channels**0.5)

    @property
    def slant(self) -> tuple[float, float]:
        """How far the depth reaches to the right and up."""
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


def list_stages(layers: Sequence["Layer"], channels: int, size: int) -> list[Stage]:
    """The stages to draw, the image first."""
    stages, side, crosses = [Stage("image", 1, channels, size)], size, False
    for layer in layers:
        if layer.name in ("cross", "merge"):
            crosses = True
        elif layer.name.startswith("conv"):
            share = min(1, layer.kernel / side)
            maps = layer.shape[-1], layer.kernel, layer.stride
            stages.append(Stage(layer.name, layer.columns, layer.shape[0], *maps, share, crosses=crosses))
            crosses = False
        elif layer.name.startswith("fc"):
            stages.append(Stage(layer.name, layer.columns, layer.shape[0], crosses=crosses))
            crosses = False
        elif layer.name.endswith("pool"):
            window = f"{layer.kernel}/{layer.stride}" if layer.kernel else f"to {layer.shape[-1]}×{layer.shape[-1]}"
            stages[-1] = replace(stages[-1], pool=f"{layer.name} {window}")
        side = layer.shape[-1]
    return stages


class Box:
    """One stage in one column. (x, y) is the lower left corner of its front. fc8 belongs to the last column."""

    def __init__(self, stage: Stage, column: int, x: float, middle: float):
        self.stage, self.column, self.x = stage, column, x
        self.y = middle - (stage.height + stage.slant[1]) / 2

    def find_point(self, across: float, up: float) -> tuple[float, float]:
        """A point on the right face, which is a feature map. across, up: shares of its depth and its height."""
        (dx, dy), stage = self.stage.slant, self.stage
        return self.x + stage.width + across * dx, self.y + up * stage.height + across * dy

    def draw(self, axes: Axes) -> None:
        (dx, dy), width, height = self.stage.slant, self.stage.width, self.stage.height
        x, y = self.x, self.y
        fill = "#eceef1" if self.stage.name == "image" else FILLS[self.column]
        front = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        top = [(x, y + height), (x + width, y + height), (x + width + dx, y + height + dy), (x + dx, y + height + dy)]
        face = [self.find_point(0, 0), self.find_point(1, 0), self.find_point(1, 1), self.find_point(0, 1)]
        for corners, shade in ((front, 0.93), (top, 1.0), (face, 0.97)):
            colour = tuple(shade * part for part in to_rgb(fill))
            axes.add_patch(
                Polygon(corners, facecolor=colour, edgecolor=INK, linewidth=0.7, joinstyle="round", zorder=3)
            )
        frame = {"facecolor": "white", "linewidth": 0, "pad": 0.8}
        place = x + (width + dx) / 2, y - 0.07
        axes.text(*place, self.stage.size, fontsize=SMALL, color=INK, ha="center", va="top", zorder=6, bbox=frame)


def draw(paths: Sequence[Path], layers: Sequence["Layer"], image: tuple[int, int], name: str) -> None:
    """Writes the picture to each path, in the format of the path's ending. image: channels and side."""
    picture = make_figure(layers, image, name)
    for path in paths:
        picture.savefig(path, dpi=200, facecolor="white")


def make_figure(layers: Sequence["Layer"], image: tuple[int, int], name: str) -> Figure:
    """image: channels and side. name: the title."""
    boxes, right = _place_boxes(list_stages(layers, *image))
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
                _draw_kernel(axes, box, after[0].stage.share)
    return picture


def _place_boxes(stages: Sequence[Stage]) -> tuple[list[list[Box]], float]:
    """The boxes of each stage, one per column, and the right end of the last stage."""
    columns = max(stage.columns for stage in stages)
    tallest = max(stage.height + stage.slant[1] for stage in stages if stage.columns == columns)
    apart = tallest + 0.55 if columns > 1 else 0
    boxes, x, right = [], 0.35, 0.35
    for stage in stages:
        total = stage.width + stage.slant[0]
        longest = max(map(len, [stage.size, *stage.caption.split("\n"), stage.name]))
        room = max(total, 0.062 * longest)  # a letter takes 0.062 inches
        x = max(right + (room - total) / 2, x)
        middles = [((stage.columns - 1) / 2 - column) * apart for column in range(stage.columns)]
        first = columns - 1 if stage.name != "image" and stage.columns < columns else 0
        boxes.append([Box(stage, column, x, middle) for column, middle in enumerate(middles, first)])
        right = x + (total + room) / 2 + 0.12
        x += total + GAP
    return boxes, right


def _connect(axes: Axes, source: Box, target: Box, crossing: bool) -> None:
    """Draws lines from the kernel on the source to a unit of the target, or to both ends of a dense layer."""
    if target.stage.side:
        low, high = (1 - target.stage.share) / 2, (1 + target.stage.share) / 2
        unit = target.x, target.y + target.stage.height / 2
        corners = [(low, low), (low, high), (high, low), (high, high)]
        lines = [(source.find_point(*corner), unit) for corner in corners]
    else:
        lines = [(source.find_point(1, end), (target.x, target.y + end * target.stage.height)) for end in (0, 1)]
    colour, width = (CROSSING, 0.8) if crossing else (QUIET, 0.6)
    for start, end in lines:
        axes.plot(*zip(start, end, strict=True), color=colour, linewidth=width, zorder=4)


def _draw_kernel(axes: Axes, box: Box, share: float) -> None:
    low, high = (1 - share) / 2, (1 + share) / 2
    corners = [box.find_point(*corner) for corner in ((low, low), (high, low), (high, high), (low, high))]
    axes.add_patch(Polygon(corners, facecolor=KERNEL, edgecolor=KERNEL, alpha=0.55, linewidth=0.6, zorder=5))


def _write(
    axes: Axes, layers: Sequence["Layer"], boxes: Sequence[Sequence[Box]], name: str, low: float, top: float
) -> None:
    """Writes the title and the names of the columns at the top, and a caption below each stage."""
    parameters = sum(layer.parameters for layer in layers)
    operations = sum(layer.multiply_adds for layer in layers)
    crossed = sum(layer.crossed_bytes for layer in layers)
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
