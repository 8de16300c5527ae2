"""Measures how time and memory grow with images, batch, image size, classes and weights, and fits two formulas.

Seconds of a step = operations / rate + weights * seconds_per_weight.
Memory in bytes = images * share_of_images + weights * bytes_per_weight + batch * activations * share_of_activations,
with images and activations in bytes. You can check each term against the machine's own limits. An epoch takes
images / batch steps.
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
from tabulate import tabulate

from alexnet.data.dataset import Dataset, Split
from alexnet.engine.cuda_graph import WARM_UP
from alexnet.engine.device import DTYPES
from alexnet.engine.processor import measure_matrix_rate, synchronise
from alexnet.models.layer_table import list_layers
from alexnet.training.build import assemble, build_weightless
from exchange import count_exchanged
from turns import count_operations, get_peak_memory, run_project

IMAGENET = {"images": 1_281_167, "epochs": 90, "batch": 128}  # the training to predict, with model=alexnet
DEVICES = (1, 8, 64)  # that it is predicted for, each with a batch of that size


@dataclass(frozen=True)
class Point:
    """One measured setting."""

    model: str
    images: int  # of the dataset, held in memory
    batch_size: int
    size: int  # pixels a side
    classes: int
    weights: int
    operations: float  # of one image, forward and backward
    activation_bytes: int  # of one image
    seconds: float  # per step
    memory: int  # bytes, beyond those of a program that has only imported torch


def measure(config: DictConfig, name: str, images: int, size: int, classes: int, seconds: float) -> tuple[Point, float]:
    """The point, measured in its own process, and the rate of a matrix product there, in operations per second."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        step_seconds, memory, operations, rate = pool.submit(_measure, config, images, size, classes, seconds).result()
    layers = list_layers(build_weightless(config, classes, 3, size), 3, size)
    weights, activations = sum(layer.parameters for layer in layers), sum(layer.output_bytes for layer in layers)
    point = Point(
        name, images, config.batch_size, size, classes, weights, operations, activations, step_seconds, memory
    )
    return point, rate


def _measure(
    config: DictConfig, images: int, size: int, classes: int, seconds: float
) -> tuple[float, int, float, float]:
    """Seconds and memory of a step, operations of an image, and the rate of a matrix product."""
    before = get_peak_memory(torch.device("cpu"))
    pixels, labels = torch.randint(256, (images, 3, size, size), dtype=torch.uint8), torch.arange(images) % classes
    names = [str(label) for label in range(classes)]
    training = assemble(config, Dataset(names, 3, size, Split(pixels, labels), Split(pixels[:1], labels[:1])))
    running = run_project(training)
    for _ in range(WARM_UP):
        next(running)
    operations, counted_images = count_operations(training, running)
    device = training.engine.device
    synchronise(device)
    times: list[float] = []
    began = perf_counter()
    while len(times) < 3 or perf_counter() - began < seconds:
        start = perf_counter()
        next(running)
        synchronise(device)
        times.append(perf_counter() - start)
    rate = measure_matrix_rate(device, DTYPES[training.engine.precision])
    memory = get_peak_memory(device) - (before if device.type == "cpu" else 0)
    return float(np.median(times)), memory, sum(operations.values()) / counted_images, rate


def fit(points: Sequence[Point]) -> dict[str, float]:
    """The coefficients of both formulas, by least squares of relative errors, and the median errors of the fit."""
    operations, weights, activations, images = np.array(
        [(point.batch_size * point.operations, point.weights, *_count_held_bytes(point)) for point in points], float
    ).T
    seconds = np.array([point.seconds for point in points])
    memory = np.array([point.memory for point in points], float)
    per_operation, per_weight = _fit_terms(np.stack([operations, weights], 1), seconds)
    bytes_per_weight, of_activations, of_images = _fit_terms(np.stack([weights, activations, images], 1), memory)
    cost = {
        "seconds_per_operation": per_operation,
        "seconds_per_weight": per_weight,
        "bytes_per_weight": bytes_per_weight,
        "share_of_activations": of_activations,
        "share_of_images": of_images,
    }
    fitted_seconds = compute_seconds(cost, operations, weights)
    fitted_memory = compute_bytes(cost, weights, activations, images)
    return {
        **cost,
        "time_error": float(np.median(np.abs(fitted_seconds / seconds - 1))),
        "memory_error": float(np.median(np.abs(fitted_memory / memory - 1))),
    }


def _count_held_bytes(point: Point) -> tuple[int, int]:
    """The bytes of a batch's activations, and of the images: one byte for each colour of each pixel."""
    return point.batch_size * point.activation_bytes, point.images * 3 * point.size**2


def _fit_terms(terms: np.ndarray, measured: np.ndarray) -> list[float]:
    """The coefficients, 0 or more, of the terms (points, n). Errors are relative, so small points count as much."""
    from scipy.optimize import nnls

    scale = np.abs(terms / measured[:, None]).max(0)  # terms of similar size make nnls exact
    return (nnls(terms / measured[:, None] / scale, np.ones(len(measured)))[0] / scale).tolist()


def compute_seconds(cost: dict[str, float], operations: Any, weights: Any) -> Any:
    """The time of a step, from numbers or arrays."""
    return cost["seconds_per_operation"] * operations + cost["seconds_per_weight"] * weights


def compute_bytes(cost: dict[str, float], weights: Any, activations: Any, images: Any) -> Any:
    """The memory of a training, from numbers or arrays. activations: bytes of a batch. images: bytes of the dataset."""
    held = cost["share_of_activations"] * activations + cost["share_of_images"] * images
    return cost["bytes_per_weight"] * weights + held


def as_rows(points: Sequence[Point], cost: dict[str, float]) -> list[dict[str, Any]]:
    """The points, each with its fitted time and memory."""
    return [
        {
            **asdict(point),
            "fitted_seconds": compute_seconds(cost, point.batch_size * point.operations, point.weights),
            "fitted_memory": compute_bytes(cost, point.weights, *_count_held_bytes(point)),
        }
        for point in points
    ]


def predict_days(cost: dict[str, float], point: Point, images: int, epochs: int, batch: int) -> float:
    """Days of training on this device for that many images and epochs, with the point's model."""
    return images * epochs / batch * compute_seconds(cost, batch * point.operations, point.weights) / 86400


def predict_devices(
    cost: dict[str, float], point: Point, exchange_rate: float | None, images: int, epochs: int, batch: int
) -> list[dict[str, float | None]]:
    """The same days on several devices, each with a process and a batch of its own, as a run of several processes does
    it: a step computes, then exchanges. None where that isn't known.

    exchange_rate: bytes per second that a device sends, while it receives as many; None if it isn't known.
    """
    rows: list[dict[str, float | None]] = []
    for devices in DEVICES:
        exchanged = 4 * count_exchanged(point.weights, devices)
        seconds = exchanged / exchange_rate if exchange_rate else None if devices > 1 else 0.0
        days = predict_days(cost, point, images, epochs, batch) / devices
        computing = compute_seconds(cost, batch * point.operations, point.weights)
        row = {"devices": devices, "batch_size": devices * batch, "bytes": exchanged, "computing_seconds": computing}
        known = None if seconds is None else days * (1 + seconds / computing)
        rows.append({**row, "exchange_seconds": seconds, "days": known})
    return rows


def devices_as_text(rows: Sequence[dict[str, Any]], source: str) -> str:
    """What `predict_devices` found, for a reader, as Markdown. source: where the rate of the exchange comes from."""
    headers = ["devices", "images a step", "MB each way", "ms to compute", "ms to exchange", "days"]
    cells = [
        [
            row["devices"],
            row["batch_size"],
            f"{row['bytes'] / 1e6:.0f}",
            f"{1000 * row['computing_seconds']:.0f}",
            "not known" if row["exchange_seconds"] is None else f"{1000 * row['exchange_seconds']:.0f}",
            "not known" if row["days"] is None else f"{row['days']:.3g}",
        ]
        for row in rows
    ]
    table = tabulate(cells, headers, tablefmt="pipe", colalign=["right"] * 6, disable_numparse=True)
    return f"""On several devices like this one, in the same epochs:

{table}

This rests on a step's computing, measured and fitted above, and on the exchange, {source}.
It assumes that all devices exchange at that rate at once. It leaves out what a process needs to pack its gradients.
Not known: whether as many epochs are enough for the larger batches."""


def as_text(points: Sequence[Point], cost: dict[str, float], rate: float, days: float) -> str:
    """The figures for a reader, as Markdown. rate: of a matrix product, operations per second. days: for ImageNet."""
    headers = ["model", "images", "batch", "pixels", "classes", "weights", "G operations"]
    headers += ["ms per step", "fitted", "MiB", "fitted"]
    rows = [
        [
            row["model"],
            f"{row['images']:,}",
            row["batch_size"],
            row["size"],
            row["classes"],
            f"{row['weights'] / 1e6:.1f} M",
            f"{row['batch_size'] * row['operations'] / 1e9:.0f}",
            f"{1000 * row['seconds']:.0f}",
            f"{1000 * row['fitted_seconds']:.0f}",
            f"{row['memory'] / 2**20:.0f}",
            f"{row['fitted_memory'] / 2**20:.0f}",
        ]
        for row in as_rows(points, cost)
    ]
    table = tabulate(rows, headers, tablefmt="pipe", colalign=["left", *["right"] * 10], disable_numparse=True)
    reached = 1 / cost["seconds_per_operation"]
    return f"""{table}

time = operations / {reached / 1e9:.0f} G/s ({reached / rate:.0%} of a matrix product's {rate / 1e9:.0f} G/s) \
+ weights * {1e9 * cost["seconds_per_weight"]:.2f} ns; median error {cost["time_error"]:.0%}
memory = weights * {cost["bytes_per_weight"]:.1f} bytes + activations * {cost["share_of_activations"]:.2f} \
+ images * {cost["share_of_images"]:.2f}; median error {cost["memory_error"]:.0%}

{IMAGENET["epochs"]} epochs of ImageNet with model=alexnet and batches of {IMAGENET["batch"]} would take {days:.3g} \
days on this device, without decoding"""
