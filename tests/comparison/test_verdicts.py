"""Differences are paired by seed, and none is claimed without an interval."""

import numpy as np
import pytest
from scipy import stats

from support.comparisons import FIRST, SECOND, parse_json
from support.run_folders import make


def test_shared_seeds_give_a_paired_difference_with_its_interval(compare, sweep):
    (difference,) = parse_json(compare("sweep", "--json"))["differences"]
    reference = stats.ttest_rel(FIRST, SECOND).confidence_interval(0.95)
    assert difference["seeds"] == [0, 1, 2] and difference["distinguishable"]
    assert difference["difference"]["mean"] == pytest.approx(np.mean(np.subtract(FIRST, SECOND)))
    interval = [difference["difference"]["low"], difference["difference"]["high"]]
    assert interval == pytest.approx(list(reference))
    low, high = (f"{100 * end:+.2f}" for end in reference)
    assert f"95% interval [{low}, {high}]: better with n=3." in compare("sweep").stdout


def test_an_interval_with_zero_in_it_is_not_distinguishable_with_the_real_n(compare, tmp_path):
    for rate, accuracies in ((0.1, (0.9, 0.8)), (0.01, (0.7, 0.9))):
        for seed, accuracy in enumerate(accuracies):
            make(tmp_path / f"{rate}-{seed}", {"optimizer.lr": rate, "seed": seed}, accuracy)
    assert "not distinguishable with n=2." in compare(".").stdout


def test_only_seeds_that_both_have_are_paired(compare, tmp_path):
    for rate, results in ((0.1, {0: 0.9, 1: 0.8, 7: 0.1}), (0.01, {0: 0.6, 1: 0.5, 5: 0.2})):
        for seed, accuracy in results.items():
            make(tmp_path / f"{rate}-{seed}", {"optimizer.lr": rate, "seed": seed}, accuracy)
    (difference,) = parse_json(compare(".", "--json"))["differences"]
    assert difference["seeds"] == [0, 1] and difference["difference"]["mean"] == pytest.approx(0.3)


def test_single_runs_claim_nothing(compare, tmp_path):
    make(tmp_path / "a", {"optimizer.lr": 0.1}, 0.9)
    assert "n=1: one run has no spread" in compare("a").stdout
    make(tmp_path / "b", {"optimizer.lr": 0.01}, 0.8)
    assert "with n=1 a difference can't be told from chance" in compare(".").stdout
    make(tmp_path / "c", {"optimizer.lr": 0.01, "seed": 5}, 0.8)
    make(tmp_path / "d", {"optimizer.lr": 0.01, "seed": 6}, 0.8)
    assert "they share no seed" in compare("a", "c", "d").stdout


def test_no_difference_of_accuracies_is_more_than_100_points(compare, tmp_path):
    """Two seeds, of which one gains nothing and one gains 0.4, would give -2.3 to 2.7."""
    for rate, accuracies in ((0.1, (0.9, 0.9)), (0.01, (0.9, 0.5))):
        for seed, accuracy in enumerate(accuracies):
            make(tmp_path / f"{rate}-{seed}", {"optimizer.lr": rate, "seed": seed}, accuracy, {"seconds": accuracy})
    assert "95% interval over all that can be: not distinguishable" in compare(".").stdout
    assert "95% interval [-2.741, +2.341]" in compare(".", "--metric", "seconds").stdout
