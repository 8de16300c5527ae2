"""The folder: claimed by one run alone, readable at any moment, complete at the end."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
import torch
from omegaconf import OmegaConf

from alexnet.errors import Damaged, Mistake
from alexnet.runs import checkpoints
from alexnet.runs.claim import claim
from alexnet.runs.folder import Run
from alexnet.training.disk_use import estimate
from support.programs import ROOT, list_run_folders


def test_eight_runs_at_the_same_moment_get_eight_folders(tmp_path):
    """Processes that wait for one signal, then claim the same name."""
    wanted, go = tmp_path / "outputs" / "12-00-00", tmp_path / "go"
    program = (
        f"import pathlib, time; from alexnet.runs.claim import claim\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.001)\n"
        f"print(claim({str(wanted)!r}))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(8)
    ]
    go.touch()
    folders = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert len(set(folders)) == 8 and all(Path(folder).is_dir() for folder in folders)


def test_nothing_is_overwritten(train, small, tmp_path):
    """The same hydra.run.dir twice: the second run goes beside the first, which stays as it was."""
    for _ in range(2):
        assert train(*small, "epochs=1", "hydra.run.dir=outputs/mine/a").returncode == 0
    assert sorted(path.name for path in (tmp_path / "outputs" / "mine").iterdir()) == ["a", "a-2"]
    log = (tmp_path / "outputs" / "mine" / "a" / "train.log").read_text()
    assert log.count("Training finished.") == 1


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Mistake, match=r"hydra\.run\.dir=FOLDER"):
        claim(tmp_path / "file" / "outputs")


def test_losses_are_readable_by_pandas_after_every_row(tmp_path):
    run = Run(tmp_path)
    for step in range(1, 4):
        row = {
            "epoch": 1,
            "batch": step,
            "step": step,
            "loss": 1 / 3 + step,
            "accuracy": 0.5,
            "images_per_second": 10.0,
            "learning_rate": 1e-3,
        }
        run.record_window(row)
        frame = pandas.read_csv(tmp_path / "losses.csv")
        assert len(frame) == step
        assert frame.iloc[-1].to_dict() == pytest.approx(row, rel=1e-15)  # pandas 2 rounds the last digit otherwise
    assert [window["loss"] for window in run.windows()] == [1 / 3 + 1, 1 / 3 + 2, 1 / 3 + 3]


def test_a_checkpoint_that_fails_to_write_leaves_the_previous_one(tmp_path):
    run = Run(tmp_path)
    checkpoints.save(run.checkpoints, "last", {"model": torch.ones(3)})
    with pytest.raises(TypeError):
        checkpoints.save(run.checkpoints, "last", {"model": lambda: None})  # can't be saved
    assert torch.equal(checkpoints.load(run.checkpoints, "last")["model"], torch.ones(3))


def test_an_untrusted_checkpoint_runs_no_code(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    (tmp_path / "checkpoints").mkdir()
    torch.save({"model": Hostile()}, tmp_path / "checkpoints" / "last.pt")
    with pytest.raises(Exception, match=r"refused.*(posix|nt)\.mkdir"):
        checkpoints.load(Run(tmp_path).checkpoints, "last")
    assert not (tmp_path / "owned").exists()


def test_a_finished_run_is_all_there(train, small, tmp_path):
    """Every file that runs/folder.py lists, no larger than the disk was checked for, and what they must say."""
    done = train(*small, "dataset.validation=0.25")
    assert done.returncode == 0, done.stderr
    (finished,) = list_run_folders(tmp_path)
    names = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    assert names == {
        ".lock",
        ".hydra/config.yaml",
        ".hydra/hydra.yaml",
        ".hydra/overrides.yaml",
        "config.yaml",
        "environment.json",
        "train.log",
        "losses.csv",
        "epochs.csv",
        "alexnet_training_curve.png",
        "confusion_matrix.png",
        "checkpoints/last.pt",
        "checkpoints/best.pt",
        "result.json",
    }
    config = OmegaConf.load(finished / "config.yaml")
    size = sum(path.stat().st_size for path in finished.rglob("*") if path.is_file())
    assert abs(estimate(config).kept - size) < max(0.2 * size, 2 * 10**6)
    assert config.batch_size == 4 and config.dataset.root == str(tmp_path / "images")
    assert_result_and_environment(finished)
    assert_tables(finished)


def assert_result_and_environment(finished):
    """How the run ended, and what its numbers depend on."""
    result = json.loads((finished / "result.json").read_text())
    assert result["status"] == "finished" and result["test_images"] == 8
    assert sum(map(sum, result["confusion_matrix"])) == 8
    assert set(result["per_class_accuracy"]) == {"dark", "light"}
    for key in ("test_loss", "training_seconds", "test_seconds", "images_per_second", "seconds"):
        assert math.isfinite(result[key]) and result[key] > 0, key

    environment = json.loads((finished / "environment.json").read_text())
    assert environment["command"][1].endswith("train.py")
    assert environment["packages"]["torch"] == torch.__version__.split("+")[0]
    assert environment["threads"] >= 1 and environment["device"] in ("cpu", "cuda", "mps")
    assert len(environment["data_sha256"]) == 64
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True)
    assert environment["source"]["commit"] == (head.stdout.strip() if head.returncode == 0 else "no git")


def assert_tables(finished):
    """A row for each epoch, each window, and the rest of an epoch."""
    epochs = pandas.read_csv(finished / "epochs.csv")
    assert list(epochs["epoch"]) == [1, 2] and list(epochs["step"]) == [5, 10]
    assert epochs["validation_accuracy"].between(0, 1).all()
    windows = pandas.read_csv(finished / "losses.csv")
    assert list(windows["step"]) == [2, 4, 5, 7, 9, 10] and list(windows["batch"]) == [2, 4, 5] * 2


def test_a_run_that_was_stopped_before_it_began_needs_no_environment(tmp_path):
    """Without its environment, one that has begun is refused: nothing else tells whether its files belong together."""
    run = Run(tmp_path)
    run.write_config("epochs: 1\n")
    run.write_result({"status": "interrupted", "reason": "stopped by SIGINT"})
    assert run.config() == {"epochs": 1}
    run.record_window({"epoch": 1, "batch": 1, "step": 1})
    with pytest.raises(Damaged, match=r"environment\.json is missing"):
        run.config()
