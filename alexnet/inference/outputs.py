"""The files that a command is to write: checked before any work. No torch: mistakes come at once."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from alexnet.disk import name_temporary
from alexnet.errors import Mistake
from alexnet.messages.console import from_here

PICTURES = (".png", ".pdf", ".svg")


def check_outputs(outputs: Mapping[str, str | None], force: bool) -> dict[str, Path]:
    """Where each file is to be written: links are followed, so that they stay. Keys: the options.

    Raises Mistake if one of the files is there already, is a device or a pipe, can't be there, or is named twice.
    """
    plot = outputs.get("--plot")
    if plot is not None and Path(plot).suffix not in PICTURES:
        raise Mistake(f"--plot {plot}: expected a file that ends in {', '.join(PICTURES)}.")
    given = {option: file for option, file in outputs.items() if file is not None}
    places = {option: _check_file(option, file, force) for option, file in given.items()}
    if len(set(places.values())) < len(places):
        raise Mistake(f"{' and '.join(places)} would write the same file: name one for each.")
    return places


def _check_file(option: str, given: str, force: bool) -> Path:
    """Where the file is to be written. Raises Mistake if it can't be."""
    named, file = f"{option} {given}", Path(os.path.realpath(given))
    if given == "-":
        raise Mistake(
            f"{named}: stdout has the lines for people. Name a file, then give it on: {option} FILE && cat FILE"
        )
    if file.is_dir():
        raise Mistake(f"{named} is a folder: name a file in it.")
    if not file.parent.is_dir():
        raise Mistake(f"{named}: there is no folder {from_here(file.parent)}. Make it, or name another file.")
    if (os.path.exists(given) or file.is_symlink()) and (not file.is_file() or _is_printed_to(file)):
        raise Mistake(
            f"{named} is a device, a pipe, or where this program prints, and a file would take its place. Name a file, "
            f"then give it on: {option} FILE && cat FILE"
        )
    if file.exists() and not force:
        raise Mistake(f"{named} is there already: name another file, or give --force to replace it.")
    try:
        name_temporary(file).touch()
        name_temporary(file).unlink()
    except OSError as error:
        raise Mistake(f"{named} can't be written: {error.strerror}. Name a file elsewhere.") from error
    return file


def _is_printed_to(file: Path) -> bool:
    """Whether stdout or stderr goes to the file, as with `> FILE`; /dev/stdout leads there, too."""
    for descriptor in (1, 2):
        with suppress(OSError):  # it is closed
            if os.path.samestat(os.fstat(descriptor), file.stat()):
                return True
    return False
