"""Whether this machine has what a configuration asks for: a GPU, folders, files."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from alexnet.config.checks import check_count
from alexnet.data import facts
from alexnet.errors import Mistake
from alexnet.models import limits


def check_machine(config: DictConfig) -> None:
    """Raises Mistake for a GPU where the system is known to have none, and for folders and files that aren't here."""
    name, columns = config.device.get("name"), config.device.get("columns") or []
    on_gpu = name == "cuda" or any(column.startswith("cuda") for column in columns)
    if (on_gpu and not may_have_gpu()) or (name == "mps" and sys.platform != "darwin"):
        asked = f"device.columns={columns}" if columns else f"device={name}"
        instead = "device.columns=null" if columns else "device=cpu, or device=auto to take the best there is"
        raise Mistake(f"{asked}: there is no GPU here. Give {instead}.")
    if config.device.precision == "tf32" and not on_gpu and (name in ("cpu", "mps") or not may_have_gpu()):
        raise Mistake(
            "device.precision=tf32: there is no NVIDIA GPU to compute on. Give device.precision=auto or float32."
        )
    root = config.dataset.get("root")
    if root is not None and Path(root).expanduser().is_file():
        raise Mistake(f"dataset.root={root} is a file: expected the folder that has the data.")
    if config.dataset._target_.endswith(".image_folder"):
        place, _ = facts.find_image_folders(root)
        validation, share = config.dataset.get("validation", 0), config.dataset.get("share", 1)
        enough = max(config.batch_size / (1 - validation), 1 / (validation or 1)) / share + 2  # whatever is rounded
        count = facts.count_images(place, min(enough, sys.maxsize))
        if count < enough:
            check_count(config, count)
    elif config.dataset.get("download") is False and not Path(root).expanduser().is_dir():
        raise Mistake(
            f"dataset.root={root}: there is no such folder, and dataset.download=false: give the folder that has the "
            f"data, dataset.download=true, or dataset=digits, which comes with its data."
        )
    try:
        if config.model.get("weights"):
            limits.find_weights_file(config.model.weights)
    except ValueError as error:
        raise Mistake(f"model: {error}") from error


def may_have_gpu() -> bool:
    """Whether there is a driver that torch's cuda may be on: NVIDIA's, also on its boards, AMD's, or Windows' for its
    Linux. Elsewhere than on Linux only torch knows."""
    drivers = ("nvidia*", "nvhost*", "kfd", "dxg")
    return sys.platform != "linux" or any(any(Path("/dev").glob(driver)) for driver in drivers)
