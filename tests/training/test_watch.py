"""A process that stands still, or can't be reached, ends the run in a time that is known, with one sentence."""

import signal
import socket
import subprocess
import sys
import time

import pytest
import torch.distributed as dist

from alexnet.config.processes import Place
from alexnet.errors import Failure, Mistake
from alexnet.training import watch
from alexnet.training.signals import Interrupted, Signals
from alexnet.training.watch import Left, Watch, open_store


@pytest.fixture
def place(monkeypatch):
    monkeypatch.setattr(watch, "PERIOD", 0.05)
    host = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    yield Place(0, 2, 0, 2, port=host.port)


@pytest.fixture
def child():
    """A process that gives no sign of life."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    yield process
    process.kill()
    process.wait()


def test_a_process_that_stands_still_counts_as_lost_and_is_killed(place, child, monkeypatch):
    """Its main thread waits for it in the library, which the kill ends."""
    monkeypatch.setattr(watch, "SILENCE", 1.0)
    with Signals() as signals:
        watching = Watch(place, "0", signals)
        watching.children, watching.way_out = {1: child}, "Resume it."
        watching.store.set("alive/1", "7")
        watching.start()
        with pytest.raises(Failure, match=r"^Process 1 hasn't answered for 1 s\. Resume it\.$"):
            time.sleep(20)
        assert child.wait(5) == -signal.SIGKILL
        watching.stop()


def test_after_a_failed_exchange_all_processes_look_for_the_lost_one_sooner(place, monkeypatch):
    monkeypatch.setattr(watch, "GRACE", 1.0)
    with Signals() as signals:
        watching, other = Watch(place, "0", signals), Watch(place, "0", Signals())
        other.patience = watch.GRACE  # as `explain` sets it
        other._look(other.store, 1)
        watching.store.set("alive/1", "7")
        watching.start()
        with pytest.raises(Failure, match="hasn't answered for 1 s"):
            time.sleep(20)
        watching.stop()


def test_if_the_run_was_asked_to_stop_it_ends_so_in_spite_of_a_process_that_stands_still(place, child, monkeypatch):
    monkeypatch.setattr(watch, "GRACE", 1.0)
    with Signals() as signals:
        signals.shared = True  # as during training
        watching = Watch(place, "0", signals)
        watching.children = {1: child}
        watching.store.set("alive/1", "7")
        watching.start()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted, match="SIGTERM"):
            time.sleep(20)
        assert child.wait(5) == -signal.SIGKILL
        watching.stop()


def test_a_process_that_does_not_begin_is_told_and_in_the_end_counts_as_lost(place, child, monkeypatch, capsys):
    monkeypatch.setattr(watch, "SILENCE", 0.3)
    monkeypatch.setattr(watch, "LONGEST_START", 1.0)
    with Signals() as signals:
        watching = Watch(place, "0", signals)
        watching.children = {1: child}
        watching.start()
        with pytest.raises(Failure, match=r"^Process 1 hasn't begun for 1 s\."):
            time.sleep(20)
        watching.stop()
    assert capsys.readouterr().err == "Process 1 hasn't begun yet: waiting for it\n"


@pytest.mark.parametrize(("status", "expected"), [(143, Interrupted), (130, Interrupted), (1, Failure), (200, Failure)])
def test_a_process_that_was_stopped_before_it_could_say_so_stops_the_run(place, status, expected):
    with Signals() as signals:
        error = Watch(place, "0", signals)._explain_end(1, status)
    assert type(error) is expected and (expected is Failure or error.exit_status == status)


@pytest.mark.parametrize(
    ("hosted", "rank", "error"), [(0, 1, "Process 0"), (0, 2, None), (1, 0, "torchrun"), (1, 1, None)]
)
def test_if_what_started_the_processes_has_gone_one_of_them_says_so(hosted, rank, error):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = Place(rank, 3, rank, 3, port=port, hosted=bool(hosted), parent=1)
    with pytest.raises(Failure if error else Left, match=f"{error} ended without a word" if error else None):
        open_store(place)


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_a_process_0_that_is_not_there_is_told_in_time(monkeypatch, host):
    monkeypatch.setattr(watch, "REACHED", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = Place(1, 2, 1, 2, host, free.getsockname()[1])
    began = time.monotonic()
    with pytest.raises(Mistake, match=rf"^Process 1 doesn't reach process 0 at MASTER_ADDR={host}, MASTER_PORT="):
        open_store(place)
    assert time.monotonic() - began < 20


def test_a_signal_ends_the_wait_for_process_0(monkeypatch):
    with Signals() as signals, pytest.raises(Interrupted):
        signals.raise_soon(Interrupted(signal.SIGTERM))
        open_store(Place(1, 2, 1, 2, "127.0.0.1", 1))
