"""Runs in MLflow. A run is found by a tag with its id, and what MLflow already has of it isn't sent again.

MLflow can't take back a number. A run whose earlier numbers no longer hold, because it was resumed from a checkpoint,
becomes a new MLflow run, and the earlier one is deleted after that. If this is killed, the next call does the rest.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from alexnet.comparison.records import format_value
from alexnet.errors import Damaged, Failure, Mistake, make_printable
from alexnet.tracking.snapshot import Identity, Part, Snapshot

# Unless the person has set others. MLflow would try for minutes.
WAITING = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
ID, STARTS, DIGEST, SWEEP = "alexnet.id", "alexnet.starts", "alexnet.digest", "alexnet.sweep"  # tags
PARENT = "mlflow.parentRunId"
STATUSES = {"finished": "FINISHED", "unfinished": "RUNNING", "interrupted": "KILLED"}  # others: FAILED
MOST_METRICS, MOST_PARAMS = 1000, 100  # of a request


class Point(NamedTuple):
    name: str
    step: int
    value: float


class Known(NamedTuple):
    """What MLflow has of a run."""

    run: str  # MLflow's id of it
    tags: dict[str, str]
    params: dict[str, str]
    points: set[Point]


class MlflowRuns:
    """server: its address, or what MLFLOW_TRACKING_URI may be; None: what that is."""

    def __init__(self, server: str | None, experiment: str):
        address = server or os.environ.get("MLFLOW_TRACKING_URI")
        if not address:
            raise Mistake(
                "--to mlflow needs a server: give --server http://localhost:5000 or set MLFLOW_TRACKING_URI. "
                "To start one here: mlflow server --backend-store-uri sqlite:///mlflow.db"
            )
        for name, value in WAITING.items():
            os.environ.setdefault(name, value)
        for name in ("urllib3", "mlflow"):  # what they would log is in the exceptions, too
            logging.getLogger(name).setLevel(logging.ERROR)
        self.address = address.rpartition("@")[2]  # without a password
        self.known: dict[str, Known] = {}  # by a run's id
        self.parents: dict[Path, str] = {}  # MLflow's ids, by the sweep's folder
        self.statuses: dict[Path, dict[str, str]] = {}  # of each sweep's runs
        with self._reaching():
            self.client = MlflowClient(tracking_uri=address)
            found = self.client.get_experiment_by_name(experiment)
            self.experiment = found.experiment_id if found else self.client.create_experiment(experiment)

    def send(self, snapshot: Snapshot, part: Part | None) -> str:
        """Returns what was done: new, updated or unchanged.

        Raises Damaged if MLflow refuses a name or a value, Failure if it can't be reached.
        """
        try:
            with self._reaching(snapshot.record.run.folder):
                done = self._send(snapshot, self._find_parent(part))
        except BaseException:
            self.known.pop(snapshot.identity.id, None)
            raise
        if part is not None:
            self.statuses.setdefault(part.folder, {})[snapshot.identity.id] = snapshot.status
        return done

    def end(self) -> None:
        """Tells MLflow how the sweeps stand, as far as their runs were sent."""
        for folder, statuses in self.statuses.items():
            kinds = {STATUSES.get(status, "FAILED") for status in statuses.values()}
            status = next((each for each in ("RUNNING", "FAILED", "KILLED") if each in kinds), "FINISHED")
            with self._reaching():
                if self.client.get_run(self.parents[folder]).info.status != status:
                    self._end_run(self.parents[folder], status)
        self.statuses = {}

    def _send(self, snapshot: Snapshot, parent: str | None) -> str:
        points = _list_points(snapshot)
        found = self._find(snapshot.identity)
        shown = next((each for each in found if _shows(each, snapshot, points)), None)
        if shown is None:
            extendable = [each for each in found if _may_grow(each, snapshot, points)]
            grown = max(extendable, key=lambda each: len(each.points), default=None)
            shown = self._fill(grown or self._create(snapshot, parent), snapshot, points)
            done = "updated" if found else "new"
        else:
            done = "unchanged"
        for each in found:  # earlier numbers of the run
            if each.run != shown.run:
                self.client.delete_run(each.run)
        self.known[snapshot.identity.id] = shown
        return done

    def _find(self, identity: Identity) -> list[Known]:
        """What MLflow has of the run: one, unless something was killed while it put another one in its place."""
        if identity.id in self.known:
            return [self.known[identity.id]]
        return [self._read(run) for each in identity.ids for run in self._search(ID, each)]

    def _search(self, tag: str, value: str) -> list[Any]:
        return list(self.client.search_runs([self.experiment], f"tags.`{tag}` = '{value}'", order_by=["start_time"]))

    def _read(self, run: Any) -> Known:
        """With each number of it, of which search_runs gives the last one of a name only."""
        histories = (self.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics)
        points = {Point(each.key, each.step, each.value) for history in histories for each in history}
        return Known(run.info.run_id, dict(run.data.tags), dict(run.data.params), points)

    def _create(self, snapshot: Snapshot, parent: str | None) -> Known:
        folder = snapshot.record.run.folder.absolute()
        tags = {ID: snapshot.identity.id, STARTS: str(snapshot.identity.starts)}
        if parent is not None:
            tags[PARENT] = parent
        if snapshot.record.note:
            tags["mlflow.note.content"] = format_value(snapshot.record.note)
        run = self.client.create_run(self.experiment, int(1000 * snapshot.began), tags, "/".join(folder.parts[-2:]))
        return Known(run.info.run_id, dict(run.data.tags), {}, set())

    def _fill(self, known: Known, snapshot: Snapshot, points: dict[Point, float]) -> Known:
        """Sends what MLflow hasn't yet. The digest comes last: it says that all of it is there."""
        params = [Param(name, value) for name, value in snapshot.options.items() if name not in known.params]
        for part in _cut(params, MOST_PARAMS):
            self.client.log_batch(known.run, params=part)
        metrics = [
            Metric(point.name, point.value, int(1000 * seconds), point.step)
            for point, seconds in points.items()
            if point not in known.points
        ]
        for part in _cut(metrics, MOST_METRICS):
            self.client.log_batch(known.run, metrics=part)
        self._send_files(known.run, snapshot)
        status = STATUSES.get(snapshot.status, "FAILED")
        self._end_run(known.run, status, int(1000 * (snapshot.began + snapshot.seconds)))
        record = snapshot.record
        tags = {
            ID: snapshot.identity.id,
            STARTS: str(snapshot.identity.starts),
            "alexnet.status": snapshot.status,
            "alexnet.reason": snapshot.reason if record.status != "finished" else "",
            "alexnet.folder": make_printable(record.run.folder.absolute()),
            DIGEST: snapshot.digest(),
        }
        self.client.log_batch(known.run, tags=[RunTag(name, value) for name, value in tags.items()])
        return Known(known.run, {**known.tags, **tags}, snapshot.options, set(points))

    def _send_files(self, run: str, snapshot: Snapshot) -> None:
        """result.json and the pictures: what was read from the folder, not what lies there by now."""
        files = dict(snapshot.pictures)
        if snapshot.result is not None:
            files["result.json"] = snapshot.result.encode()
        with TemporaryDirectory() as folder:
            for name, content in files.items():
                path = Path(folder) / name
                path.write_bytes(content)
                self.client.log_artifact(run, str(path))

    def _end_run(self, run: str, status: str, milliseconds: int | None = None) -> None:
        if status == "RUNNING":
            self.client.update_run(run, status)
        else:
            self.client.set_terminated(run, status, milliseconds)

    def _find_parent(self, part: Part | None) -> str | None:
        """MLflow's id of the sweep: the parent of one of its runs, or the one that was made for the first of them."""
        if part is None:
            return None
        if part.folder not in self.parents:
            first = part.members[0].id
            jobs = (run for each in part.members for run in self._search(ID, each.id))
            known = [run.data.tags[PARENT] for run in jobs if PARENT in run.data.tags]
            known += [run.info.run_id for run in self._search(SWEEP, first)]
            if not known:
                name = "/".join(part.folder.parts[-2:])
                known = [self.client.create_run(self.experiment, None, {SWEEP: first}, name).info.run_id]
            self.parents[part.folder] = known[0]
        return self.parents[part.folder]

    @contextmanager
    def _reaching(self, folder: Path | None = None) -> Iterator[None]:
        """Turns what MLflow raises into a sentence: Damaged if it refuses what is in the run's folder, else Failure."""
        try:
            yield
        except MlflowException as error:
            why = str(error).strip().partition("\n")[0]
            if folder is not None and error.error_code == "INVALID_PARAMETER_VALUE":
                raise Damaged(f"{folder} isn't taken by MLflow: {why}") from error
            if "Max retries" in why or "timed out" in why:
                why = "it can't be reached."
            raise Failure(f"MLflow at {self.address}: {why} The same command continues where this one was.") from error


def _list_points(snapshot: Snapshot) -> dict[Point, float]:
    """Every number of the run, and when it was: seconds since 1970."""
    began, rows = snapshot.began, snapshot.rows
    points = {Point(name, row.step, value): began + row.seconds for row in rows for name, value in row.values}
    end = snapshot.began + snapshot.seconds
    return points | {Point(name, snapshot.last_step, value): end for name, value in snapshot.figures.items()}


def _shows(known: Known, snapshot: Snapshot, points: dict[Point, float]) -> bool:
    """Whether MLflow has all of the run, or more: of a newer copy, or of before the run was resumed just now."""
    starts = int(known.tags.get(STARTS, 0))
    if known.tags.get(DIGEST) == snapshot.digest() or starts > snapshot.identity.starts:
        return True
    return DIGEST in known.tags and known.params == snapshot.options and points.keys() < known.points


def _may_grow(known: Known, snapshot: Snapshot, points: dict[Point, float]) -> bool:
    """Whether all that MLflow has of the run still holds."""
    return known.params.items() <= snapshot.options.items() and known.points <= points.keys()


def _cut(things: list[Any], most: int) -> Iterator[list[Any]]:
    return (things[start : start + most] for start in range(0, len(things), most))
