"""Watches the processes of a run, in a thread of each: notices signals, and processes that ended or hang."""

import json
import os
import socket
import sys
from contextlib import suppress
from datetime import timedelta
from signal import Signals as Number
from subprocess import Popen
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import torch.distributed as dist

from alexnet.config.processes import Place
from alexnet.errors import Failure, Mistake
from alexnet.messages.console import warn
from alexnet.messages.lines import show
from alexnet.training.signals import STOPPING, Interrupted, Signals

ROUND = "ALEXNET_ROUND"  # the variable in which process 0 of torchrun's has the name of the round
PERIOD = 0.5  # seconds between two looks
SILENCE = 60.0  # seconds without a sign of life after which a process counts as lost
REACHED = 60.0  # seconds that the store is waited for
GRACE = 6.0  # the same after an exchange has failed, or a signal has come; also for the main thread to react
LONGEST_START = 300.0  # seconds that a process may take to begin, if this program started it


class Left(BaseException):
    """Process 0 ended the run, and has said why. This process ends as well, without a word."""

    def __init__(self, exit_status: int):
        super().__init__("process 0 ended the run")
        self.exit_status = exit_status


def open_store(place: Place, hosts: bool = False) -> dist.Store:
    """A store of texts that all processes of the run reach. hosts: whether it is in this process.

    Raises Mistake if it can't be reached, RuntimeError if its port is taken.
    """
    host = "localhost" if place.rank == 0 and not place.hosted else place.host
    if not hosts:
        _reach(host, place)
    store = dist.TCPStore(host, place.port, is_master=hosts, wait_for_workers=False, timeout=timedelta(seconds=REACHED))
    return dist.PrefixStore("alexnet", store)


def check_parent(place: Place) -> None:
    """Raises Failure if the process that started this one has ended. One process says it; in the others it is Left."""
    if place.parent not in (None, os.getppid()):
        if place.rank != (0 if place.hosted else 1):
            raise Left(1)
        raise Failure(f"{'torchrun' if place.hosted else 'Process 0'} ended without a word.")


def _reach(host: str, place: Place) -> None:
    """Waits until somebody listens there. The store would wait for longer, and a signal wouldn't end that."""
    until = monotonic() + REACHED
    while True:
        try:
            return socket.create_connection((host, place.port), timeout=PERIOD * 10).close()
        except (OSError, UnicodeError) as error:  # the latter for a name that can't be one
            check_parent(place)
            if monotonic() > until:
                where = f"MASTER_ADDR={place.host}, MASTER_PORT={place.port}"
                why = getattr(error, "strerror", None) or error
                raise Mistake(
                    f"Process {place.rank} doesn't reach process 0 at {where} ({why}). Start it there, with the same "
                    f"variables."
                ) from error
        sleep(PERIOD / 2)


def open_round(place: Place, round: str) -> dist.Store:
    """The part of the store that these processes use, and none that torchrun started before or after them."""
    return dist.PrefixStore(round, open_store(place))


class Doorman(Thread):
    """Tells the other processes that torchrun started which round of texts in the store is theirs.

    torchrun may end all processes and start them again, and then the store still has the texts of those before. So each
    process knocks with a word of its own, and process 0 answers with the round's name.
    """

    def __init__(self, place: Place):
        super().__init__(daemon=True)
        self.place, self.round, self.stopped = place, uuid4().hex, Event()
        self.words: set[str] = set()  # that were answered

    def run(self) -> None:
        with suppress(RuntimeError):  # torchrun has ended, and its store with it
            store, words = open_store(self.place), self.words
            while not self.stopped.wait(PERIOD / 2):
                for rank in range(1, self.place.size):
                    if store.check([f"knock/{rank}"]) and (word := store.get(f"knock/{rank}").decode()) not in words:
                        store.set(f"round/{word}", self.round)
                        words.add(word)

    def stop(self) -> None:
        self.stopped.set()
        self.join(GRACE)


def knock(place: Place) -> str:
    """The name of the round, when process 0 has answered."""
    store, word = open_store(place), uuid4().hex
    store.set(f"knock/{place.rank}", word)
    while not store.check([f"round/{word}"]):
        sleep(PERIOD / 10)
    return store.get(f"round/{word}").decode()


def tell_end(store: dist.Store, rank: int, exit_status: int, reason: str = "", number: int = 0) -> None:
    """Tells the other processes how this one ended. number: of the signal that ended it."""
    store.set(f"ended/{rank}", json.dumps({"exit_status": exit_status, "reason": reason, "signal": number}))


class Watch(Thread):
    """Looks at the other processes twice a second. Process 0 watches all, the others only process 0.

    If one of them ended early, the main thread gets an exception, as from a signal; if it doesn't react to that, the
    program ends. names: of the processes, for messages. children: that this process started, by rank. way_out: a
    sentence that says how to resume the run.
    """

    def __init__(self, place: Place, round: str, signals: Signals):
        super().__init__(daemon=True)
        self.place, self.round, self.signals, self.way_out = place, round, signals, ""
        self.store = open_round(place, round)  # of this thread alone; opened while process 0 is there
        self.children: dict[int, Popen[bytes]] = {}
        self.names: dict[int, str] = {}
        self.patience, self.began = SILENCE, monotonic()
        self.awaited: set[int] = set()  # that are slow to begin
        self.asked = 0  # the first signal that any process got
        self.news: BaseException | None = None  # why the run can't go on
        self.stopped, self.told = Event(), Event()
        self.signs: dict[int, tuple[str, float]] = {}  # the last sign of life of each, and when it was seen
        self.ended: set[int] = set()  # as they should

    def find_stop(self) -> int:
        """The signal that a process got; 0 if none did."""
        return self.signals.asked or self.asked

    def explain(self, error: Exception) -> Exception:
        """What to raise for an exchange that failed: what happened to the process that it failed with."""
        self.patience = GRACE  # of all processes: `_look` tells them
        self.told.wait(2 * GRACE)
        self.signals.ignore_others()
        if isinstance(self.news, Exception):
            return self.news
        if self.news is not None:
            raise self.news
        return Failure(
            f"The processes of the run lost one another: {' '.join(str(error).split())[:300]}. {self.way_out}"
        )

    def run(self) -> None:
        beats, heard = 0, monotonic()
        while not self.stopped.wait(PERIOD):
            beats += 1
            try:
                self._look(self.store, beats)
                if self.place.rank == 0 and self.news is not None and 0 not in self.ended:
                    self.ended.add(0)
                    tell_end(
                        self.store, 0, getattr(self.news, "exit_status", 1)
                    )  # process 0 itself may take longer to end
            except RuntimeError:  # the store has gone, and with it the process that had it
                who = "torchrun" if self.place.hosted else self._describe(0)
                said = self.place.hosted and self.place.rank > 0  # process 0 says it
                self._tell(Left(1) if said else Failure(f"{who} ended without a word. {self.way_out}"))
            if self.news is None:
                heard = monotonic()
            elif monotonic() - heard > GRACE and not self.signals.reacted and not self.stopped.is_set():
                self._end_the_program()

    def _end_the_program(self) -> None:
        """Without the main thread, which waits for a process that doesn't answer."""
        for child in self.children.values():
            child.kill()
        show(str(self.news), sys.stderr)
        number = self.find_stop()
        os._exit(128 + number if number > 0 else 1)

    def stop(self) -> None:
        self.stopped.set()
        if self.is_alive():
            self.join(GRACE)  # it may wait for a store that has gone

    def _look(self, store: dist.Store, beats: int) -> None:
        store.set(f"alive/{self.place.rank}", str(beats))
        if self.signals.asked > 0 and self.asked == 0:
            store.set("asked", str(self.signals.asked))
        if self.asked == 0 and store.check(["asked"]):
            self.asked = int(store.get("asked"))
        if self.patience == GRACE:  # so that a process that doesn't answer is found sooner
            store.set("lost", "")
        elif self.find_stop() > 0 or store.check(["lost"]):
            self.patience = GRACE
        others = range(1, self.place.size) if self.place.rank == 0 else [0]
        for rank in set(others) - self.ended:
            if store.check([f"ended/{rank}"]):
                self._hear(rank, json.loads(store.get(f"ended/{rank}")))
                continue
            if rank not in self.names and store.check([f"about/{rank}"]):
                self.names[rank] = store.get(f"about/{rank}").decode()
            if (status := self._find_exit_status(rank)) is not None:
                self._tell(self._explain_end(rank, status))
            elif store.check([f"alive/{rank}"]):
                self._listen(rank, store.get(f"alive/{rank}").decode())
            else:
                self._await(rank)

    def _explain_end(self, rank: int, status: int) -> BaseException:
        """What a process died of that couldn't say it. status: its exit status; of a signal, if it is negative."""
        if status - 128 in STOPPING:
            return Interrupted(status - 128)
        how = f"was killed by {Number(-status).name}" if status < 0 else f"ended with exit status {status}"
        return Failure(f"{self._describe(rank)} {how}. {self.way_out}")

    def _listen(self, rank: int, sign: str) -> None:
        before, since = self.signs.get(rank, ("", 0.0))
        if sign != before:
            self.signs[rank] = sign, monotonic()
        elif monotonic() - since > self.patience:
            self._lose(rank, f"hasn't answered for {self.patience:.0f} s")

    def _await(self, rank: int) -> None:
        """Looks after a process that has given no sign of life yet. Others may be started by hand, much later."""
        waited = monotonic() - self.began
        if waited > SILENCE and rank not in self.awaited:
            self.awaited.add(rank)
            warn("Process {} hasn't begun yet: waiting for it", rank)
        if waited > LONGEST_START and rank in self.children:
            self._lose(rank, f"hasn't begun for {LONGEST_START:.0f} s")

    def _lose(self, rank: int, how: str) -> None:
        """Ends the run without that process. how: it was lost."""
        number = self.find_stop()
        self._tell(Interrupted(number) if number else Failure(f"{self._describe(rank)} {how}. {self.way_out}"))
        if rank in self.children:
            self.children[rank].kill()  # so that the main thread no longer waits for it

    def _hear(self, rank: int, end: dict[str, Any]) -> None:
        """What a process said when it ended."""
        self.ended.add(rank)
        if rank == 0:
            self._tell(Left(end["exit_status"]))
        elif end["signal"] > 0 and not self.signals.shared:
            self._tell(Interrupted(end["signal"]))
        elif end["reason"]:
            self._tell(Failure(f"{self._describe(rank)}: {end['reason']}"))

    def _tell(self, news: BaseException) -> None:
        if self.news is None:
            self.news = news
            self.told.set()
            self.signals.raise_soon(news)

    def _find_exit_status(self, rank: int) -> int | None:
        child = self.children.get(rank)
        return None if child is None else child.poll()

    def _describe(self, rank: int) -> str:
        return self.names.get(rank, f"Process {rank}")
