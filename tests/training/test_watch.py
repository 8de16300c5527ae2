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
from alexnet.training.watch import Watch, open_store


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
