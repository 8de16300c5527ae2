"""Where and how a run computes: device, precision, memory format, threads, compilation."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from alexnet.engine.convolutions import FastConv2d, change_convolutions
from alexnet.engine.im2col import Im2colConv2d
from alexnet.engine.processor import choose_precision, is_zen5, keep_freed_memory, list_cpu_units
from alexnet.engine.winograd import WinogradConv2d
from alexnet.errors import Mistake
from alexnet.models.columns import place

THREADS = torch.get_num_threads()  # torch's own choice, to go back to when one job of a sweep had another
DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Engine:
    """What carries out the steps of a run. Weights and their updates are float32 in every precision."""

    device: torch.device
    precision: str  # of convolutions and matrix products: a key of DTYPES
    memory_format: torch.memory_format  # of images and convolution weights
    fused: bool  # the whole update as one kernel, where the optimizer has one
    compile: bool
    capture: bool  # a step is sent to the GPU as a whole, where the optimizer allows it: see capture.py
    convolution: type[FastConv2d] | None  # what the convolutions that suit it become; None leaves all to torch
    columns: Sequence[torch.device] | None  # of each column; the last one, where the loss is, is `device`

    def place(self, model: nn.Module) -> nn.Module:
        """The model on its devices, its convolution weights in the memory format.

        Raises Mistake where it hasn't as many columns as there are devices for them.
        """
        model.to(self.device).to(memory_format=self.memory_format)
        if self.convolution:
            change_convolutions(model, self.convolution)
        if self.columns:
            try:
                place(model, self.columns)
            except ValueError as error:
                raise Mistake(f"device.columns: {error}") from error
        return model

    def forward(self, model: nn.Module, recorded: bool) -> Callable[[Tensor], Tensor]:
        """images (B, C, H, W) float32 to logits (B, K) float32, computed in the engine's precision.

        recorded: whether whole steps are, so that the compiler needn't make graphs of its own.
        """
        network: Callable[[Tensor], Tensor] = model
        if self.compile:
            # Fixed shapes, and each of them compiled, however many there are: kernels must not depend on which shapes
            # came first, or a resumed run would differ.
            torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = 1000
            graphs = self.device.type == "cuda" and not recorded
            network = torch.compile(model, dynamic=False, mode="reduce-overhead" if graphs else "default")

        def forward(images: Tensor) -> Tensor:
            with self.mixed():
                logits = network(images)
            return logits.float()

        return forward

    def mixed(self) -> torch.autocast:
        """What is computed within it is in the engine's precision, where that is one of 16 bits."""
        return torch.autocast(self.device.type, DTYPES[self.precision], enabled=self.precision in ("bf16", "fp16"))

    def scaler(self) -> torch.amp.GradScaler:
        """Keeps float16 gradients from vanishing: scales the loss up and the gradients down. Else it does nothing."""
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
) -> Engine:
    """The engine of those settings; torch's switches, which are the process's own, are set to them.

    name: `auto` is a CUDA GPU where there is one, else Apple's, else the processor. precision: `auto` is the
    fastest that is native to the device. threads: of the processor; None leaves torch's own choice. winograd: None is
    true but on a Zen 5.
    Raises Mistake where the device or the precision asked for isn't there.
    """
    placed = _columns(columns)
    device = placed[-1] if placed else _device(name)
    if placed and name not in ("auto", device.type):
        raise Mistake(f"device={name} and device.columns={columns} are two answers to one question: give one of them.")
    torch.set_num_threads(threads or THREADS)
    keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it matrix products on a GPU may vary
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    if compile:  # sets it for the compiler as well, which takes two seconds to import
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # for finding bugs; costs time
    torch.backends.cudnn.benchmark = not deterministic  # tries algorithms out, and may choose another next time
    tf32_there = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    if precision == "tf32" and not tf32_there:
        raise Mistake(
            f"device.precision=tf32 on {device}: expected an NVIDIA GPU of 2020 (Ampere) or later: "
            f"give device.precision=auto or float32."
        )
    if precision == "auto":
        precision = choose_precision(device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    capture = capture and device.type == "cuda" and precision != "fp16" and not placed
    convolution = None
    if device.type == "cpu" and not compile:  # cuDNN and the compiler have their own
        if precision == "float32" and (not is_zen5() if winograd is None else winograd):
            convolution = WinogradConv2d
        elif precision == "bf16" and "amx_bf16" in list_cpu_units():
            convolution = Im2colConv2d
    return Engine(device, precision, memory_format, fused, compile, capture, convolution, placed)


def _device(name: str) -> torch.device:
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, available in there.items() if available)
    if not there[name]:
        have = ", ".join(device for device, available in there.items() if available)
        raise Mistake(
            f"device={name}: torch {torch.__version__} finds no such device here, only {have}. "
            f"Give device=cpu, or device=auto to take the best one there is."
        )
    return torch.device(name)


def _columns(names: Sequence[str] | None) -> list[torch.device] | None:
    """The devices of a network's columns, one a column; None where there are no such names.

    Raises Mistake for a device that isn't there.
    """
    if names is None:
        return None
    try:
        devices = [torch.device(name) for name in names]
        for device in devices:
            torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:  # the latter from a torch without CUDA
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise Mistake(
            f"device.columns={names}: torch {torch.__version__} can't use them all here: {reason}. Give others, or "
            f"device.columns=null for a single device."
        ) from error
    return devices
