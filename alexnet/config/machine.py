"""Checks that this machine has what a configuration asks for: a GPU, folders, files. No torch."""

import sys
from pathlib import Path
from shlex import quote

from omegaconf import DictConfig

from alexnet.config.combinations import check_count
from alexnet.data import facts
from alexnet.errors import Mistake
from alexnet.runs.folder import Run


def check_machine(config: DictConfig, trains: bool = True, begins: bool = True, elsewhere: bool = False) -> None:
    """Raises Mistake for a GPU that this machine is known not to have, and for a folder or file that isn't here.

    trains: whether the run is to be trained, and not only
    tested; then it needs training images. begins: whether its training begins; then it needs what model.weights names.
    elsewhere: whether it runs on another machine, which has the same folders.
    """
    if not elsewhere:
        _check_gpu(config.device)
        _check_precision(config.device)
    _check_data(config, trains)
    if trains and begins:
        _check_weights(config.model.get("weights"))


def may_have_gpu() -> bool:
    """Whether there is a driver for torch's cuda: NVIDIA's (also on its boards), AMD's, or that of Windows for Linux.

    Always true on other systems than Linux, where only torch knows.
    """
    drivers = ("nvidia*", "nvhost*", "kfd", "dxg")
    return sys.platform != "linux" or any(any(Path("/dev").glob(driver)) for driver in drivers)


def _names_cuda(device: DictConfig) -> bool:
    columns = device.get("columns")
    return device.get("name") == "cuda" or (columns is not None and any(name.startswith("cuda") for name in columns))


def _check_gpu(device: DictConfig) -> None:
    name, columns = device.get("name"), device.get("columns")
    if (_names_cuda(device) and not may_have_gpu()) or (name == "mps" and sys.platform != "darwin"):
        given, instead = f"device={name}", "device=cpu, or device=auto for the best device here"
        if columns is not None:
            given, instead = f"device.columns={columns}", "device.columns=null"
        raise Mistake(f"{given}: there is no GPU here. Give {instead}.")


def _check_precision(device: DictConfig) -> None:
    on_other = device.get("name") in ("cpu", "mps") or not may_have_gpu()
    if device.precision == "tf32" and on_other and not _names_cuda(device):
        raise Mistake(
            "device.precision=tf32: there is no NVIDIA GPU to compute on. Give device.precision=auto or float32."
        )


def _check_data(config: DictConfig, trains: bool) -> None:
    """Checks the data's folder, and that it has enough images to train on."""
    root = config.dataset.get("root")
    if root is not None and Path(root).expanduser().is_file():
        raise Mistake(f"dataset.root={root} is a file: expected the folder that has the data.")
    if config.dataset._target_ == "alexnet.data.image_folder.image_folder":
        _check_image_count(config) if trains else facts.find_test_folder(config.dataset.root)
    elif root is not None and config.dataset.get("download") is False and not Path(root).expanduser().is_dir():
        raise Mistake(
            f"dataset.root={root}: there is no such folder, and dataset.download=false: give the folder that has the "
            f"data, dataset.download=true, or dataset=digits, which comes with its data."
        )


def _check_image_count(config: DictConfig) -> None:
    """Checks that the class folders have enough images. Counting stops there, because it can take long."""
    place, _ = facts.find_image_folders(config.dataset.root)
    validation, share = config.dataset.get("validation", 0), config.dataset.get("share", 1)
    enough = max(config.batch_size / (1 - validation), 1 / (validation or 1)) / share + 2  # 2 for rounding
    count = facts.count_images(place, min(enough, sys.maxsize))
    if count < enough:
        check_count(config, count)


def check_source_is_there(config: DictConfig, run: Run) -> None:
    """Raises Mistake if the weights that a run began with, and is to begin with again, have gone."""
    before, weights = run.environment().get("transferred_from"), config.model.get("weights")
    if not isinstance(before, dict) or weights is None or run.config().get("model", {}).get("weights") != weights:
        return
    if not Path(weights).expanduser().exists():
        raise Mistake(
            f"{run.folder} was trained from {before.get('source')} (SHA-256 {str(before.get('weights_sha256'))[:12]}), "
            f"which isn't there any more: bring it back, or give model.weights=PLACE where it is."
        )


def _check_weights(weights: str | None) -> None:
    """Checks that the run or the file is there whose weights training begins with."""
    if weights is None:
        return
    place = Path(weights).expanduser()
    expected = "expected the folder of a run, or a file of weights (.pth, .safetensors)"
    if not place.exists():
        raise Mistake(f"model.weights={weights}: there is no such file or folder; {expected}.")
    if not place.is_dir():
        return
    run = Run(place)
    if not run.config():
        raise Mistake(f"model.weights={weights} isn't the folder of a run; {expected}.")
    if not any((run.checkpoints / f"{name}.pt").exists() for name in ("best", "last")):
        script = "reproduce.py {} keep=weights" if run.is_done() else "resume.py {}"
        raise Mistake(
            f"model.weights={weights}: the run has no weights in checkpoints/. To train them: python scripts/"
            f"{script.format(quote(weights))}"
        )
