"""The commands and the code of notebooks/tour.ipynb run, and it shows what they give."""

import json
import re

import pytest

from support import notebook
from support.programs import ROOT

TOUR = json.loads(notebook.NOTEBOOK.read_text(encoding="utf-8"))
AGAIN = "PYTHONPATH=tests .venv/bin/python tests/support/notebook.py"


@pytest.mark.slow
def test_the_tour_runs_and_what_it_shows_is_of_today(tmp_path):
    """The outputs are of the same kinds, and their lines begin with the same words, as numbers differ by machine."""
    place = tmp_path / "notebooks"
    place.mkdir()
    for (cell, source), given in zip(notebook.read_cells(TOUR), notebook.run(TOUR, place), strict=True):
        assert describe(cell["outputs"]) == describe(given), f"{source}\n{AGAIN}"


def describe(outputs):
    return [
        (
            output["output_type"],
            sorted(output.get("data", {})),
            sorted({begin(line) for line in output.get("text", [])}),
        )
        for output in outputs
    ]


def begin(line):
    """The letters of a line up to its first number."""
    return re.split(r"\d", line.strip())[0].split(" ")[0]


def test_the_tour_is_stored_small_and_without_a_machines_paths():
    text = notebook.NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 500_000 and not re.search(r"/(home|tmp|root|work|Users)/", text)
    assert all(cell["outputs"] or "rm -rf" not in source for cell, source in notebook.read_cells(TOUR))
    pictures = [
        output
        for cell, _ in notebook.read_cells(TOUR)
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 4
    assert AGAIN in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
