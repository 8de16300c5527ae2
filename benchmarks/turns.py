"""Measures a tutorial's loop and this project's alternately: same network, batch and images, each in its own process.

They alternate, so other programs on the machine slow both equally. The limit is the speed of a product of two large
matrices on the same device.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from omegaconf import DictConfig
from tabulate import tabulate
from torch.utils.flop_counter import FlopCounterMode

from alexnet.data.batches import ignore_interrupts
from alexnet.data.facts import FACTS
from alexnet.engine import device as devices
from alexnet.engine.device import DTYPES
from alexnet.engine.distributed import Group
from alexnet.engine.environment import get_device_name
from alexnet.engine.processor import measure_matrix_rate, synchronise
from alexnet.training.build import Training, assemble
from alexnet.training.loop import compute_learning_rate, set_learning_rate, step
from alexnet.training.network import make_group
from alexnet.training.state import Tally
from tutorial import run_tutorial

IMAGES = FACTS["cifar10"].images  # in an epoch, even if the data has fewer
Loop = Callable[[Training], Iterator[int]]  # trains step by step, and yields the images of each step


def measure(config: DictConfig, pairs: int, seconds: float) -> dict[str, Any]:
    """Speeds in images/s, rates in operations/s, memory in bytes. pairs: turns of each loop; seconds: of one turn.

    config.batch_size: at most IMAGES. Raises Failure if the device hasn't enough memory.
    """
    sides = {"tutorial": Side(serve, run_tutorial, config), "project": Side(serve, run_project, config)}
    try:
        for side in sides.values():
            side.ask("run", seconds / 2)  # warms up
        turns = [{name: side.ask("run", seconds) for name, side in sides.items()} for _ in range(pairs)]
        facts = sides["project"].ask("facts")
        memory = {name: side.ask("memory") for name, side in sides.items()}
        operations = {name: side.ask("operations") for name, side in sides.items()}  # last: counting takes memory
    except KeyboardInterrupt:
        for side in sides.values():
            side.process.terminate()
        raise
    finally:
        for side in sides.values():
            side.close()
    ratios = [turn["project"] / turn["tutorial"] for turn in turns]
    return {
        **facts,
        "operations_per_image": operations,
        "batch_size": config.batch_size,
        "dataset": config.dataset._target_.rpartition(".")[2],
        "pairs": [{**turn, "ratio": ratio} for turn, ratio in zip(turns, ratios, strict=True)],
        **{name: median(turn[name] for turn in turns) for name in sides},
        "ratio": {"median": median(ratios), "min": min(ratios), "max": max(ratios)},
        "peak_memory": memory,
    }


class Side:
    """A loop in its process. It works only when it is asked. serve(connection, *arguments) answers the questions."""

    def __init__(self, serve: Callable[..., None], *arguments: Any):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, *arguments))
        self.process.start()
        theirs.close()

    def ask(self, what: str, *arguments: Any) -> Any:
        """The answer to one of the questions in `serve`. Raises the exception that ended the process."""
        self.connection.send((what, arguments))
        return self.receive()

    def close(self) -> None:
        """Ends the process, when it has done what it was asked."""
        self.connection.close()
        self.process.join()

    def receive(self) -> Any:
        try:
            answer = self.connection.recv()
        except EOFError:
            raise RuntimeError(f"The process that measures ended with {self.process.exitcode}.") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def serve(connection: Connection, loop: Loop, config: DictConfig) -> None:
    ignore_interrupts()
    if loop is run_tutorial:
        devices.keep_freed_memory = lambda: None  # the tutorial runs as torch leaves its process
        config.device.precision, config.device.winograd = "float32", False  # and with torch's convolutions
    try:
        training = assemble_repeated(config)
        running = loop(training)
        answers: dict[str, Callable[..., Any]] = {
            "run": lambda seconds: _take_turn(training, running, seconds),
            "facts": lambda: describe(training),
            "operations": lambda: _count_operations_per_image(training, running),
            "memory": lambda: get_peak_memory(training.engine.device),
        }
        with training.enough_memory():
            while True:
                what, arguments = connection.recv()
                connection.send(answers[what](*arguments))
    except EOFError:
        return  # there are no more questions
    except Exception as error:
        connection.send(error)


def assemble_repeated(config: DictConfig, join: Callable[..., Group] = make_group) -> Training:
    """The training of that configuration, its training images repeated to as many as CIFAR-10 has. join: as for
    `assemble`.
    """
    single = config.copy()
    single.batch_size = 1  # the real one may be larger than the data before it is repeated
    training = assemble(single, join=join)
    batches = training.batches.train
    some = torch.arange(IMAGES) % len(batches.labels)
    batches.images, batches.labels, batches.batch_size = batches.images[some], batches.labels[some], config.batch_size
    return training


def run_project(training: Training) -> Iterator[int]:
    """The steps of `train_epoch`, without its files. Yields the number of images of each step, of all processes."""
    tally = Tally(training.engine.device)
    training.model.train()
    for epoch in count():
        for batch, (images, labels) in enumerate(training.batches.train.epoch(epoch)):
            set_learning_rate(training, compute_learning_rate(training, 0, 0, []))
            figures, images_of_all = step(training, images, labels, epoch, batch), training.batches.train.count(batch)
            tally.add(figures, images_of_all)
            if training.engine.device.type == "cpu" or (batch + 1) % training.log_every == 0:
                training.group.settle()
                tally.loss()
            yield images_of_all


def _take_turn(training: Training, running: Iterator[int], seconds: float) -> float:
    """Images per second, over the steps of that many seconds, at least five."""
    synchronise(training.engine.device)
    began, images, steps = perf_counter(), 0, 0
    while steps < 5 or perf_counter() - began < seconds:
        images, steps = images + next(running), steps + 1
    synchronise(training.engine.device)
    return images / (perf_counter() - began)


def describe(training: Training) -> dict[str, Any]:
    """The network, the device, and the device's limit."""
    engine = training.engine
    rates = {name: measure_matrix_rate(engine.device, DTYPES[name]) for name in {"float32", engine.precision}}
    return {
        "model": type(training.model).__name__,
        "device": get_device_name(engine.device),
        "threads": torch.get_num_threads(),
        "precision": engine.precision,
        "matrix_product_rate": rates,
    }


def count_operations(training: Training, running: Iterator[int]) -> tuple[dict[str, int], int]:
    """The operations of one step's convolutions and matrix products, by operator, and the images of that step.

    The step isn't replayed from a recording, because that has no operators.
    """
    recorder, training.recorder = training.recorder, None
    with FlopCounterMode(display=False) as counter:
        images = next(running)
    training.recorder = recorder
    counts = counter.get_flop_counts()["Global"]
    return {str(name).removesuffix(".default"): operations for name, operations in counts.items()}, images


def _count_operations_per_image(training: Training, running: Iterator[int]) -> float:
    operations, images = count_operations(training, running)
    return sum(operations.values()) / images


def get_peak_memory(device: torch.device) -> int | None:
    """Bytes. On a GPU: what torch took of its memory. Otherwise: this process and its workers; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    try:
        status = Path("/proc/self/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
        return peak + sum(_get_private_memory(process.pid) for process in multiprocessing.active_children())
    except (OSError, IndexError):
        return None


def _get_private_memory(process: int | None) -> int:
    """Bytes that the process shares with no other."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def as_text(found: dict[str, Any]) -> str:
    """What `measure` found, for a reader."""
    rates, precision = found["matrix_product_rate"], found["precision"]
    operations, ratio, memory = found["operations_per_image"], found["ratio"], found["peak_memory"]
    pairs = [
        [number, f"{pair['tutorial']:.1f}", f"{pair['project']:.1f}", f"{pair['ratio']:.2f}"]
        for number, pair in enumerate(found["pairs"], 1)
    ]
    headers = ["pair", "tutorial, images/s", "project, images/s", "ratio"]
    limits = ", ".join(f"{rate / 1e9:.0f} G/s in {name}" for name, rate in sorted(rates.items()))
    lines = [
        f"{found['model']}, batch {found['batch_size']}, {found['dataset']}; {found['device']}, "
        f"{found['threads']} threads; the project in {precision}",
        "",
        tabulate(pairs, headers, tablefmt="plain", colalign=["right"] * 4, disable_numparse=True),
        f"ratio: median {ratio['median']:.2f}, from {ratio['min']:.2f} to {ratio['max']:.2f}",
        "",
        f"limit: the tutorial takes {operations['tutorial'] / 1e9:.3f} G operations per image, the project "
        f"{operations['project'] / 1e9:.3f} G; a matrix product reaches {limits}",
        f"reached: tutorial {found['tutorial'] * operations['tutorial'] / rates['float32']:.0%} of float32's limit, "
        f"project {found['project'] * operations['project'] / rates[precision]:.0%} of {precision}'s; "
        f"or {found['project'] * operations['tutorial'] / rates[precision]:.0%}, counted in the tutorial's operations",
    ]
    if None not in memory.values():
        sizes = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in memory.items())
        lines.append(f"peak memory: {sizes} ({memory['project'] / memory['tutorial']:.0%})")
    return "\n".join(lines)
