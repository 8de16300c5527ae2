"""Whatever a stranger put into a folder: each command ends soon, in one sentence, and controls no terminal."""

import contextlib
import json
import os
import runpy
import shutil
import sqlite3
import sys
import time

import pytest
import yaml

from alexnet.errors import Damaged, Mistake
from alexnet.launch.search import open_study
from alexnet.launch.sweep_resume import rebuild_command
from alexnet.runs import checkpoints
from support.programs import ROOT
from support.run_folders import make

SAVED = ROOT / "tests" / "support" / "run_of_0_1_0"
ESCAPE = "\x1b]0;owned\x07\x9b31m\u202e\u2028"
CONTROLS = {*ESCAPE} - {*"]0;owned31m"}
CONFIG = (SAVED / "config.yaml").read_text(encoding="utf-8")
LOSSES = (SAVED / "losses.csv").read_text(encoding="utf-8")
QUOTED = json.dumps(ESCAPE)
REFUSED = {  # by every command that builds the run again
    "a long number": ("config.yaml", CONFIG.replace("seed: 0", f"seed: 0x{'f' * 20_000}")),
    "a list of pairs": ("config.yaml", f"{CONFIG}a: !!omap [b: 1]"),
    "many keys": ("config.yaml", CONFIG + "".join(f"k{number}: 1\n" for number in range(100_000))),
    "a long text": ("config.yaml", CONFIG.replace("relu", "r" * 1_000_000)),
    "a text of 20 MB": ("config.yaml", CONFIG.replace("relu", "r" * 20_000_000)),
    "a key": ("config.yaml", f"{CONFIG}{QUOTED}: 1"),
    "a key of a group": ("config.yaml", CONFIG.replace("  columns: 1", f"  {QUOTED}: 1")),
    "a value": ("config.yaml", CONFIG.replace("relu", QUOTED)),
    "a target": ("config.yaml", CONFIG.replace("torch.optim.SGD", QUOTED)),
    "levels": ("config.yaml", CONFIG.replace("relu", "{a: " * 40 + "1" + "}" * 40)),
    "a status that is no text": ("result.json", '{"status": ["finished"]}'),
    "levels in JSON": ("result.json", '{"status": "finished", "a": ' + "[" * 900 + "]" * 900 + "}"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(SAVED, tmp_path / "run")


@pytest.fixture
def script(monkeypatch, capsys):
    """script("resume", "run") gives the exit status and what was printed, after less than 10 seconds."""

    def script(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # train.py sets it, and later tests would show stack traces
        start, status = time.perf_counter(), 0
        try:
            runpy.run_path(str(ROOT / "scripts" / f"{name}.py"), run_name="__main__")
        except SystemExit as end:
            status = end.code
        assert time.perf_counter() - start < 10  # a fraction of a second on an idle machine, and minutes if unbounded
        printed = capsys.readouterr()
        assert not CONTROLS & {*printed.out, *printed.err}
        return status, printed.out, printed.err

    return script


@pytest.mark.parametrize("name", ["evaluate", "resume", "reproduce"])
@pytest.mark.parametrize("file, content", REFUSED.values(), ids=REFUSED.keys())
def test_a_hostile_file_is_one_short_sentence(folder, script, name, file, content):
    (folder / file).write_text(content, encoding="utf-8")
    status, out, err = script(name, folder)
    assert status == 2 and err.count("\n") == 1 and len(out + err) < 3000


@pytest.mark.parametrize("content", ["step,loss\n1,2\n", LOSSES.replace("0.", "x."), f"{ESCAPE},{LOSSES}"])
def test_a_damaged_table_is_told_before_the_run_is_reproduced(folder, script, tmp_path, content):
    (folder / "losses.csv").write_text(content, encoding="utf-8")
    status, _, err = script("reproduce", folder)
    assert status == 2 and "losses.csv can't be read: " in err
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("name", ["train.log", "losses.csv", "epochs.csv", ".lock"])
def test_a_run_is_resumed_neither_into_a_pipe_nor_into_a_file_elsewhere(folder, script, tmp_path, name):
    """The pipe would be waited for, and the other file would get the run's lines."""
    (tmp_path / "profile").write_text("mine")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert script("resume", folder, "epochs=3")[0] == 2
    (folder / name).unlink()
    (folder / name).symlink_to(tmp_path / "profile")
    assert script("resume", folder, "epochs=3")[0] == 2
    assert (tmp_path / "profile").read_text() == "mine"


def test_a_folder_that_cannot_be_written_to_is_one_sentence(folder, script, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    status, _, err = script("resume", folder, "epochs=3")
    assert status == 2 and "run can't be written to. Copy " in err


def test_a_checkpoint_that_is_a_pipe_is_not_waited_for(folder, tmp_path):
    for name in ("best", "last"):
        (folder / "checkpoints" / f"{name}.pt").unlink()
        os.mkfifo(folder / "checkpoints" / f"{name}.pt")
        with pytest.raises(Damaged, match=rf"{name}\.pt can't be read: it isn't a file"):
            checkpoints.load(folder / "checkpoints", name)


def test_a_folder_name_does_not_control_the_terminal(folder, script):
    status, out, _ = script("resume", folder.rename(folder.parent / ESCAPE))
    assert status == 0 and "\\x1b]0;owned" in out and "is finished, with epochs=2" in out


def write_sweep(folder, *overrides):
    plugins = {name: {"_target_": f"hydra.{name}"} for name in ("launcher", "sweeper", "sweep")}
    settings = {"hydra": {**plugins, "overrides": {"task": list(overrides), "hydra": []}}}
    (folder / "multirun.yaml").write_text(yaml.safe_dump(settings))


def test_overrides_that_control_the_terminal_are_not_used_from_a_sweep(tmp_path):
    write_sweep(tmp_path, "seed=0,1", f"dataset.root={ESCAPE}")
    with pytest.raises(Mistake, match="isn't used from a folder"):
        rebuild_command(str(tmp_path))


def test_a_sweep_of_a_billion_jobs_is_refused_at_once(tmp_path, script):
    status, _, err = script("train", "-m", "dry_run=true", "seed=range(1000000000)", "epochs=1,2")
    assert status == 2 and "this sweep has more than 10000 jobs" in err


def test_a_study_that_is_none_is_damaged(tmp_path):
    pytest.importorskip("optuna")
    (tmp_path / "study.db").write_bytes(b"no database" * 1000)
    os.mkfifo(tmp_path / "pipe.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "foreign.db")) as database:
        database.execute("CREATE TABLE studies (x)")
        database.commit()
    for name in ("study.db", "pipe.db", "foreign.db"):
        with pytest.raises(Damaged, match=rf"{name} can't be read: ") as damage:
            open_study(tmp_path / name)
        assert "SELECT" not in str(damage.value) and "http" not in str(damage.value) and len(str(damage.value)) < 500


def test_runs_deep_in_a_folder_do_not_stop_the_others(tmp_path, script, monkeypatch):
    """Python would end at about a thousand folders in one another."""
    make(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):
        os.mkdir("a")
        os.chdir("a")
    status, out, _ = script("compare", tmp_path)
    for _ in range(1500):  # pytest couldn't remove them either
        os.chdir("..")
        os.rmdir("a")
    assert status == 0 and "run" in out
