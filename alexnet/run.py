"""The run folder: the only module that knows what is in one, and under which names.

.hydra/                     the composed configuration, as Hydra writes it
config.yaml                 the same, resolved
environment.json            command, commit, versions, machine, fingerprint of the data
train.log                   the console lines, with times
losses.csv                  a row a window
epochs.csv                  a row an epoch
alexnet_training_curve.png  losses.csv, drawn
confusion_matrix.png        the test images by true and predicted class
checkpoints/last.pt         weights, optimizer and position
checkpoints/best.pt         weights of the best validation epoch, where there is a validation split
result.json                 how it ended; a folder without one is running, or was killed
"""

import csv
import io
import json
import logging
import os
import pickle
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from alexnet.errors import Mistake

logger = logging.getLogger(__name__)


def claim(wanted: str | Path) -> Path:
    """A new folder of that name, or with -2, -3, ... behind it where the name is taken.

    The folder is made by this call alone, so two runs never share one. Raises Mistake where none can be made.
    """
    wanted = Path(wanted)
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                continue
    except OSError as error:
        raise Mistake(
            f"The run's folder {wanted} can't be made: {error.strerror}. Give another with hydra.run.dir=FOLDER "
            f"(hydra.sweep.dir=FOLDER for a sweep)."
        ) from error


class Run:
    """One run's folder, to write to and to read from."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.curve = self.folder / "alexnet_training_curve.png"
        self.confusion = self.folder / "confusion_matrix.png"

    def record_window(self, row: dict[str, Any]) -> None:
        """A row of losses.csv: epoch, batch, step, loss, accuracy, learning_rate, images_per_second."""
        self._append("losses.csv", row)

    def record_epoch(self, row: dict[str, Any]) -> None:
        """A row of epochs.csv."""
        self._append("epochs.csv", row)

    def windows(self) -> list[dict[str, float]]:
        """The rows of losses.csv, numbers as numbers."""
        return self._rows("losses.csv")

    def epochs(self) -> list[dict[str, float]]:
        """The rows of epochs.csv, numbers as numbers."""
        return self._rows("epochs.csv")

    def write_config(self, text: str) -> None:
        self._write("config.yaml", text)

    def write_environment(self, environment: dict[str, Any]) -> None:
        self._write("environment.json", json.dumps(environment, indent=2, ensure_ascii=False) + "\n")

    def write_result(self, result: dict[str, Any]) -> None:
        text = json.dumps(result, indent=2, ensure_ascii=False)
        text = re.sub(r"\[\s+([\d,\s]+?)\s+\]", lambda row: f"[{' '.join(row[1].split())}]", text)  # a row a line
        self._write("result.json", text + "\n")

    def result(self) -> dict[str, Any] | None:
        """How the run ended; None while it runs, and where it was killed. Raises Mistake for a damaged file."""
        return self._json("result.json")

    def environment(self) -> dict[str, Any] | None:
        """What `environment.describe` found when the run last started. Raises Mistake for a damaged file."""
        return self._json("environment.json")

    def config(self) -> DictConfig:
        """The resolved configuration, as plain data: nothing in it is interpolated, built or run.

        Raises Mistake where the folder has none, or one that no run could have written.
        """
        path = self.folder / "config.yaml"
        try:
            text = path.read_text(encoding="utf-8")
            if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, yaml.SafeLoader)):
                raise ValueError("aliases aren't expected in it")  # they can blow up to any size
            if "${" in text:
                raise ValueError("it has an interpolation (${...}), and a saved configuration is resolved")
            config = OmegaConf.create(text)
        except FileNotFoundError as error:
            raise Mistake(f"{self.folder} isn't the folder of a run: there is no config.yaml in it.") from error
        except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException, RecursionError) as error:
            raise Mistake(f"{path} is refused: {' '.join(str(error).split())}.") from error
        if not isinstance(config, DictConfig):
            raise Mistake(f"{path} is refused: expected keys and values.")
        return config

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """While it lasts, no other process trains in this folder. Raises Mistake where one does."""
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise Mistake(f"{self.folder} is being trained by another process: wait for it, or stop it.") from error
        try:
            yield
        finally:
            (self.folder / ".lock").unlink(missing_ok=True)
            lock.release()

    def set_result_aside(self) -> None:
        """An earlier end becomes result.previous.json: while a run goes on, it hasn't ended."""
        if (self.folder / "result.json").exists():
            os.replace(self.folder / "result.json", self.folder / "result.previous.json")

    def overrides(self) -> list[str]:
        """What the person gave on the command line, as Hydra wrote it down."""
        path = self.folder / ".hydra" / "overrides.yaml"
        return list(OmegaConf.load(path)) if path.is_file() else []

    def save_checkpoint(self, name: str, state: dict[str, Any]) -> None:
        """`checkpoints/NAME.pt`: tensors and plain types, written aside, synced, then renamed.

        The one that it replaces is there until it is done.
        """
        import torch

        path = self.folder / "checkpoints" / f"{name}.pt"
        path.parent.mkdir(exist_ok=True)
        aside = path.with_suffix(".part")
        try:
            with open(aside, "wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            aside.unlink(missing_ok=True)  # on a full disk this makes room for result.json
            raise
        before = path.with_name("previous.pt")
        if name == "last" and path.exists():
            os.replace(path, before)
        os.replace(aside, path)
        before.unlink(missing_ok=True)

    def load_checkpoint(self, name: str) -> dict[str, Any]:
        """What `save_checkpoint` wrote; never runs code from the file. Raises Mistake for a damaged one."""
        import torch

        path = self.folder / "checkpoints" / f"{name}.pt"
        try:
            with zipfile.ZipFile(path) as archive:  # torch itself doesn't look at the checksums
                if damaged := archive.testzip():
                    raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
            raise Mistake(f"{path} can't be read: {str(error).splitlines()[0]}") from error
        if not isinstance(state, dict):
            raise Mistake(f"{path} holds no checkpoint of this project.")
        return state

    def last_checkpoint(self) -> dict[str, Any] | None:
        """The newest whole checkpoint to go on from; None where the run was stopped before its first one.

        Raises Mistake where there are checkpoints and none is whole.
        """
        damaged = None
        for name in ("last", "previous"):
            if (self.folder / "checkpoints" / f"{name}.pt").exists():
                try:
                    state = self.load_checkpoint(name)
                except Mistake as mistake:
                    damaged = mistake
                    continue
                if damaged:
                    logger.warning(f"{damaged} Going on from the checkpoint before it.")
                return state
        if damaged:
            raise damaged
        return None

    def cut_rows(self, epoch: int, step: int) -> None:
        """Keeps the rows of the first `epoch` epochs and up to `step` only; a half-written line goes, too."""
        for name, last in (("losses.csv", ("step", step)), ("epochs.csv", ("epoch", epoch))):
            path = self.folder / name
            if last[1] == 0:
                path.unlink(missing_ok=True)
            if not path.is_file():
                continue
            lines = [line for line in path.read_text(encoding="utf-8").splitlines(True) if line.endswith("\n")]
            try:
                column = lines[0].strip().split(",").index(last[0])
                kept = [line for line in lines[1:] if int(line.split(",")[column]) <= last[1]]
            except (IndexError, ValueError) as error:
                raise Mistake(f"{path} is damaged: expected a table with a column {last[0]}.") from error
            self._write(name, "".join([lines[0], *kept]))

    def check_space(self, needed: int) -> None:
        """Raises Mistake where the disk has fewer than `needed` bytes free."""
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise Mistake(
                f"The disk of {self.folder} has {free >> 20} MB free, and the run may write {needed >> 20} MB: make "
                f"room, or give a folder on another disk with hydra.run.dir=FOLDER (hydra.sweep.dir=FOLDER)."
            )

    def _json(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise Mistake(f"{path} is damaged: {error}") from error
        if not isinstance(content, dict):
            raise Mistake(f"{path} is damaged: expected keys and values.")
        return content

    def _append(self, name: str, row: dict[str, Any]) -> None:
        path = self.folder / name
        text = io.StringIO()
        writer = csv.DictWriter(text, row, lineterminator="\n")
        if not path.exists():
            writer.writeheader()
        writer.writerow(row)
        with open(path, "a", encoding="utf-8") as file:  # one write a row: a reader sees whole rows only
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())  # a checkpoint must never be on disk before the rows up to it

    def _rows(self, name: str) -> list[dict[str, float]]:
        path = self.folder / name
        if not path.is_file():
            return []
        with open(path, newline="", encoding="utf-8") as file:
            return [
                {key: float(value) if value else None for key, value in row.items()} for row in csv.DictReader(file)
            ]

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        aside = path.with_name(name + ".part")
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
