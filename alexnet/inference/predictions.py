"""What a trained network sees in images, as Python gives it."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

from torch import Tensor

from alexnet.errors import Mistake


@dataclass(frozen=True)
class Predictions:
    """What a network sees in N images, of K classes.

    classes: the most probable one of each image. probabilities: (N, K) float32; known_classes: the names of the K.
    """

    classes: list[str]
    probabilities: Tensor
    known_classes: Sequence[str]

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, image: int) -> tuple[str, float]:
        """The most probable class of an image, and its probability."""
        return self.classes[image], float(self.probabilities[image].max())

    def top(self, count: int = 5) -> list[list[tuple[str, float]]]:
        """The `count` most probable classes of each image with their probabilities, the most probable first.

        count: 1 or more; of more than there are, all. Raises Mistake for anything else.
        """
        if not isinstance(count, Integral) or count < 1:
            raise Mistake(f"top({count!r}): expected how many classes of each image, 1 or more.")
        values, numbers = self.probabilities.topk(min(int(count), len(self.known_classes)))
        return [
            [(self.known_classes[number], value) for number, value in zip(*row, strict=True)]
            for row in zip(numbers.tolist(), values.tolist(), strict=True)
        ]
