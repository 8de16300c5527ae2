"""Makes a new folder for a run or a sweep, which no other process gets."""

import shutil
from itertools import count
from pathlib import Path

from alexnet.errors import Mistake


def claim(wanted: str | Path) -> Path:
    """Makes a new folder of that name, or with -2, -3, ... appended if the name is taken.

    Only the call that makes a folder gets it, so two runs never share one. Raises Mistake if none can be made.
    """
    if not Path(wanted).name:
        raise Mistake(f"The run's folder has no name: '{wanted}'. Give one with hydra.run.dir=FOLDER.")
    wanted = Path(wanted)
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            _try_to_write(folder)
            return folder
    except OSError as error:
        raise Mistake(
            f"The run's folder {wanted} can't be made: {error.strerror}. Give another with hydra.run.dir=FOLDER "
            f"(hydra.sweep.dir=FOLDER for a sweep)."
        ) from error
    raise AssertionError("count() never ends")


def _try_to_write(folder: Path) -> None:
    """Raises OSError, and removes the folder, if its disk has no room for the first files of a run."""
    trial = folder / ".trial"
    try:
        trial.mkdir()
        for number in range(8):  # a disk may have room for bytes and not for files
            (trial / str(number)).write_bytes(bytes(1 << 14))
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(trial)
