"""Draws predictions as Figure 4, left, of the paper: images, their true classes, and a bar for each likely class."""

from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from os.path import basename
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from alexnet.data.decoding import decode
from alexnet.data.photographs import MODES
from alexnet.errors import Mistake, make_printable, shorten
from alexnet.inference.looks import as_picture
from alexnet.inference.rows import About, Row, Totals
from alexnet.inference.trained import Trained
from alexnet.runs.plots import use_fonts

MOST, COLUMNS = 12, 4  # images that are drawn; in a row
WIDTH, LETTERS = 2.3, 26  # inches of an image; letters of a name that fit below it
BAR, RIGHT = "#b3c6e2", "#f0a0a5"  # as in the paper, the bar of the true class is red
TEXTS = {"en": "{} of {} images, evenly spaced", "zh": "{1} 张图像中均匀选取的 {0} 张"}


class Figure:
    """Takes the rows, keeps a few that are evenly spaced, and draws them at the end."""

    def __init__(self, about: About, images: int, trained: Trained, path: Path):
        """images: how many are to come. path: where the picture is written, in the format of its ending."""
        self.about, self.images, self.trained, self.path = about, images, trained, path
        self.chosen = set(np.linspace(0, images - 1, min(images, MOST)).round().astype(int).tolist())
        self.place, self.kept = 0, list[tuple[Row, Any]]()

    def add(self, rows: Sequence[Row]) -> None:
        for place, row in enumerate(rows, self.place):
            if place in self.chosen and row.top:
                with suppress(Mistake):  # of a file that has gone since it was predicted
                    image = decode(row.path, self.trained.side, mode=MODES[self.trained.channels])
                    self.kept.append((row, as_picture(255 - image if self.about.inverted else image)))
        self.place += len(rows)

    def end(self, totals: Totals) -> None:
        use_fonts()
        columns = max(1, min(COLUMNS, len(self.kept)))
        rows = max(1, ceil(len(self.kept) / columns))
        height = 1 + 0.17 * self.about.count
        figure = pyplot.figure(figsize=(WIDTH * columns, rows * (WIDTH + height) + 0.3), layout="constrained")
        grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[WIDTH, height - 0.5] * rows)
        for axes in grid.flat:
            axes.axis("off")
        for place, (row, image) in enumerate(self.kept):
            above, column = 2 * (place // columns), place % columns
            self._draw_image(grid[above, column], row, image)
            self._draw_bars(grid[above + 1, column], row)
        if len(self.kept) < self.images:
            language = self.trained.config["language"]
            text = TEXTS.get(language, TEXTS["en"]).format(f"{len(self.kept):,}", f"{self.images:,}")
            figure.supxlabel(text, fontsize=8, color="grey")
        figure.savefig(self.path, dpi=200)
        pyplot.close(figure)

    def _draw_image(self, axes: Axes, row: Row, image: Any) -> None:
        """The image as the network gets it, and its true class, or the file's name."""
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        known = row.truth is not None
        name = self.about.names[row.truth] if row.truth is not None else basename(row.path)
        axes.set_title(_shorten(name), y=-0.13, fontsize=10, color="black" if known else "grey", parse_math=False)

    def _draw_bars(self, axes: Axes, row: Row) -> None:
        for place, (number, probability) in enumerate(row.top):
            axes.barh(-place, probability, height=0.85, color=RIGHT if number == row.truth else BAR)
            axes.text(0.015, -place, _shorten(self.about.names[number]), va="center", fontsize=9, parse_math=False)
        axes.set_xlim(0, 1)
        axes.set_ylim(0.6 - self.about.count, 0.6)
        axes.plot([0, 0], [0.5, 0.5 - self.about.count], color="black", linewidth=1)


def _shorten(name: str) -> str:
    return shorten(make_printable(name), LETTERS)
