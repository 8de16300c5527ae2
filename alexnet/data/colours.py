"""Measures the colours of a training set: their mean and principal components (Krizhevsky et al. 2012, §4.1)."""

import logging

import torch
from torch import Tensor

from alexnet.data.dataset import Split
from alexnet.messages.console import progress, translate

logger = logging.getLogger(__name__)

SAMPLE = 10_000  # images at most, evenly spaced: all of ImageNet would be 250 GB to read
CHUNK = 32  # images in memory at a time


def measure_colours(split: Split) -> dict[str, list]:
    """mean: (C,), of pixel values in [0, 1]. components: (C, C), one a row, the largest first: a principal component of
    the colours (a unit vector) times its eigenvalue (the variance along it).

    They are rounded to six decimals, so that every machine finds the same. Each image counts once, however often
    training shows it.
    """
    count = len(split)
    some = torch.linspace(0, count - 1, min(count, SAMPLE), dtype=torch.float64).round().long()
    logger.info(translate("Measuring the colours of {:,} of {:,} training images.").format(len(some), count))
    pixels, sums, products = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    with progress("Measuring", len(some), "image") as advance:
        for indices in some.split(CHUNK):
            images = split.images[indices]
            images = images if isinstance(images, Tensor) else images.decode_all()
            values = images.transpose(0, 1).flatten(1).double()  # (C, pixels)
            # Whole numbers below 2**53: their sums are exact, in any order.
            pixels, sums, products = pixels + values.shape[1], sums + values.sum(1), products + values @ values.T
            advance(len(indices))
    mean = sums / pixels
    covariance = products / pixels - mean[:, None] * mean
    variances, components = principal_components(covariance / 255**2)
    return {"mean": _round(mean / 255), "components": _round(components * variances[:, None])}


def _round(values: Tensor) -> list:
    return (values.round(decimals=6) + 0.0).tolist()  # + 0.0 makes -0.0 a plain 0.0


def principal_components(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Variances (D,), the largest first, and the components (D, D) that have them: unit vectors, one a row.

    covariance: (D, D) float64. The largest entry of each component is positive, so that every machine finds the same.
    """
    variances, vectors = torch.linalg.eigh(covariance)  # ascending; vectors are columns
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return variances.flip(0), (vectors * largest.sign()).T.flip(0)
