"""The folders of a run and of a sweep. This module alone knows the names of the files in them. A run's folder:

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
show/                       pictures that show.py drew, and their figures
events.out.tfevents.*.run   what track.py wrote for TensorBoard
ranks/N.log                 warnings of process N, if several trained the run
.lock                       locked while a process trains in the folder
.claim-1, .claim-2          who trained in it in turn, of several programs that joined in a sweep

A sweep's folder has a run's folder per job, and:
multirun.yaml               the settings, as Hydra writes them
sweep.csv, sweep.md         the jobs so far, compared
sweep.png                   the same as a picture
study.db                    Optuna's study, if hydra/sweeper=search
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote
from typing import Any
from uuid import uuid4

from alexnet import disk
from alexnet.errors import Damaged, Mistake
from alexnet.runs import claims, tables
from alexnet.runs.moved import rename_targets
from alexnet.runs.reading import MOST_PARTS, load_yaml, read_json, read_table, read_yaml
from alexnet.runs.seals import check_config, join_rows, to_json, without_digest

CHECKPOINTS = ("last.pt", "previous.pt", "best.pt")
MOST_LEVELS = 100  # of folders in one another
SWEEP_SETTINGS = ("launcher", "sweeper", "sweep", "overrides")  # those of Hydra's that decide a sweep's jobs


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
    """One run's folder, to write to and to read from. Reading raises Damaged for a file that no run writes.

    claim: this program's, if others may train in the folder too. Writing ends the program if it has lost it.
    """

    def __init__(self, folder: str | Path, claim: claims.Claim | None = None):
        self.folder, self.claim = Path(folder), claim
        self.curve = self.folder / "alexnet_training_curve.png"
        self.confusion = self.folder / "confusion_matrix.png"
        self.checkpoints = self.folder / "checkpoints"
        self.log = self.folder / "train.log"
        self.pictures, self.ranks = self.folder / "show", self.folder / "ranks"

    def record_window(self, row: dict[str, Any]) -> None:
        """Appends a row to losses.csv: epoch, batch, step, loss, accuracy, learning_rate, images_per_second."""
        tables.append_row(self.folder / "losses.csv", row, self._check_claim)

    def record_epoch(self, row: dict[str, Any]) -> None:
        """Appends a row to epochs.csv."""
        tables.append_row(self.folder / "epochs.csv", row, self._check_claim)

    def windows(self) -> list[dict[str, Any]]:
        """The rows of losses.csv: floats, or None for an empty cell."""
        return read_table(self.folder / "losses.csv")

    def epochs(self) -> list[dict[str, Any]]:
        """The rows of epochs.csv: floats, or None for an empty cell."""
        return read_table(self.folder / "epochs.csv")

    def write_config(self, text: str) -> None:
        """Writes the resolved configuration, as YAML. It is the first file that makes the folder a run's."""
        disk.replace_text(self.folder / "config.yaml", text)
        disk.sync_place(self.folder)

    def begin(
        self, config: str, environment: dict[str, Any], epoch: int, step: int, sealed: dict[str, Any] | None = None
    ) -> None:
        """Training begins or is resumed: keeps the earlier result as the previous one, drops rows after that step.

        sealed: of the checkpoint that it is resumed from, if it has a `seal`. At step 0 all checkpoints are deleted.
        All files are written before the first one is replaced, so a full disk leaves the folder as it was.
        """
        self._check_claim()
        new, before = load_yaml(config), self.config()
        environment = {"id": uuid4().hex, **environment, "config": new}
        if before != new:  # valid, too, until config.yaml is replaced
            environment["config_before"] = before
        rows = tables.cut_by_column(self.folder, epoch, step) if sealed is None else self.check_seal(sealed)
        texts = {path: text for path, text in rows.items() if path.is_file()}
        texts[self.folder / "config.yaml"] = config
        texts[self.folder / "environment.json"] = to_json(environment)
        with ExitStack() as files:  # it replaces the last one first: environment.json has both configurations
            for path, text in texts.items():
                temporary = files.enter_context(disk.replacing(path))
                temporary.write_text(text, encoding="utf-8")
                disk.sync(temporary)  # some disks tell only now that they are full
            if sealed is None and step == 0:
                for name in CHECKPOINTS:
                    (self.checkpoints / name).unlink(missing_ok=True)
            if (self.folder / "result.json").exists():
                os.replace(self.folder / "result.json", self.folder / "result.previous.json")
        if environment.pop("config_before", None) is not None:
            disk.replace_text(self.folder / "environment.json", to_json(environment))

    def change_config(self, config: str) -> None:
        """Replaces the configuration of a run that has ended, and isn't resumed, by one with the same effect."""
        new, before, environment = load_yaml(config), self.config(), self.environment()
        if "config" in environment:  # version 0.1.0's has none
            noted = {**environment, "config": new, "config_before": before}  # valid until config.yaml is replaced
            disk.replace_text(self.folder / "environment.json", to_json(noted))
        self.write_config(config)
        if "config" in environment:
            disk.replace_text(self.folder / "environment.json", to_json({**environment, "config": new}))

    def seal(self) -> dict[str, Any]:
        """What ties a checkpoint to this folder: the run's id, its configuration, and its tables so far."""
        self._check_claim()
        environment = self.environment()
        return {**{key: environment.get(key) for key in ("id", "config")}, "tables": tables.describe(self.folder)}

    def check_seal(self, sealed: dict[str, Any]) -> dict[Path, str]:
        """The text of each table up to that checkpoint.

        Raises Damaged if `seal` gave that in another run's folder, or if a row of that time is missing or changed;
        KeyError, TypeError or ValueError if `seal` never gave it.
        """
        self.check_owner({"folder": sealed})
        return tables.cut(self.folder, sealed["tables"])

    def check_owner(self, saved: dict[str, Any]) -> None:
        """Raises Damaged if the checkpoint is of another run than environment.json; version 0.1.0's don't say.

        Raises KeyError or TypeError if no run saved it.
        """
        environment = self.environment()
        if "folder" in saved and saved["folder"]["id"] != environment.get("id"):
            if not environment:
                raise self._refuse_without_environment()
            raise Damaged(f"{self.folder} has a checkpoint and an environment.json of two runs: bring back its own.")

    def write_result(self, result: dict[str, Any]) -> None:
        """Writes result.json, a row of the confusion matrix per line."""
        self._check_claim()
        text = join_rows(to_json({**result, "tables": tables.describe(self.folder)}))
        disk.replace_text(self.folder / "result.json", text)

    def result(self) -> dict[str, Any] | None:
        """How the run ended, at least its `status`; None while it runs, or if it was killed."""
        path = self.folder / "result.json"
        result = read_json(path)
        if result is None:
            return None
        if not (isinstance(result.get("status"), str) and len(result["status"]) < 100):
            raise Damaged(f"{path} can't be read: expected a status.")
        way_out = f"write it again with rm {quote(str(path))} and python scripts/resume.py {quote(str(self.folder))}"
        return without_digest(path, result, way_out)

    def check_tables(self, result: dict[str, Any]) -> None:
        """Raises Damaged if the tables aren't those that the run ended with. result: the content of result.json."""
        tables.check(self.folder, result.get("tables"))

    def is_done(self) -> bool:
        """Whether the run finished or diverged: resuming it could only end the same way."""
        result = self.result()
        return result is not None and result["status"] in ("finished", "diverged")

    @property
    def is_untested(self) -> bool:
        """Whether the run finished with test=false, and nothing has tested its weights since."""
        result = self.result() or {}
        return result.get("status") == "finished" and "test_loss" not in result

    def config(self) -> dict[str, Any]:
        """The resolved configuration, nested; the composed one if the run ended before it was resolved; or {}.

        Plain YAML: nothing in it is run or looked up, whoever wrote it. Targets have today's names.
        """
        path, composed = self.folder / "config.yaml", self.folder / ".hydra" / "config.yaml"
        config, environment = read_yaml(path), self.environment()
        if config is not None and not environment and self._has_begun():
            raise self._refuse_without_environment()
        if config is not None or "config" in environment:
            check_config(path, config, environment)
        elif composed.is_file() and composed.stat().st_size > 0:  # 0 if the machine lost power at the start
            config = read_yaml(composed)
        return rename_targets(config or {})

    def environment(self) -> dict[str, Any]:
        """What the numbers depend on besides the configuration; {} if that was never written."""
        path = self.folder / "environment.json"
        environment = read_json(path, most_values=MOST_PARTS) or {}
        earlier, extended = environment.get("earlier", []), environment.get("extended_from", [])
        if not (isinstance(earlier, list) and isinstance(extended, list) and len(extended) < 1000):
            raise Damaged(f"{path} can't be read: expected lists of what was earlier.")
        again = f"rm {quote(str(path))} and python scripts/reproduce.py {quote(str(self.folder))}"
        return without_digest(path, environment, f"train again without it: {again}")

    def classes(self) -> list[str] | None:
        """The classes that the run tells apart; None if it doesn't say, as version 0.1.0 does at its end only."""
        known = self.environment().get("classes", (self.result() or {}).get("per_class_accuracy"))
        return list(map(str, known)) if isinstance(known, (list, dict)) else None

    def _has_begun(self) -> bool:
        """Whether a run has begun here, as the files besides environment.json say. Version 0.1.0 may have none."""
        sealed = "sha256" in (read_json(self.folder / "result.json") or {})
        return sealed and (self.is_done() or self.has_rows or self.has_checkpoint)

    def _refuse_without_environment(self) -> Damaged:
        missing = self.folder / "environment.json"
        return Damaged(f"{missing} is missing, which has the hashes of the run's files: bring it back.")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keeps other processes from training in this folder. Raises Mistake if one does."""
        with claims.exclusive(self.folder, self.folder / ".lock", self.claim) as self.claim:
            yield

    def _check_claim(self) -> None:
        if self.claim is not None:
            self.claim.check()

    def check_writable(self) -> None:
        """Raises Mistake if the run can't be resumed here: Damaged for a pipe, or a link to a file elsewhere."""
        appended = (self.log, self.folder / ".lock", *(self.folder / name for name in tables.TABLES))
        there = [path for path in appended if os.path.lexists(path)]
        for path in there:
            if os.path.islink(path) or not os.path.isfile(path):
                raise Damaged(f"{path} isn't a file of its own, so nothing is written to it: remove it.")
        for path in (self.folder, *there):
            if not os.access(path, os.W_OK):
                raise Mistake(
                    f"{path} can't be written to. Copy {self.folder} to a folder of yours and resume it there."
                )

    @property
    def is_new(self) -> bool:
        """Whether no run has begun in the folder."""
        return not (self.folder / "config.yaml").exists()

    @property
    def has_rows(self) -> bool:
        """Whether training has written a row."""
        return any(rows for rows, _ in tables.describe(self.folder).values())

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint to resume from, whole or damaged."""
        return any((self.checkpoints / name).exists() for name in ("last.pt", "previous.pt"))


class Sweep:
    """A sweep's folder. Reading raises Damaged for a file that no sweep writes."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.study = self.folder / "study.db"
        self.csv, self.markdown, self.picture = (self.folder / f"sweep.{kind}" for kind in ("csv", "md", "png"))
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
            return {**settings, "config_name": str(dict(content["hydra"].get("job") or {}).get("config_name", "train"))}
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"{self.multirun} can't be read: expected {', '.join(SWEEP_SETTINGS)} in hydra.") from error
