"""hydra/sweeper=search: what a person may rely on when Optuna chooses the values."""

import sys

import hydra
import pytest
from conftest import ROOT

from alexnet import search
from alexnet.errors import Mistake
from alexnet.run import Run


@pytest.fixture
def searching():
    """The configuration of a search with these overrides."""

    def searching(*overrides):
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return hydra.compose("train", ["hydra/sweeper=search", *overrides], return_hydra_config=True)

    return searching


def test_a_search_keeps_its_study_and_goes_on(train, small, tmp_path):
    """A diverged trial is one of accuracy 0, no end; the same command with resume adds trials to the study."""
    optuna = pytest.importorskip("optuna", reason="pip install -e '.[search]'")
    command = ["-m", "hydra/sweeper=search", *small, "epochs=1", "dataset.validation=0.3", "optimizer.momentum=0.9"]
    first = train(*command, "optimizer.lr=choice(1e30)", "hydra.sweeper.trials=2", "hydra.sweep.dir=found")
    assert first.returncode == 1 and "0 of 2 ok" in first.stdout and "Traceback" not in first.stderr

    second = train(*command, "optimizer.lr=choice(1e30)", "hydra.sweeper.trials=1", "resume=found")
    assert "best of 3 trials" in second.stdout and "Traceback" not in second.stderr
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path}/found/study.db")
    assert [trial.number for trial in study.trials] == [0, 1, 2]
    for trial in study.trials:
        assert trial.value == 0 and Run(tmp_path / "found" / str(trial.number)).result()["status"] == "diverged"
        assert set(trial.params) == {"optimizer.lr", "optimizer.weight_decay", "batch_size"}
    assert len({trial.params["optimizer.weight_decay"] for trial in study.trials}) == 3


def test_a_search_needs_a_validation_split(train, tmp_path):
    pytest.importorskip("optuna", reason="pip install -e '.[search]'")
    done = train("-m", "hydra/sweeper=search", "dataset=digits")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "dataset.validation=0.1" in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_optuna_the_command_that_installs_it_is_told(searching, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(Mistake, match=r"pip install -e '\.\[search\]'"):
        search.extremes(searching("dataset.validation=0.1"))
