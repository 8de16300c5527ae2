"""How decoded images are prepared for the network: the options. No torch: the checks of a configuration read them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

VIEWS = (1, 2, 10)  # of an image, that a test averages over: see augment.take_views
FLIPS = (False, True, "alternate")  # never, half of the images at random, each image in every other epoch


@dataclass(frozen=True)
class Preparation:
    """The options of conf/dataset/*.yaml that are the same for every source, by their names there.

    mean, std: of pixel values in [0, 1], for all channels or one for each. crop: pixels of padding around images that
    are cropped. flip: one of FLIPS. views: of each test image, one of VIEWS; None in training, which takes one crop at
    a random place. Only training uses the rest.
    """

    mean: float | Sequence[float] = 0.5
    std: float | Sequence[float] = 0.5
    crop: int = 0
    flip: bool | str = False
    cutout: int = 0
    progressive: Sequence[int] = ()
    colour: float = 0
    components: Sequence[Sequence[float]] | None = None
    views: int | None = None

    def for_training(self) -> "Preparation":
        return replace(self, views=None)

    def for_validation(self) -> "Preparation":
        """The centre of each image, and nothing random."""
        return Preparation(self.mean, self.std, views=1)

    def for_test(self) -> "Preparation":
        """The views of each image, and nothing random.

        Their padding is half of training's, because few of training's crops were at the corners. Held-out images
        confirmed this choice.
        """
        return Preparation(self.mean, self.std, crop=(self.crop + 1) // 2, views=self.views or 1)


# The keys of conf/dataset/*.yaml that a source itself doesn't take: its images' preparation, and which are used.
KEYS_OF_ANY_SOURCE = (*(field.name for field in fields(Preparation)), "validation", "share", "only")
