"""Exports a trained network for other programs; each file is read back and compared before it takes its place.

No torch here: mistakes come at once.
"""

import os
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from alexnet.disk import check_space, format_bytes, making_folder, sync
from alexnet.errors import Failure, Mistake
from alexnet.messages.console import say

# Of each format: the files in the folder, and the libraries that it needs besides torch.
FILES: dict[str, Sequence[str]] = {
    "onnx": ("model.onnx",),
    "safetensors": ("model.safetensors",),
    "torchvision": ("alexnet.pth",),
    "pt2": ("model.pt2",),
    "hub": ("model.safetensors", "config.json", "preprocessor_config.json", "README.md"),
}
LIBRARIES = {"onnx": ("onnx", "onnxruntime", "onnxscript"), "safetensors": ("safetensors",), "hub": ("safetensors",)}


def export(
    folder: str, overrides: Sequence[str], to: str, out: str, force: bool = False, license: str | None = None
) -> int:
    """Writes the network in a format of FILES into the folder `out`, and prints how the files compare with torch's own.

    folder: a run's folder, or a published file of weights. overrides: such as dataset.root=FOLDER. force: replaces
    files that are there. license: of the weights, for the hub's model card. Returns the exit status.

    Raises Mistake for what isn't there, doesn't fit or isn't installed, Failure if what was read back isn't the same
    network; then nothing is written.
    """
    _check_libraries(to)
    _check_license(to, license)
    place = Path(out)
    _check_place(place, to, force)
    from alexnet.inference.exporters import EXPORTERS, prepare  # torch takes seconds to import
    from alexnet.inference.verdict import compare

    exported = prepare(folder, overrides, license or "unknown")
    exporter = EXPORTERS[to]
    exporter.check(exported)
    check_space(place, 2**20 + sum(value.nbytes for value in exported.weights.values()), "give another --out")
    with making_folder(place, "--out"), TemporaryDirectory(prefix=".export-", dir=place) as temporary:
        written = Path(temporary)
        say("{}", exported.describe())
        exporter.write(exported, written)
        first, *others = FILES[to]
        size = format_bytes((written / first).stat().st_size)
        verdict = compare(exported, exporter.read(exported, written), exporter.reader, exporter.exact)
        say("{}", verdict.describe())
        if not verdict.holds:
            raise Failure(f"{exporter.reader} computes something else than torch, so nothing was written to {out}.")
        for name in FILES[to]:
            sync(written / name)
            os.replace(written / name, place / name)
    sync(place)
    say("{}", f"{place / first} ({size})")
    for name in others:
        say("{}", str(place / name))
    return 0


def _check_libraries(to: str) -> None:
    missing = [name for name in LIBRARIES.get(to, ()) if find_spec(name) is None]
    if missing:
        verb = "isn't" if len(missing) == 1 else "aren't"
        raise Mistake(f"--to {to} needs {', '.join(missing)}, which {verb} installed: pip install -e '.[export]'")


def _check_license(to: str, license: str | None) -> None:
    if license is not None and to != "hub":
        raise Mistake(f"--license {license}: only the model card of --to hub names a licence.")
    if license is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,40}", license):
        raise Mistake(f"--license {license}: expected an identifier of the hub, such as mit or apache-2.0.")


def _check_place(place: Path, to: str, force: bool) -> None:
    if os.path.lexists(place) and not place.is_dir():
        raise Mistake(f"--out {place} is a file: expected the folder to write to.")
    for name in FILES[to]:
        if (place / name).is_dir():
            raise Mistake(f"{place / name} is a folder, and a file is to be written there: give another --out.")
        if os.path.lexists(place / name) and not force:
            raise Mistake(f"{place / name} is there already: give another --out, or --force to replace it.")


def refuse_model(to: str, model: str, folder: str) -> Mistake:
    """For a network that only the other formats take."""
    *others, last = [name for name in FILES if name != to]
    return Mistake(
        f"--to {to} is for model=alexnet with three channels, as torchvision has it, and {folder} has {model}: give "
        f"--to {', '.join(others)} or {last}."
    )
