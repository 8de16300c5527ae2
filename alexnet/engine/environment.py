"""Describes what the numbers of a run depend on besides its configuration."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from alexnet.engine.device import Engine

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "hydra-core", "omegaconf", "matplotlib", "scikit-learn")


def describe(engine: Engine, fingerprint: Mapping[str, str]) -> dict[str, Any]:
    """Command, source, versions, machine and data, as plain values."""
    device = engine.device
    return {
        "command": [sys.executable, *sys.argv],
        "working_directory": os.getcwd(),
        "source": _describe_source(),
        "python": platform.python_version(),
        "packages": {name: _find_version(name) for name in PACKAGES},
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.cuda.is_available() else None,
        "platform": platform.platform(),
        "device": str(device),
        "device_name": get_device_name(device),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "precision": engine.precision,
        **fingerprint,
    }


def _describe_source() -> dict[str, str]:
    """The commit and the difference from it; `no git` if there is no repository or no git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parents[2]), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout

    try:
        return {"commit": git("rev-parse", "HEAD").strip(), "diff": git("diff", "HEAD")}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": "no git"}


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def get_device_name(device: torch.device) -> str:
    """The maker's name for the GPU or the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
