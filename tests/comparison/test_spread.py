"""Intervals: against their formulas, written out."""

import pytest

from alexnet.comparison.spread import compute_share_interval


def test_the_interval_of_a_share_holds_at_its_ends():
    """38 of 100, by Wilson's formula written out; none and all of ten stay within 0 and 1 and aren't empty."""
    z, share, n = 1.959963984540054, 0.38, 100
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    assert compute_share_interval(38, n) == pytest.approx((centre - half, centre + half))
    assert compute_share_interval(0, 10)[0] == 0 < compute_share_interval(0, 10)[1] < 0.4
    assert compute_share_interval(10, 10)[1] == 1 > compute_share_interval(10, 10)[0] > 0.6
