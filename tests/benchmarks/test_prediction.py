"""The speed of predictions is compared with what the same device multiplies."""

import sys

import pytest

import prediction
from alexnet.config.compose import compose_config
from alexnet.inference.trained import load
from alexnet.runs.folder import Run
from alexnet.training.job import execute
from support.programs import ROOT, run_script


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    given = ["model=cuda_convnet", "dataset=digits", "epochs=1", "batch_size=32", "device=cpu", "device.threads=1"]
    assert execute(compose_config([*given, "device.precision=float32"])[0], run) == 0
    return run.folder


def test_images_are_counted_once_whatever_their_views(run, monkeypatch):
    monkeypatch.setattr(prediction, "IMAGES", 100)
    trained = load(run)
    forward = 2 * 32 * 32 * 75 * 32 + 2 * 16 * 16 * 800 * 32 + 2 * 8 * 8 * 800 * 64 + 2 * 1024 * 10
    for views in (1, 2):
        batches = trained.make_batches(trained.load_split()[0].test.images[:100], views)
        found = prediction.measure(trained, batches, turns=2, seconds=0.05)
        assert found["operations"] == views * forward
        assert len(found["speeds"]) == len(found["rates"]) == 2 and min(found["rates"]) > 1e9
        said = prediction.as_text(trained, batches, {**found, "speeds": [50.0, 60.0, 80.0], "rates": [1e9, 2e9, 1e9]})
        assert (
            f"images a batch: {32 // views}, views: {views}" in said and "predicted: 60 images/s, from 50 to 80" in said
        )
        shares = sorted(100 * views * forward * speed / rate for speed, rate in ((50, 1e9), (60, 2e9), (80, 1e9)))
        assert "reached: {1:.0f}%, from {0:.0f}% to {2:.0f}%".format(*shares) in said


def test_the_command_measures_a_run_and_a_mistake_is_one_sentence(run, tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "prediction.py")]
    done = run_script([*command, str(run), "--turns", "1", "--seconds", "0.1"], tmp_path)
    assert done.returncode == 0 and "predicted: " in done.stdout and "reached: " in done.stdout
    done = run_script([*command, str(tmp_path / "none")], tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr and str(tmp_path / "none") in done.stderr
