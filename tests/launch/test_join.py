"""Several programs run the jobs of one sweep: each job once, and the sweep ends as one program's does."""

import os
import random
import signal
import sys
import time

import pytest

from alexnet.runs.claims import is_released, list_claims
from alexnet.runs.folder import Run
from support.programs import ROOT, run_script, start_script
from support.run_folders import table, without_times

JOINING = [sys.executable, str(ROOT / "tests" / "support" / "joining.py")]
SWEEP = ["dataset=digits", "dataset.share=0.5", "model=cuda_convnet", "batch_size=16", "checkpoint_minutes=0.001"]
FOUR = [*SWEEP, "log_every=5", "epochs=2", "optimizer.lr=0.02,0.01", "seed=0,1"]
BEGUN = """hydra:
  launcher: {_target_: hydra._internal.core_plugins.basic_launcher.BasicLauncher}
  sweeper: {_target_: hydra._internal.core_plugins.basic_sweeper.BasicSweeper, max_batch_size: null, params: null}
  sweep: {dir: begun, subdir: "${hydra.job.num}"}
  overrides: {task: [dataset=digits, "seed=0,1"], hydra: []}
"""
TWO = [*SWEEP, "log_every=5", "epochs=2", "optimizer.lr=0.02", "seed=0,1"]  # the first of them


@pytest.fixture
def join(tmp_path):
    """join("a", *FOUR) starts a program that joins in tmp_path/s, in a directory of its own; its process and files."""

    def join(name, *arguments):
        (tmp_path / name).mkdir(exist_ok=True)
        return start_script([*JOINING, "-m", *arguments, "join=../s"], tmp_path / name)

    return join


def wait_for(condition, seconds=100):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def find_holder(folder):
    """The number of the process that trains in the folder; None if nobody does."""
    claims = list_claims(folder) if folder.is_dir() else []
    held = claims and claims[-1].text and not claims[-1].is_released and (folder / "losses.csv").is_file()
    return int(claims[-1].text.split()[1]) if held else None


def end(started, status=0):
    process, (out, err) = started
    process.join(150)
    assert process.exitcode == status, err.read_text()
    assert "Traceback" not in out.read_text() + err.read_text()
    return out.read_text(), err.read_text()


def check_equal(sweep, whole, jobs):
    """So many jobs ended as those of `whole`: the same weights, and the same rows but for times, each there once."""
    assert sorted(path.name for path in sweep.iterdir() if path.is_dir()) == list(map(str, range(jobs)))
    for job in map(str, range(jobs)):
        mine, theirs = Run(sweep / job), Run(whole / job)
        assert mine.result()["weights_sha256"] == theirs.result()["weights_sha256"]
        assert without_times(mine.windows()) == without_times(theirs.windows())
        assert without_times(mine.epochs()) == without_times(theirs.epochs())
        assert mine.log.read_text().count("Training finished.") == 1
        assert is_released(mine.folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The sweep TWO by one program."""
    return train_whole(tmp_path_factory.mktemp("whole"), TWO)


def train_whole(folder, jobs):
    done = run_script([*JOINING, "-m", *jobs, "hydra.sweep.dir=s"], folder)
    assert done.returncode == 0, done.stderr
    return folder / "s"


@pytest.mark.thorough
@pytest.mark.slow
def test_of_four_programs_two_are_killed_and_each_job_is_trained_once(join, tmp_path):
    """The killed ones' jobs are resumed by others, and nobody trains what another one does."""
    (tmp_path / "whole").mkdir()
    whole = train_whole(tmp_path / "whole", FOUR)
    started = {name: join(name, *FOUR) for name in "abcd"}
    sweep, killed = tmp_path / "s", {}
    while len(killed) < 2:
        holders = {find_holder(sweep / str(number)): number for number in range(4)}
        for name in sorted(started.keys() - killed)[:1]:
            process = started[name][0]
            if process.pid in holders:
                time.sleep(random.random() / 2)
                process.kill()
                killed[name] = holders[process.pid]
        time.sleep(0.01)
    outs = [end(started[name])[0] for name in started.keys() - killed]
    assert [out.splitlines()[-1] for out in outs] == ["4 of 4 ok"] * 2
    check_equal(sweep, whole, jobs=4)
    assert without_times(table(sweep)) == without_times(table(whole))
    claims = [len(list_claims(sweep / str(number))) for number in range(4)]
    assert sum(claims) <= 4 + len(killed), claims
    print("killed:", killed, "claims on each job:", claims)


def begin(join, tmp_path, *arguments):
    """A program that is in the middle of the first of TWO jobs."""
    started = join("a", *TWO, *arguments)
    wait_for(lambda: find_holder(tmp_path / "s" / "0") == started[0].pid)
    return started


@pytest.mark.slow
def test_ctrl_c_saves_the_job_and_another_program_resumes_it_at_once(join, whole, tmp_path):
    started = begin(join, tmp_path)
    os.kill(started[0].pid, signal.SIGINT)
    _, err = end(started, 130)
    assert "To resume it: python " in err and "-m dataset=digits" in err and "join=../s" in err
    assert (tmp_path / "s" / "0" / "checkpoints" / "last.pt").is_file()
    out, _ = end(join("b", *TWO))
    assert "Waiting" not in out and "Resuming" in out and out.splitlines()[-1] == "2 of 2 ok"
    check_equal(tmp_path / "s", whole, jobs=2)


@pytest.mark.thorough
@pytest.mark.slow
def test_a_suspended_program_that_wakes_up_finds_its_job_taken_over_and_leaves_the_folder_alone(join, whole, tmp_path):
    started, folder = begin(join, tmp_path), tmp_path / "s" / "0"
    os.kill(started[0].pid, signal.SIGSTOP)
    out, _ = end(join("b", *TWO))
    assert out.splitlines()[-1] == "2 of 2 ok"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    os.kill(started[0].pid, signal.SIGCONT)
    _, err = end(started, 1)
    assert "because this program stood still" in err
    claim = folder / ".claim-1"  # its own, in which it may have given a last sign
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {**after, claim: b""} == {**before, claim: b""}
    check_equal(tmp_path / "s", whole, jobs=2)


@pytest.mark.thorough
@pytest.mark.slow
def test_when_all_programs_were_killed_resume_finishes_their_sweep(join, whole, tmp_path):
    started = begin(join, tmp_path)
    started[0].kill()
    done = run_script([*JOINING, "resume", "s"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 of 2 ok"
    check_equal(tmp_path / "s", whole, jobs=2)


@pytest.mark.thorough
@pytest.mark.slow
def test_a_sweep_that_one_program_began_is_joined_when_that_was_killed(join, whole, tmp_path):
    (tmp_path / "a").mkdir()
    process, _ = start_script([*JOINING, "-m", *TWO, "hydra.sweep.dir=../s"], tmp_path / "a")
    wait_for(lambda: (tmp_path / "s" / "0" / "losses.csv").is_file())
    process.kill()
    process.join()
    out, _ = end(join("b", *TWO))
    assert out.splitlines()[-1] == "2 of 2 ok"
    for job in "01":
        assert Run(tmp_path / "s" / job).result()["weights_sha256"] == Run(whole / job).result()["weights_sha256"]


@pytest.mark.slow
def test_a_job_that_failed_is_tried_again_by_resume_only(join, tmp_path):
    """No program that joins later does. What diverged is never tried again."""
    sweep = [*SWEEP, "epochs=1", "optimizer.lr=1e30,0.01"]
    out, _ = end(join("a", *sweep), 1)
    assert out.splitlines()[-1] == "1 of 2 ok"
    Run(tmp_path / "s" / "1").write_result({"status": "failed", "reason": "out of memory"})
    out, err = end(join("a", *sweep), 1)
    assert "job 1 of 2 (optimizer.lr=1e+30) is done: diverged" in out and out.splitlines()[-1] == "0 of 2 ok"
    assert err == "To try again what failed: python scripts/resume.py ../s\n"
    assert [len(list_claims(tmp_path / "s" / job)) for job in "01"] == [1, 1]
    done = run_script([*JOINING, "resume", "s"], tmp_path)
    assert done.returncode == 1 and done.stdout.splitlines()[-1] == "1 of 2 ok" and "is done: diverged" in done.stdout
    assert [len(list_claims(tmp_path / "s" / job)) for job in "01"] == [1, 2]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["join=s"], "join=s joins in a sweep, which several programs run: give -m, too"),
        (["-m", "seed=0,1", "join=s", "resume=s"], "leave out resume=s"),
        (["-m", "seed=0,1", "join=s,t"], "join=s,t: join says how to launch the whole sweep, so give one value"),
        (["-m", "seed=0,1", "join=file"], "expected the folder of a sweep, or a new one, and this is a file"),
        (["-m", "seed=0,1", "join=file/s"], "join=file/s can't be made a folder: Not a directory"),
        (["-m", "seed=0,1", "join=run"], "this one has config.yaml and no multirun.yaml"),
        (["-m", "seed=0,1", "join=s", "hydra/launcher=parallel"], "with hydra/launcher=parallel: a program that joins"),
        (["-m", "join=s", "hydra/sweeper=search", "dataset.validation=0.1"], "with hydra/sweeper=search: a program"),
        (["-m", "seed=0,1,2", "join=begun"], "join=begun: another command started that sweep; this one is without"),
        (["--join=s"], "--join=s: an option has no dashes: give join=s"),
    ],
)
def test_a_mistake_in_joining_is_one_sentence_and_makes_nothing(train, tmp_path, arguments, said):
    (tmp_path / "file").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "multirun.yaml").write_text(BEGUN)
    before = sorted(tmp_path.rglob("*"))
    done = train("dataset=digits", *arguments)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and said in done.stderr, done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_names_the_folder_that_is_to_be_joined(train, tmp_path):
    done = train("-m", "dataset=digits", "seed=0,1", "join=s", "dry_run=true")
    assert done.returncode == 0 and "2 jobs in s, " in done.stdout and not list(tmp_path.iterdir())
