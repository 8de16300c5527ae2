"""Reads files of weights that anybody may have made: tensors only, and none larger than its file."""

import stat
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from alexnet.models.limits import find_weights_file

LARGEST = 2**33  # bytes of a file


def read_weights(file: str) -> dict[str, Tensor]:
    """The tensors in a file as torch.save(model.state_dict(), FILE) or safetensors writes it, on the CPU.

    Never runs code from the file. Raises ValueError if it is missing or holds anything else.
    """
    path = find_weights_file(file)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
        raise ValueError(f"weights={file}: expected a file of at most {LARGEST >> 30} GiB")
    try:
        saved = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pth(path)
    except ModuleNotFoundError as error:
        raise ValueError(f"weights={file}: reading it needs safetensors: pip install safetensors") from error
    except Exception as error:  # the unpickler raises many kinds for a file that isn't one of torch's
        raise ValueError(
            f"weights={file} can't be read as weights ({type(error).__name__}): expected a state dict, as "
            f"torch.save(model.state_dict(), FILE) writes it"
        ) from error
    if not isinstance(saved, dict) or not saved:
        raise ValueError(f"weights={file} holds no state dict, but an object of type {type(saved).__name__}")
    for name, value in saved.items():
        if isinstance(value, Tensor) and value.nbytes > max(value.untyped_storage().nbytes(), 0):
            raise ValueError(f"weights={file}: {name} is larger than its content")
    return saved


def _read_pth(path: Path) -> dict[str, Tensor]:
    """Raises ValueError if it would unpack to more than it is."""
    with open(path, "rb") as file:
        if zipfile.is_zipfile(file):  # else torch's format before 1.6, which isn't packed
            with zipfile.ZipFile(file) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                    raise ValueError("it isn't packed as torch packs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is in a hostile file
        return torch.load(path, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)
