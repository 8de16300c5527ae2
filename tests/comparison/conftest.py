"""What the tests of comparisons share: the command, and a sweep to give it."""

import runpy
import sys
from collections import namedtuple

import pytest

from support.comparisons import FIRST, SCRIPT, SECOND
from support.run_folders import make

Ended = namedtuple("Ended", "status stdout stderr")


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """compare("sweep", "--json") runs the script in tmp_path and gives its exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def compare(*arguments):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
        status = 0
        try:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        except SystemExit as end:
            status = end.code
        return Ended(status, *capsys.readouterr())

    return compare


@pytest.fixture
def sweep(tmp_path):
    """Two learning rates with three seeds each."""
    runs = [
        (rate, seed, accuracy)
        for rate, accuracies in ((0.1, FIRST), (0.01, SECOND))
        for seed, accuracy in enumerate(accuracies)
    ]
    for number, (rate, seed, accuracy) in enumerate(runs):
        make(tmp_path / "sweep" / str(number), {"optimizer.lr": rate, "seed": seed}, accuracy)
    return tmp_path / "sweep"
