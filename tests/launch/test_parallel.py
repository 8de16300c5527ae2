"""hydra/launcher=parallel: what a person may rely on when a sweep's jobs run at the same time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import hydra
import pytest
import torch
from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from omegaconf import OmegaConf

from alexnet.engine import device
from alexnet.launch import launcher as launchers
from alexnet.launch import parallel
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from support.programs import ROOT, run_script, train_command

PARALLEL = ["hydra/launcher=parallel", "hydra.launcher.jobs=2", "hydra.sweep.dir=sweep"]


@pytest.mark.slow
def test_a_job_among_others_gives_the_weights_that_it_gives_alone(train, small, tmp_path):
    """Three jobs, two at once, one of which diverges: a line a job, a log each, the same weights as alone."""
    done = train("-m", *small, "epochs=1", "optimizer.lr=1e30,0.01,0.001", *PARALLEL)
    assert done.returncode == 1 and "2 of 3 ok" in done.stdout and "Traceback" not in done.stderr
    assert "optimizer.lr=1e+30) ended early: The loss in epoch 1" in done.stderr
    assert "[Epoch" not in done.stdout and "[Epoch 1, Batch 2]" in (tmp_path / "sweep/1/train.log").read_text()
    told = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("job ")]
    ends = [line for line in told if " starts in " not in line]
    assert sorted(line.split(" (")[0] for line in ends) == ["job 1 of 3", "job 2 of 3", "job 3 of 3"]
    assert "job 2 of 3 starts in sweep/1: optimizer.lr=0.01" in told
    assert (tmp_path / "sweep/sweep.csv").is_file()

    job = Run(tmp_path / "sweep/1")
    threads = job.config()["device"]["threads"]
    assert threads == max(1, torch.get_num_threads() // 2)
    alone = train(*small, "epochs=1", "optimizer.lr=0.01", f"device.threads={threads}", "hydra.run.dir=alone")
    assert alone.returncode == 0, alone.stderr
    assert job.result()["weights_sha256"] == Run(tmp_path / "alone").result()["weights_sha256"]


@pytest.fixture
def begin(small, tmp_path):
    """begin("epochs=9") gives a sweep over two seeds, and its runs, once both have trained a window."""
    started = []

    def begin(*overrides):
        process = subprocess.Popen(
            train_command("-m", *small, "seed=0,1", *overrides, *PARALLEL),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        runs = [Run(tmp_path / "sweep" / number) for number in "01"]
        while not all((run.folder / "losses.csv").is_file() for run in runs):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        return process, runs

    yield begin
    for process in started:
        process.kill()  # its jobs end with it


def jobs_of(process):
    """The numbers of the processes that the sweep's jobs run in: the children of the one that has torch."""
    if not Path(f"/proc/{process.pid}/task/{process.pid}/children").is_file():
        pytest.skip("needs Linux's list of a process's children")
    (forks,) = (pid for pid in children_of(process.pid) if b"forkserver" in command_line(pid))
    return children_of(forks)


def children_of(pid):
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, to_all", [(signal.SIGINT, True), pytest.param(signal.SIGTERM, False, marks=pytest.mark.thorough)]
)
def test_a_signal_stops_all_jobs_each_with_what_it_trained(begin, number, to_all):
    """Ctrl-C in a terminal goes to the whole group of processes, kill to the sweep alone."""
    process, runs = begin("epochs=1000")
    jobs = jobs_of(process)
    (os.killpg if to_all else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Traceback" not in errors
    assert len(jobs) == 2 and not any(map(command_line, jobs))
    for run in runs:
        assert run.result()["status"] == "interrupted"
        saved = checkpoints.load(run.checkpoints, "last")["state"]
        assert (saved["epoch"] * 6 + saved["batch"]) // 2 == len(run.windows()) > 0


@pytest.mark.slow
def test_a_killed_job_is_told_and_the_others_finish(begin, tmp_path):
    """As when memory runs out; the sweep then resumes that job alone."""
    process, runs = begin("epochs=20")
    os.kill(jobs_of(process)[0], signal.SIGKILL)
    printed, errors = process.communicate(timeout=100)
    assert process.returncode == 1 and "1 of 2 ok" in printed and "Traceback" not in errors
    assert "was killed by SIGKILL" in errors and "python scripts/resume.py sweep" in errors
    assert sorted((run.result() or {}).get("status", "") for run in runs) == ["", "finished"]
    resumed = run_script([sys.executable, str(ROOT / "scripts" / "resume.py"), "sweep"], tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "2 of 2 ok" in resumed.stdout and " is done: finished" in resumed.stdout


class Loader:
    """In place of Hydra's: every job has the sweep's configuration."""

    def load_sweep_config(self, config, _):
        return OmegaConf.create(config)


def note_gpu(config):
    folder = Path(HydraConfig.get().runtime.output_dir)
    (folder / "gpu").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    time.sleep(0.5)  # so that two jobs are under way at the same time
    sys.exit(0)


@pytest.mark.slow
def test_jobs_at_the_same_time_have_a_gpu_each(tmp_path, monkeypatch):
    """One job a GPU without being asked, and only those that this process may use."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    launcher = parallel.Parallel()
    overrides = ["hydra.sweep.dir=" + str(tmp_path), "dataset=digits"]
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = hydra.compose("train", overrides, return_hydra_config=True)
    launcher.setup(hydra_context=HydraContext(Loader(), Callbacks()), task_function=note_gpu, config=config)
    assert launcher.at_once == 2
    launcher.launch([[], []], initial_job_idx=0)
    assert {(tmp_path / number / "gpu").read_text() for number in "01"} == {"5", "7"}


def test_a_job_that_goes_on_keeps_its_number_of_threads(tmp_path, monkeypatch):
    """However many are left beside it: another number could give other weights."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "config.yaml").write_text("device: {threads: 77}")
    overrides = ["hydra.sweep.dir=" + str(tmp_path), "dataset=digits", f"resume={tmp_path}"]
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = hydra.compose("train", overrides, return_hydra_config=True)
    launcher = parallel.Parallel()
    launcher.setup(hydra_context=HydraContext(Loader(), Callbacks()), task_function=note_gpu, config=config)
    assert [launcher.compose_job([], number, at_once=1).device.threads for number in (0, 1)] == [device.THREADS, 77]


def test_the_threads_of_each_job_are_told_and_how_a_serial_sweep_gives_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(device, "THREADS", 8)
    told = []
    for threads in ("null", "4"):
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            overrides = [f"hydra.sweep.dir={tmp_path}", "dataset=digits", f"device.threads={threads}"]
            config = hydra.compose("train", overrides, return_hydra_config=True)
        launcher = parallel.Parallel()
        launcher.setup(hydra_context=HydraContext(Loader(), Callbacks()), task_function=note_gpu, config=config)
        for _ in range(2):  # the batches of a search
            launcher.say_threads([launcher.compose_job([], 0, at_once=2)], 2)
        told.append(capsys.readouterr().out.splitlines())
    first = "Jobs at a time: 2, each with device.threads=4"
    second = "Another number gives slightly other weights: to get these in a serial sweep, give device.threads=4"
    assert told == [[first, second], [first]]


def test_a_job_that_is_refused_to_go_on_is_not_told_as_it_ended_before(tmp_path, capsys):
    Run(tmp_path).write_result({"status": "interrupted", "reason": "stopped by SIGTERM"})
    Run(tmp_path).log.write_text("The data is not what it was.")
    settings = {"job": {"num": 0}, "overrides": {"task": []}, "sweep": {"dir": str(tmp_path.parent)}}
    settings["sweep"]["subdir"] = tmp_path.name
    launchers.print_end(OmegaConf.create({"hydra": settings}), 2)
    told = capsys.readouterr().err
    assert "ended early, with exit status 2" in told and "train.log says why" in told and "SIGTERM" not in told


def test_a_number_of_jobs_that_is_none_is_a_mistake(train, tmp_path):
    done = train("-m", "seed=0,1", *PARALLEL, "hydra.launcher.jobs=0")
    assert done.returncode == 2 and "hydra.launcher.jobs=0: expected a whole number, 1 or more" in done.stderr
    assert not list(tmp_path.iterdir())
