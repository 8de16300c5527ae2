"""A recipe is compared with the tutorial by what both took, in turns."""

import json
import re
import sys

import pytest

import recipe
from support.programs import ROOT, run_script


@pytest.fixture
def measure(tmp_path):
    """measure("experiment=sprint", ...) gives the finished process."""
    return lambda *given: run_script([sys.executable, str(ROOT / "benchmarks" / "recipe.py"), *given], tmp_path)


def test_means_and_ratios_are_those_of_the_pairs():
    trainings = [{"accuracy": 0.76, "seconds": 100.0}, {"accuracy": 0.80, "seconds": 120.0}]
    said = recipe.as_text(trainings, [11_000.0, 12_000.0])
    # Student's t for one degree of freedom is 12.706, times 0.02; it ends at 100%
    assert "accuracy: 78.00% (95% interval 52.59% to 100.00%), 2 seeds" in said
    assert "seconds: 110.0; the tutorial's 30 epochs: 11,500, 105 times as many (pairs: 100 to 110)" in said


@pytest.mark.thorough
@pytest.mark.slow
def test_each_training_has_a_turn_of_the_tutorial_before_it(measure, tmp_path):
    small = ["dataset=digits", "model=cuda_convnet", "epochs=1", "device.threads=1"]
    done = measure(*small, "--seeds", "2", "--seconds", "0.2")
    assert done.returncode == 0, done.stderr
    for seed in (0, 1):
        (result,) = tmp_path.glob(f"outputs/*/*/{seed}/result.json")
        found = re.search(rf"seed {seed}: ([\d.]+)% in ([\d.]+) s; the tutorial: ([\d.]+) images/s", done.stdout)
        assert found is not None
        assert float(found[1]) == pytest.approx(100 * json.loads(result.read_text())["test_accuracy"], abs=0.006)
    assert "2 seeds" in done.stdout


def test_a_mistake_is_one_sentence_before_anything_runs(measure, tmp_path):
    done = measure("experiment=sprint", "epochs=0")
    assert done.returncode == 2 and "epochs=0: expected a whole number, 1 or more" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "outputs").exists()
