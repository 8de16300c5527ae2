"""track.py as a command: mistakes, folders that strangers wrote, --follow."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from alexnet.runs.folder import Run
from alexnet.tracking.event_files import encode
from alexnet.tracking.snapshot import identify, take
from alexnet.tracking.trackers import TRACKERS
from support.programs import ROOT
from support.servers import wait_for
from support.tracked import Life, track

TENSORBOARD = ("--to", "tensorboard")


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_package_that_is_missing_is_named_with_its_command(refused, tmp_path, monkeypatch, tracker):
    Life(tmp_path / "run")
    monkeypatch.setattr("alexnet.tracking.trackers.find_spec", lambda name: None)
    status, err = refused("run", "--to", tracker)
    assert status == 2 and f"pip install -e '.[{tracker}]'" in err


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["empty", *TENSORBOARD], "There is no readable run in empty: "),
        (["nowhere", *TENSORBOARD], "nowhere: there is no such folder."),
        (["empty", *TENSORBOARD, "--server", "x"], "--server isn't for --to tensorboard: only for --to mlflow."),
        (["empty", "--to", "mlflow", "--into", "x"], "--into isn't for --to mlflow: only for --to tensorboard and "),
    ],
)
def test_a_mistake_is_one_sentence(refused, tmp_path, arguments, expected):
    (tmp_path / "empty").mkdir()
    status, err = refused(*arguments)
    assert status == 2 and expected in err


def test_an_unknown_tracker_is_answered_with_the_nearest(monkeypatch, capsys):
    status, _, err = track(monkeypatch, capsys, "outputs", "--to", "tensorbord")
    assert status == 2 and "did you mean tensorboard?" in err


def test_what_a_stranger_wrote_is_left_out_in_a_sentence_and_the_others_are_sent(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    Life(tmp_path / "day" / "good")
    hostile = {
        "config.yaml": "a: &a [*a]\n",
        "result.json": '{"status": ["finished"]}',
        "losses.csv": "step,loss\n1,\x1b]0;owned\x07\n",
        "epochs.csv": "epoch,step,loss\n1,1e300,2\n",
        "environment.json": "[" * 900,
    }
    for number, (name, content) in enumerate(hostile.items()):
        (Life(tmp_path / "day" / name, id=str(number) * 32).folder / name).write_text(content)
    new = Life(tmp_path / "day" / "new", id="8" * 32)
    new.write(0, 0, None)
    (new.folder / "environment.json").unlink()
    half = Life(tmp_path / "day" / "half of a character", id="9" * 32)
    (half.folder / "result.json").write_text('{"status": "failed", "reason": "\\ud800", "\\udfff": 1}')
    status, out, err = track(monkeypatch, capsys, "day", *TENSORBOARD)
    assert (status, out) == (0, "Sent: 2 new, 0 updated, 0 unchanged.\n")
    lines = err.splitlines()
    assert len(lines) == len(hostile) + 1 and all(line.startswith("left out: ") for line in lines)
    assert "\x1b" not in err and "left out: day/new hasn't begun to train." in lines


def test_a_folder_that_cannot_be_written_to_is_left_out_with_the_way_out(refused, tmp_path, monkeypatch):
    Life(tmp_path / "run")

    def fail(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("alexnet.tracking.event_files.os.open", fail)
    status, err = refused("run", *TENSORBOARD)
    assert status == 1 and "Give another place for event files with --into DIR." in err


@pytest.mark.slow
def test_follow_sends_rows_and_new_runs_within_seconds_until_ctrl_c(tmp_path):
    """With a resume in between; a half-written row is no row."""
    (tmp_path / "outputs").mkdir()
    command = [sys.executable, str(ROOT / "scripts" / "track.py"), "outputs", *TENSORBOARD, "--follow"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:

        def is_sent(life):
            files, run = sorted(life.folder.glob("*tfevents*")), Run(life.folder)
            return files and files[-1].read_bytes() == encode(take(run, identify(run)))

        try:
            lives = []
            for number in range(2):
                life = Life(tmp_path / "outputs" / str(number), id=str(number) * 32)
                lives.append(life)
                for state in ((5, 1, None), (6, 1, None)):
                    life.write(*state)
                    with open(life.folder / "losses.csv", "a") as file:
                        file.write("1,")
                    wait_for(lambda life=life: is_sent(life))
                life.write(8, 2, starts=2, faster=2)
                wait_for(lambda: all(map(is_sent, lives)))
            os.kill(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()  # else a failure above would wait for it forever
    assert (process.returncode, err) == (130, "stopped by SIGINT\n")
    assert out.splitlines()[0] == "Following until Ctrl-C."
    assert out.count("outputs/0: finished") == out.count("outputs/1: finished") == 1
