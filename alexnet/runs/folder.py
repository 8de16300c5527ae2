"""The folders of a run and of a sweep. This module alone knows the names of the files in them.

A run's folder:

.hydra/                     the composed configuration, as Hydra writes it
config.yaml                 the same, resolved
environment.json            command, commit, versions, machine, fingerprint of the data
train.log                   the console's lines with their times
losses.csv                  a row per window
epochs.csv                  a row per epoch
alexnet_training_curve.png  losses.csv as a picture
confusion_matrix.png        the test images by true and predicted class
checkpoints/last.pt         weights, optimizer and position
checkpoints/best.pt         weights of the best validation epoch, if there is a validation split
result.json                 how the run ended; without it the run is still running, or was killed
result.previous.json        how the run had ended before it was resumed

A sweep's folder has a run's folder per job, and:

multirun.yaml               the settings, as Hydra writes them
sweep.csv, sweep.md         the jobs so far, compared
sweep.png                   the same as a picture
study.db                    Optuna's study, if hydra/sweeper=search
"""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from alexnet.errors import Damaged, Mistake
from alexnet.runs.files import replace_text, replacing
from alexnet.runs.reading import MOST_PARTS, read_json, read_table, read_yaml

# Targets of a configuration as version 0.1.0 named them, and their names today.
MOVED = {
    "alexnet.datasets.cifar10": "alexnet.data.cifar.cifar10",
    "alexnet.datasets.cifar100": "alexnet.data.cifar.cifar100",
    "alexnet.datasets.digits": "alexnet.data.digits.digits",
    "alexnet.datasets.fashion_mnist": "alexnet.data.fashion_mnist.fashion_mnist",
    "alexnet.datasets.image_folder": "alexnet.data.image_folder.image_folder",
    "alexnet.schedules.constant": "alexnet.training.schedules.constant",
    "alexnet.schedules.cosine": "alexnet.training.schedules.cosine",
    "alexnet.schedules.one_cycle": "alexnet.training.schedules.one_cycle",
    "alexnet.schedules.plateau": "alexnet.training.schedules.plateau",
    "alexnet.schedules.step": "alexnet.training.schedules.step",
}
MOST_LEVELS = 100  # of folders in one another
SWEEP_SETTINGS = ("launcher", "sweeper", "sweep", "overrides")  # those of Hydra's that decide a sweep's jobs


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
                return folder
            except FileExistsError:
                continue
    except OSError as error:
        raise Mistake(
            f"The run's folder {wanted} can't be made: {error.strerror}. Give another with hydra.run.dir=FOLDER "
            f"(hydra.sweep.dir=FOLDER for a sweep)."
        ) from error
    raise AssertionError("count() never ends")


def find_runs(folder: str | Path, unreadable: Callable[[OSError], Any] | None = None) -> list["Run"]:
    """The runs in a folder at up to 100 levels, or the folder itself if it is one; 2 before 10.

    Links are not followed, so no run is found twice. unreadable: called for a folder that can't be listed.
    """
    found, top = [], os.fspath(folder).count(os.sep)
    for path, folders, files in os.walk(folder, onerror=unreadable):
        composed = os.path.exists(os.path.join(path, ".hydra", "config.yaml"))  # not yet in a folder just claimed
        if composed or "config.yaml" in files or "result.json" in files:
            found.append(path)
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".") and path.count(os.sep) - top < MOST_LEVELS]
    return [Run(path) for path in sorted(found, key=natural_sort_key)]


def natural_sort_key(path: str) -> list[str | int]:
    """Sorts the numbers in paths as numbers."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path)]


class Run:
    """One run's folder, to write to and to read from.

    Reading raises Damaged for a file that no run writes.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.curve = self.folder / "alexnet_training_curve.png"
        self.confusion = self.folder / "confusion_matrix.png"
        self.checkpoints = self.folder / "checkpoints"
        self.log = self.folder / "train.log"

    def record_window(self, row: dict[str, Any]) -> None:
        """Appends a row to losses.csv: epoch, batch, step, loss, accuracy, learning_rate, images_per_second."""
        self._append("losses.csv", row)

    def record_epoch(self, row: dict[str, Any]) -> None:
        """Appends a row to epochs.csv."""
        self._append("epochs.csv", row)

    def windows(self) -> list[dict[str, Any]]:
        """The rows of losses.csv: floats, or None for an empty cell."""
        return read_table(self.folder / "losses.csv")

    def epochs(self) -> list[dict[str, Any]]:
        """The rows of epochs.csv: floats, or None for an empty cell."""
        return read_table(self.folder / "epochs.csv")

    def write_config(self, text: str) -> None:
        """Writes the resolved configuration, as YAML."""
        replace_text(self.folder / "config.yaml", text)

    def begin(self, config: str, environment: dict[str, Any], epoch: int, step: int) -> None:
        """Training begins or is resumed: keeps the earlier result as the previous one, drops rows after that step.

        All files are written before the first one is replaced, so a full disk leaves the folder as it was.
        """
        texts = {
            **self._cut_tables(epoch, step),
            "config.yaml": config,
            "environment.json": json.dumps(environment, indent=2, ensure_ascii=False) + "\n",
        }
        # The last one is replaced first: an extended run's config.yaml never lacks `extended_from` in environment.json.
        with ExitStack() as files:
            for name, text in texts.items():
                files.enter_context(replacing(self.folder / name)).write_text(text, encoding="utf-8")
            if (self.folder / "result.json").exists():
                os.replace(self.folder / "result.json", self.folder / "result.previous.json")

    def write_result(self, result: dict[str, Any]) -> None:
        """Writes result.json, a row of the confusion matrix per line."""
        text = json.dumps(result, indent=2, ensure_ascii=False)
        text = re.sub(r"\[\s+([\d,\s]+?)\s+\]", lambda row: f"[{' '.join(row[1].split())}]", text)
        replace_text(self.folder / "result.json", text + "\n")

    def result(self) -> dict[str, Any] | None:
        """How the run ended, at least its `status`; None while it runs, or if it was killed."""
        result = read_json(self.folder / "result.json")
        if result is not None and not (isinstance(result.get("status"), str) and len(result["status"]) < 100):
            raise Damaged(f"{self.folder / 'result.json'} can't be read: expected a status.")
        return result

    def is_done(self) -> bool:
        """Whether the run finished or diverged: resuming it could only end the same way."""
        result = self.result()
        return result is not None and result["status"] in ("finished", "diverged")

    def config(self) -> dict[str, Any]:
        """The resolved configuration, nested; the composed one if the run ended before it was resolved; or {}.

        Plain YAML: nothing in it is run or looked up, whoever wrote it. Targets have today's names.
        """
        config = read_yaml(self.folder / "config.yaml")
        if config is None:
            config = read_yaml(self.folder / ".hydra" / "config.yaml") or {}
        for group in config.values():
            if isinstance(group, dict) and isinstance(group.get("_target_"), str):
                group["_target_"] = MOVED.get(group["_target_"], group["_target_"])
        return config

    def environment(self) -> dict[str, Any]:
        """What the numbers depend on besides the configuration; {} if that was never written."""
        environment = read_json(self.folder / "environment.json", most_values=MOST_PARTS) or {}
        earlier, extended = environment.get("earlier", []), environment.get("extended_from", [])
        if not (isinstance(earlier, list) and isinstance(extended, list) and len(extended) < 1000):
            raise Damaged(f"{self.folder / 'environment.json'} can't be read: expected lists of what was earlier.")
        return environment

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keeps other processes from training in this folder. Raises Mistake if one does."""
        from filelock import FileLock, Timeout  # imported here, so that --help and mistakes are answered sooner

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

    def check_own_files(self) -> None:
        """Raises Damaged if a file that a resumed run appends to is something else: a pipe, or a link to elsewhere."""
        for path in (self.log, self.folder / "losses.csv", self.folder / "epochs.csv"):
            if os.path.lexists(path) and (os.path.islink(path) or not os.path.isfile(path)):
                raise Damaged(f"{path} isn't a file of its own, so nothing is written to it: remove it.")

    @property
    def is_new(self) -> bool:
        """Whether no run has begun in the folder."""
        return not (self.folder / "config.yaml").exists()

    def _append(self, name: str, row: dict[str, Any]) -> None:
        path = self.folder / name
        text = io.StringIO()
        writer = csv.DictWriter(text, row, lineterminator="\n")
        if not path.exists() or path.stat().st_size == 0:
            writer.writeheader()
        writer.writerow(row)
        with open(path, "a", encoding="utf-8") as file:  # one write per row: a reader sees whole rows only
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())  # a checkpoint must never be on disk before the rows up to it

    def _cut_tables(self, epoch: int, step: int) -> dict[str, str]:
        """Both tables up to that epoch and step, without a half-written line. Raises Damaged for other tables."""
        tables = {}
        for name, key, last in (("losses.csv", "step", step), ("epochs.csv", "epoch", epoch)):
            path = self.folder / name
            if not path.is_file():
                continue
            lines = [line for line in path.read_text(encoding="utf-8").splitlines(True) if line.endswith("\n")]
            if not lines or not last:  # empty if the run was stopped before its first row
                tables[name] = ""
                continue
            try:
                column = lines[0].strip().split(",").index(key)
                kept = [line for line in lines[1:] if int(line.split(",")[column]) <= last]
            except (IndexError, ValueError) as error:
                raise Damaged(f"{path} is damaged: expected a table with a column {key}.") from error
            tables[name] = "".join([lines[0], *kept])
        return tables


class Sweep:
    """A sweep's folder. Reading raises Damaged for a file that no sweep writes."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.study = self.folder / "study.db"
        self.picture = self.folder / "sweep.png"
        self.csv = self.folder / "sweep.csv"
        self.markdown = self.folder / "sweep.md"
        self.multirun = self.folder / "multirun.yaml"

    def settings(self) -> dict[str, Any] | None:
        """Hydra's settings of the sweep, with their `overrides` as texts; None if the folder isn't a sweep's."""
        content = read_yaml(self.multirun)
        if content is None:
            return None
        try:
            settings = {name: dict(content["hydra"][name]) for name in SWEEP_SETTINGS}
            overrides = settings["overrides"]
            settings["overrides"] = {kind: list(map(str, overrides[kind])) for kind in ("task", "hydra")}
            return settings
        except (KeyError, TypeError, ValueError) as error:
            expected = ", ".join(SWEEP_SETTINGS)
            raise Damaged(f"{self.multirun} can't be read: expected {expected} under hydra.") from error
