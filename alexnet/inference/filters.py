"""Shows conv1's kernels, a block for each column (the paper's Figure 3), and measures how colourful they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexnet.comparison.spread import Spread
from alexnet.errors import Mistake
from alexnet.inference.pictures import GREY, RIGHT, WRONG, Picture, Sheet, name
from alexnet.inference.trained import Trained
from alexnet.messages.console import translate
from alexnet.models.named_layers import find_layers

SPLITS = 2000  # random halves of a run's kernels
WIDTH = 6.4  # inches, of the kernels of a run


@dataclass(frozen=True)
class Kernels:
    """conv1 of one run. columns: the kernels of each, (K, C, H, W). colours: the colour share of each kernel, by
    column; nothing if the images have a single channel.
    """

    source: str
    seed: int
    columns: Sequence[Tensor]
    colours: Sequence[np.ndarray]

    @property
    def means(self) -> list[float]:
        """The mean colour share of each column."""
        return [float(each.mean()) for each in self.colours]


def measure_colour(kernels: Tensor) -> Tensor:
    """The colour share of each kernel, (K, C, H, W) to (K,): the share of its variance that isn't common to the
    channels, from 0 to 1.

    With w[c, x] the weight of channel c at place x, g[x] their mean over the channels and m the kernel's mean, it is
    sum (w[c, x] - g[x])^2 / sum (w[c, x] - m)^2. A kernel that is equal in all channels, so that it sees only light
    and dark, has 0, and so has one whose weights are all equal. One that sees only colours has 1. Independent random
    weights have 2/3 on average with three channels.
    """
    kernels = kernels.double()
    common = kernels.mean(1, keepdim=True)
    own = (kernels - common).square().sum((1, 2, 3))
    all_of_it = (kernels - kernels.mean((1, 2, 3), keepdim=True)).square().sum((1, 2, 3))
    return torch.where(all_of_it > 0, own / all_of_it, 0).clamp(0, 1)


def expect_difference(colours: Sequence[np.ndarray], seed: int = 0) -> tuple[float, float]:
    """What the difference of two columns would be if chance had dealt the same kernels out to them.

    The larger mean minus the smaller one, over SPLITS random deals: its mean, and the share of deals in which it is at
    least the columns' own.
    """
    pool, first = np.concatenate(colours), len(colours[0])
    generator = np.random.default_rng(seed)
    dealt = generator.permuted(np.tile(pool, (SPLITS, 1)), axis=1)
    differences = np.abs(dealt[:, :first].mean(1) - dealt[:, first:].mean(1))
    own = abs(colours[0].mean() - colours[1].mean())
    return float(differences.mean()), float((differences >= own - 1e-12).mean())


def show_filters(runs: Sequence[Trained]) -> Picture:
    """The kernels of one run, or of several that differ in their seed.

    Columns of different runs have no common order. So the more colourful column of each run is compared with its other
    one. That difference is above 0 by its definition; so it is given beside what chance would make of it.
    Raises Mistake if the runs have different layers, or are the same.
    """
    read = [_read(run) for run in runs]
    if len({tuple(column.shape for column in each.columns) for each in read}) > 1:
        raise Mistake("The runs have different first layers: give runs that differ in their seed only.")
    if len({run.weights_sha256 for run in runs}) < len(runs):
        raise Mistake("Two of the runs have the same weights, so they are one: give each run once.")
    figures = _describe(runs, read)
    return Picture(_draw(read, figures), figures, _say(figures))


def _read(run: Trained) -> Kernels:
    layer = find_layers(run.model)["conv1"]
    columns = [next(module.parameters()).detach().float().cpu() for module in layer.weighted]
    coloured = columns[0].shape[1] > 1
    colours = [measure_colour(column).numpy() for column in columns] if coloured else []
    return Kernels(run.source, run.config["seed"], columns, colours)


def _describe(runs: Sequence[Trained], read: Sequence[Kernels]) -> dict[str, Any]:
    rows = []
    for run, each in zip(runs, read, strict=True):
        row: dict[str, Any] = {"run": each.source, "seed": each.seed, "weights_sha256": run.weights_sha256}
        row |= {"kernels": [list(column.shape) for column in each.columns]}
        if each.colours:
            row |= {"colour": each.means, "colour_of_kernels": [column.tolist() for column in each.colours]}
        if len(each.colours) == 2:
            by_chance, share = expect_difference(each.colours)
            difference = max(each.means) - min(each.means)
            row |= {"more": max(each.means), "less": min(each.means), "difference": difference}
            row |= {"difference_by_chance": by_chance, "p": share, "beyond_chance": difference - by_chance}
        rows.append(row)
    figures: dict[str, Any] = {"what": "filters", "layer": "conv1", "runs": rows}
    for key in ("more", "less", "difference", "beyond_chance"):
        if key in rows[0]:
            figures[key] = vars(Spread.of([row[key] for row in rows], (-1, 1)) or {})
    if "colour" in rows[0] and len(rows[0]["colour"]) == 1:
        figures["colour"] = vars(Spread.of([row["colour"][0] for row in rows], (0, 1)) or {})
    return figures


def _say(figures: dict[str, Any]) -> list[str]:
    """The colour shares in a sentence or two."""
    rows = figures["runs"]
    if "colour" not in rows[0]:
        return [translate("The images have one channel, so the kernels have no colours.")]
    if "difference" not in figures:
        return [translate("Colour share of the kernels: {}.").format(_format(figures["colour"]))]
    more, less = figures["more"], figures["less"]
    lines = [
        translate("Colour share of the kernels: {} in the more colourful column, {} in the other.").format(
            _format(more), _format(less)
        ),
        translate("Difference beyond chance: {} points.").format(_format(figures["beyond_chance"], "")),
    ]
    if len(rows) == 1:
        text = translate("Dealt out by chance they would differ by {:.1f} points, as much as here in {:.1%} of deals.")
        lines[1] = text.format(100 * rows[0]["difference_by_chance"], rows[0]["p"])
    return lines


def _format(spread: dict[str, Any], unit: str = "%") -> str:
    """'41.2%', or with several runs '41.2% [39.0, 43.4]', the 95% interval."""
    if spread["low"] is None:
        return f"{100 * spread['mean']:.1f}{unit}"
    return f"{100 * spread['mean']:.1f}{unit} [{100 * spread['low']:.1f}, {100 * spread['high']:.1f}]"


def tile(kernels: Tensor, per_row: int, gap: int = 1) -> np.ndarray:
    """Kernels (K, C, H, W) on white, each scaled by its own range: an image (H', W', C)."""
    count, channels, height, width = kernels.shape
    low, high = kernels.amin((1, 2, 3), keepdim=True), kernels.amax((1, 2, 3), keepdim=True)
    scaled = torch.where(high > low, (kernels - low) / (high - low), 0.5)
    rows = ceil(count / per_row)
    image = np.ones((rows * (height + gap) - gap, per_row * (width + gap) - gap, channels), np.float32)
    for number, kernel in enumerate(scaled.permute(0, 2, 3, 1).numpy()):
        top, left = number // per_row * (height + gap), number % per_row * (width + gap)
        image[top : top + height, left : left + width] = kernel
    return image


def _draw(read: Sequence[Kernels], figures: dict[str, Any]) -> Sheet:
    """A row for each run, a block for each column; with several runs, the measure of all of them below."""
    columns, gap = len(read[0].columns), 0.2
    width = (WIDTH - (columns - 1) * gap) / columns
    blocks = [[tile(column, 16 // columns) for column in each.columns] for each in read]
    height = width * blocks[0][0].shape[0] / blocks[0][0].shape[1] + 0.4
    lines, compared = _say(figures), len(read) > 1 and bool(read[0].colours)
    end = 0.1 + len(read) * height
    below = end + (0.95 + 0.25 * len(read) if compared else 0)
    sheet = Sheet(WIDTH + 2 * gap, below + 0.17 * len(lines) + 0.1)
    for row, each in enumerate(read):
        for number, block in enumerate(blocks[row]):
            left, top = gap + number * (width + gap), 0.1 + row * height
            sheet.write(left, top, _name_block(each, number, len(read) > 1))
            sheet.show(left, top + 0.18, width, block)
    if compared:
        _draw_points(sheet, end, read)
    for number, line in enumerate(lines):
        sheet.write(gap, below + 0.17 * number, line)
    return sheet


def _name_block(each: Kernels, number: int, several: bool) -> str:
    parts = [translate("seed {}").format(each.seed)] if several else []
    parts += [translate("column {}").format(number + 1)] if len(each.columns) > 1 else []
    parts += [translate("{:.1f}% colour").format(100 * each.means[number])] if each.colours else []
    return ", ".join(parts) or name("conv1")


def _draw_points(sheet: Sheet, top: float, read: Sequence[Kernels]) -> None:
    """A line for each run between its columns' colour shares."""
    axes = sheet.place(0.9, top + 0.25, sheet.width - 1.2, 0.2 + 0.25 * len(read))
    for row, each in enumerate(read):
        low, high = 100 * min(each.means), 100 * max(each.means)
        axes.plot([low, high], [row, row], color=GREY, linewidth=1)
        (other,) = axes.plot(low, row, "o", color=RIGHT)
        if len(each.means) > 1:
            (more,) = axes.plot(high, row, "o", color=WRONG)
    if len(read[0].means) > 1:
        names = translate("more colourful column"), translate("the other")
        axes.legend((more, other), names, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=7)
    axes.set_yticks(range(len(read)), [translate("seed {}").format(each.seed) for each in read])
    axes.set_ylim(len(read) - 0.5, -0.5)
    axes.set_xlabel(translate("colour share of a column's kernels (%)"))
    axes.grid(axis="x", alpha=0.3)
