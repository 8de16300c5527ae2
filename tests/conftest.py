"""What the tests share: composing a configuration, running the command line, a small folder of images."""

import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tests run side by side, a thread each

import hydra
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture
def compose():
    """compose("optimizer.lr=0.1", ...) gives the configuration that the command line would."""

    def compose(*overrides):
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return hydra.compose("train", list(overrides))

    return compose


def train_command(*arguments):
    return [sys.executable, str(ROOT / "scripts" / "train.py"), *map(str, arguments)]


# Programs begin in forks of a process that has torch and matplotlib: else most of a test's time is their import.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["alexnet.launch.train", "alexnet.training.build", "alexnet.training.loop", "alexnet.runs.plots"]
)


def start_script(command, cwd):
    """The process of a command such as train_command's, and the files of its output, stdout's and stderr's."""
    files = [cwd.parent / f"{cwd.name}.{name}" for name in ("stdout", "stderr")]
    for file in files:
        file.write_bytes(b"")
    process = FORKS.Process(target=_script, args=(command, cwd, files))
    process.start()
    return process, files


def run_script(command, cwd):
    """The finished process of a command, as subprocess.run gives it."""
    process, files = start_script(command, cwd)
    process.join(timeout=200)
    process.kill()
    assert process.exitcode is not None, f"{command} didn't end"
    return subprocess.CompletedProcess(command, process.exitcode, *(file.read_text("utf-8") for file in files))


def _script(command, cwd, files):
    os.chdir(cwd)
    for stream, file in zip((sys.stdout, sys.stderr), files, strict=True):
        with open(file, "wb") as opened:
            os.dup2(opened.fileno(), stream.fileno())
        stream.reconfigure(encoding="utf-8")
    multiprocessing.set_start_method(None, force=True)  # this process's own is not for the workers that it starts
    sys.argv = command[1:]
    sys.path.insert(0, str(Path(command[1]).parent))
    runpy.run_path(command[1], run_name="__main__")


@pytest.fixture
def train(tmp_path):
    """train("epochs=1", ...) runs scripts/train.py in an empty folder and gives the finished process."""
    return lambda *arguments: run_script(train_command(*arguments), tmp_path)


@pytest.fixture
def images(tmp_path):
    """root/train/{light,dark}, 12 images each, and root/test, 4 each: told apart at a glance, and real JPEGs."""
    return write_images(tmp_path / "images")


def write_images(root, train=12, test=4):
    random = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for name, level in (("dark", 60), ("light", 190)):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(level - 50, level + 50, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number:02}.jpg")
    return root


@pytest.fixture
def small(images):
    """Overrides for a run of seconds: the small network and images, 4 a batch, a window of 2 batches."""
    return ["model=cuda_convnet", *small_data(images)]


def small_data(images):
    """The same for any network."""
    return [
        "dataset=image_folder",
        f"dataset.root={images}",
        f"dataset.cache={images}/decoded",
        "batch_size=4",
        "log_every=2",
        "epochs=2",
    ]


def run_folders(root):
    """All folders of runs under root/outputs, in order."""
    return sorted(path.parent for path in Path(root).glob("outputs/*/**/config.yaml") if path.parent.name != ".hydra")
