"""How time and memory grow with images, batch, image size, classes and weights, and what that says of larger runs.

A step's time is fitted as  operations / rate + weights * seconds_per_weight,  memory as  images * share_of_images +
weights * bytes_per_weight + batch * activations * share_of_activations  (images and activations in bytes): terms that
a person can check against the machine's own limits. An epoch's time is a step's times images / batch.
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

from alexnet.data.dataset import Dataset, Split
from alexnet.engine.cuda_graph import WARM_UP
from alexnet.engine.device import DTYPES
from alexnet.engine.processor import measure_matrix_rate, synchronise
from alexnet.models.layer_table import list_layers
from alexnet.training.build import assemble, build_weightless
from turns import counted, engine_loop, peak_memory


@dataclass(frozen=True)
class Point:
    """One measured setting. operations: of one image, forward and backward; activation_bytes: of one image."""

    model: str
    images: int  # of the data set, held in memory
    batch_size: int
    size: int
    classes: int
    weights: int
    operations: float
    activation_bytes: int
    seconds: float  # a step
    memory: int  # bytes, beyond those of a program that has imported torch


def measure(config: DictConfig, name: str, images: int, size: int, classes: int, seconds: float) -> tuple[Point, float]:
    """The point, in a process of its own, and the rate of a matrix product beside it, in operations a second."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        step_seconds, memory, operations, rate = pool.submit(_measure, config, images, size, classes, seconds).result()
    layers = list_layers(build_weightless(config, classes, 3, size), 3, size)
    weights, activations = (sum(getattr(layer, key) for layer in layers) for key in ("parameters", "output_bytes"))
    point = Point(
        name, images, config.batch_size, size, classes, weights, operations, activations, step_seconds, memory
    )
    return point, rate


def _measure(
    config: DictConfig, images: int, size: int, classes: int, seconds: float
) -> tuple[float, int, float, float]:
    """Seconds and memory of a step, operations of an image, and the rate of a matrix product."""
    before = peak_memory(torch.device("cpu"))
    split = Split(torch.randint(256, (images, 3, size, size), dtype=torch.uint8), torch.arange(images) % classes)
    few = Split(split.images[:1], split.labels[:1])
    training = assemble(config, Dataset(range(classes), 3, size, split, few))
    running = engine_loop(training)
    for _ in range(WARM_UP):
        next(running)
    operations, counted_images = counted(training, running)
    device = training.engine.device
    synchronise(device)
    times, began = [], perf_counter()
    while len(times) < 3 or perf_counter() - began < seconds:
        start = perf_counter()
        next(running)
        synchronise(device)
        times.append(perf_counter() - start)
    rate = measure_matrix_rate(device, DTYPES[training.engine.precision])
    memory = peak_memory(device) - (before if device.type == "cpu" else 0)
    return float(np.median(times)), memory, sum(operations.values()) / counted_images, rate


def fit(points: Sequence[Point]) -> dict[str, float]:
    """The cost of an operation, a weight, an image, in seconds and in bytes, by least squares of relative errors."""
    operations, weights, activations, images = np.array(
        [(point.batch_size * point.operations, point.weights, *_in_memory(point)) for point in points], float
    ).T
    seconds = np.array([point.seconds for point in points])
    memory = np.array([point.memory for point in points], float)
    per_operation, per_weight = _least(np.stack([operations, weights], 1), seconds)
    bytes_per_weight, of_activations, of_images = _least(np.stack([weights, activations, images], 1), memory)
    told = {
        "seconds_per_operation": per_operation,
        "seconds_per_weight": per_weight,
        "bytes_per_weight": bytes_per_weight,
        "share_of_activations": of_activations,
        "share_of_images": of_images,
    }
    return {
        **told,
        "time_error": float(np.median(np.abs(seconds_of(told, operations, weights) / seconds - 1))),
        "memory_error": float(np.median(np.abs(bytes_of(told, weights, activations, images) / memory - 1))),
    }


def _in_memory(point: Point) -> tuple[int, int]:
    """The bytes of a batch's activations, and of the images as they are held: a byte a colour of a pixel."""
    return point.batch_size * point.activation_bytes, point.images * 3 * point.size**2


def _least(terms: np.ndarray, measured: np.ndarray) -> list[float]:
    """Coefficients, 0 or more, of the terms (points, n), by relative error, so that small points count as much."""
    from scipy.optimize import nnls

    scale = np.abs(terms / measured[:, None]).max(0)  # terms of like size: nnls is then exact
    return (nnls(terms / measured[:, None] / scale, np.ones(len(measured)))[0] / scale).tolist()


def seconds_of(cost: dict[str, float], operations: Any, weights: Any) -> Any:
    """A step of so many operations with so many weights."""
    return cost["seconds_per_operation"] * operations + cost["seconds_per_weight"] * weights


def bytes_of(cost: dict[str, float], weights: Any, activations: Any, images: Any) -> Any:
    """The memory of a training whose batch has so many bytes of activations, and its data set of images."""
    held = cost["share_of_activations"] * activations + cost["share_of_images"] * images
    return cost["bytes_per_weight"] * weights + held


def as_rows(points: Sequence[Point], cost: dict[str, float]) -> list[dict[str, Any]]:
    """The points with what the cost says of each."""
    return [
        {
            **asdict(point),
            "fitted_seconds": seconds_of(cost, point.batch_size * point.operations, point.weights),
            "fitted_memory": bytes_of(cost, point.weights, *_in_memory(point)),
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
        "| model | images | batch | pixels | classes | weights | G operations | ms a step | fitted | MiB | fitted |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in as_rows(points, cost):
        lines.append(
            f"| {row['model']} | {row['images']:,} | {row['batch_size']} | {row['size']} | {row['classes']} "
            f"| {row['weights'] / 1e6:.1f} M | {row['batch_size'] * row['operations'] / 1e9:.0f} "
            f"| {1000 * row['seconds']:.0f} | {1000 * row['fitted_seconds']:.0f} "
            f"| {row['memory'] / 2**20:.0f} | {row['fitted_memory'] / 2**20:.0f} |"
        )
    reached = 1 / cost["seconds_per_operation"]
    return "\n".join(
        [
            *lines,
            "",
            f"time = operations / {reached / 1e9:.0f} G/s ({reached / rate:.0%} of a matrix product's {rate / 1e9:.0f} "
            f"G/s) + weights * {1e9 * cost['seconds_per_weight']:.2f} ns; median error {cost['time_error']:.0%}",
            f"memory = weights * {cost['bytes_per_weight']:.1f} bytes + activations * "
            f"{cost['share_of_activations']:.2f} + images * {cost['share_of_images']:.2f}; median error "
            f"{cost['memory_error']:.0%}",
            "",
            "ImageNet in days: " + ", ".join(f"{name} {value:.3g}" for name, value in days.items()),
        ]
    )
