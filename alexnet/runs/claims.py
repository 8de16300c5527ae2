"""Claims on a folder, by programs on several machines that share its disk and can't rely on its locks.

A claim is a file `.claim-N`. Its holder creates it exclusively, which NFS has kept since version 3, and rewrites it
every few seconds. Nobody else writes, renames or deletes it. Nobody compares the clocks of two machines: a claim is
silent if a program has seen the same content for SILENT seconds. Who finds the newest claim released or silent may
create the next one, which only one program can do. A holder that was suspended finds a claim after its own, and ends.
"""

import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, NamedTuple, NoReturn

from alexnet import disk
from alexnet.errors import Mistake, make_printable
from alexnet.messages.console import say, warn
from alexnet.runs.reading import read_bytes

SILENT = 60.0  # seconds without a sign of life, after which another program takes the folder over
SIGNS = 12  # of life in that time
TRUST = 6  # a holder trusts its claim without a look for a sixth of that time
RELEASED = "released"
MOST_BYTES = 1000
WITH_SLEEP: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # it goes on while a laptop sleeps


class Seen(NamedTuple):
    """A claim as others see it. text: 'HOST PROCESS SIGNS_OF_LIFE' or 'HOST PROCESS released'; '' at first."""

    number: int
    text: str

    @property
    def is_released(self) -> bool:
        return self.text.endswith(RELEASED)

    def __str__(self) -> str:
        host, process = [*self.text.split(), "?", "?"][:2]
        return make_printable(f"process {process:.20} on {host:.60}")


class Claim:
    """This program's right to write in a folder until another program takes it over.

    Within `with claim`, a thread gives signs of life. After that the folder is free for others.
    """

    def __init__(self, folder: Path, number: int, takes_over: bool):
        self.folder, self.number, self.takes_over = folder, number, takes_over
        self.signs, self.trusted_since = 0, 0.0
        self.lock, self.ended = Lock(), Event()

    def __enter__(self) -> "Claim":
        self.give_sign()
        Thread(target=self._give_signs, daemon=True).start()
        if self.takes_over:  # the holder may have woken up just now, and trusts its claim for so long
            time.sleep(SILENT / TRUST)
        return self

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.ended.set()
            with suppress(OSError):  # then the others wait until it is silent
                self._write(RELEASED)

    def check(self) -> None:
        """Ends the program if another one has taken the folder over, so that nothing more is written there.

        Raises OSError if the disk takes no sign of life.
        """
        if time.clock_gettime(WITH_SLEEP) - self.trusted_since > SILENT / TRUST:
            self.give_sign()

    def check_before_line(self, line: object) -> bool:
        """A filter of log lines, which are written to the folder, too."""
        with suppress(OSError):
            self.check()
        return True

    def give_sign(self) -> None:
        """Rewrites the claim, then looks for a newer one. Raises OSError if the disk refuses."""
        with self.lock:
            if self.ended.is_set():
                return
            began = time.clock_gettime(WITH_SLEEP)
            self.signs += 1
            self._write(str(self.signs))
            # Having written to the folder, a machine that keeps names of a network disk in memory reads them again.
            if _name(self.folder, self.number + 1).exists():
                self._end_the_program()
            self.trusted_since = began

    def _give_signs(self) -> None:
        while not self.ended.wait(SILENT / SIGNS):
            with suppress(OSError):  # `check` raises it before something is written
                self.give_sign()

    def _write(self, state: str) -> None:
        host = re.sub(r"\s", "", socket.gethostname())
        disk.replace_text(_name(self.folder, self.number), f"{host} {os.getpid()} {state}")

    def _end_the_program(self) -> None:
        """At once, and without a word in the folder, where another program is at work."""
        try:
            by = list_claims(self.folder)[-1]
            warn("{} was taken over by {}, because this program stood still.", self.folder, by)
            warn("It ends now. To go on with other jobs, give the command again.")
            sys.stderr.flush()
        finally:
            os._exit(1)


class Watcher:
    """Takes folders that are free. It remembers since when it has seen the same claims on the others."""

    def __init__(self) -> None:
        self.seen: dict[Path, tuple[Seen, float]] = {}

    def take(self, folder: Path) -> Claim | None:
        """The next claim on the folder; None if another program holds it, or may hold it. Call it again later."""
        claims = list_claims(folder)
        newest = claims[-1] if claims else Seen(0, RELEASED)
        if not newest.is_released:
            known, since = self.seen.get(folder, (None, 0.0))
            if newest != known:
                self.seen[folder] = newest, time.monotonic()
                return None
            if time.monotonic() - since <= SILENT:
                return None
        try:
            os.close(os.open(_name(folder, newest.number + 1), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:  # another program was faster
            return None
        return Claim(folder, newest.number + 1, takes_over=not newest.is_released)

    def wait(self) -> None:
        """Until it is worth looking again."""
        time.sleep(SILENT / SIGNS)


def list_claims(folder: Path) -> list[Seen]:
    """The claims on the folder, the oldest first."""
    numbers = [re.fullmatch(r"\.claim-([0-9]+)", name) for name in os.listdir(folder)]
    return [_read(folder, number) for number in sorted(int(each[1]) for each in numbers if each)]


def is_released(folder: Path) -> bool:
    """Whether a program had a claim on the folder, and none has now."""
    return any(each.is_released for each in list_claims(folder)[-1:])


@contextmanager
def exclusive(folder: Path, lock: Path, claim: Claim | None) -> Iterator[Claim | None]:
    """Keeps other programs from training in the folder: those of this machine by a lock, others by claims.

    claim: on the folder, if this program joined others. Otherwise it takes one if there ever were others. Yields the
    claim. Raises Mistake if another program trains there.
    """

    def refuse(by: str) -> NoReturn:
        raise Mistake(f"{folder} is being trained by another process{by}: wait for it, or stop it.")

    with ExitStack() as stack:
        try:
            stack.enter_context(disk.locked(lock, refuse))
        except Mistake:  # a network disk may keep the lock of a machine that died, and a suspended program has its own
            if claim is None or all(each.is_released for each in list_claims(folder)[:-1]):
                raise
        if claim is None and list_claims(folder):
            claim = stack.enter_context(_wait_for_claim(folder, refuse))
        yield claim


def _wait_for_claim(folder: Path, refuse: Callable[[str], Any]) -> Claim:
    """The next claim on the folder, as soon as its holder is known to have ended."""
    watcher, before = Watcher(), list_claims(folder)[-1]
    if not before.is_released:
        say("Watching for {:.0f} s whether {} still trains in {}", SILENT, before, folder)
    while (claim := watcher.take(folder)) is None:
        watcher.wait()
        newest = list_claims(folder)[-1]
        if newest != before and not newest.is_released:
            refuse(f" ({newest})")
    return claim


def _name(folder: Path, number: int) -> Path:
    return folder / f".claim-{number}"


def _read(folder: Path, number: int) -> Seen:
    return Seen(number, (read_bytes(_name(folder, number), MOST_BYTES) or b"").decode(errors="replace"))
