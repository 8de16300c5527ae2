"""Measures the processes of a run against one process with all threads, by turns, and what they exchange in a step.

The limit of the exchange is a plain one: the same bytes, each way, between tensors that are there already.
"""

import os
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from statistics import median
from time import perf_counter
from typing import Any

import torch
import torch.distributed as dist
from omegaconf import DictConfig, OmegaConf
from tabulate import tabulate
from torch import Tensor

from alexnet.config.processes import Place, count_shards
from alexnet.data.batches import ignore_interrupts
from alexnet.engine.distributed import SHARE_GPUS, Group, Messages
from alexnet.engine.processor import synchronise
from alexnet.engine.shares import Sums, list_nodes
from alexnet.errors import Mistake
from alexnet.training.build import Training
from alexnet.training.network import choose_engine
from alexnet.training.watch import open_store
from turns import Side, assemble_repeated, describe, run_project


def measure(config: DictConfig, pairs: int, seconds: float) -> dict[str, Any]:
    """Speeds in images/s, times in seconds. pairs: turns of each side; seconds: of a turn of one process, about.

    config.device.threads: of each of the processes; one process alone gets as many as all of them together. Raises
    Mistake if there aren't GPUs enough.
    """
    size, threads = config.device.processes, config.device.threads
    if not _has_devices(config):
        raise Mistake(f"device.processes={size}: there are fewer GPUs here. Give device=cpu, or fewer processes.")
    one = {"processes": 1, "shards": 1, "threads": None if threads is None else size * threads}
    sides = {"one": Processes(_change(config, **one))}
    try:
        facts = sides["one"].ask("facts")[0]
        sides["many"] = Processes(_change(config, precision=facts["precision"]))  # which each would measure by itself
        many = sides["many"].ask("facts")[0]
        for side in sides.values():
            speed = side.ask("run", 5)[0]  # warms up
        steps = max(5, round(seconds * speed / config.batch_size))
        turns = [{name: side.ask("run", steps)[0] for name, side in sides.items()} for _ in range(pairs)]
        exchange = _summarise(sides["many"].ask("exchange", max(5, steps // 2)))
    finally:
        for side in sides.values():
            side.close()
    ratios = [turn["many"] / turn["one"] for turn in turns]
    return {
        **facts,
        "processes": size,
        "threads_each": many["threads"],
        "batch_size": config.batch_size,
        "pairs": [{**turn, "ratio": ratio} for turn, ratio in zip(turns, ratios, strict=True)],
        "ratio": {"median": median(ratios), "min": min(ratios), "max": max(ratios)},
        "exchange": exchange,
    }


def measure_rate(config: DictConfig, steps: int = 20) -> tuple[float | None, str]:
    """Bytes per second that a process of that configuration sends while it receives as many, and where that comes from.

    None if there isn't a GPU for each.
    """
    if not _has_devices(config):
        return None, "not known, because there is one GPU here: give --rate"
    processes = Processes(config)
    try:
        processes.ask("run", 5)  # warms up
        found = _summarise(processes.ask("exchange", steps))
    finally:
        processes.close()
    rate = found["bytes"] / found["seconds"]
    way = f"{config.device.processes} processes of this machine by {found['backend']}, in steps of alexnet_cifar"
    return rate, f"{rate / 1e6:.0f} MB/s each way, measured between {way}"


def _has_devices(config: DictConfig) -> bool:
    """Whether there is a GPU for each process, if they compute on GPUs."""
    on_gpus = choose_engine(config).device.type == "cuda"
    return not on_gpus or SHARE_GPUS or torch.cuda.device_count() >= config.device.processes


def _change(config: DictConfig, **device: Any) -> DictConfig:
    changed = config.copy()
    changed.device = OmegaConf.merge(config.device, device)
    return changed


def _summarise(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What all processes together measured. The last process that begins an exchange waits least for the others."""
    times = [min(own) for own in zip(*(each["seconds"] for each in found), strict=True)]
    limits = [max(own) for own in zip(*(each["limit_seconds"] for each in found), strict=True)]
    return {
        "backend": found[0]["backend"],
        "values": found[0]["values"],
        "bytes": max(each["bytes"] for each in found),
        "seconds": median(times),
        "limit_seconds": median(limits),
    }


class Processes:
    """The processes of one run on this machine. They train only when they are asked."""

    def __init__(self, config: DictConfig):
        if sys.platform == "linux":
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        self.store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        self.sides = [Side(_serve, config, rank, self.store.port) for rank in range(config.device.processes)]

    def ask(self, what: str, *arguments: Any) -> list[Any]:
        """The answers of all processes. Raises the exception that ended one of them."""
        for side in self.sides:
            side.connection.send((what, arguments))
        answers: dict[Side, Any] = {}
        while len(answers) < len(self.sides):
            waiting = {side.connection: side for side in self.sides if side not in answers}
            for connection in wait(list(waiting)):
                side = waiting[connection]
                answers[side] = side.receive()
        return [answers[side] for side in self.sides]

    def close(self) -> None:
        for side in self.sides:
            side.process.terminate()
            side.process.join()


class TimedGroup(Group):
    """Notes how long each sum takes."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.times: list[float] = []
        self.timing = False

    def add_up(self, sums: Sums, shares: int, length: int) -> Tensor:
        if not self.timing:
            return super().add_up(sums, shares, length)
        synchronise(self.device)
        began = perf_counter()
        total = super().add_up(sums, shares, length)
        synchronise(self.device)
        self.times.append(perf_counter() - began)
        return total


def _serve(connection: Connection, config: DictConfig, rank: int, port: int) -> None:
    ignore_interrupts()
    try:
        size = config.device.processes
        messages = None if size == 1 else Messages(open_store(Place(rank, size, rank, size, port=port)))
        group = TimedGroup(rank, size, count_shards(config), rank, messages)
        if torch.cuda.is_available():
            torch.cuda.set_device(rank % torch.cuda.device_count())
        training = assemble_repeated(config, lambda *_: group)
        running = run_project(training)
        with training.enough_memory():
            while True:
                what, arguments = connection.recv()
                connection.send(_answer(training, running, what, *arguments))
    except EOFError:
        return  # there are no more questions
    except Exception as error:
        connection.send(error)


def _answer(training: Training, running: Iterator[int], what: str, *arguments: Any) -> Any:
    if what == "facts":
        return describe(training)
    return (_take_turn if what == "run" else _exchange)(training, running, *arguments)


def _take_turn(training: Training, running: Iterator[int], steps: int) -> float:
    """Images per second of all processes."""
    if training.group.size > 1:
        training.group.wait()
    synchronise(training.engine.device)
    began = perf_counter()
    images = sum(next(running) for _ in range(steps))
    synchronise(training.engine.device)
    return images / (perf_counter() - began)


def _exchange(training: Training, running: Iterator[int], steps: int) -> dict[str, Any]:
    """What this process exchanges in a step, and the seconds of each step. The limit is measured after each step."""
    group, packing = training.group, training.packing
    assert isinstance(group, TimedGroup) and packing is not None
    count = count_exchanged(packing.length, group.size, len(list_nodes(group.get_shares())))
    sent, received = torch.ones(2, count // (group.size - 1), device=group.device)
    limits = []
    for _ in range(steps):
        group.timing = True
        next(running)
        group.timing = False
        group.wait()
        synchronise(group.device)
        began = perf_counter()
        peers = [rank for rank in range(group.size) if rank != group.rank]
        transfers = [dist.P2POp(dist.isend, sent, peer) for peer in peers]
        transfers += [dist.P2POp(dist.irecv, received, peer) for peer in peers]
        for work in dist.batch_isend_irecv(transfers):
            work.wait()
        synchronise(group.device)
        limits.append(perf_counter() - began)
    times, group.times = group.times, []
    facts = {"backend": dist.get_backend(), "values": packing.length, "bytes": 4 * count}
    return {**facts, "seconds": times, "limit_seconds": limits}


def count_exchanged(values: int, processes: int, nodes: int = 1) -> int:
    """Values that a process sends in a step, and receives: the parts of the others of all its nodes, then its own part
    of the sum to each of them.
    """
    return round((nodes + 1) * values * (processes - 1) / processes)


def as_text(found: dict[str, Any]) -> str:
    """What `measure` found, for a reader."""
    rows = [
        [number, f"{pair['one']:.1f}", f"{pair['many']:.1f}", f"{pair['ratio']:.2f}"]
        for number, pair in enumerate(found["pairs"], 1)
    ]
    headers = ["pair", "1 process, images/s", f"{found['processes']} processes, images/s", "ratio"]
    table = tabulate(rows, headers, tablefmt="plain", colalign=["right"] * 4, disable_numparse=True)
    ratio, exchange = found["ratio"], found["exchange"]
    reached = exchange["limit_seconds"] / exchange["seconds"]
    return f"""{found["model"]}, batch {found["batch_size"]}; {found["device"]}, {found["precision"]}; \
1 process of {found["threads"]} threads, {found["processes"]} of {found["threads_each"]}

{table}
ratio: median {ratio["median"]:.2f}, from {ratio["min"]:.2f} to {ratio["max"]:.2f}

exchange of a step, by {exchange["backend"]}: {exchange["values"]:,} values, for which each process sends \
{exchange["bytes"] / 1e6:.1f} MB and receives as many
it takes {1000 * exchange["seconds"]:.3g} ms; the limit, the same bytes without sums, is \
{1000 * exchange["limit_seconds"]:.3g} ms: {reached:.0%} of it reached"""
