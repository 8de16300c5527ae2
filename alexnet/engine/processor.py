"""Finds out what the processor or GPU computes fast, and keeps the memory of one step for the next."""

import ctypes
import re
from collections.abc import Callable
from operator import truediv
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import Any

import torch
from torch import Tensor


def keep_freed_memory() -> None:
    """Makes the C library keep the memory of one step's gradients for the next step.

    By default it gives the memory back, and each step waits for the system to hand out and clear all pages again. Only
    glibc has this switch.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mmap_max, trim_threshold = -4, -1  # as malloc.h numbers them
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)


def choose_precision(device: torch.device) -> str:
    """bf16 if the device multiplies it faster than float32, fp16 on GPUs that are too old for bf16, else float32.

    A processor that lists bf16 instructions is measured, because some with AVX512-BF16 take twice as long with them.
    Both types alternate on one thread, and only this thread's own time counts. So other work on the machine doesn't
    change the answer, and all jobs of a sweep get the same one.
    """
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "mps":
        return "float32"
    units = list_cpu_units()
    if units and not any(unit.endswith("bf16") for unit in units):
        return "float32"
    matrices = [torch.ones(512, 512, dtype=dtype, device=device) for dtype in (torch.float32, torch.bfloat16)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ratios = [truediv(*(_time_product(matrix, thread_time) for matrix in matrices)) for _ in range(16)]
    torch.set_num_threads(threads)
    return "bf16" if median(ratios[1:]) > 1.3 else "float32"  # the first pair warms up


def list_cpu_units() -> set[str]:
    """The processor's instruction sets, such as avx512_bf16 and amx_bf16; empty if torch is too old to name them."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return {name for name, value in capabilities.items() if value is True}


def is_zen5(about: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor is AMD's of family 26 or later. On those torch's float32 convolutions beat Winograd's."""
    try:
        description = about.read_text()
    except OSError:
        return False
    family = re.search(r"^cpu family\s*: (\d+)$", description, re.M)
    return "AuthenticAMD" in description and family is not None and int(family[1]) >= 26


def measure_matrix_rate(device: torch.device, dtype: torch.dtype, repeats: int = 5) -> float:
    """Operations per second in a product of two large square matrices: the best of some repeats."""
    size = 8192 if device.type == "cuda" else 2048  # smaller products take a GPU little longer than their launch
    matrix = torch.randn(size, size, device=device).to(dtype)  # random numbers: a GPU multiplies ones faster
    seconds = [_time_product(matrix) for _ in range(repeats + 1)]
    return 2 * size**3 / min(seconds[1:])  # the first one warms up


def _time_product(matrix: Tensor, clock: Callable[[], float] = perf_counter) -> float:
    synchronise(matrix.device)
    began = clock()
    matrix @ matrix
    synchronise(matrix.device)
    return clock() - began


def synchronise(device: torch.device) -> None:
    """Waits until the device has finished its work."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
