"""Event files for TensorBoard: one a run, in its folder. The bytes follow from the run alone, so they are appended to.

What a running TensorBoard 2.21 does, which reads on from where it was: it shows what is appended, also the rest of a
record that was cut short. It never looks again at a file that was replaced. A point drops those of the same and later
steps, so a new file with all points drops all points of the earlier file. Of what has no step (the values and the
status in HPARAMS) it keeps the first until it is started again.
"""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EISDIR, ELOOP, EPERM, EROFS
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.plugins.image.metadata import create_summary_metadata as describe_images
from tensorboard.plugins.text.metadata import create_summary_metadata as describe_texts
from tensorboard.summary.writer.record_writer import RecordWriter

from alexnet.disk import make_folder
from alexnet.errors import Damaged, Mistake
from alexnet.tracking.snapshot import MOST_ROWS, Part, Row, Snapshot, measure_picture

NAME = "events.out.tfevents.{}.{}.run"  # TensorBoard reads a folder's files in the order of their names
OURS = re.compile(r"events\.out\.tfevents\.(\d{10})\.([0-9a-f]{32})\.run")
MOST_BYTES = 2**28  # of an event file
MOST_TEXT = 50_000  # characters of result.json


class EventFiles:
    """into: a folder for the files, if they aren't to lie in the runs' folders."""

    def __init__(self, into: str | None):
        self.into = None if into is None else make_folder(Path(into), "--into")
        self.places: dict[str, Path] = {}  # in `into`, by a run's id
        for path in [] if self.into is None else self.into.rglob(NAME.format("*", "*")):
            if found := OURS.fullmatch(path.name):
                self.places[found[2]] = path.parent

    def send(self, snapshot: Snapshot, part: Part | None) -> str:
        """Returns what was done: new, updated or unchanged.

        Raises Damaged for a file there that is none of a run's, Mistake if the folder can't be written to.
        """
        folder = self._place(snapshot)
        try:
            return _write(folder, snapshot.identity.id, encode(snapshot))
        except OSError as error:
            if error.errno not in (EACCES, EPERM, EROFS):
                raise
            raise Mistake(
                f"{folder} can't be written to: {error.strerror}. Give another place for event files with --into DIR."
            ) from error

    def end(self) -> None:
        """Everything is on the disk already."""

    def _place(self, snapshot: Snapshot) -> Path:
        """The folder for the run's event file; in `into`, it has the last three names of the run's own folder."""
        folder, identity = snapshot.record.run.folder, snapshot.identity
        if self.into is None:
            return folder
        place = self.places.get(identity.id) or self.places.get(identity.former)
        if place is None:
            place = self.into.joinpath(*folder.resolve().parts[1:][-3:])
            if place in self.places.values():
                place = place.with_name(f"{place.name}-{identity.id[:6]}")
        self.places[identity.id] = make_folder(place, "--into")
        return place


def _write(folder: Path, identity: str, content: bytes) -> str:
    """Gives the folder one event file with this content. If it is killed, the next call does the rest."""
    files = sorted(path for path in folder.iterdir() if OURS.fullmatch(path.name))
    done, number = "new", 0
    if files:
        with _opened(files[-1], os.O_RDWR) as file:
            before = file.read()
            if before.startswith(content):  # also a run that was resumed just now, and has fewer rows than before
                done = "unchanged"
            elif content.startswith(before):
                file.write(content[len(before) :])
                done = "updated"
        number = int(files[-1].name.split(".")[3]) + 1
    if done == "new":
        path = folder / NAME.format(f"{number:010d}", identity)
        with _opened(path, os.O_RDWR | os.O_CREAT | os.O_EXCL) as file:
            file.write(content)
        done = "updated" if files else "new"
        files.append(path)
    for path in files[:-2]:
        path.unlink(missing_ok=True)
    for path in files[-2:-1]:  # where TensorBoard reads without its data server, it ends at a file that is gone
        if not path.is_symlink():
            os.truncate(path, 0)
    return done


@contextmanager
def _opened(path: Path, how: int) -> Iterator[BinaryIO]:
    """The file, to read and to append to, while no other track.py has it.

    Raises Damaged for a link, a pipe or a file that is too large, Mistake if another track.py has it.
    """
    try:
        descriptor = os.open(path, how | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except FileExistsError as error:
        raise Mistake(f"Another track.py writes {path}: wait for it.") from error
    except OSError as error:
        if error.errno == EISDIR:
            raise Damaged(f"{path} is a folder, and no event file of a run: remove it.") from error
        if error.errno != ELOOP:
            raise
        raise Damaged(f"{path} is a link, so nothing is written to it: remove it.") from error
    with open(descriptor, "a+b", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            raise Damaged(f"{path} isn't an event file of a run: remove it.")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Mistake(f"Another track.py writes {path}: wait for it.") from error
        except OSError:  # a network disk without locks
            pass
        file.seek(0)
        yield file


def encode(snapshot: Snapshot) -> bytes:
    """The run's event file: what is known at its start, then its rows, then, if it has ended, how.

    What a run has once is at step 0: so each later value takes the place of an earlier one.
    """
    began, end = snapshot.began, snapshot.began + snapshot.seconds
    start = SessionStartInfo(start_time_secs=began)
    for name, value in snapshot.options.items():
        start.hparams[name].string_value = value
    events = [
        Event(wall_time=began, file_version="brain.Event:2"),
        Event(wall_time=began, session_log=SessionLog(status=SessionLog.START)),  # drops what earlier files had
        _summarise(0, began, [_hparams(hparams.SESSION_START_INFO_TAG, session_start_info=start)]),
    ]
    ending = []
    if snapshot.result is not None:
        status = STATUS_SUCCESS if snapshot.record.finished else STATUS_FAILURE
        ended = SessionEndInfo(status=status, end_time_secs=end)
        values = [_hparams(hparams.SESSION_END_INFO_TAG, session_end_info=ended), _text("result", _describe(snapshot))]
        values += [Summary.Value(tag=f"result/{name}", simple_value=value) for name, value in snapshot.figures.items()]
        values += [_image(Path(name).stem, content) for name, content in snapshot.pictures.items()]
        ending = [_summarise(0, end, [value]) for value in values]
    rows = (_encode_row(began, row) for row in snapshot.rows)
    return b"".join([*map(_encode, events), *rows, *map(_encode, ending)])


def _describe(snapshot: Snapshot) -> str:
    """How the run ended, as Markdown."""
    text = (snapshot.result or "")[:MOST_TEXT]
    lines = [f"{snapshot.status} {snapshot.reason}".strip(), "", *(f"    {line}" for line in text.splitlines())]
    return "\n".join(lines)


@lru_cache(maxsize=MOST_ROWS)  # with --follow, all rows but the last are those of the last time
def _encode_row(began: float, row: Row) -> bytes:
    values = [Summary.Value(tag=name, simple_value=value) for name, value in row.values]
    return _encode(_summarise(row.step, began + row.seconds, values))


def _encode(event: Event) -> bytes:
    """As a record of an event file: with its length and checksums."""
    record = BytesIO()
    RecordWriter(record).write(event.SerializeToString(deterministic=True))
    return record.getvalue()


def _summarise(step: int, seconds: float, values: list[Summary.Value]) -> Event:
    return Event(step=step, wall_time=seconds, summary=Summary(value=values))


def _hparams(tag: str, **data: Any) -> Summary.Value:
    content = HParamsPluginData(version=hparams.PLUGIN_DATA_VERSION, **data).SerializeToString(deterministic=True)
    plugin = SummaryMetadata.PluginData(plugin_name=hparams.PLUGIN_NAME, content=content)
    return Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=hparams.NULL_TENSOR)


def _text(tag: str, text: str) -> Summary.Value:
    return Summary.Value(tag=tag, metadata=describe_texts(None, None), tensor=_tensor(text.encode()))


def _image(tag: str, content: bytes) -> Summary.Value:
    """content: of a PNG file."""
    sides = [str(side).encode() for side in measure_picture(content)]
    return Summary.Value(tag=tag, metadata=describe_images(None, None), tensor=_tensor(*sides, content))


def _tensor(*texts: bytes) -> TensorProto:
    """A list of texts."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(texts))])
    return TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=texts)
