"""The tutorial's loop against this project's engine: same network, batch and data, each in a process of its own.

The two take turns, so that whatever else the machine does slows both. The limit that they are measured by is a
product of two large matrices on the same device.
"""

import multiprocessing
from collections.abc import Iterator
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch.utils.flop_counter import FlopCounterMode

from alexnet.data.batches import ignore_interrupts
from alexnet.data.facts import FACTS
from alexnet.engine import device as devices
from alexnet.engine.device import DTYPES
from alexnet.engine.environment import get_device_name
from alexnet.engine.processor import measure_matrix_rate, synchronise
from alexnet.training.build import Training, assemble
from alexnet.training.loop import compute_learning_rate, set_learning_rate, step
from alexnet.training.state import Tally
from tutorial import tutorial_loop

IMAGES = FACTS["cifar10"].images  # an epoch, however few the data are
SUMMARY = {"median": median, "min": min, "max": max}


def measure(config: DictConfig, pairs: int, seconds: float) -> dict[str, Any]:
    """Speeds in images/s, rates in operations/s, memory in bytes. pairs: turns of each; seconds: of one turn.

    config.batch_size: IMAGES at most. Raises Failure for one that finds no memory.
    """
    tutorial, engine = (Side(loop, config) for loop in (tutorial_loop, engine_loop))
    try:
        for side in (tutorial, engine):
            side.ask("run", seconds / 2)  # warms up
        turns = [(tutorial.ask("run", seconds), engine.ask("run", seconds)) for _ in range(pairs)]
        facts = engine.ask("facts", None)
        sides = {"tutorial": tutorial, "engine": engine}
        memory, operations = (  # counting operations takes memory of its own
            {name: side.ask(what, None) for name, side in sides.items()} for what in ("memory", "operations")
        )
    except KeyboardInterrupt:
        for side in (tutorial, engine):
            side.process.terminate()
        raise
    finally:
        for side in (tutorial, engine):
            side.connection.close()  # ends its process
            side.process.join()
    return {
        **facts,
        "operations_per_image": operations,
        "batch_size": config.batch_size,
        "dataset": config.dataset._target_.rpartition(".")[2],
        "pairs": [{"tutorial": slow, "engine": fast, "ratio": fast / slow} for slow, fast in turns],
        "tutorial": median(slow for slow, _ in turns),
        "engine": median(fast for _, fast in turns),
        "ratio": {name: choose([fast / slow for slow, fast in turns]) for name, choose in SUMMARY.items()},
        "peak_memory": memory,
    }


class Side:
    """One of the two loops in its process, which works only when asked."""

    def __init__(self, loop, config: DictConfig):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, loop, config))
        self.process.start()
        theirs.close()

    def ask(self, what: str, argument: Any) -> Any:
        """Raises the exception that the process ended with."""
        self.connection.send((what, argument))
        try:
            answer = self.connection.recv()
        except EOFError:
            raise RuntimeError(f"The process that measures ended with {self.process.exitcode}.") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(connection: Connection, loop, config: DictConfig) -> None:
    ignore_interrupts()
    if loop is tutorial_loop:
        devices.keep_freed_memory = lambda: None  # its process is to be as torch leaves it
        config.device.precision, config.device.winograd = "float32", False  # and no convolutions of our own
    try:
        training = prepared(config)
        running = loop(training)
        answers = {"run": _turn, "facts": _facts, "operations": _operations, "memory": _memory}
        with training.enough_memory():
            while True:
                what, argument = connection.recv()
                connection.send(answers[what](training, running, argument))
    except EOFError:
        return  # nothing more is asked
    except Exception as error:
        connection.send(error)


def prepared(config: DictConfig) -> Training:
    """The training of that configuration, its images repeated to as many as CIFAR-10 has."""
    training = assemble(OmegaConf.merge(config, {"batch_size": 1}))  # which may be larger than the data as they are
    some = torch.arange(IMAGES) % len(training.train.labels)
    training.train.images, training.train.labels = training.train.images[some], training.train.labels[some]
    training.train.batch_size = config.batch_size
    return training


def _turn(training: Training, running: Iterator[int], seconds: float) -> float:
    """Images a second over the steps of so many seconds, five at least."""
    synchronise(training.engine.device)
    began, images, steps = perf_counter(), 0, 0
    while steps < 5 or perf_counter() - began < seconds:
        images, steps = images + next(running), steps + 1
    synchronise(training.engine.device)
    return images / (perf_counter() - began)


def engine_loop(training: Training) -> Iterator[int]:
    """The steps of `train_epoch`, without its files; yields each one's images."""
    tally = Tally(training.engine.device)
    training.model.train()
    for epoch in count():
        for batch, (images, labels) in enumerate(training.train.epoch(epoch)):
            set_learning_rate(training, compute_learning_rate(training, 0, 0, []))
            tally.add(step(training, images, labels, epoch, batch), len(labels))
            if training.engine.device.type == "cpu" or (batch + 1) % training.log_every == 0:
                tally.loss()
            yield len(labels)


def _facts(training: Training, running: Iterator[int], _: None) -> dict[str, Any]:
    """What was measured on what, and the device's limit."""
    engine = training.engine
    rates = {name: measure_matrix_rate(engine.device, DTYPES[name]) for name in {"float32", engine.precision}}
    return {
        "model": type(training.model).__name__,
        "device": get_device_name(engine.device),
        "threads": torch.get_num_threads(),
        "precision": engine.precision,
        "matrix_product_rate": rates,
    }


def counted(training: Training, running: Iterator[int]) -> tuple[dict[str, int], int]:
    """The operations of a step's convolutions and matrix products, by operator, and the images of that step.

    It isn't recorded: a recorded step has no operators.
    """
    recorder, training.recorder = training.recorder, None
    with FlopCounterMode(display=False) as counter:
        images = next(running)
    training.recorder = recorder
    return {str(name).removesuffix(".default"): n for name, n in counter.get_flop_counts()["Global"].items()}, images


def _operations(training: Training, running: Iterator[int], _: None) -> float:
    """Of convolutions and matrix products, an image."""
    operations, images = counted(training, running)
    return sum(operations.values()) / images


def peak_memory(device: torch.device) -> int | None:
    """Bytes: of a GPU's memory what torch took of it, else of the machine's, workers included; None where not known."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    try:
        status = Path("/proc/self/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
        return peak + sum(_private_memory(process.pid) for process in multiprocessing.active_children())
    except (OSError, IndexError):
        return None


def _memory(training: Training, running: Iterator[int], _: None) -> int | None:
    return peak_memory(training.engine.device)


def _private_memory(process: int) -> int:
    """Bytes that the process shares with no other."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def told(found: dict[str, Any]) -> str:
    """The figures for a reader."""
    rates, precision = found["matrix_product_rate"], found["precision"]
    need = found["operations_per_image"]
    ratio, memory = found["ratio"], found["peak_memory"]
    lines = [
        f"{found['model']}, batch {found['batch_size']}, {found['dataset']}; {found['device']}, "
        f"{found['threads']} threads; the engine in {precision}",
        "",
        f"{'pair':>4} {'tutorial':>10} {'engine':>10} {'ratio':>7}   images/s",
        *(
            f"{number:>4} {pair['tutorial']:>10.1f} {pair['engine']:>10.1f} {pair['ratio']:>7.2f}"
            for number, pair in enumerate(found["pairs"], 1)
        ),
        f"ratio: median {ratio['median']:.2f}, from {ratio['min']:.2f} to {ratio['max']:.2f}",
        "",
        f"limit: the tutorial takes {need['tutorial'] / 1e9:.3f} G operations an image, the engine "
        f"{need['engine'] / 1e9:.3f} G; a matrix product reaches "
        + ", ".join(f"{rate / 1e9:.0f} G/s in {name}" for name, rate in sorted(rates.items())),
        f"reached: tutorial {found['tutorial'] * need['tutorial'] / rates['float32']:.0%} of float32's limit, "
        f"engine {found['engine'] * need['engine'] / rates[precision]:.0%} of {precision}'s; "
        f"or {found['engine'] * need['tutorial'] / rates[precision]:.0%}, counted in the tutorial's operations",
    ]
    if None not in memory.values():
        told = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in memory.items())
        lines.append(f"peak memory: {told} ({memory['engine'] / memory['tutorial']:.0%})")
    return "\n".join(lines)
