"""What a run is resumed with, beyond its checkpoint."""

import pytest

from alexnet.runs.folder import Run
from alexnet.training.job import execute


@pytest.mark.parametrize("measured", ["dataset.mean=null", "+dataset.colour=0.1"])
def test_the_command_that_began_a_run_resumes_it_with_what_it_measured(compose, tmp_path, measured):
    """As a sweep that is resumed does. conf/dataset/digits.yaml has no `components`, and the run's config.yaml has."""
    given = ["dataset=digits", "dataset.share=0.1", "model=cuda_convnet", "batch_size=32", measured]
    run = Run(tmp_path)
    assert execute(compose(*given, "epochs=1"), run) == 0
    dataset = run.config()["dataset"]
    assert len(dataset["components"]) == 3
    assert execute(compose(*given, "epochs=2"), run) == 0
    assert run.config()["dataset"] == dataset and len(run.epochs()) == 2
