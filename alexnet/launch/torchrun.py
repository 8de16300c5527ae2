"""Runs a command that torchrun has started in several processes: process 0 does it, the others follow."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, cast

from alexnet.config.processes import Place, prepare_torch, read_place
from alexnet.errors import Failure, Mistake

KEY = "device.processes"


def lead_or_follow(command: Callable[[], Any]) -> Any:
    """Calls the command in process 0, or if there is only one. The others train what it starts, and end with it.

    Raises Failure if process 0 can't listen where the others look for it.
    """
    prepare_torch()
    place = read_place()
    if place is None:
        return command()
    if place.rank > 0:
        from alexnet.training.follower import follow

        sys.exit(follow(place))
    return _lead(command, place)


def _lead(command: Callable[[], Any], place: Place) -> Any:
    from torch.distributed import PrefixStore

    from alexnet.training.watch import ROUND, Doorman, open_store, tell_end

    try:
        kept = open_store(place, hosts=not place.hosted)  # the store is in this process as long as this is
    except RuntimeError as error:
        raise Failure(
            f"MASTER_ADDR={place.host}, MASTER_PORT={place.port} can't be used, perhaps because another program has "
            f"that port: give another one. ({str(error).splitlines()[0]:.200})"
        ) from error
    doorman = Doorman(place)
    os.environ[ROUND] = doorman.round
    doorman.start()
    store, status = PrefixStore(doorman.round, kept), cast(Any, 1)
    try:
        status = command()
        return status
    except SystemExit as ended:
        status = 0 if ended.code is None else ended.code
        raise
    except BaseException as error:
        status = getattr(error, "exit_status", 1)
        raise
    finally:
        with suppress(RuntimeError):
            if not store.check(["ended/0"]):  # a run that was trained has told it already
                tell_end(store, 0, status if isinstance(status, int) else 0)
        until = monotonic() + 60
        while status in (0, None) and len(doorman.words) < place.size - 1 and monotonic() < until:
            sleep(0.1)  # a process that is still starting would wait for an answer forever
        doorman.stop()


def find_begun_folder() -> str | None:
    """The run's folder, if torchrun has started these processes again after they made one; else None."""
    place = read_place()
    if place is None:
        return None
    from alexnet.training.watch import open_store

    store = open_store(place)
    return store.get("folder").decode() if store.check(["folder"]) else None


def add_processes(overrides: Sequence[str]) -> list[str]:
    """The overrides with as many processes as torchrun has started. Raises Mistake if they ask for others."""
    place = read_place()
    given = [each for each in overrides if each.partition("=")[0] == KEY]
    if place is None:
        return list(overrides)
    if given not in ([], [f"{KEY}={place.size}"]):
        raise Mistake(
            f"{given[0]}: torchrun has started {place.size} processes. Leave it out, or start without torchrun."
        )
    return [*(each for each in overrides if each not in given), f"{KEY}={place.size}"]
