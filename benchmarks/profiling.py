"""Where a step's time goes: the engine's operators beside their limits, and how much of the time a GPU is at work."""

import os
from collections.abc import Iterator
from typing import Any

import torch
from omegaconf import DictConfig
from torch.autograd import DeviceType

from alexnet.engine.cuda_graph import WARM_UP
from alexnet.engine.processor import synchronise
from alexnet.training.build import Training
from turns import counted, engine_loop, prepared


def profile(config: DictConfig, rate: float, steps: int = 5) -> dict[str, Any]:
    """operators: the engine's in one step, the longest first: milliseconds, share, and how near each is to the limit.
    busy: the share of the time in which a GPU is at work, over some steps as training takes them; None on a processor.

    rate: of a matrix product, operations a second. They are counted for convolutions and matrix products; the rest has
    none that count. A recorded step has kernels but no operators, so that for those it is taken bit by bit.
    """
    training = prepared(config)
    running = engine_loop(training)
    for _ in range(WARM_UP + 2):
        next(running)
    cuda = training.engine.device.type == "cuda"
    busy = _busy(_profiled(training, running, 10 * steps)) if cuda else None
    training.recorder = None
    next(running)
    operations, _ = counted(training, running)
    time = "self_device_time_total" if cuda else "self_cpu_time_total"
    rows = [
        (event.key, getattr(event, time) / 1e6 / steps)
        for event in _profiled(training, running, steps).key_averages()
        if event.device_type == DeviceType.CPU  # the others are kernels, whose time their operators have already
    ]
    whole = sum(seconds for _, seconds in rows)
    rows = [(name, seconds, operations.get(_counted(name), 0)) for name, seconds in rows if seconds > 0.002 * whole]
    operators = [
        {
            "operator": name,
            "milliseconds": 1000 * seconds,
            "share": seconds / whole,
            "limit_milliseconds": 1000 * n / rate,
        }
        for name, seconds, n in sorted(rows, key=lambda row: -row[1])
    ]
    return {"operators": operators, "busy": busy}


def _profiled(training: Training, running: Iterator[int], steps: int) -> torch.profiler.profile:
    # Else it tells a person that there is no GPU, as an error.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    cuda = training.engine.device.type == "cuda"
    activities = [torch.profiler.ProfilerActivity.CPU, *[torch.profiler.ProfilerActivity.CUDA] * cuda]
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        for _ in range(steps):
            next(running)
        synchronise(training.engine.device)
    return profiler


def _busy(profiler: torch.profiler.profile) -> float:
    """The share of the time from the first kernel's start to the last one's end in which there was one."""
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


def _counted(name: str) -> str | None:
    """The operator that is counted for the one that the profiler shows; None for one that only calls another."""
    plain = name.removeprefix("aten::")
    if plain == "convolution":
        return None
    return f"aten.{'convolution' if plain in ('mkldnn_convolution', 'cudnn_convolution') else plain}"


def told(profile: dict[str, Any]) -> str:
    """What `profile` found, for a reader."""
    lines = [] if profile["busy"] is None else [f"the GPU is at work {profile['busy']:.1%} of the time", ""]
    lines.append(f"{'operator':<44} {'ms a step':>10} {'share':>6} {'limit ms':>9} {'reached':>8}")
    for row in profile["operators"]:
        line = f"{row['operator']:<44} {row['milliseconds']:>10.2f} {row['share']:>6.1%}"
        if row["limit_milliseconds"]:
            reached = row["limit_milliseconds"] / row["milliseconds"]
            line += f" {row['limit_milliseconds']:>9.2f} {reached:>8.0%}"
        lines.append(line)
    return "\n".join(lines)
