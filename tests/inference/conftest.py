"""Trained networks and images to show them."""

import pytest
from PIL import Image
from sklearn.datasets import load_digits

import alexnet
from alexnet.config.compose import compose_config
from alexnet.runs.folder import Run
from alexnet.training.job import execute


@pytest.fixture(scope="session")
def digit_folder(tmp_path_factory):
    """root/train/NAME and root/test/NAME of 400 and 100 digits of 8x8 pixels, PNG; some are a folder deeper."""
    root, data = tmp_path_factory.mktemp("digit_folder"), load_digits()
    for number, (pixels, label) in enumerate(zip(data.images[:500], data.target[:500], strict=True)):
        place = root / ("test" if number % 5 == 0 else "train") / f"digit {label}" / ("more" if number % 3 == 0 else "")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15).astype("uint8")).save(place / f"{number:03}.png")
    return root


@pytest.fixture(scope="session")
def train_digits(tmp_path_factory):
    """train_digits(*overrides) trains the smallest network for a moment and gives the run."""

    def train(*overrides):
        run = Run(tmp_path_factory.mktemp("trained"))
        given = ["model=cuda_convnet", "optimizer.lr=0.02", "epochs=1", "batch_size=32", "device=cpu", *overrides]
        assert execute(compose_config(given)[0], run) == 0
        return run

    return train


@pytest.fixture(scope="session")
def columns(train_digits):
    """The folder of a run with two columns, tested with ten views, that has seen a tenth of the digits."""
    model = ["model=alexnet_cifar", "model.columns=2", "model.hidden=64", "model.kernels=[8,8,8,8,8]"]
    data = ["dataset=digits", "dataset.crop=2", "dataset.views=10", "dataset.share=0.1"]
    return train_digits(*model, *data, "device.precision=float32").folder


@pytest.fixture(scope="session")
def digit_run(train_digits):
    """In float32; it takes some digits for others."""
    return train_digits("dataset=digits", "dataset.size=24", "device.precision=float32")


@pytest.fixture(scope="session")
def digits(train_digits, tmp_path_factory):
    """The folder of a run on digits that held out images, and its test images as PNG files."""
    folder = tmp_path_factory.mktemp("digits")
    given = ["dataset=digits", "dataset.validation=0.1", "optimizer.lr=0.05", "epochs=2", "device.precision=float32"]
    train_digits(*given).folder.rename(folder / "run")
    (folder / "images").mkdir()
    for number, image in enumerate(alexnet.load(folder / "run").load_split("test")[0].test.images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / "images" / f"{number:03}.png")
    return folder
