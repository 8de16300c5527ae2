"""Runs of several processes, as a user starts them, and what two of them must have in common."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

from support.programs import ROOT

# Dropout, augmentation, batch normalisation, validation; shares of 8 or 9 images, and a last batch of 1.
MANY = [
    "dataset=digits",
    "model.hidden=64",
    "model.kernels=[16,16,16,16,16]",
    "model.normalisation=batch",
    "dataset.crop=4",
    "dataset.flip=true",
    "dataset.cutout=8",
    "dataset.validation=0.1",
    "dataset.share=0.5",
    "batch_size=34",
    "optimizer.lr=0.01",
    "log_every=5",
    "checkpoint_minutes=0.001",
]
# torchvision, which has CutMix, takes each process seconds to import.
ALL = [*MANY, "cutmix=0.5", "mixup=0.3", "clip_norm=1", "ema=0.9", "patience=100"]


def script(name, *arguments):
    return [sys.executable, str(ROOT / "scripts" / name), *map(str, arguments)]


def torchrun(processes, *command, **options):
    """The command under torchrun. options: such as max_restarts=3."""
    given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={processes}",
        *given,
        *command,
    ]


def run(command, cwd):
    """The finished process of a command."""
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=300)


def start(command, cwd, folder):
    """The process of a command that trains in that folder, when it has a checkpoint. Its stderr is a pipe."""
    command = list(map(str, command))
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (cwd / folder / "checkpoints" / "last.pt").is_file(), process)
    return process


def wait_for(condition, process):
    until = time.monotonic() + 100
    while not condition():
        assert process.poll() is None and time.monotonic() < until, process.communicate()[1]
        time.sleep(0.02)


def list_processes(cwd):
    """The processes that train in that working directory, by rank; 0 is the first one."""
    found = {}
    for place in os.listdir("/proc"):
        try:
            if not place.isdecimal() or os.readlink(f"/proc/{place}/cwd") != str(cwd):
                continue
            with open(f"/proc/{place}/cmdline", "rb") as file:
                words = file.read().decode().split("\0")
            with open(f"/proc/{place}/environ", "rb") as file:
                variables = dict(each.partition("=")[::2] for each in file.read().decode().split("\0"))
        except OSError:  # it has just ended
            continue
        if "alexnet.training.follower" in words:
            found[json.loads(words[3])["rank"]] = int(place)
        elif "torch.distributed.run" not in words and any("/scripts/" in word for word in words[1:4]):
            found[int(variables.get("RANK", 0))] = int(place)
    return found


def kill(cwd, ranks, number=signal.SIGKILL):
    """Sends the signal to processes of the run in that working directory, and returns those processes."""
    processes = list_processes(cwd)
    for rank in ranks:
        os.kill(processes[rank], number)
    return processes


def is_gone(cwd, seconds=15):
    """Whether no process works in that directory any more, after at most so many seconds."""
    until = time.monotonic() + seconds
    while list_processes(cwd) and time.monotonic() < until:
        time.sleep(0.1)
    return not list_processes(cwd)


def read_numbers(folder):
    """All numbers of a run that aren't times."""
    tables = []
    for name in ("losses.csv", "epochs.csv"):
        with open(folder / name, newline="", encoding="utf-8") as file:
            times = ("seconds", "images_per_second")
            tables.append([{key: row[key] for key in row if key not in times} for row in csv.DictReader(file)])
    result = json.loads((folder / "result.json").read_text())
    figures = ("weights_sha256", "test_loss", "confusion_matrix", "training_accuracy", "validation_accuracy")
    return [*tables, *(result[name] for name in figures)]
