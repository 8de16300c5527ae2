"""How a step's time and memory grow with batch, image size, classes and weights, and what that says of larger runs.

Time is fitted as  operations / rate + weights * seconds_per_weight,  memory as  base + weights * bytes_per_weight +
batch * activations * share:  two terms each that a person can check against the machine's own limits.
"""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch.utils.flop_counter import FlopCounterMode

from alexnet.benchmark import engine_loop, peak_memory
from alexnet.build import assemble, weightless
from alexnet.datasets import Dataset, Split
from alexnet.device import DTYPES, matrix_rate, synchronise
from alexnet.summary import walk


@dataclass(frozen=True)
class Point:
    """One measured setting. operations: of one image, forward and backward; activation_bytes: of one image."""

    model: str
    batch_size: int
    size: int
    classes: int
    weights: int
    operations: float
    activation_bytes: int
    seconds: float  # a step
    memory: int  # bytes, beyond those of a program that has imported torch


def measure(config: DictConfig, name: str, size: int, classes: int, seconds: float) -> tuple[Point, float]:
    """The point, in a process of its own, and the rate of a matrix product beside it, in operations a second."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        step_seconds, memory, operations, rate = pool.submit(_measure, config, size, classes, seconds).result()
    layers = walk(weightless(config, classes, 3, size), 3, size)
    weights, activations = (sum(getattr(layer, key) for layer in layers) for key in ("parameters", "output_bytes"))
    point = Point(name, config.batch_size, size, classes, weights, operations, activations, step_seconds, memory)
    return point, rate


def _measure(config: DictConfig, size: int, classes: int, seconds: float) -> tuple[float, int, float, float]:
    """Seconds and memory of a step, operations of an image, and the rate of a matrix product."""
    before = peak_memory(torch.device("cpu"))
    batch = config.batch_size
    images = torch.randint(256, (batch, 3, size, size), dtype=torch.uint8)
    split = Split(images, torch.arange(batch) % classes)
    training = assemble(config, Dataset(range(classes), 3, size, split, split))
    running = engine_loop(training)
    for _ in range(2):
        next(running)
    with FlopCounterMode(display=False) as counter:
        next(running)
    device = training.engine.device
    synchronise(device)
    times, began = [], perf_counter()
    while len(times) < 3 or perf_counter() - began < seconds:
        start = perf_counter()
        next(running)
        synchronise(device)
        times.append(perf_counter() - start)
    rate = matrix_rate(device, DTYPES[training.engine.precision])
    memory = peak_memory(device) - (before if device.type == "cpu" else 0)
    return float(np.median(times)), memory, counter.get_total_flops() / batch, rate


def fit(points: Sequence[Point]) -> dict[str, float]:
    """The cost of an operation and of a weight, in seconds and in bytes, by least squares of relative errors."""
    operations, weights, activations = (
        np.array(column, float)
        for column in zip(
            *[
                (point.batch_size * point.operations, point.weights, point.batch_size * point.activation_bytes)
                for point in points
            ],
            strict=True,
        )
    )
    seconds = np.array([point.seconds for point in points])
    memory = np.array([point.memory for point in points], float)
    per_operation, per_weight = _least(np.stack([operations, weights], 1), seconds)
    base, bytes_per_weight, share = _least(np.stack([np.ones_like(weights), weights, activations], 1), memory)
    told = {
        "seconds_per_operation": per_operation,
        "seconds_per_weight": per_weight,
        "base_bytes": base,
        "bytes_per_weight": bytes_per_weight,
        "share_of_activations": share,
    }
    return {
        **told,
        "time_error": float(np.median(np.abs(seconds_of(told, operations, weights) / seconds - 1))),
        "memory_error": float(np.median(np.abs(bytes_of(told, weights, activations) / memory - 1))),
    }


def _least(terms: np.ndarray, measured: np.ndarray) -> list[float]:
    """Coefficients, 0 or more, of the terms (points, n), by relative error, so that small points count as much."""
    from scipy.optimize import nnls

    scale = np.abs(terms / measured[:, None]).max(0)  # terms of like size: nnls is then exact
    return (nnls(terms / measured[:, None] / scale, np.ones(len(measured)))[0] / scale).tolist()


def seconds_of(cost: dict[str, float], operations: Any, weights: Any) -> Any:
    """A step of so many operations with so many weights."""
    return cost["seconds_per_operation"] * operations + cost["seconds_per_weight"] * weights


def bytes_of(cost: dict[str, float], weights: Any, activations: Any) -> Any:
    """The memory of a step whose batch has so many bytes of activations."""
    return cost["base_bytes"] + cost["bytes_per_weight"] * weights + cost["share_of_activations"] * activations


def as_rows(points: Sequence[Point], cost: dict[str, float]) -> list[dict[str, Any]]:
    """The points with what the cost says of each."""
    return [
        {
            **asdict(point),
            "fitted_seconds": seconds_of(cost, point.batch_size * point.operations, point.weights),
            "fitted_memory": bytes_of(cost, point.weights, point.batch_size * point.activation_bytes),
        }
        for point in points
    ]


def predict(
    cost: dict[str, float], point: Point, images: int, epochs: int, batch: int, gpu: tuple[float, float, float]
) -> dict[str, float]:
    """Days of training for that many images and epochs, on this device and on 1, 8 and 64 GPUs.

    batch: of each device, so that more GPUs take larger steps. gpu: a GPU's operations a second in a matrix product,
    the share of them that training reaches, bytes a second between GPUs. Each step sends every gradient, of 4
    bytes, around a ring: twice (n - 1) / n of them through every link, and waits for it.
    """
    rate, share, link = gpu
    steps, operations = images * epochs / batch, batch * point.operations
    days = {"this device": steps * seconds_of(cost, operations, point.weights) / 86400}
    for count in (1, 8, 64):
        exchange = 2 * (count - 1) / count * 4 * point.weights / link
        days[f"{count} GPU{'s' * (count > 1)}"] = steps / count * (operations / (rate * share) + exchange) / 86400
    return days


def told(points: Sequence[Point], cost: dict[str, float], rate: float, days: dict[str, float]) -> str:
    """The figures for a reader, as Markdown."""
    lines = [
        "| model | batch | pixels | classes | weights | G operations | ms a step | fitted | MiB | fitted |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in as_rows(points, cost):
        lines.append(
            f"| {row['model']} | {row['batch_size']} | {row['size']} | {row['classes']} | {row['weights'] / 1e6:.1f} M "
            f"| {row['batch_size'] * row['operations'] / 1e9:.0f} | {1000 * row['seconds']:.0f} "
            f"| {1000 * row['fitted_seconds']:.0f} | {row['memory'] / 2**20:.0f} | {row['fitted_memory'] / 2**20:.0f} |"
        )
    reached = 1 / cost["seconds_per_operation"]
    return "\n".join(
        [
            *lines,
            "",
            f"time = operations / {reached / 1e9:.0f} G/s ({reached / rate:.0%} of a matrix product's {rate / 1e9:.0f} "
            f"G/s) + weights * {1e9 * cost['seconds_per_weight']:.2f} ns; median error {cost['time_error']:.0%}",
            f"memory = {cost['base_bytes'] / 2**20:.0f} MiB + weights * {cost['bytes_per_weight']:.1f} bytes + "
            f"activations * {cost['share_of_activations']:.2f}; median error {cost['memory_error']:.0%}",
            "",
            "ImageNet in days: " + ", ".join(f"{name} {value:.3g}" for name, value in days.items()),
        ]
    )
