"""Chooses where and how a run computes: device, precision, memory format, threads, compilation."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from alexnet.engine.convolutions import FastConv2d, change_convolutions
from alexnet.engine.half_weights import HalfWeights
from alexnet.engine.im2col import Im2colConv2d
from alexnet.engine.processor import choose_precision, is_zen5, keep_freed_memory, list_cpu_units
from alexnet.engine.winograd import WinogradConv2d
from alexnet.errors import Mistake
from alexnet.models.columns import place

THREADS = torch.get_num_threads()  # torch's own choice; a job of a sweep returns to it after a job with another number
DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Engine:
    """Computes the steps of a run. Weights and their updates are float32 in every precision."""

    device: torch.device
    precision: str  # of convolutions and matrix products: a key of DTYPES
    memory_format: torch.memory_format  # of images and convolution weights
    fused: bool  # the whole update is one kernel, if the optimizer has one
    compile: bool
    capture: bool  # a whole step is sent to the GPU at once, if the optimizer allows it: see cuda_graph.py
    convolution: type[FastConv2d] | None  # replaces the convolutions that it suits; None leaves all of them to torch
    columns: Sequence[torch.device] | None  # of each column; the last one, which computes the loss, is `device`

    def place(self, model: nn.Module) -> nn.Module:
        """The model on its devices, its convolution weights in the memory format.

        Raises Mistake if the model hasn't one column for each of the columns' devices.
        """
        model.to(self.device).to(memory_format=self.memory_format)
        if self.convolution is not None:
            change_convolutions(model, self.convolution)
        if self.columns is not None:
            try:
                place(model, self.columns)
            except ValueError as error:
                raise Mistake(f"device.columns: {error}") from error
        return model

    def forward(self, model: Callable[[Tensor], Tensor], recorded: bool) -> Callable[[Tensor], Tensor]:
        """A function from images (B, C, H, W) float32 to logits (B, K) float32, computed in the engine's precision.

        recorded: whether whole steps are recorded; then the compiler needn't record CUDA graphs of its own.
        """
        network = model
        if self.compile:
            # Every shape is compiled for itself, however many there are. Otherwise the kernels would depend on which
            # shapes came first, and a resumed run would differ.
            torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = 1000
            graphs = self.device.type == "cuda" and not recorded
            options: dict[str, Any] = {"dynamic": False, "mode": "reduce-overhead" if graphs else "default"}
            if isinstance(model, HalfWeights):
                model.compile(**options)
            else:
                network = torch.compile(model, **options)

        def forward(images: Tensor) -> Tensor:
            with self.mixed():
                logits = network(images)
            return logits.float()

        return forward

    def mixed(self) -> torch.autocast:
        """A context that computes in the engine's precision if that has 16 bits; otherwise it changes nothing."""
        return torch.autocast(self.device.type, DTYPES[self.precision], enabled=self.precision in ("bf16", "fp16"))

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss up and the gradients down, so float16 gradients don't vanish. Otherwise it does nothing."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")


def choose_engine(
    name: str,
    threads: int | None = None,
    precision: str = "auto",
    channels_last: bool = True,
    fused: bool = True,
    compile: bool = False,
    capture: bool = True,
    winograd: bool | None = None,
    deterministic: bool = True,
    columns: Sequence[str] | None = None,
    shards: int | None = 1,
) -> Engine:
    """The engine of these settings. It also sets torch's switches, which hold for the whole process.

    name: `auto` is a CUDA GPU if there is one, else Apple's GPU, else the processor.
    threads: of the processor; None is torch's own choice, divided by shards.
    precision: `auto` is the fastest that the device computes natively.
    winograd: None is true, except on a Zen 5.
    Raises Mistake if the device or the precision isn't available.
    """
    placed = _find_columns(columns)
    device = _find_device(name) if placed is None else placed[-1]
    if placed is not None and name not in ("auto", device.type):
        raise Mistake(f"device={name} and device.columns={columns} contradict each other: give one of them.")
    _set_switches(threads or max(1, THREADS // (shards or 1)), compile, deterministic)
    precision = _set_precision(device, precision)
    return Engine(
        device,
        precision,
        memory_format=torch.channels_last if channels_last else torch.contiguous_format,
        fused=fused,
        compile=compile,
        capture=capture and device.type == "cuda" and precision != "fp16" and placed is None,
        convolution=_choose_convolution(device, precision, compile, winograd),
        columns=placed,
    )


def get_threads() -> int:
    """The processor threads of this process, as its engine set them."""
    return torch.get_num_threads()


def _find_columns(names: Sequence[str] | None) -> list[torch.device] | None:
    """The device of each column; None if no devices are named. Raises Mistake if one of them isn't available."""
    if not names:
        return None
    try:
        devices = [torch.device(name) for name in names]
        for device in devices:
            torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA raises the latter
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise Mistake(
            f"device.columns={names}: torch {torch.__version__} can't use them all here: {reason}. Give others, or "
            f"device.columns=null for a single device."
        ) from error
    return devices


def _find_device(name: str) -> torch.device:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    available = [device for device, is_there in there.items() if is_there]
    if name == "auto":
        return torch.device(available[0])
    if name not in available:
        raise Mistake(
            f"device={name}: torch {torch.__version__} finds no such device here, only {', '.join(available)}. "
            f"Give device=cpu, or device=auto for the best one available."
        )
    return torch.device(name)


def _set_switches(threads: int, compile: bool, deterministic: bool) -> None:
    """Sets what holds for the whole process: threads, memory, and whether the same run gives the same bits."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it matrix products on a GPU may vary
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    if compile:  # sets it for the compiler as well, whose import takes two seconds
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
    switches: Any = torch.utils.deterministic
    switches.fill_uninitialized_memory = False  # it is for finding bugs, and costs time
    torch.backends.cudnn.benchmark = not deterministic  # tries algorithms out, and may choose another one next time


def _set_precision(device: torch.device, precision: str) -> str:
    """The precision, `auto` resolved; sets torch's TF32 switches to it. Raises Mistake if the device has no TF32."""
    has_tf32 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    if precision == "tf32" and not has_tf32:
        raise Mistake(
            f"device.precision=tf32 on {device}: expected an NVIDIA GPU of 2020 (Ampere) or later: "
            f"give device.precision=auto or float32."
        )
    if precision == "auto":
        precision = choose_precision(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    return precision


def _choose_convolution(
    device: torch.device, precision: str, compile: bool, winograd: bool | None
) -> type[FastConv2d] | None:
    """The project's own convolution that is faster than torch's; None if there is none."""
    if device.type != "cpu" or compile:  # cuDNN and the compiler have fast ones of their own
        return None
    if precision == "float32" and (not is_zen5() if winograd is None else winograd):
        return WinogradConv2d
    if precision == "bf16" and "amx_bf16" in list_cpu_units():
        return Im2colConv2d
    return None
