"""Draws predictions as Figure 4, left, of the paper: images, their true classes, and a bar for each likely class."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from math import ceil
from os.path import basename
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from alexnet.data.decoding import decode
from alexnet.data.photographs import MODES
from alexnet.errors import Mistake
from alexnet.inference.looks import as_picture
from alexnet.inference.pictures import name
from alexnet.inference.rows import About, Row, Totals
from alexnet.inference.trained import Trained
from alexnet.runs.plots import use_fonts

MOST, COLUMNS = 12, 4  # images that are drawn; in a row
MOST_KEPT = 8 * MOST  # rows to choose them from
WIDTH, LETTERS = 2.3, 26  # inches of an image; letters of a name that fit below it, wide ones counted twice
BAR, RIGHT = "#b3c6e2", "#f0a0a5"  # as in the paper, the bar of the true class is red
TEXTS = {"en": "{} of {} readable images, evenly spaced", "zh": "{1} 张可读图像中均匀选取的 {0} 张"}


class Figure:
    """Takes the rows, keeps a few that are evenly spaced, and draws them at the end."""

    def __init__(self, about: About, images: int, trained: Trained, path: Path):
        """images: how many are to come. path: where the picture is written, in the format of its ending."""
        self.about, self.images, self.trained, self.path = about, images, trained, path
        self.readable, self.every, self.kept = 0, 1, list[Row]()

    def add(self, rows: Sequence[Row]) -> None:
        """Keeps every n-th readable row. n doubles whenever they are many, as nobody knows how many are to come."""
        for row in rows:
            if not row.top:
                continue
            if self.readable % self.every == 0:
                self.kept.append(replace(row, thumbnail=b""))
            self.readable += 1
            if len(self.kept) > MOST_KEPT:
                self.kept, self.every = self.kept[::2], 2 * self.every

    def end(self, totals: Totals) -> None:
        use_fonts()
        kept = self._choose()
        columns = max(1, min(COLUMNS, len(kept)))
        rows = max(1, ceil(len(kept) / columns))
        height = 1 + 0.17 * self.about.count
        figure = pyplot.figure(figsize=(WIDTH * columns, rows * (WIDTH + height) + 0.3), layout="constrained")
        grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[WIDTH, height - 0.5] * rows)
        for axes in grid.flat:
            axes.axis("off")
        for place, (row, image) in enumerate(kept):
            above, column = 2 * (place // columns), place % columns
            self._draw_image(grid[above, column], row, image)
            self._draw_bars(grid[above + 1, column], row)
        if len(kept) < self.images:
            language = self.trained.config["language"]
            text = TEXTS.get(language, TEXTS["en"]).format(f"{len(kept):,}", f"{self.readable:,}")
            figure.supxlabel(text, fontsize=8, color="grey")
        figure.savefig(self.path, dpi=200)
        pyplot.close(figure)

    def _choose(self) -> list[tuple[Row, Any]]:
        """Up to MOST rows, evenly spaced, with their images as the network gets them."""
        chosen = []
        for place in np.linspace(0, len(self.kept) - 1, min(len(self.kept), MOST)).round().astype(int):
            row = self.kept[place]
            with suppress(Mistake):  # of a file that has gone since it was predicted
                image = decode(row.path, self.trained.side, mode=MODES[self.trained.channels])
                chosen.append((row, as_picture(255 - image if self.about.inverted else image)))
        return chosen

    def _draw_image(self, axes: Axes, row: Row, image: Any) -> None:
        """The image as the network gets it, and its true class, or the file's name."""
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        known = row.truth is not None
        named = self.about.names[row.truth] if row.truth is not None else basename(row.path)
        axes.set_title(name(named, LETTERS), y=-0.13, fontsize=10, color="black" if known else "grey", parse_math=False)

    def _draw_bars(self, axes: Axes, row: Row) -> None:
        for place, (number, probability) in enumerate(row.top):
            axes.barh(-place, probability, height=0.85, color=RIGHT if number == row.truth else BAR)
            axes.text(0.015, -place, name(self.about.names[number], LETTERS), va="center", fontsize=9, parse_math=False)
        axes.set_xlim(0, 1)
        axes.set_ylim(0.6 - self.about.count, 0.6)
        axes.plot([0, 0], [0.5, 0.5 - self.about.count], color="black", linewidth=1)
