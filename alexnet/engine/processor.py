"""What the processor is good at, and how its memory is kept."""

import ctypes
import re
from collections.abc import Callable
from operator import truediv
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time

import torch
from torch import Tensor


def keep_freed_memory() -> None:
    """Lets the C library give the memory of one step's gradients to the next step's, and not back to the system.

    Else each step waits for the system to hand out, and clear, all those pages anew. Only glibc knows the switch.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mmap_max, trim_threshold = -4, -1  # as malloc.h numbers them
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)


def choose_precision(device: torch.device) -> str:
    """bf16 where the device multiplies it faster than float32, fp16 on GPUs that are too old for it, else float32.

    On a processor that lists it, it is measured: with AVX512-BF16 some take twice as long. The two take turns on one
    thread, and its own time counts, so that it doesn't matter what else the machine does: the jobs of a sweep must not
    come to different answers.
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
    ratios = [truediv(*(_product_seconds(matrix, thread_time) for matrix in matrices)) for _ in range(16)]
    torch.set_num_threads(threads)
    return "bf16" if median(ratios[1:]) > 1.3 else "float32"  # the first pair prepares


def list_cpu_units() -> set[str]:
    """What the processor lists, such as avx512_bf16 and amx_bf16, as torch tells; empty where an older torch can't."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return {name for name, value in capabilities.items() if value is True}


def is_zen5(about: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor is AMD's of family 26 or later, whose own convolutions are the faster ones in float32."""
    try:
        said = about.read_text()
    except OSError:
        return False
    family = re.search(r"^cpu family\s*: (\d+)$", said, re.M)
    return "AuthenticAMD" in said and family is not None and int(family[1]) >= 26


def measure_matrix_rate(device: torch.device, dtype: torch.dtype, repeats: int = 5) -> float:
    """Operations a second in a product of two large square matrices: the best of some repeats."""
    size = 8192 if device.type == "cuda" else 2048  # on a GPU smaller ones take hardly longer than to be sent there
    matrix = torch.randn(size, size, device=device).to(dtype)  # a GPU multiplies ones faster than numbers of all sorts
    seconds = [_product_seconds(matrix) for _ in range(repeats + 1)]
    return 2 * size**3 / min(seconds[1:])  # the first one prepares


def _product_seconds(matrix: Tensor, clock: Callable[[], float] = perf_counter) -> float:
    synchronise(matrix.device)
    began = clock()
    matrix @ matrix
    synchronise(matrix.device)
    return clock() - began


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was given."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
