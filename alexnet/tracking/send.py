"""Sends the runs in folders to a tracker, once or as they grow. It only reads what the runs wrote."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from alexnet.comparison.records import choose_language, find_given, refuse_empty
from alexnet.errors import Damaged, Failure, Mistake, make_printable
from alexnet.messages.console import configure, from_here, say, translate
from alexnet.runs.folder import Run, Sweep
from alexnet.tracking.snapshot import Identity, Part, Snapshot, identify, take

SECONDS = 2.0  # between two looks at the folders
READ = (".csv", ".json", ".yaml", ".png")  # the files of a run that trackers are told of
MOST_LEVELS = 6  # of folders between a job and its sweep


class Tracker(Protocol):
    def send(self, snapshot: Snapshot, part: Part | None) -> str:
        """Makes the tracker show the run as it is: new, updated or unchanged.

        Raises Damaged or Mistake if this run can't be sent, Failure if none can.
        """

    def end(self) -> None:
        """All runs were sent for now."""


class Seen(NamedTuple):
    """A folder when it was last looked at. identity: None if the run has written nothing yet."""

    files: tuple[Any, ...]
    identity: Identity | None

    @property
    def rank(self) -> tuple[int, int]:
        """The newer of two copies of a run has the higher one: more starts, or more in its tables and result."""
        starts = 0 if self.identity is None else self.identity.starts
        return starts, sum(size for name, size, _ in self.files if not name.endswith(".png"))


class Sender:
    """Sends what has changed since it last sent. complete: whether all runs could be sent, but those that are damaged.

    say: shows a line; each is said once.
    """

    def __init__(self, folders: Sequence[str], tracker: Tracker, say: Callable[[str], Any]):
        self.folders, self.tracker = folders, tracker
        self.say = cache(say)
        self.complete = True
        self.seen: dict[Path, Seen] = {}
        self.sent: dict[Path, tuple[Any, ...]] = {}  # the files as they were then
        self.statuses: dict[Path, str] = {}  # of the runs that were sent

    def send(self) -> Counter[str]:
        """How many runs are new, updated and unchanged. Raises Failure if the tracker can't be reached."""
        runs = self._look()
        newest: dict[str, Path] = {}
        for run in sorted(runs, key=self._rank, reverse=True):
            for each in self._identity(run).ids:
                newest.setdefault(each, run.folder)
        parts = self._find_parts(runs)
        done: Counter[str] = Counter()
        for run in runs:
            chosen = newest[self._identity(run).id]
            if chosen != run.folder:
                copy, of = (make_printable(from_here(folder)) for folder in (run.folder, chosen))
                self.say(translate("left out: {} is the same run as {}, not newer.").format(copy, of))
            elif self.sent.get(run.folder) == self.seen[run.folder].files:
                done["unchanged"] += 1
            else:
                self._send(run, parts.get(run.folder), done)
        self.tracker.end()
        return done

    def _send(self, run: Run, part: Part | None, done: Counter[str]) -> None:
        try:
            snapshot = take(run, self._identity(run))
            configure("normal", choose_language([snapshot.record]))
            done[self.tracker.send(snapshot, part)] += 1
        except Mistake as mistake:
            self._leave_out(mistake)
            return
        self.statuses[run.folder], self.sent[run.folder] = snapshot.status, self.seen[run.folder].files

    def _look(self) -> list[Run]:
        """The runs that have begun and can be read."""
        found = []
        for run in find_given(self.folders, self.say):
            files = _list_files(run.folder)
            if run.folder not in self.seen or self.seen[run.folder].files != files:
                try:
                    self.seen[run.folder] = Seen(files, identify(run))
                except Damaged as damage:
                    self._leave_out(damage)
                    continue
            if self.seen[run.folder].identity is not None:
                found.append(run)
        return found

    def _find_parts(self, runs: Sequence[Run]) -> dict[Path, Part]:
        """Of each run that is a job of a sweep."""
        jobs: dict[Path, list[Run]] = {}
        for run in runs:
            for folder in run.folder.absolute().parents[:MOST_LEVELS]:
                if self._is_sweep(folder):
                    jobs.setdefault(folder, []).append(run)
                    break
        return {
            run.folder: Part(folder, [self._identity(each) for each in members])
            for folder, members in jobs.items()
            for run in members
        }

    def _is_sweep(self, folder: Path) -> bool:
        try:
            return Sweep(folder).multirun.is_file() and Sweep(folder).settings() is not None
        except Damaged as damage:
            self._leave_out(damage)
            return False

    def _leave_out(self, mistake: Mistake) -> None:
        self.complete = self.complete and isinstance(mistake, Damaged)
        self.say(translate("left out: {}").format(mistake))

    def _identity(self, run: Run) -> Identity:
        identity = self.seen[run.folder].identity
        assert identity is not None  # _look leaves out the others
        return identity

    def _rank(self, run: Run) -> tuple[int, int]:
        return self.seen[run.folder].rank


def _list_files(folder: Path) -> tuple[Any, ...]:
    """What tells whether one of them changed; all that a run writes is appended to or replaced."""
    with os.scandir(folder) as entries:
        files = [entry for entry in entries if entry.name.endswith(READ)]
        states = ((each.name, each.stat(follow_symlinks=False)) for each in files)
        return tuple(sorted((name, state.st_size, state.st_mtime_ns) for name, state in states))


def send_once(folders: Sequence[str], tracker: Tracker, warn: Callable[[str], Any]) -> int:
    """Sends the runs in the folders, and returns the exit status: 1 if one couldn't be sent that isn't damaged.

    Raises Mistake if there is none, Failure if the tracker can't be reached.
    """
    sender = Sender(folders, tracker, warn)
    done = sender.send()
    if not sender.seen:
        raise refuse_empty(folders)
    for folder, seen in sender.seen.items():
        if seen.identity is None:
            sender.say(translate("left out: {} hasn't begun to train.").format(make_printable(from_here(folder))))
    say("Sent: {} new, {} updated, {} unchanged.", done["new"], done["updated"], done["unchanged"])
    return 0 if sender.complete else 1


def follow(folders: Sequence[str], tracker: Tracker, warn: Callable[[str], Any]) -> None:
    """Sends the runs in the folders as they appear and grow, until Ctrl-C.

    A tracker that can't be reached later is tried again. Raises Failure if it can't be reached at first.
    """
    sender, reached = Sender(folders, tracker, warn), False
    shown: dict[Path, str] = {}
    say("Following until Ctrl-C.")
    while True:
        try:
            sender.send()
            reached = True
        except Failure as failure:
            if not reached:
                raise
            sender.say(str(failure))
        for folder, status in sender.statuses.items():
            if shown.get(folder) != status:
                say("{}: {}", make_printable(from_here(folder)), status)
        shown = dict(sender.statuses)
        time.sleep(SECONDS)
