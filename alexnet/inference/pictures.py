"""Makes the pictures of a trained network: images and texts on a sheet, saved as PNG and SVG with figures as JSON."""

import json
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from alexnet import disk
from alexnet.data.batches import Batches
from alexnet.data.image_files import ImageFiles
from alexnet.errors import Mistake, make_printable, shorten
from alexnet.inference.looks import Inspector, Remarks
from alexnet.inference.trained import Trained
from alexnet.messages.lines import measure
from alexnet.runs.seals import join_rows

ENDINGS = (".png", ".svg", ".json")
DPI = 200
RIGHT, WRONG = "#0072b2", "#d55e00"  # told apart by whoever sees no red or no green, too
GREY = "#666666"
LOOK: Any = {
    "font.size": 8,
    "text.parse_math": False,  # names may have dollar signs
    "svg.hashsalt": "alexnet",  # the same picture has the same bytes
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Picture:
    """A sheet, what is on it as plain values, and the lines that say the most of it."""

    sheet: "Sheet"
    figures: dict[str, Any]
    lines: Sequence[str]

    def save(self, stem: Path) -> None:
        """Writes STEM.png, STEM.svg and STEM.json: all of them, or none if it fails or is interrupted."""
        paths = list_files(stem)
        with ExitStack() as files:  # all are written before the first takes its place
            temporary = [files.enter_context(disk.replacing(path)) for path in paths]
            with hold_interrupts():
                self.sheet.figure.savefig(temporary[0], dpi=DPI)
                self.sheet.figure.savefig(temporary[1], dpi=DPI, metadata={"Date": None})
            temporary[2].write_text(join_rows(json.dumps(self.figures, indent=2, ensure_ascii=False)) + "\n", "utf-8")


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Ctrl-C takes effect at the end of the block: matplotlib would turn it into an error of its own."""
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


def list_files(stem: Path) -> list[Path]:
    return [stem.with_name(stem.name + ending) for ending in ENDINGS]


class Sheet:
    """A figure on which things are placed in inches from its top left."""

    def __init__(self, width: float, height: float):
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height))

    def place(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes there."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box, label=str(len(self.figure.axes)))

    def write(self, left: float, top: float, text: str, **look: Any) -> None:
        """A text whose top left is there."""
        place = (left / self.width, 1 - top / self.height)
        self.figure.text(*place, text, **{"ha": "left", "va": "top", **look})

    def show(self, left: float, top: float, side: float, pixels: np.ndarray, frame: str | None = None) -> Axes:
        """An image (H, W, C), uint8 or 0 to 1, `side` inches wide. frame: its colour, if it has one."""
        axes = self.place(left, top, side, side * pixels.shape[0] / pixels.shape[1])
        look: Any = {"vmin": 0, "vmax": 255 if pixels.dtype == np.uint8 else 1, "interpolation": "nearest"}
        axes.imshow(pixels[..., 0] if pixels.shape[2] == 1 else pixels, cmap="gray", aspect="auto", **look)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(visible=frame is not None, color=frame or "none", linewidth=1.6)
        return axes


def name(text: str, most: int = 16) -> str:
    """A class or a file as it may stand in a picture: anybody may have named it. Of a long one the start and the end.

    most: letters that fit; wide ones, such as Chinese, count twice.
    """
    text = make_printable(text)
    return shorten(text, next(kept for kept in range(most, 0, -1) if measure(shorten(text, kept)) <= most))


def name_files(paths: Sequence[str]) -> list[str]:
    """The files' names; those that several have with their folder: 'cat/1.png', 'dog/1.png'."""
    counts = Counter(Path(path).name for path in paths)
    return [
        Path(*Path(path).parts[-2:]).as_posix() if counts[Path(path).name] > 1 else Path(path).name for path in paths
    ]


def read_pixels(batches: Batches, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Those images of a split as they were decoded: (N, S, S, C) uint8."""
    some = batches.images[torch.tensor(list(indices), dtype=torch.int64)]
    decoded = some.decode_all() if isinstance(some, ImageFiles) else some
    return to_pixels(decoded)


def read_images(trained: Trained, paths: Sequence[str], invert: bool) -> Tensor:
    """Image files as the network's images are decoded: (N, channels, side, side) uint8. invert: dark becomes light.

    Says on stderr if they aren't such as the run learnt on. Raises Mistake for a file that can't be read.
    """
    images, (broken, seen) = trained.open_files(paths, invert, Inspector()).load()
    if broken:
        raise Mistake(broken[min(broken)])
    remarks = Remarks(trained.config["dataset"]["_target_"], trained.channels, invert)
    for number, path in enumerate(paths):
        remarks.see(path, seen[number])
    remarks.end()
    return images


def to_pixels(images: Tensor) -> np.ndarray:
    """Images (N, C, H, W) as matplotlib draws them: (N, H, W, C)."""
    return images.cpu().permute(0, 2, 3, 1).contiguous().numpy()
