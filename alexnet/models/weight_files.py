"""Reads and hashes weights. Files of them may be anybody's: tensors only, and none larger than its file."""

import io
import pickletools
import stat
import struct
import warnings
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

LARGEST = 2**33  # bytes of a file
MOST_PICKLED, MOST_HEADER = 2**18, 2**20  # bytes that describe the tensors of a .pth and of a .safetensors file
KINDS = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte")
# All that a state dict of plain tensors names. torch itself allows more: sparse tensors, an array of any length.
NAMED = {
    "collections OrderedDict",
    *(f"torch._utils _rebuild_{kind}" for kind in ("tensor", "tensor_v2", "parameter")),
    *(f"torch {kind}Storage" for kind in KINDS),
}
# What a .pth is and what writes it; the same of a .safetensors file.
SAVED = (
    ("a file of torch.save", "torch.save(model.state_dict(), FILE)"),
    ("a safetensors file", "safetensors.torch.save_file(model.state_dict(), FILE)"),
)
DTYPES = {getattr(torch, kind.lower()) for kind in KINDS if kind not in ("Char", "Byte")} | {torch.int8, torch.uint8}


class _Refused(ValueError):
    """Of a file that says more than the weights of a network. The message says what."""


def read_weights(file: str) -> dict[str, Tensor]:
    """The tensors in a file as torch.save(model.state_dict(), FILE) or safetensors writes it, on the CPU.

    Never runs code from the file. Raises ValueError if it is missing or holds anything else, before it takes more
    memory than the file.
    """
    path = Path(file).expanduser()
    if not path.exists():
        raise ValueError(f"model.weights={file}: there is no such file; expected the path of a state dict")
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
        raise ValueError(f"model.weights={file}: expected a file of at most {LARGEST >> 30} GiB")
    try:
        saved = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pth(path)
    except ModuleNotFoundError as error:
        raise ValueError(f"model.weights={file}: reading it needs safetensors: pip install safetensors") from error
    except Exception as error:  # the unpickler raises many kinds for a file that isn't one of torch's
        kind, save = SAVED[path.suffix == ".safetensors"]
        why = _find_reason(error, kind) if status.st_size else "the file is empty"
        raise ValueError(
            f"model.weights={file} can't be read as weights ({why}): expected a state dict, as {save} writes it"
        ) from error
    if not isinstance(saved, dict) or not saved:
        raise ValueError(f"model.weights={file} holds no state dict, but an object of type {type(saved).__name__}")
    saved = dict(saved)  # without attributes that hide a dictionary's own
    for name, value in saved.items():
        if problem := _find_problem(name, value):
            raise ValueError(f"model.weights={file} holds no state dict of plain numbers: {problem}")
    return saved


def _find_reason(error: Exception, kind: str) -> str:
    """Why a file can't be read that should be of this kind, for a person."""
    if isinstance(error, _Refused):
        return str(error)[:100]
    return (isinstance(error, OSError) and error.strerror) or f"it isn't {kind}, or not a whole one"


def _find_problem(name: Any, value: Any) -> str | None:
    """What keeps an entry from being a weight; None if nothing does."""
    shown = repr(name)[:100]
    if not isinstance(name, str):
        return f"the name {shown} is no text"
    if isinstance(value, dict):
        return f"{shown} is a dictionary of its own; if that holds the weights, save it alone"
    if not isinstance(value, Tensor):
        return f"{shown} is no tensor, but of type {type(value).__name__}"
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu" or value.dtype not in DTYPES:
        return f"{shown} is a tensor of another kind ({value.dtype}, {value.layout}, {value.device.type})"
    return f"{shown} is larger than its content" if value.nbytes > value.untyped_storage().nbytes() else None


def load_file(network: nn.Module, file: str) -> None:
    """Gives the network all its weights from a file. Raises ValueError if they aren't of this network."""
    saved, own = read_weights(file), network.state_dict()
    for name in [*own, *saved]:
        given, expected = describe_shape(saved.get(name)), describe_shape(own.get(name))
        if given != expected:
            raise ValueError(f"model.weights={file} isn't of this network: {name} is {given}, expected {expected}")
    network.load_state_dict(saved)


def describe_shape(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else "missing"


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, types, shapes and bytes of the tensors."""
    digest = sha256()
    for name, value in tensors.items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read_pth(path: Path) -> Any:
    """Raises ValueError if it would unpack to more than it is, or names anything but plain tensors."""
    with open(path, "rb") as file:
        if file.read(4) == b"PK\x03\x04":  # as torch tells its formats apart
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                if sum(entry.file_size for entry in entries) > path.stat().st_size:
                    raise _Refused("it isn't packed as torch packs")
                for entry in entries:
                    if entry.filename.endswith(".pkl"):
                        _check_pickle(archive.read(entry) if entry.file_size <= MOST_PICKLED else b"", 1)
        else:  # torch's format before 1.6: its number, its version, the machine, the tensors, the keys of their bytes
            file.seek(0)
            _check_pickle(file.read(MOST_PICKLED), 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is in a hostile file
        return torch.load(path, map_location="cpu", weights_only=True)


def _check_pickle(content: bytes, count: int) -> None:
    """Raises ValueError if one of the pickles at its start names anything but NAMED, or if there are fewer."""
    stream = io.BytesIO(content)
    for _ in range(count):
        for code, named, _ in pickletools.genops(stream):
            if code.name in ("STACK_GLOBAL", "INST"):
                raise _Refused("it isn't pickled as torch pickles")
            if code.name == "GLOBAL" and named not in NAMED:
                raise _Refused(f"it names {named}, and tensors need no such thing")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
    if MOST_HEADER < length <= path.stat().st_size:
        raise _Refused("its header is longer than that of any network")
    return load_file(path)
