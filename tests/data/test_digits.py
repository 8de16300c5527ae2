"""The digits are scikit-learn's."""

import torch
from sklearn.datasets import load_digits

from alexnet.data.digits import digits


def test_digits_are_scikit_learns():
    """All 1,797 are there once, as bright as the 8x8 originals."""
    data = digits(32)
    assert len(data.train) + len(data.test) == 1797 and len(data.test) == 360
    assert data.train.images.shape[1:] == (3, 32, 32)
    small = torch.nn.functional.avg_pool2d(torch.cat([data.train.images, data.test.images])[:, :1].float(), 4)
    means = small.flatten(1).mean(1).sort().values
    expected = torch.from_numpy(load_digits().images).flatten(1).mean(1).float().mul(255 / 16).sort().values
    torch.testing.assert_close(means, expected, atol=3, rtol=0.05)
