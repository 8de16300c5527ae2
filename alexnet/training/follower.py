"""Every other process of a run: does the same steps as process 0, and writes nothing but warnings, to ranks/N.log."""

import json
import logging
import os
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import torch
from omegaconf import OmegaConf

from alexnet.config.keys import flatten
from alexnet.config.processes import Place
from alexnet.engine.distributed import Group, Messages
from alexnet.engine.environment import describe
from alexnet.errors import Diverged, Failure, Mistake, make_sentence
from alexnet.messages.console import configure
from alexnet.messages.lines import show
from alexnet.runs.folder import Run
from alexnet.training.build import Training, assemble
from alexnet.training.loop import train
from alexnet.training.result import compute_result, hash_weights
from alexnet.training.signals import Interrupted, Signals
from alexnet.training.state import State, restore_checkpoint
from alexnet.training.watch import PERIOD, Left, Watch, check_parent, knock, open_round, tell_end

SECONDS = 60.0  # that a file of process 0 may take to appear on this machine
FACTS = ("source.commit", "python", "packages", "cuda", "cudnn", "cpu_capability", "device_name")


class Unwritten(Run):
    """The folder of a run that another process writes."""

    def record_window(self, row: dict[str, Any]) -> None:
        pass

    def record_epoch(self, row: dict[str, Any]) -> None:
        pass


def follow(place: Place, round: str | None = None) -> int:
    """Trains what process 0 says, and returns the exit status. round: the name of `open_round`, if it is known."""
    console = os.fdopen(os.dup(2), "w")
    with Signals() as signals:
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
            messages, watch = _meet(place, round, signals)
            return _follow(place, messages, watch, console)
        except (Mistake, Failure) as error:
            show(str(error), sys.stderr)
            return error.exit_status
        except (Interrupted, Left) as end:  # before process 0 has said what to train
            return end.exit_status


def _meet(place: Place, round: str | None, signals: Signals) -> tuple[Messages, Watch]:
    """Finds process 0, and begins to watch it."""
    try:
        round = knock(place) if round is None else round
        messages, watch = Messages(open_round(place, round)), Watch(place, round, signals)
        messages.put(f"about/{place.rank}", f"Process {place.rank} ({os.getpid()} on {socket.gethostname()})")
    except RuntimeError as error:  # the store has gone, and with it the process that had it
        time.sleep(PERIOD)
        check_parent(place)
        raise Left(1) from error
    watch.start()
    return messages, watch


def _follow(place: Place, messages: Messages, watch: Watch, console: TextIO) -> int:
    """Tells process 0 how this one ended, and returns the exit status."""
    group = Group(place.rank, place.size, local_rank=place.local_rank, messages=messages)
    group.find_stop, group.stop, group.explain = watch.find_stop, watch.signals.stop, watch.explain
    number, reason, exit_status = 0, "", 0
    try:
        _train(group, watch)
    except Left as left:
        exit_status = left.exit_status
    except (Exception, Interrupted) as error:
        number = error.number if isinstance(error, Interrupted) else 0
        reason, exit_status = _describe(error), getattr(error, "exit_status", 1)
        if not isinstance(error, (Mistake, Failure, Diverged, Interrupted)):
            logging.getLogger(__name__).error(traceback.format_exc())
    watch.stop()
    if isinstance(watch.news, Failure) and place.rank == 1:  # process 0 can't say it any more
        show(watch.news, console)
    with suppress(RuntimeError):  # process 0 has gone
        tell_end(messages.store, place.rank, exit_status, reason, number)
        if reason:
            time.sleep(2 * PERIOD)  # process 0 hears it before torchrun stops it
    group.close()
    return exit_status


def _train(group: Group, watch: Watch) -> None:
    assert group.messages is not None
    task = json.loads(group.messages.wait("task"))
    run, watch.way_out = Unwritten(task["folder"]), task["way_out"]
    _wait_for_disk(run, task["token"])
    _log_to(run.ranks / f"{group.rank}.log")
    configure("quiet", task["language"])
    config = OmegaConf.create(task["config"])
    assert isinstance(config, type(OmegaConf.create({})))
    group.shards = config.device.shards
    if torch.cuda.is_available():
        torch.cuda.set_device(group.local_rank % torch.cuda.device_count())

    def join(*_: Any) -> Group:
        return group

    training = assemble(config, began=task["began"], join=join)
    state = restore_checkpoint(run, training, task["from_start"])
    group.messages.put(f"start/{group.rank}", json.dumps(describe_start(training, state)))
    watch.signals.shared = True
    train(run, training, state, watch.signals)
    compute_result(run, training, state)


def describe_start(training: Training, state: State) -> dict[str, Any]:
    """From what a process starts: where it is, the hash of its weights, and what they may depend on."""
    facts = flatten(describe(training.engine, {}))
    return {
        "host": socket.gethostname(),
        "sha256": f"{hash_weights(training.model)} {state.epoch} {state.batch}",
        "facts": {key: value for key, value in facts.items() if key.startswith(FACTS)},
    }


def _wait_for_disk(run: Run, token: str) -> None:
    """Raises Failure if a file that process 0 wrote doesn't appear here."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with suppress(OSError):
            if (run.ranks / "token").read_text() == token:
                return
        time.sleep(0.1)
    raise Mistake(
        f"{run.folder} isn't there as process 0 writes it: all machines need a disk that they share, at the same path."
    )


def _log_to(path: Path) -> None:
    """Sends all that this process prints to a file, also what libraries print."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    logging.basicConfig(format="[%(asctime)s][%(levelname)s] %(message)s", level=logging.WARNING, force=True)
    logging.getLogger("alexnet.training").setLevel(logging.ERROR)  # process 0 gives the same warnings


def _describe(error: BaseException) -> str:
    return str(error) if hasattr(error, "exit_status") else make_sentence(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(follow(Place(**json.loads(sys.argv[1])), round="0"))
