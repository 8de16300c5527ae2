"""A finished run to resume."""

import pytest

from alexnet.runs.folder import Run
from alexnet.training.job import execute


@pytest.fixture
def trained(compose, small, tmp_path):
    """trained("schedule=cosine") gives a finished run of one epoch, of 6 steps."""

    def trained(*overrides, folder="run"):
        run = Run(tmp_path / folder)
        run.folder.mkdir()
        assert execute(compose(*small, "epochs=1", *overrides), run) == 0
        return run

    return trained
