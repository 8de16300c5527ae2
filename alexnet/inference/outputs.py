"""The files that a command is to write: checked before any work. No torch: mistakes come at once."""

from collections.abc import Mapping
from pathlib import Path

from alexnet.disk import name_temporary
from alexnet.errors import Mistake

PICTURES = (".png", ".pdf", ".svg")


def check_outputs(outputs: Mapping[str, str | None], force: bool) -> None:
    """Raises Mistake if one of the files is there already, can't be there, or is named twice. Keys: the options."""
    plot = outputs.get("--plot")
    if plot is not None and Path(plot).suffix not in PICTURES:
        raise Mistake(f"--plot {plot}: expected a file that ends in {', '.join(PICTURES)}.")
    given = {option: Path(file) for option, file in outputs.items() if file is not None}
    for option, file in given.items():
        if file.is_dir():
            raise Mistake(f"{option} {file} is a folder: name a file in it.")
        if not file.parent.is_dir():
            raise Mistake(f"{option} {file}: there is no folder {file.parent}. Make it, or name another file.")
        if file.exists() and not force:
            raise Mistake(f"{option} {file} is there already: name another file, or give --force to replace it.")
        try:
            name_temporary(file).touch()
            name_temporary(file).unlink()
        except OSError as error:
            raise Mistake(f"{option} {file} can't be written: {error.strerror}. Name a file elsewhere.") from error
    if len({file.resolve() for file in given.values()}) < len(given):
        raise Mistake(f"{' and '.join(given)} would write the same file: name one for each.")
