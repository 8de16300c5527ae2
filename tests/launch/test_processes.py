"""One run in several processes: the same bits for any number of them, in one folder, and none is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from alexnet.runs import checkpoints
from support.programs import ROOT, finish, run_script, start_script
from support.several import (
    ALL,
    MANY,
    is_gone,
    kill,
    list_processes,
    read_numbers,
    run,
    script,
    start,
    torchrun,
    wait_for,
)

pytestmark = pytest.mark.slow
THOROUGH = pytest.mark.thorough
ODD = str(ROOT / "tests" / "support" / "odd_rank.py")
FOUR = ["device.shards=4", "epochs=2", "hydra.run.dir=run"]


def train_one(tmp_path_factory, given):
    place = tmp_path_factory.mktemp("one")
    done = run_script(script("train.py", *given, *FOUR), place)
    assert done.returncode == 0, done.stderr
    return place / "run"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A run of four shares in one process, two epochs, with CutMix."""
    return train_one(tmp_path_factory, ALL)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The same without CutMix."""
    return train_one(tmp_path_factory, MANY)


def test_a_run_has_the_same_bits_in_any_number_of_processes(mixed, tmp_path):
    done = run_script(script("train.py", *ALL, *FOUR, "device.processes=4"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_numbers(tmp_path / "run") == read_numbers(mixed)
    assert "Processes: 4, each with 1 of 4 shares" in done.stdout
    assert done.stdout.count("[Epoch 1, Batch 5]") == 1 and done.stdout.count("Training finished.") == 1
    assert os.listdir(tmp_path) == ["run"] and not (tmp_path / "run" / "ranks").exists()


def test_torchrun_trains_the_same_run_in_one_folder_and_one_process_verifies_it(mixed, tmp_path):
    """One of its processes has another torch, as if it were on another machine."""
    odd = [ODD, "versions", "train.py"]
    done = run(torchrun(2, *odd, *ALL, *FOUR), tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_numbers(tmp_path / "run") == read_numbers(mixed)
    assert os.listdir(tmp_path) == ["run"] and done.stdout.count("Training finished.") == 1
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["processes"] == 2
    assert f"has packages.torch 0.0, and process 0 has {version('torch')}" in done.stderr
    assert environment["other_processes"]["1"]["packages.torch"] == "0.0"
    assert environment["threads"] == json.loads((mixed / "environment.json").read_text())["threads"]  # not torchrun's 1
    done = run_script(script("reproduce.py", "run", "device.processes=1"), tmp_path)
    assert (
        done.returncode == 0 and "identical" in done.stdout and "intended difference: device.processes" in done.stdout
    )


@pytest.mark.parametrize(("processes", "killed", "then"), [pytest.param(4, 1, 2, marks=THOROUGH), (2, 0, 1)])
def test_a_killed_process_ends_the_others_and_the_run_is_resumed_with_fewer(one, tmp_path, processes, killed, then):
    process = start(script("train.py", *MANY, *FOUR, f"device.processes={processes}"), tmp_path, "run")
    kill(tmp_path, [killed])
    assert is_gone(tmp_path, 15)
    _, errors = process.communicate(timeout=15)
    assert process.returncode == (-signal.SIGKILL if killed == 0 else 1)
    sentence = [line for line in errors.splitlines() if line.startswith("Process ")]
    what = "ended without a word" if killed == 0 else "was killed by SIGKILL"
    assert len(sentence) == 1 and what in sentence[0] and "scripts/resume.py run" in sentence[0]
    assert "Traceback" not in errors
    done = run_script(script("resume.py", "run", f"device.processes={then}"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_numbers(tmp_path / "run") == read_numbers(one)


@pytest.mark.thorough
def test_if_process_0_dies_before_the_others_have_begun_nothing_is_left_and_the_run_is_resumed(one, tmp_path):
    command = script("train.py", *MANY, *FOUR, "device.processes=2")
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: 1 in list_processes(tmp_path), process)
    kill(tmp_path, [0])
    assert is_gone(tmp_path, 15)
    assert process.communicate(timeout=15)[1] == "Process 0 ended without a word.\n"
    assert not list(Path("/dev/shm").glob("alexnet-*"))
    done = run_script(script("resume.py", "run", "device.processes=1"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_numbers(tmp_path / "run") == read_numbers(one)


@pytest.mark.thorough
def test_two_machines_start_a_killed_run_again_in_its_folder_by_themselves(one, tmp_path):
    """Two torchruns stand for two machines. Only that whose process is killed counts it as a restart."""
    place = f"127.0.0.1:{find_port()}"
    options = {"nnodes": 2, "rdzv_backend": "c10d", "rdzv_endpoint": place, "rdzv_id": 1, "max_restarts": 3}
    command = torchrun(1, *script("train.py", *MANY, *FOUR)[1:], **options)
    command.remove("--standalone")
    other = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process = start(command, tmp_path, "run")
    kill(tmp_path, [0])
    process.communicate(timeout=120)
    assert process.returncode == 0 and other.wait(60) == 0 and is_gone(tmp_path, 15)
    assert os.listdir(tmp_path) == ["run"]
    assert read_numbers(tmp_path / "run") == read_numbers(one)
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["earlier"]


@pytest.mark.parametrize(
    ("ranks", "number"), [pytest.param([1], signal.SIGTERM, marks=THOROUGH), ([0, 1], signal.SIGINT)]
)
def test_a_signal_to_any_process_stops_all_at_the_same_step(one, tmp_path, ranks, number):
    process = start(script("train.py", *MANY, *FOUR, "device.processes=2"), tmp_path, "run")
    kill(tmp_path, ranks, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number and is_gone(tmp_path, 15)
    assert f"stopped by {number.name}" in errors and "Traceback" not in errors
    assert os.listdir(tmp_path / "run" / "checkpoints") == ["last.pt"]
    state = checkpoints.load(tmp_path / "run" / "checkpoints", "last")["state"]
    assert state["batch"] > 0 or state["epoch"] > 0
    done = run_script(script("resume.py", "run"), tmp_path)
    assert done.returncode == 0 and read_numbers(tmp_path / "run") == read_numbers(one)


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("memory", 1, "A step with batch_size=34 of 3x32x32 images needs more memory"),
        ("weights", 1, "starts from other weights than process 0"),
        ("rounding", 1, "has other weights than process 0"),
        ("disk", 2, "all machines need a disk that they share"),
    ],
)
def test_a_process_that_cannot_go_on_ends_all_with_its_reason(tmp_path, kind, status, said):
    command = [sys.executable, ODD, kind, "train.py", *MANY, "epochs=1", "model.hidden=4096", "hydra.run.dir=run"]
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": find_port()}
    started = [start_script(command, tmp_path, str(rank), **place, RANK=str(rank)) for rank in range(2)]
    first, other = (finish(command, *each) for each in started)
    assert first.returncode == 1 and other.returncode == status
    assert sum(said in line for line in (first.stderr + other.stderr).splitlines()) == 1
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "failed" and said in result["reason"] and "rocess 1" in result["reason"]


SWEPT = ["seed=1,0", "device.processes=2", "hydra.sweep.dir=sweep"]


@pytest.mark.thorough
def test_a_sweep_has_several_processes_for_each_job(one, tmp_path):
    done = run_script(script("train.py", "-m", *MANY, *FOUR[:2], *SWEPT), tmp_path)
    assert done.returncode == 0 and "2 of 2 ok" in done.stdout, done.stderr
    assert read_numbers(tmp_path / "sweep" / "1") == read_numbers(one)


FIRST_OF_TWO = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}


def find_port():
    """A port that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_a_port_that_is_taken_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run_script(script("train.py", *MANY), tmp_path, **FIRST_OF_TWO, MASTER_PORT=port)
    assert done.returncode == 1 and f"MASTER_PORT={port} can't be used" in done.stderr
    assert "Traceback" not in done.stderr and not os.listdir(tmp_path)


@pytest.mark.thorough
def test_a_mistake_under_torchrun_is_one_sentence(tmp_path):
    done = run(torchrun(2, *script("train.py", *MANY, "epochs=-1")[1:]), tmp_path)
    assert done.returncode == 1 and not os.listdir(tmp_path)  # torchrun's own status
    assert sum("epochs=-1: expected" in line for line in done.stderr.splitlines()) == 1
    assert 'scripts/train.py", line' not in done.stderr  # only torchrun's own trace
    assert not list_processes(tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["-m", "seed=0,1"], "python scripts/train.py -m seed=0,1 device.processes=2"),
        (["device.processes=3"], "device.processes=3: torchrun has started 2 processes."),
    ],
)
def test_what_torchrun_excludes_is_refused_in_one_sentence(tmp_path, given, said):
    done = run_script(script("train.py", *given), tmp_path, **FIRST_OF_TWO, MASTER_PORT=find_port())
    assert done.returncode == 2 and not os.listdir(tmp_path)
    assert done.stderr.count("\n") == 1 and said in done.stderr
