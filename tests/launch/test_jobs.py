"""A job sees the same alone, in a serial sweep, in a parallel one and on an engine of others."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
import yaml

from support.programs import ROOT, run_script

ENGINES = {"joblib": "hydra_plugins.hydra_joblib_launcher", "submitit_local": "hydra_plugins.hydra_submitit_launcher"}
COMMAND = [sys.executable, str(ROOT / "tests" / "support" / "recording.py"), "dataset=digits"]


@pytest.fixture
def record(tmp_path, monkeypatch):
    """record("sweep", "-m", ...) gives what was noted of the program and of each job; sweep: the folder's name."""
    monkeypatch.setenv("A_PERSONS_OWN", "kept")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # with GPUs each parallel job has its own
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests'}:{ROOT}")  # an engine's processes import the recorder

    def record(name, *arguments):
        noted = tmp_path / f"noted-{name}"
        noted.mkdir()
        mine = ["+hydra.callbacks.mine._target_=support.recording.Recorder", f"+hydra.callbacks.mine.folder={noted}"]
        folders = [f"hydra.sweep.dir={name}", f"hydra.run.dir={name}"]
        env_set = "+hydra.job.env_set={SET_FOR_JOBS: 'yes'}"
        command = [*COMMAND, *arguments, *mine, *folders, env_set]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0 and "Traceback" not in done.stdout + done.stderr, done.stderr
        texts = {path.stem: path.read_text().replace(name, "FOLDER") for path in noted.iterdir()}
        return {who: list(map(json.loads, text.splitlines())) for who, text in texts.items()}

    return record


def read_files(folder):
    """The first line that the job logged, without its time (an engine adds others), and what Hydra wrote of it."""
    log = re.sub(r"^\[.*?\]", "", (folder / "train.log").read_text(), flags=re.M)
    return [
        log.splitlines()[0],
        *((folder / ".hydra" / name).read_text() for name in ("config.yaml", "overrides.yaml")),
    ]


def without_launcher(text):
    """Hydra's settings of a job, without what says which launcher it is."""
    settings = yaml.safe_load(text)
    for place, name in ((settings, "launcher"), (settings["runtime"]["choices"], "hydra/launcher")):
        del place[name]
    settings["overrides"]["hydra"] = [each for each in settings["overrides"]["hydra"] if "launcher" not in each]
    return settings


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["parallel", *ENGINES])
def test_a_job_sees_the_same_in_a_serial_sweep_and_in_any_other(record, tmp_path, launcher):
    """Directory, environment, Hydra's singletons and settings, the hooks of a person's own callback, its files."""
    if launcher in ENGINES and find_spec(ENGINES[launcher]) is None:
        pytest.skip(f"{ENGINES[launcher]} isn't installed")
    given = ["-m", "seed=0,1", "device.threads=1"]
    serial, other = record("sweep-1", *given), record("sweep-2", *given, f"hydra/launcher={launcher}")
    assert [each["hook"] for each in serial["program"]] == ["on_multirun_start", "on_multirun_end"]
    assert other["program"] == serial["program"]
    for number in "01":
        for mine, theirs in zip(serial[number], other[number], strict=True):
            if mine["hook"] == "on_job_start":
                settings = [without_launcher(each.pop("hydra")) for each in (mine, theirs)]
                environments = [each.pop("environment") for each in (mine, theirs)]
                if launcher in ENGINES:  # it adds its own, has its own names for jobs, and its own program
                    theirs["arguments"] = mine["arguments"]
                    settings[1]["job"]["id"] = settings[0]["job"]["id"]
                    environments[1] = {name: environments[1].get(name) for name in environments[0]}
                assert settings[1] == settings[0] and environments[1] == environments[0]
                assert environments[0]["A_PERSONS_OWN"] == "kept" and environments[0]["SET_FOR_JOBS"] == "yes"
                assert mine["directory"] == str(tmp_path) and mine["version base"] == "1.3"
            assert mine["state"] == "of this sweep"
            assert theirs == mine
        assert [each["hook"] for each in serial[number]] == ["on_job_start", "on_job_end"]
        assert read_files(tmp_path / "sweep-1" / number) == read_files(tmp_path / "sweep-2" / number)


def test_a_job_alone_calls_every_hook_and_sees_what_it_sees_in_a_sweep(record):
    alone, swept = record("by-itself", "seed=1"), record("sweep-1", "-m", "seed=0,1")
    assert [each["hook"] for each in alone["program"]] == ["on_run_start", "on_run_end"]
    (started, ended), (began, finished) = alone["None"], swept["1"]
    for each in (started, began):
        del each["hydra"], each["state"]
    assert started == {**began, "handlers": started["handlers"], "arguments": started["arguments"]}
    assert ended == {**finished, "state": "no sweep"}


def test_a_callback_that_cannot_be_sent_to_another_process_is_told(tmp_path):
    added = "+hydra.callbacks.mine._target_=support.recording.Unsendable"
    done = run_script([*COMMAND, "-m", "seed=0,1", "hydra/launcher=parallel", added], tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "the callback Unsendable can't be sent to the process of a job" in done.stderr


@pytest.mark.parametrize("sweep", [[], ["-m"], ["-m", "hydra/launcher=parallel"]])
def test_a_job_in_a_directory_of_its_own_is_refused(train, tmp_path, sweep):
    """It would look for its data there, and decode it again."""
    done = train(*sweep, "dataset=digits", "hydra.job.chdir=true")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "hydra.job.chdir=True" in done.stderr
    assert not list(tmp_path.iterdir())
