"""Principal components: the directions in which something varies most."""

import torch
from torch import Tensor


def principal_components(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """The variances (D,) along them, largest first, and the components (D, D), unit vectors, a row each.

    covariance: (D, D) float64. The largest entry of each component is positive, so that they are the same on every
    machine.
    """
    variances, vectors = torch.linalg.eigh(covariance)  # ascending; vectors are columns
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return variances.flip(0), (vectors * largest.sign()).T.flip(0)
