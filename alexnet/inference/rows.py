"""What is predicted, image by image: shown in a terminal, and written as CSV and JSON, a row as soon as it is known."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol

from alexnet.comparison.spread import compute_share_interval
from alexnet.errors import make_printable
from alexnet.messages.console import say
from alexnet.messages.lines import measure

LEAST = 40  # columns for classes beside a path; with less room they are below it
MOST = 12  # columns of a name, for which the names are aligned


@dataclass(frozen=True)
class About:
    """What all rows of a call share.

    weights: best or last; None, like epoch, for a file of weights. sha256: of the weights. classes: as the run names
    them. names: as people do. count: of the classes of each row. views: of each image.
    """

    source: str
    weights: str | None
    epoch: int | None
    sha256: str
    classes: Sequence[str]
    names: Sequence[str]
    count: int
    views: int
    inverted: bool

    @property
    def named(self) -> bool:
        """Whether people call the classes by other names."""
        return list(self.names) != list(self.classes)


@dataclass(frozen=True)
class Row:
    """What a network sees in an image.

    path: as it was given. top: the most probable classes by number, with their probabilities, the most probable first;
    none if the image is broken. truth: the class in whose folder it is; None if it is in none. broken: why it can't be
    read. thumbnail: an image file, if one was asked for.
    """

    path: str
    top: Sequence[tuple[int, float]]
    truth: int | None = None
    broken: str | None = None
    thumbnail: bytes = b""


class Totals:
    """Counts the rows. judged: the images in folders of classes; right: those of them that are taken for that class."""

    def __init__(self) -> None:
        self.images = self.broken = self.judged = self.right = 0

    def add(self, rows: Sequence[Row]) -> None:
        judged = [row for row in rows if row.top and row.truth is not None]
        self.images += len(rows)
        self.broken += sum(row.broken is not None for row in rows)
        self.judged += len(judged)
        self.right += sum(row.top[0][0] == row.truth for row in judged)

    @property
    def accuracy(self) -> float | None:
        """The share of the judged images that are right; None if there are none."""
        return self.right / self.judged if self.judged else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval of that share for other images of the same kind."""
        return compute_share_interval(self.right, self.judged) if self.judged else None

    def as_values(self) -> dict[str, Any]:
        """By name, unrounded."""
        judged = {"accuracy": self.accuracy, "accuracy_interval": self.interval, "accuracy_images": self.judged}
        return {"images": self.images, "broken": self.broken, **(judged if self.judged else {})}


class Writer(Protocol):
    """Takes the rows, a batch at a time."""

    def add(self, rows: Sequence[Row]) -> None: ...

    def end(self, totals: Totals) -> None: ...


class Lines:
    """Prints a line for each image, which is as wide as it needs to be if the output is no terminal."""

    def __init__(self, about: About, paths: Sequence[str], width: int | None):
        """paths: of all images to come. width: the terminal's columns; None if it is none."""
        self.about, self.width = about, width
        self.indent = max(measure(make_printable(path)) for path in paths) + 2
        if width is not None and self.indent + LEAST > width:
            self.indent = 0
        longest = max(measure(make_printable(name)) for name in about.names)
        self.name = longest if longest <= MOST else 0
        epoch = "" if about.epoch is None else f", {about.weights} weights, after epoch {about.epoch}"
        say("{}", make_printable(f"{about.source}{epoch}, SHA-256 {about.sha256[:12]}"))

    def add(self, rows: Sequence[Row]) -> None:
        say("{}", "\n".join(self._describe(row) if row.broken is None else row.broken for row in rows))

    def end(self, totals: Totals) -> None:
        if totals.broken:
            say("{}", f"{totals.broken:,} of {totals.images:,} images can't be read.")
        if totals.accuracy is not None and totals.interval is not None:
            low, high = (100 * limit for limit in totals.interval)
            others = totals.images - totals.broken - totals.judged
            none = f"; {others:,} in none" if others else ""
            of = f"{totals.right:,} of {totals.judged:,} images in class folders{none}"
            say("{}", f"accuracy {100 * totals.accuracy:.2f}% ({of}), 95% interval {low:.2f}% to {high:.2f}%")

    def _describe(self, row: Row) -> str:
        path, indent = make_printable(row.path), self.indent or 2
        lines = [] if self.indent == 0 else [path + " " * (indent - measure(path))]
        if self.indent == 0:
            lines = [path, " " * indent]
        for place, (number, probability) in enumerate(row.top):
            name = make_printable(self.about.names[number])
            cell = f"{100 * probability:5.1f}% {name}"
            if place and self.width is not None and measure(lines[-1]) + 2 + measure(cell) > self.width:
                lines.append(" " * indent)
                place = 0
            lines[-1] += ("  " + cell if place else cell) + " " * (self.name - measure(name))
        return "\n".join(line.rstrip() for line in lines)


class Csv:
    """Writes a table with a row for each image; numbers are unrounded."""

    def __init__(self, about: About, file: IO[str]):
        self.about, self.table = about, csv.writer(file, lineterminator="\n")
        parts = ("class", "name", "probability") if about.named else ("class", "probability")
        columns = [f"{part}_{place}" for place in range(1, about.count + 1) for part in parts]
        self.cells = len(columns)
        self.table.writerow(["path", "true_class", *columns, "weights_sha256", "error"])

    def add(self, rows: Sequence[Row]) -> None:
        self.table.writerows(map(self._list_cells, rows))

    def end(self, totals: Totals) -> None:
        pass

    def _list_cells(self, row: Row) -> list[Any]:
        about, cells = self.about, list[Any]()
        for number, probability in row.top:
            cells += [about.classes[number], *([about.names[number]] if about.named else []), probability]
        truth = "" if row.truth is None else about.classes[row.truth]
        padding = [""] * (self.cells - len(cells))
        return [row.path, truth, *cells, *padding, about.sha256, row.broken or ""]


class Json:
    """Writes one object: the network, the images, the totals. Characters beyond ASCII are escaped."""

    def __init__(self, about: About, file: IO[str]):
        self.about, self.file, self.separator = about, file, ""
        network = {"run": about.source, "weights": about.weights, "epoch": about.epoch, "weights_sha256": about.sha256}
        shown = {"views": about.views, "inverted": about.inverted}
        file.write(json.dumps({**network, **shown}, indent=1)[:-2] + ',\n "predictions": [')

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.file.write(f"{self.separator}\n  {json.dumps(self._as_values(row))}")
            self.separator = ","

    def end(self, totals: Totals) -> None:
        self.file.write("\n ],\n" + json.dumps(totals.as_values(), indent=1)[2:] + "\n")

    def _as_values(self, row: Row) -> dict[str, Any]:
        about = self.about
        top = [
            {
                "class": about.classes[number],
                **({"name": about.names[number]} if about.named else {}),
                "probability": value,
            }
            for number, value in row.top
        ]
        truth = {} if row.truth is None else {"true_class": about.classes[row.truth]}
        error = {} if row.broken is None else {"error": row.broken}
        return {"path": row.path, **truth, "top": top, "weights_sha256": about.sha256, **error}
