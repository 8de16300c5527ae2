"""What a trained network takes for an image: paths, PIL images, arrays and tensors."""

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from alexnet.data.decoding import fit
from alexnet.errors import Mistake

EXPECTED = "expected a path, a PIL image, an array or a tensor"
AnImage = str | PathLike[str] | Image.Image | np.ndarray | Tensor


def list_images(images: Any) -> Sequence[AnImage]:
    """One image as a list of it. An array or a tensor with four dimensions has several.

    Raises Mistake for what is neither an image nor several.
    """
    single = isinstance(images, (str, PathLike, Image.Image)) or (
        isinstance(images, (np.ndarray, Tensor)) and images.ndim != 4
    )
    if not single and not isinstance(images, Iterable):
        raise Mistake(f"{images!r:.200} is no image: {EXPECTED}, or several of them.")
    return [images] if single else list(images)


def as_pil_image(image: Any) -> Image.Image:
    """Raises Mistake if it is no image of one or three channels with uint8 pixels."""
    if isinstance(image, Image.Image):
        if 0 in image.size:
            raise Mistake(f"A PIL image of {image.width} x {image.height} pixels is no image.")
        return image
    given = image
    if isinstance(image, Tensor):
        image = image.detach().cpu().numpy()
        if image.ndim == 3:
            image = image.transpose(1, 2, 0)
    if not isinstance(image, np.ndarray):
        raise Mistake(f"{type(image).__name__} is no image: {EXPECTED}.")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.dtype != np.uint8 or image.size == 0 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise Mistake(
            f"{image.dtype} of shape {tuple(given.shape)} is no image: expected uint8 from 0 to 255, an array (H, W) "
            f"or (H, W, 3), or a tensor (1, H, W) or (3, H, W)."
        )
    return Image.fromarray(image)


def fit_image(image: Image.Image, side: int, mode: str) -> Tensor:
    """The image as (C, side, side) uint8. Raises Mistake for pixels that can't be seen in 8 bits."""
    try:
        return fit(image, side, mode)
    except ValueError as error:
        raise Mistake(f"A PIL image of mode {image.mode} is no image to the network: {error}.") from error
