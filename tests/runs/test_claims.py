"""One program at a time has a claim on a folder, and one that lost its claim writes nothing more."""

import os
import random
import signal
import sys
import time

import pytest

from alexnet import disk
from alexnet.errors import Mistake
from alexnet.runs import claims
from alexnet.runs.claims import Watcher, is_released, list_claims
from alexnet.runs.folder import Run
from support.programs import FORKS

SILENT = 1.0
SLOW = pytest.mark.slow


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    monkeypatch.setattr(claims, "SILENT", SILENT)


def take_all(folders, seconds, barrier, won):
    """Takes what it can within so many seconds, and keeps it until the others have tried, too."""
    claims.SILENT = SILENT
    watcher, held = Watcher(), []
    for folder in folders:
        barrier.wait()
        ends = time.monotonic() + seconds
        while (claim := watcher.take(folder)) is None and time.monotonic() < ends:
            time.sleep(0.01)
        if claim is not None:
            held.append(claim.__enter__())
            won.put((folder.name, claim.number))
    barrier.wait()


@pytest.mark.parametrize(
    "before, seconds",
    [(None, 0), ("host 1 released", 0), pytest.param("host 1 17", 2, marks=SLOW), pytest.param("", 2, marks=SLOW)],
)
def test_of_eight_programs_that_want_a_folder_at_the_same_time_one_gets_it(tmp_path, before, seconds):
    """A new one, one that was released, one whose holder died at work or just as it had made its file."""
    folders = [tmp_path / str(number) for number in range(2 if seconds else 30)]
    for folder in folders:
        folder.mkdir()
        if before is not None:
            (folder / ".claim-1").write_text(before)
    barrier, won = FORKS.Barrier(8), FORKS.SimpleQueue()
    programs = [FORKS.Process(target=take_all, args=(folders, seconds, barrier, won)) for _ in range(8)]
    for program in programs:
        program.start()
    winners = [won.get() for _ in folders]
    for program in programs:
        program.join(30)
    assert won.empty() and sorted(winners) == sorted((folder.name, 1 if before is None else 2) for folder in folders)


def write_rows(folder):
    """Until it is stopped, or ends because it lost the claim."""
    claims.SILENT = SILENT
    sys.stderr = open(folder / "stderr", "w")  # noqa: SIM115
    with Watcher().take(folder) as claim:
        run = Run(folder, claim)
        for step in range(10**9):
            run.record_window({"step": step})


@SLOW
def test_a_program_that_was_suspended_writes_nothing_after_another_took_over(tmp_path):
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        program = FORKS.Process(target=write_rows, args=(folder,))
        program.start()
        while not (folder / "losses.csv").is_file():
            time.sleep(0.01)
        time.sleep(random.random() / 5)
        os.kill(program.pid, signal.SIGSTOP)
        watcher = Watcher()
        while (claim := watcher.take(folder)) is None:
            watcher.wait()
        with claim:
            before = (folder / "losses.csv").read_text()
            disk.replace_text(folder / "losses.csv", before)  # as Run.begin does
            os.kill(program.pid, signal.SIGCONT)
            program.join(20)
            assert program.exitcode == 1 and (folder / "losses.csv").read_text() == before
        assert f"was taken over by process {os.getpid()} on " in (folder / "stderr").read_text()


@SLOW
def test_a_program_that_is_alive_keeps_its_claim_and_is_told_to_one_that_comes_alone(tmp_path):
    with Watcher().take(tmp_path) as claim:
        watcher, ends = Watcher(), time.monotonic() + 2 * SILENT
        while time.monotonic() < ends:
            assert watcher.take(tmp_path) is None
            watcher.wait()
        with pytest.raises(Mistake, match=rf"trained by another process \(process {os.getpid()} on "):
            Run(tmp_path).exclusive().__enter__()
        with Run(tmp_path, claim).exclusive():
            pass
    assert is_released(tmp_path)


def test_a_program_that_comes_alone_takes_over_from_one_that_died(tmp_path):
    """So that the other one, if it was only suspended, notices. A folder that nobody ever claimed has no claims."""
    with Run(tmp_path).exclusive():
        assert not list_claims(tmp_path)
    (tmp_path / ".claim-7").write_text("elsewhere 12 34")
    run = Run(tmp_path)
    with run.exclusive():
        assert [each.number for each in list_claims(tmp_path)] == [7, 8] and not is_released(tmp_path)
    assert is_released(tmp_path)
    run.record_epoch({"epoch": 1})
    assert is_released(tmp_path)  # writing later is no sign of life


def test_a_lock_that_outlived_its_machine_stops_only_a_program_without_a_claim(tmp_path):
    with Run(tmp_path).exclusive():
        (tmp_path / ".claim-1").write_text("elsewhere 12 34")
        watcher = Watcher()
        while (claim := watcher.take(tmp_path)) is None:
            watcher.wait()
        with claim, Run(tmp_path, claim).exclusive():
            pass
        with pytest.raises(Mistake, match="another process"):
            Run(tmp_path).exclusive().__enter__()


def test_what_a_claim_says_is_shown_without_what_controls_a_terminal(tmp_path):
    (tmp_path / ".claim-1").write_text("ho\x1b[2Jst 12 34")
    assert str(list_claims(tmp_path)[0]) == "process 12 on ho\\x1b[2Jst"
