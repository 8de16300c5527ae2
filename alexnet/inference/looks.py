"""Looks at the images that a network is given, as the network sees them: thumbnails, and whether it learnt on such."""

from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from typing import NamedTuple

from PIL import Image
from torch import Tensor

from alexnet.data.facts import get_facts
from alexnet.errors import make_printable
from alexnet.messages.console import warn

LIGHT = 0.4  # mean of the outermost pixels, from black 0 to white 1. The lightest of Fashion-MNIST's has 0.36
THUMBNAIL = 128  # pixels a side, on a page
COLOURED = 0.02  # mean difference of the largest and the smallest channel; a grey image has 0


class Look(NamedTuple):
    """border: mean of the outermost pixels, 0 to 1. colour: mean difference between channels. thumbnail: a file."""

    border: float
    colour: float
    thumbnail: bytes


@dataclass(frozen=True)
class Inspector:
    """Measures each image, and makes a thumbnail of it. side: the thumbnail's most pixels a side; 0: none is made."""

    side: int = 0

    def __call__(self, image: Tensor, coloured: Tensor) -> Look:
        """image: (C, S, S) uint8, as the network gets it. coloured: (3, S, S), as it is in the file."""
        edges = (image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1])
        border = sum(float(edge.float().mean()) for edge in edges) / len(edges) / 255
        colour = float((coloured.amax(0) - coloured.amin(0)).float().mean()) / 255
        return Look(border, colour, make_thumbnail(image, self.side) if self.side else b"")


def make_thumbnail(image: Tensor, side: int) -> bytes:
    """The image (C, S, S) uint8 as a PNG file if it is small, else as WebP of that many pixels a side."""
    picture, file = as_picture(image), BytesIO()
    if max(picture.size) <= side:
        picture.save(file, "PNG")
    else:
        picture.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2).save(file, "WEBP", quality=80)
    return file.getvalue()


def as_picture(image: Tensor) -> Image.Image:
    """(C, S, S) uint8 as a PIL image."""
    pixels = image.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(pixels[:, :, 0] if len(image) == 1 else pixels)


class Remarks:
    """Says on stderr that images aren't such as a run learnt on: of the first one at once, of how many at the end."""

    def __init__(self, source: str, channels: int, inverted: bool):
        """source: the function that loaded the run's data. channels: of the run's images."""
        self.light_on_black = get_facts(source).light_on_black
        self.grey = self.light_on_black or channels == 1
        self.channels, self.inverted, self.counts = channels, inverted, Counter[tuple[str, str]]()

    @property
    def needed(self) -> bool:
        """Whether there is anything to compare with."""
        return self.grey

    @property
    def learnt(self) -> str:
        return "grey images, light on black" if self.light_on_black else "grey images"

    def see(self, path: str, look: Look) -> None:
        """Compares an image with them."""
        if self.light_on_black and look.border > LIGHT:
            advice = "leave out --invert" if self.inverted else "--invert makes light what is dark"
            self._count("a light border", f"{path} has a light border ({look.border:.2f}; black 0, white 1)", advice)
        if self.grey and look.colour > COLOURED:
            advice = "the network has seen no colours" if self.channels == 3 else "it sees the photograph in grey"
            self._count("colours", f"{path} has colours", advice)

    def end(self) -> None:
        """Says how many there were, if they were several."""
        for (kind, advice), count in self.counts.items():
            if count > 1:
                warn("{}", f"{count:,} images have {kind}, and the run learnt on {self.learnt}: {advice}.")

    def _count(self, kind: str, fact: str, advice: str) -> None:
        if (kind, advice) not in self.counts:
            warn("{}", make_printable(f"{fact}, and the run learnt on {self.learnt}: {advice}."))
        self.counts[kind, advice] += 1
