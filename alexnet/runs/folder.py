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
result.previous.json        how it had ended before it was gone on with
"""

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from alexnet.errors import Damaged, Mistake

# Where version 0.1.0 had what a configuration's _target_ names.
MOVED = {
    "alexnet.datasets.cifar10": "alexnet.data.cifar.cifar10",
    "alexnet.datasets.cifar100": "alexnet.data.cifar.cifar100",
    "alexnet.datasets.digits": "alexnet.data.digits.digits",
    "alexnet.datasets.fashion_mnist": "alexnet.data.fashion_mnist.fashion_mnist",
    "alexnet.datasets.image_folder": "alexnet.data.image_folder.image_folder",
    **{
        f"alexnet.schedules.{name}": f"alexnet.training.schedules.{name}"
        for name in ("constant", "cosine", "one_cycle", "plateau", "step")
    },
}
SWEEP_SETTINGS = ("launcher", "sweeper", "sweep", "overrides")  # of Hydra's, those that a sweep's jobs follow


def claim(wanted: str | Path) -> Path:
    """A new folder of that name, or with -2, -3, ... behind it where the name is taken.

    The folder is made by this call alone, so two runs never share one. Raises Mistake where none can be made.
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
                return folder
            except FileExistsError:
                continue
    except OSError as error:
        raise Mistake(
            f"The run's folder {wanted} can't be made: {error.strerror}. Give another with hydra.run.dir=FOLDER "
            f"(hydra.sweep.dir=FOLDER for a sweep)."
        ) from error


def find_runs(folder: str | Path, unreadable: Callable[[OSError], Any] | None = None) -> list["Run"]:
    """The runs in a folder at any depth, or the folder itself where it is one; 2 before 10.

    Links are not followed, so no run is met twice. unreadable: called for a folder that can't be listed.
    """
    found = []
    for path, folders, files in os.walk(folder, onerror=unreadable):
        composed = os.path.exists(os.path.join(path, ".hydra", "config.yaml"))  # not yet in a folder just claimed
        if composed or "config.yaml" in files or "result.json" in files:
            found.append(path)
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]
    return [Run(path) for path in sorted(found, key=natural_sort_key)]


def check_space(folder: Path, needed: int, way_out: str) -> None:
    """Raises Mistake where the disk of the folder, or of where it is to be, has fewer than `needed` bytes free."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise Mistake(
            f"The disk of {folder} has {free >> 20} MB free, and this may write {needed >> 20} MB: make room, "
            f"or {way_out}."
        )


def natural_sort_key(path: str | Path) -> list[str | int]:
    """What to sort paths by: numbers in them as numbers."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", str(path))]


class Run:
    """One run's folder, to write to and to read from.

    Reading raises Damaged for a file that is not what a run writes.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.curve = self.folder / "alexnet_training_curve.png"
        self.confusion = self.folder / "confusion_matrix.png"
        self.checkpoints = self.folder / "checkpoints"

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

    def begin(self, config: str, environment: dict[str, Any], epoch: int, step: int) -> None:
        """Training begins, or goes on: an earlier result is set aside, and so are rows after that epoch and step.

        All is written aside first, so a disk without room leaves the folder as it was.
        """
        texts = {
            "environment.json": json.dumps(environment, indent=2, ensure_ascii=False) + "\n",
            "config.yaml": config,  # later, so that an extended run is never one without its `extended_from`
            **self._rows_until(epoch, step),
        }
        try:
            asides = {name: self._aside(name, text) for name, text in texts.items()}
        except OSError:
            for name in texts:
                (self.folder / f"{name}.part").unlink(missing_ok=True)
            raise
        if (self.folder / "result.json").exists():
            os.replace(self.folder / "result.json", self.folder / "result.previous.json")
        for name, aside in asides.items():
            os.replace(aside, self.folder / name)

    def write_result(self, result: dict[str, Any]) -> None:
        text = json.dumps(result, indent=2, ensure_ascii=False)
        text = re.sub(r"\[\s+([\d,\s]+?)\s+\]", lambda row: f"[{' '.join(row[1].split())}]", text)  # a row a line
        self._write("result.json", text + "\n")

    def result(self) -> dict[str, Any] | None:
        """How the run ended; None while it runs, and where it was killed."""
        return self._mapping("result.json", json.loads)

    def is_done(self) -> bool:
        """Whether running it again could only end the same way."""
        return (self.result() or {}).get("status") in ("finished", "diverged")

    def config(self) -> dict[str, Any]:
        """The resolved configuration, nested; as it was composed where the run ended before it was resolved.

        Plain YAML: nothing in it is run or looked up, whoever wrote it.
        """
        config = self._mapping("config.yaml", _load_yaml)
        if config is None:
            config = self._mapping(".hydra/config.yaml", _load_yaml) or {}
        for group in config.values():
            if isinstance(group, dict) and isinstance(group.get("_target_"), str):
                group["_target_"] = MOVED.get(group["_target_"], group["_target_"])
        return config

    def environment(self) -> dict[str, Any]:
        """What the numbers depend on beside the configuration; empty where that was never written."""
        return self._mapping("environment.json", json.loads) or {}

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

    @property
    def is_new(self) -> bool:
        """Whether no run has begun here."""
        return not (self.folder / "config.yaml").exists()

    def sweep(self) -> dict[str, Any] | None:
        """Where the folder is a sweep's, Hydra's settings of it, with their `overrides` as texts; else None."""
        content = self._mapping("multirun.yaml", _load_yaml)
        try:
            settings = content and {name: dict(content["hydra"][name]) for name in SWEEP_SETTINGS}
            if settings:
                overrides = settings["overrides"]
                settings["overrides"] = {kind: list(map(str, overrides[kind])) for kind in ("task", "hydra")}
            return settings
        except (KeyError, TypeError, ValueError) as error:
            expected = ", ".join(SWEEP_SETTINGS)
            raise Damaged(f"{self.folder}/multirun.yaml can't be read: expected {expected} under hydra.") from error

    def _append(self, name: str, row: dict[str, Any]) -> None:
        path = self.folder / name
        text = io.StringIO()
        writer = csv.DictWriter(text, row, lineterminator="\n")
        if not path.exists() or path.stat().st_size == 0:
            writer.writeheader()
        writer.writerow(row)
        with open(path, "a", encoding="utf-8") as file:  # one write a row: a reader sees whole rows only
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())  # a checkpoint must never be on disk before the rows up to it

    def _rows_until(self, epoch: int, step: int) -> dict[str, str]:
        """Both tables with the first `epoch` epochs and up to `step` only; a half-written line goes, too."""
        tables = {}
        for name, key, last in (("losses.csv", "step", step), ("epochs.csv", "epoch", epoch)):
            path = self.folder / name
            if not path.is_file():
                continue
            lines = [line for line in path.read_text(encoding="utf-8").splitlines(True) if line.endswith("\n")]
            if not lines or not last:  # empty where a run begun anew was stopped before its first row
                tables[name] = ""
                continue
            try:
                column = lines[0].strip().split(",").index(key)
                kept = [line for line in lines[1:] if int(line.split(",")[column]) <= last]
            except (IndexError, ValueError) as error:
                raise Mistake(f"{path} is damaged: expected a table with a column {key}.") from error
            tables[name] = "".join([lines[0], *kept])
        return tables

    def _rows(self, name: str) -> list[dict[str, float]]:
        def parse(text: str) -> list[dict[str, float]]:
            rows = csv.DictReader(io.StringIO(text), strict=True)
            return [{key: float(value) if value else None for key, value in row.items()} for row in rows]

        return self._parsed(name, parse) or []

    def _mapping(self, name: str, parse: Callable[[str], Any]) -> dict[str, Any] | None:
        content = self._parsed(name, parse)
        if content is None and not (self.folder / name).is_file():
            return None
        if not isinstance(content, dict):
            raise Damaged(f"{self.folder / name} can't be read: expected a mapping, not {content!r:.20}.")
        return content

    def _parsed(self, name: str, parse: Callable[[str], Any]) -> Any:
        """The file's content; None where there is no such file."""
        path = self.folder / name
        try:
            return parse(path.read_text(encoding="utf-8")) if path.is_file() else None
        except (OSError, ValueError, TypeError, RecursionError, csv.Error, yaml.YAMLError) as error:
            raise Damaged(f"{path} can't be read: {' '.join(str(error).split())}.") from error

    def _write(self, name: str, text: str) -> None:
        os.replace(self._aside(name, text), self.folder / name)

    def _aside(self, name: str, text: str) -> Path:
        """The text in a file of its own, which is to take the place of the file of that name."""
        aside = self.folder / f"{name}.part"
        aside.write_text(text, encoding="utf-8")
        return aside


def _load_yaml(text: str) -> Any:
    """Plain values only, from whomever the file came.

    Aliases and deep nesting, which no run writes, are refused: a few of them can stand for a billion values,
    or crash the parser.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C reads ten times as fast
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > 50:
            raise ValueError("it has YAML aliases, or more than 50 levels")
    return yaml.load(text, Loader=loader)
