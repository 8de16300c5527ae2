"""What the tests share: composing a configuration, running the command line, a small folder of images."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tests run side by side, a thread each

import hydra
import pytest

from support.images import small_data, write_images
from support.programs import ROOT, run_script, train_command


@pytest.fixture
def compose():
    """compose("optimizer.lr=0.1", ...) gives the configuration that the command line would."""

    def compose(*overrides):
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return hydra.compose("train", list(overrides))

    return compose


@pytest.fixture
def train(tmp_path):
    """train("epochs=1", ...) runs scripts/train.py in an empty folder and gives the finished process."""
    return lambda *arguments: run_script(train_command(*arguments), tmp_path)


@pytest.fixture
def images(tmp_path):
    """root/train/{light,dark}, 12 images each, and root/test, 4 each: told apart at a glance, and real JPEGs."""
    return write_images(tmp_path / "images")


@pytest.fixture
def small(images):
    """Overrides for a run of seconds: the small network and images, 4 a batch, a window of 2 batches."""
    return ["model=cuda_convnet", *small_data(images)]
