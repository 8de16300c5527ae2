"""The processes of a run, and what torchrun, or a program like it, tells each process that it starts. No torch."""

import os
from dataclasses import dataclass

from omegaconf import DictConfig

from alexnet.errors import Mistake

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """Where a process stands among those of a run. local: among those on its machine.

    host, port: where the processes find one another. hosted: whether torchrun, and not process 0, listens there.
    parent: the number of the process that started this one, if that is process 0 or torchrun.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    host: str = "127.0.0.1"
    port: int = 0
    hosted: bool = False
    parent: int | None = None


def count_shards(config: DictConfig) -> int:
    """Into how many shares each batch is cut: as configured, or `accumulate` for each process."""
    shards = config.device.get("shards")
    return config.device.get("processes", 1) * config.get("accumulate", 1) if shards is None else shards


def count_thread_shares(config: DictConfig) -> int:
    """Among how many processes the threads are divided: those that the run began with. Another number gives the same
    bits only with the same threads for each.
    """
    return max(1, count_shards(config) // config.get("accumulate", 1))


def read_place() -> Place | None:
    """This process's place, by its environment; None if it was started alone.

    Raises Mistake for variables that tell no place.
    """
    rank, size = os.environ.get("RANK"), os.environ.get("WORLD_SIZE", "1")
    if rank is None or size == "1":
        return None
    given = {"LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": size, **os.environ}
    values = [given.get(name, "") for name in NAMES]
    told = ", ".join(f"{name}={value}" for name, value in zip(NAMES, values, strict=True))
    if not all(value.isdecimal() for value in values):
        raise Mistake(f"{told}: expected whole numbers, as torchrun sets them. Start with torchrun, or without them.")
    number, count, local_rank, local_size, port = map(int, values)
    if number >= count or local_rank >= local_size or local_size > count:
        raise Mistake(f"{told}: expected ranks below the numbers of processes. Start with torchrun, or without them.")
    if not 0 < port < 2**16:
        raise Mistake(f"MASTER_PORT={port}: expected the number of a port, from 1 to {2**16 - 1}.")
    hosted = given.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    host = given.get("MASTER_ADDR", "127.0.0.1")
    return Place(number, count, local_rank, local_size, host, port, hosted, os.getppid() if hosted else None)


def refuse_torchrun() -> None:
    """Raises Mistake if this is one of several processes: for commands that one process does."""
    place = read_place()
    if place is not None:
        raise Mistake(
            f"RANK={place.rank}, WORLD_SIZE={place.size}: this command is for one process, and each of {place.size} "
            f"would do the same. Start it with python, without these variables."
        )


def prepare_torch() -> None:
    """Sets what torch reads when it is imported. Undoes torchrun's OMP_NUM_THREADS=1: a run divides the threads itself.

    One of several processes prints no trace in C++ when another one has gone: the run says it in a sentence.
    """
    if "RANK" in os.environ:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("OMP_NUM_THREADS") == "1":
        del os.environ["OMP_NUM_THREADS"]
