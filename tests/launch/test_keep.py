"""keep=all|weights|none: what remains of a run's checkpoints, and what can still be done with it."""

import json

import pytest

from alexnet.errors import Mistake
from alexnet.launch.evaluate import evaluate
from alexnet.launch.resume import resume
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training.job import execute
from alexnet.training.pruning import prune


def list_checkpoints(run):
    return sorted(path.name for path in run.checkpoints.glob("*"))


@pytest.mark.parametrize("validation, name", [(0, "last.pt"), (0.25, "best.pt")])
def test_weights_alone_are_evaluated_but_never_trained_further(trained, capsys, validation, name):
    """They are the weights that were tested. The optimizer's state, as large as they are, is gone."""
    run = trained("keep=weights", f"dataset.validation={validation}")
    assert list_checkpoints(run) == [name]
    assert set(checkpoints.load(run.checkpoints, name[:-3])) == {"model", "epoch", "folder"}
    assert evaluate(str(run.folder), []) == 0
    with pytest.raises(Mistake, match=r"kept only its weights .*reproduce.py \S+ epochs=3"):
        resume(str(run.folder), ["epochs=3"])
    (run.folder / "result.json").unlink()
    if validation:
        with pytest.raises(Mistake, match="--from-start"):
            resume(str(run.folder), [])
    else:
        assert resume(str(run.folder), []) == 2
        assert "--from-start" in capsys.readouterr().err
    assert list_checkpoints(run) == [name]
    assert resume(str(run.folder), [], from_start=True) == 0


def test_without_any_checkpoint_a_run_has_all_its_figures(trained):
    run, whole = trained("keep=none"), trained(folder="whole")
    assert list_checkpoints(run) == [] and list_checkpoints(whole) == ["last.pt"]
    assert run.result()["weights_sha256"] == whole.result()["weights_sha256"]
    with pytest.raises(Mistake, match="kept no checkpoint"):
        resume(str(run.folder), ["epochs=3"])


class Killed(BaseException):
    """In place of SIGKILL: nothing catches it."""


def kill(*_):
    raise Killed


@pytest.mark.parametrize("keep, expected", [("weights", ["last.pt"]), ("none", [])])
def test_a_killed_run_loses_nothing_before_its_result_is_written(compose, small, tmp_path, monkeypatch, keep, expected):
    """Killed while it tests and, with its result written, at three moments of the pruning. Then it is resumed."""
    run, config = Run(tmp_path / "run"), compose(*small, "epochs=1", f"keep={keep}")
    run.folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("alexnet.training.result.compute_figures", kill)
        with pytest.raises(Killed):
            execute(config, run)
    assert run.result() is None
    whole = checkpoints.load_newest(run.checkpoints)
    assert "optimizer" in whole
    with monkeypatch.context() as patch:
        patch.setattr("alexnet.training.job.prune", kill)
        with pytest.raises(Killed):
            execute(config, run)
    assert run.result()["status"] == "finished" and list_checkpoints(run) == ["last.pt"]
    for place in ("_write", "sync", "os.replace") if keep == "weights" else ():
        with monkeypatch.context() as patch:
            patch.setattr(f"alexnet.runs.checkpoints.{place}", kill)
            with pytest.raises(Killed):
                resume(str(run.folder), [])
        assert hash_of(checkpoints.load_newest(run.checkpoints)) == hash_of(whole)
    assert resume(str(run.folder), []) == 0
    assert list_checkpoints(run) == expected


def hash_of(saved):
    return checkpoints._hash(saved["model"])


def test_a_full_disk_or_a_damaged_checkpoint_leaves_all(trained, monkeypatch, caplog):
    run = trained("keep=all")
    config = run.folder / "config.yaml"
    config.write_text(config.read_text().replace("keep: all", "keep: weights"))
    environment = run.environment()
    environment["config"]["keep"] = "weights"
    (run.folder / "environment.json").write_text(json.dumps(environment))
    before = (run.checkpoints / "last.pt").read_bytes()

    def fill(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("alexnet.runs.checkpoints.torch.save", fill)
        prune(run)
    assert "No space left" in caplog.text and (run.checkpoints / "last.pt").read_bytes() == before
    (run.checkpoints / "last.pt").write_bytes(before[:-100])
    prune(run)
    assert "can't be read" in caplog.text and list_checkpoints(run) == ["last.pt"]


def test_checkpoints_in_a_linked_folder_are_not_the_runs_to_delete(trained, tmp_path):
    run = trained("keep=none")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "last.pt").write_text("of somebody")
    run.checkpoints.rmdir()
    run.checkpoints.symlink_to(elsewhere)
    prune(run)
    assert (elsewhere / "last.pt").read_text() == "of somebody"
