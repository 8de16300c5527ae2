"""Measures where the time of a step goes: the project's operators against their limits, and how long a GPU is busy."""

import os
from collections.abc import Iterator
from typing import Any

import torch
from omegaconf import DictConfig
from tabulate import tabulate
from torch.autograd import DeviceType

from alexnet.engine.cuda_graph import WARM_UP
from alexnet.engine.processor import synchronise
from alexnet.training.build import Training
from turns import assemble_repeated, count_operations, run_project


def profile(config: DictConfig, rate: float, steps: int = 5) -> dict[str, Any]:
    """operators: those of one step, the longest first, each with milliseconds, share of the step, and its limit.
    busy: the share of the time in which a GPU works, over some steps as training takes them; None on a processor.

    rate: operations per second of a matrix product, which is the limit. Only convolutions and matrix products have
    operations to count. A recorded step has kernels but no operators, so the operators are those of unrecorded steps.
    """
    training = assemble_repeated(config)
    running = run_project(training)
    for _ in range(WARM_UP + 2):
        next(running)
    cuda = training.engine.device.type == "cuda"
    busy = _measure_busy(_profile_steps(training, running, 10 * steps)) if cuda else None
    training.recorder = None
    next(running)
    operations, _ = count_operations(training, running)
    time = "self_device_time_total" if cuda else "self_cpu_time_total"
    rows = [
        (event.key, getattr(event, time) / 1e6 / steps)
        for event in _profile_steps(training, running, steps).key_averages()
        if event.device_type == DeviceType.CPU  # the others are kernels, whose time is in that of their operators
    ]
    total = sum(seconds for _, seconds in rows)
    operators = [
        {
            "operator": name,
            "milliseconds": 1000 * seconds,
            "share": seconds / total,
            "limit_milliseconds": 1000 * operations.get(_find_counted(name), 0) / rate,
        }
        for name, seconds in sorted(rows, key=lambda row: -row[1])
        if seconds > 0.002 * total
    ]
    return {"operators": operators, "busy": busy}


def _profile_steps(training: Training, running: Iterator[int], steps: int) -> torch.profiler.profile:
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # by default it prints an error if there is no GPU
    activities = [torch.profiler.ProfilerActivity.CPU]
    if training.engine.device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        for _ in range(steps):
            next(running)
        synchronise(training.engine.device)
    return profiler


def _measure_busy(profiler: torch.profiler.profile) -> float:
    """The share of the time from the first kernel's start to the last one's end in which some kernel runs."""
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation
    )
    busy, until = 0.0, spans[0][0]
    for start, end in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return busy / (until - spans[0][0])


def _find_counted(name: str) -> str:
    """The name under which the counter of operations has the profiler's operator; "" if that only calls another."""
    plain = name.removeprefix("aten::")
    if plain == "convolution":
        return ""
    return f"aten.{'convolution' if plain in ('mkldnn_convolution', 'cudnn_convolution') else plain}"


def as_text(found: dict[str, Any]) -> str:
    """What `profile` found, for a reader."""
    rows = []
    for row in found["operators"]:
        limit, milliseconds = row["limit_milliseconds"], row["milliseconds"]
        reached = [f"{limit:.2f}", f"{limit / milliseconds:.0%}"] if limit else ["", ""]
        rows.append([row["operator"], f"{milliseconds:.2f}", f"{row['share']:.1%}", *reached])
    headers = ["operator", "ms per step", "share", "limit, ms", "reached"]
    table = tabulate(rows, headers, tablefmt="plain", colalign=["left", *["right"] * 4], disable_numparse=True)
    busy = "" if found["busy"] is None else f"the GPU is busy {found['busy']:.1%} of the time\n\n"
    return busy + table
