"""hydra/launcher=ray: what a person may rely on when a Ray cluster runs a sweep's jobs. The cluster is a real one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from alexnet.errors import Mistake
from alexnet.launch.ray import Dealt, Job, Ray, find_end
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from support.programs import ROOT
from support.ray_cluster import Cluster

RAY = ["hydra/launcher=ray", "hydra.sweep.dir=sweep"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """Two processors, and two GPUs that Ray is only told of."""
    pytest.importorskip("ray", reason="needs Ray: pip install -e '.[ray]'")
    cluster = Cluster("--num-cpus=2", "--num-gpus=2")
    yield cluster
    cluster.stop()


@pytest.fixture
def run(cluster, tmp_path):
    """run("scripts/train.py", *arguments) gives the finished process; run.begin(...) one that has just begun."""

    def run(script, *arguments):
        process = begin(script, *arguments)
        output, errors = process.communicate(timeout=150)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def begin(script, *arguments):
        process = subprocess.Popen(
            [sys.executable, str(ROOT / script), *arguments],
            cwd=tmp_path,
            env={**os.environ, **cluster.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    started = []
    run.begin = begin
    yield run
    for process in started:
        process.kill()


@pytest.fixture
def begin(run, small, tmp_path):
    """begin("epochs=9") gives a sweep over seeds, and its runs, once all have trained a window."""

    def begin(*overrides, jobs=2):
        seeds = f"seed=range({jobs})"
        process = run.begin("scripts/train.py", "-m", *small, seeds, *RAY, "hydra.launcher.gpus=0", *overrides)
        runs = [Run(tmp_path / "sweep" / str(number)) for number in range(jobs)]
        while not all((each.folder / "losses.csv").is_file() for each in runs):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        return process, runs

    return begin


def list_processes(folder):
    """The numbers of the processes of jobs, which the tests' cluster started in that folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            spawned = b"spawn_main" in (process / "cmdline").read_bytes()
            if spawned and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:
            continue
    return sorted(found)


def find_child(parent, name):
    """The number of a process's child of that name."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return next(int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == name)


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_job_on_a_cluster_gives_the_weights_that_it_gives_alone(run, train, small, tmp_path):
    """Three jobs, two at once, one of which diverges: a line a job, and as many threads as Ray dealt processors."""
    done = run("scripts/train.py", "-m", *small, "epochs=1", "optimizer.lr=1e30,0.01,0.001", *RAY)
    assert done.returncode == 1 and "2 of 3 ok" in done.stdout and "Traceback" not in done.stderr
    assert "Jobs at a time: 2, each with device.threads=1" in done.stdout
    assert "optimizer.lr=1e+30) ended early: The loss in epoch 1" in done.stderr
    assert "job 2 of 3 starts in sweep/1: optimizer.lr=0.01" in done.stdout
    assert not list_processes(tmp_path)
    alone = train(*small, "epochs=1", "optimizer.lr=0.01", "device.threads=1", "hydra.run.dir=alone")
    assert alone.returncode == 0, alone.stderr
    assert Run(tmp_path / "sweep/1").result()["weights_sha256"] == Run(tmp_path / "alone").result()["weights_sha256"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_jobs_each_with_what_it_trained(begin, number, tmp_path):
    process, runs = begin("epochs=1000")
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Traceback" not in errors
    assert "python scripts/resume.py sweep" in errors and not list_processes(tmp_path)
    for run in runs:
        assert run.result()["reason"] == f"stopped by {number.name}"
        saved = checkpoints.load(run.checkpoints, "last")["state"]
        assert (saved["epoch"] * 6 + saved["batch"]) // 2 == len(run.windows()) > 0


def test_a_killed_job_is_told_and_resumed(begin, run, tmp_path):
    """As when memory runs out. Neither Ray nor this project begins it again unasked."""
    process, runs = begin("epochs=20")
    os.kill(list_processes(tmp_path)[0], signal.SIGKILL)
    printed, errors = process.communicate(timeout=100)
    assert process.returncode == 1 and "1 of 2 ok" in printed and "Traceback" not in errors
    assert "ended early: killed by SIGKILL" in errors and "python scripts/resume.py sweep" in errors
    assert sorted((each.result() or {}).get("status", "") for each in runs) == ["", "finished"]
    resumed = run("scripts/resume.py", "sweep")
    assert resumed.returncode == 0, resumed.stderr
    assert "2 of 2 ok" in resumed.stdout and " is done: finished" in resumed.stdout


def test_if_the_sweep_is_killed_its_jobs_save_and_end(begin, tmp_path):
    process, runs = begin("epochs=1000")
    process.kill()
    wait_until(lambda: not list_processes(tmp_path))
    assert [run.result()["status"] for run in runs] == ["interrupted"] * 2 and all(run.has_checkpoint for run in runs)


def test_a_lost_node_is_told_and_its_job_saves(cluster, begin, run, tmp_path):
    node = cluster.start(f"--address={cluster.environment['RAY_ADDRESS']}", "--num-cpus=1")
    cluster.wait_for_nodes(2)
    process, runs = begin("epochs=40", jobs=3)
    os.kill(find_child(node.pid, "raylet"), signal.SIGKILL)
    printed, errors = process.communicate(timeout=150)
    assert process.returncode == 1 and "2 of 3 ok" in printed and "Traceback" not in errors
    assert "ended early: Ray says: " in errors and "python scripts/resume.py sweep" in errors
    assert sorted(each.result()["status"] for each in runs) == ["finished", "finished", "interrupted"]
    assert all(each.has_checkpoint for each in runs)


@pytest.mark.parametrize("gpus, hidden", [("null", False), ("0", True)])
def test_ray_deals_out_the_gpus(run, tmp_path, gpus, hidden):
    """One for each job without being asked; a job that asks for none sees none."""
    mine = ["+hydra.callbacks.mine._target_=support.recording.Recorder", f"+hydra.callbacks.mine.folder={tmp_path}"]
    jobs = ["dataset=digits", "device=cpu", "seed=0,1", "epochs=1"]
    done = run("tests/support/recording.py", "-m", *jobs, *mine, *RAY, f"hydra.launcher.gpus={gpus}")
    assert done.returncode == 0, done.stderr
    noted = [json.loads((tmp_path / f"{job}.jsonl").read_text().splitlines()[0]) for job in (0, 1)]
    assert {each["environment"]["CUDA_VISIBLE_DEVICES"] for each in noted} == ({""} if hidden else {"0", "1"})
    assert all(each["directory"] == str(tmp_path) for each in noted)


def test_more_than_any_node_has_is_refused_before_anything_is_made(run, tmp_path):
    done = run("scripts/train.py", "-m", "dataset=digits", "seed=0,1", *RAY, "hydra.launcher.cpus=64")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())
    assert "hydra.launcher.cpus=64, hydra.launcher.gpus=1: no node of the Ray cluster has so many" in done.stderr


def test_a_cluster_that_does_not_answer_is_a_mistake(tmp_path):
    pytest.importorskip("ray", reason="needs Ray: pip install -e '.[ray]'")
    text = "from alexnet.launch import ray, train; ray.CONNECT_SECONDS = 3; train.main()"
    command = [sys.executable, "-c", text, "-m", "dataset=digits", "seed=0,1", *RAY]
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())
    assert "RAY_ADDRESS=127.0.0.1:1: no answer in 3 s. To start a cluster" in done.stderr


def test_a_node_without_the_disk_of_the_sweep_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the job does so itself
    config = OmegaConf.create({"hydra": {"sweep": {"dir": "elsewhere", "subdir": "0"}}})
    ended = Future()
    ended.set_result(Job(str(tmp_path), print, config, None, b"").wait())
    assert f"the node {socket.gethostname()} doesn't have the folder elsewhere/0" in find_end(
        Dealt(None, ended, ended), config
    )


@pytest.mark.parametrize("cpus, gpus", [(0, 0), (1.5, 0), (True, 0), (1, -1), (1, 1.5), (1, "one"), (1, True)])
def test_numbers_that_no_node_could_have_are_mistakes(cpus, gpus):
    with pytest.raises(Mistake, match=r"^hydra.launcher.(cpus|gpus)=.*: expected a whole number"):
        Ray(cpus, gpus).check()


def test_without_ray_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Mistake, match=r"pip install -e '.\[ray\]'"):
        Ray(1, None).check()
