"""hydra/launcher=slurm without a Slurm: its words, and jobs that submitit runs on this machine."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from alexnet.launch import job_process, slurm
from alexnet.launch.launcher import Started
from alexnet.runs.folder import Run
from support.programs import ROOT, train_command

pytest.importorskip("submitit", reason="submitit isn't installed: pip install -e '.[slurm]'")
SLURM = ["hydra/launcher=slurm", "hydra.launcher.cpus=1", "hydra.sweep.dir=sweep"]


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """commands(squeue="echo ...") puts shell scripts in the place of Slurm's commands."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def commands(**scripts):
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(stat.S_IRWXU)

    return commands


@pytest.fixture
def job(tmp_path):
    """The configuration of a sweep's first job."""
    settings = {"job": {"num": 0}, "overrides": {"task": []}, "sweep": {"dir": str(tmp_path), "subdir": "0"}}
    return OmegaConf.create({"hydra": settings, "resume": None})


def make_launcher(**options):
    settings = OmegaConf.load(ROOT / "conf/hydra/launcher/slurm.yaml")
    del settings["_target_"]
    return slurm.Slurm(**{**settings, **options})


REFUSED = 'echo "sbatch: error: Batch job submission failed: Invalid partition name specified" >&2; exit 1'


@pytest.mark.parametrize(
    "given, sbatch, said",
    [
        (["hydra.launcher.minutes=0"], "true", "hydra.launcher.minutes=0: expected a whole number, 1 or more."),
        (["hydra.launcher.minutes=1:30"], "true", "hydra.launcher.minutes=1:30: expected a whole number, 1 or more."),
        (["hydra.launcher.gpus=-1"], "true", "hydra.launcher.gpus=-1: expected a whole number, 0 or more."),
        (["hydra.launcher.partition=x"], REFUSED, "Batch job submission failed: Invalid partition name specified"),
        ([], None, "there is no Slurm here (no command sbatch)"),
    ],
)
def test_a_mistake_is_one_sentence_and_no_folder(tmp_path, commands, given, sbatch, said):
    environment = {**os.environ, "PATH": os.environ["PATH"] if sbatch else "/nowhere"}
    commands(sbatch=sbatch or "true", srun="true")
    command = train_command("-m", "dataset=digits", "seed=0,1", *SLURM, *given)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "sweep").exists()


def test_without_submitit_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(slurm.Mistake, match=r"pip install -e '\.\[slurm\]'"):
        make_launcher().check()


def test_sbatch_is_asked_for_what_the_options_say(commands, tmp_path):
    commands(sbatch=f"cat > {tmp_path}/asked", srun="true")
    make_launcher(partition="a b", minutes=90, memory=8, gpus=1).check()
    asked = (tmp_path / "asked").read_text().splitlines()
    expected = ["partition='a b'", "time=90", "cpus-per-task=4", "mem=8G", "gpus-per-node=1", "requeue"]
    assert [line.removeprefix("#SBATCH --") for line in asked if "SBATCH" in line] == expected


@pytest.mark.parametrize(
    "state, exit_code, result, end",
    [
        ("COMPLETED", "0:0", {"status": "finished"}, 0),
        ("FAILED", "1:0", {"status": "diverged"}, 1),
        ("FAILED", "0:9", {}, "killed by SIGKILL; if memory ran out"),
        ("FAILED", "2:0", None, "exit status 2; squeue says why"),
        ("FAILED", "140:0", None, "its time limit came before it had trained a step"),
        ("CANCELLED", "0:15", None, "Slurm says CANCELLED"),
        ("NODE_FAIL", "0:0", {}, "Slurm says NODE_FAIL"),
        ("", "", {"status": "finished"}, 0),  # it ended so long ago that Slurm has forgotten it
        ("", "", None, "Slurm has forgotten it"),
        ("RUNNING", "0:0", None, None),
        ("PENDING", "0:0", None, None),
    ],
)
def test_how_a_job_ended_is_what_slurm_says(commands, job, tmp_path, state, exit_code, result, end):
    if result is not None:
        (tmp_path / "0").mkdir()
        Run(tmp_path / "0").write_result({"status": "interrupted", **result})
    commands(squeue=f'echo "17|{state}|None|/a|b"' if state else 'echo "9|RUNNING|None|/other"')
    commands(scontrol=f'echo "JobId=17 JobState={state} DerivedExitCode=3:0 ExitCode={exit_code} Comment=x"')
    ends = make_launcher().find_ends({0: Started(slurm.Queued("17"), job, 0.0)})
    if isinstance(end, str):
        assert ends[0].startswith(end)
    else:
        assert ends == ({} if end is None else {0: end})


def test_a_slurm_that_does_not_answer_ends_no_job(commands, job):
    commands(squeue="echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    assert make_launcher().find_ends({0: Started(slurm.Queued("17"), job, 0.0)}) == {}


def test_each_change_is_told_once(commands, job, tmp_path, capsys):
    """The job waits for what it can't get, begins, is requeued, waits as usual, begins again."""
    queued, launcher = slurm.Queued("17"), make_launcher()
    states = ["PENDING|PartitionTimeLimit", "RUNNING|None", "COMPLETING|None", "PENDING|BeginTime", "RUNNING|None"]
    for state in (each for each in states for _ in "twice"):
        commands(squeue=f'echo "17|{state}|/a"')
        assert launcher.find_ends({0: Started(queued, job, 0.0)}) == {}
    told = capsys.readouterr()
    assert told.err.splitlines() == ["job 1 is in Slurm's queue: PartitionTimeLimit"]
    starts = f"job 1 starts in {tmp_path}/0"
    assert told.out.splitlines() == [starts, "job 1 is in Slurm's queue: requeued", starts]


def test_a_resumed_sweep_waits_for_a_job_that_still_runs(commands, job, tmp_path, capsys):
    """A second job of Slurm would train the same run. Another sweep's job, and one that ended, are left alone."""
    job.resume = str(tmp_path)
    lines = [f"4|CANCELLED|None|{tmp_path}/0", f"5|RUNNING|None|{tmp_path}/1", f"6|PENDING|None|{tmp_path}/0"]
    commands(squeue=f"printf '%s\\n' '{lines[0]}' '{lines[1]}' '{lines[2]}'")
    assert make_launcher().start(job, 0).number == "6"
    assert "in Slurm's queue: JobId=6, still" in capsys.readouterr().out


@pytest.mark.parametrize("status, saves, requeued", [(140, True, True), (140, False, False), (143, True, False)])
def test_a_job_asks_to_be_requeued_at_its_time_limit_if_it_got_on(monkeypatch, job, tmp_path, status, saves, requeued):
    """Else it would meet its limit for ever; after SIGTERM, of a preemption or a person, only Slurm may requeue it."""
    (tmp_path / "0" / "checkpoints").mkdir(parents=True)
    asked = []

    def run(*_):
        if saves:
            (tmp_path / "0" / "checkpoints" / "last.pt").touch()
        sys.exit(status)

    monkeypatch.setattr(job_process, "run", run)
    monkeypatch.setattr("submitit.JobEnvironment", lambda: SimpleNamespace(_requeue=asked.append))
    with pytest.raises(SystemExit) as ended:
        job_process.run_in_slurm(None, job, b"")
    assert ended.value.code == status and len(asked) == requeued


@pytest.fixture
def begin(small, tmp_path):
    """begin("seed=0,1") begins a sweep of slow steps that submitit runs on this machine."""
    started = []

    def begin(*overrides):
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, str(ROOT / "tests/support/submitit_local.py"), "-m", *small, *SLURM, *overrides]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-1, stderr=-1, text=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()


def wait_for_process(process, run):
    """The number of the process that trains in that run's folder, once it has trained a window."""
    while not (run.folder / "losses.csv").is_file():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        parts = path.read_bytes().split(b"\0")
        if b"submitit.core._submit" in parts and any(os.fsencode(f"{run.folder}/") in part for part in parts):
            return int(path.parent.name)
    raise AssertionError("no process trains in that folder")


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="processes are found in /proc")
def test_a_job_at_its_time_limit_saves_and_goes_on_and_a_killed_one_is_told(begin, small, train, tmp_path):
    """The first ends with the weights that it has without a break; the second is resumed by the next command."""
    process, runs = begin("epochs=25", "seed=0,1"), [Run(tmp_path / "sweep" / number) for number in "01"]
    os.kill(wait_for_process(process, runs[0]), signal.SIGUSR2)
    os.kill(wait_for_process(process, runs[1]), signal.SIGKILL)
    printed, errors = process.communicate(timeout=200)
    assert process.returncode == 1 and "1 of 2 ok" in printed, errors
    assert "ended early: killed by SIGKILL" in errors and "Traceback" not in errors
    assert len(runs[0].environment()["earlier"]) == 1
    assert not list(runs[0].folder.glob(".slurm-*"))
    alone = train(*small, "epochs=25", "seed=0", "device.threads=1", "hydra.run.dir=alone")
    assert alone.returncode == 0
    assert runs[0].result()["weights_sha256"] == Run(tmp_path / "alone").result()["weights_sha256"]
