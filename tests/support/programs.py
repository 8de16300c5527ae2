"""Runs the project's programs as a user does, in forks of a process that has torch."""

import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"


def train_command(*arguments):
    return [sys.executable, str(ROOT / "scripts" / "train.py"), *map(str, arguments)]


# Programs begin in forks of a process that has imported what they need: else most of a test's time is that.
OWN = ["alexnet.launch.train", "alexnet.training.build", "alexnet.training.loop", "alexnet.runs.plots"]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([*OWN, "torch.distributed", "torchvision.transforms.v2", "sklearn.datasets"])


def start_script(command, cwd, name="", **variables):
    """The process of a command such as train_command's, and the files of its output, stdout's and stderr's.

    name: of the files, if there are several such processes. variables: added to the environment.
    """
    files = [cwd.parent / f"{cwd.name}{name}.{stream}" for stream in ("stdout", "stderr")]
    for file in files:
        file.write_bytes(b"")
    process = FORKS.Process(target=_script, args=(command, cwd, files, variables))
    process.start()
    return process, files


def run_script(command, cwd, **variables):
    """The finished process of a command, as subprocess.run gives it."""
    return finish(command, *start_script(command, cwd, **variables))


def finish(command, process, files):
    """The finished process, as subprocess.run gives it."""
    process.join(timeout=200)
    process.kill()
    assert process.exitcode is not None, f"{command} didn't end"
    return subprocess.CompletedProcess(command, process.exitcode, *(file.read_text("utf-8") for file in files))


def _script(command, cwd, files, variables):
    os.chdir(cwd)
    os.environ.update(variables)
    for stream, file in zip((sys.stdout, sys.stderr), files, strict=True):
        with open(file, "wb") as opened:
            os.dup2(opened.fileno(), stream.fileno())
        stream.reconfigure(encoding="utf-8")
    multiprocessing.set_start_method(None, force=True)  # this process's own is not for the workers that it starts
    sys.argv = command[1:]
    sys.path.insert(0, str(Path(command[1]).parent))
    runpy.run_path(command[1], run_name="__main__")


def list_run_folders(root):
    """All folders of runs under root/outputs, in order."""
    return sorted(path.parent for path in Path(root).glob("outputs/*/**/config.yaml") if path.parent.name != ".hydra")
