"""The colours of a training set: their mean and principal components (Krizhevsky et al. 2012, §4.1)."""

import logging

import torch
from torch import Tensor

from alexnet.data.dataset import Split

logger = logging.getLogger(__name__)

SAMPLE = 10_000  # images at most, evenly spaced: all of ImageNet would be 250 GB to read
CHUNK = 32  # images in memory at a time


def measure_colours(split: Split) -> dict[str, list]:
    """mean: (C,), of pixel values in [0, 1]. components: (C, C), a row each, largest first: a principal component of
    the colours (a unit vector) times its eigenvalue (the variance along it).

    Rounded to six decimals, so that they are the same on every machine. An image takes part once, however often
    training shows it.
    """
    count = len(split)
    some = torch.linspace(0, count - 1, min(count, SAMPLE), dtype=torch.float64).round().long()
    logger.info(f"Measuring the colours of {len(some)} of {count} training images.")
    pixels, sums, products = 0, 0.0, 0.0
    for indices in some.split(CHUNK):
        images = split.images[indices]
        images = images if isinstance(images, torch.Tensor) else images.decoded()
        values = images.transpose(0, 1).flatten(1).double()  # (C, pixels)
        # Whole numbers below 2**53, so exact, in whatever order they are added.
        pixels, sums, products = pixels + values.shape[1], sums + values.sum(1), products + values @ values.T
    mean = sums / pixels
    covariance = products / pixels - mean[:, None] * mean
    variances, components = principal_components(covariance / 255**2)
    return {"mean": _rounded(mean / 255), "components": _rounded(components * variances[:, None])}


def _rounded(values: torch.Tensor) -> list:
    return (values.round(decimals=6) + 0.0).tolist()  # no -0.0


def principal_components(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """The variances (D,) along them, largest first, and the components (D, D), unit vectors, a row each.

    covariance: (D, D) float64. The largest entry of each component is positive, so that they are the same on every
    machine.
    """
    variances, vectors = torch.linalg.eigh(covariance)  # ascending; vectors are columns
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return variances.flip(0), (vectors * largest.sign()).T.flip(0)
