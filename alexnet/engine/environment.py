"""Describes what the numbers of a run depend on besides its configuration."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from alexnet.engine.device import Engine

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "hydra-core", "omegaconf", "matplotlib", "scikit-learn")
# A version as pip knows it (PEP 440), in characters that mean nothing to a shell; then what it was built for: +cu128.
VERSION = re.compile(
    r"(\d{1,9}(?:\.\d{1,9}){0,5}(?:(?:a|b|rc)\d{1,9})?(?:\.post\d{1,9})?(?:\.dev\d{1,9})?)(?:\+([a-z0-9.]{1,20}))?",
    re.ASCII,
)
BUILD = re.compile(r"cpu|xpu|cu\d+|rocm\d+(?:\.\d+)*", re.ASCII)  # PyTorch has an index for each
INDEX = "https://download.pytorch.org/whl/"


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


def describe_restoring(environment: Mapping[str, Any]) -> str:
    """How to install the packages of an environment.json, whoever wrote it. Empty if they are here.

    Only PACKAGES and well-formed versions get into the command, because a person may paste it into a shell.
    """
    packages = environment.get("packages")
    words = [_require(name, packages.get(name)) for name in PACKAGES] if isinstance(packages, Mapping) else []
    builds = sorted({word.partition("+")[2] for word in words if "+" in word})
    indexes = [f"--extra-index-url {INDEX}{build}" for build in builds]
    if not any(words):
        return ""
    python = re.match(r"3\.\d{1,3}(?=\.)", str(environment.get("python")), re.ASCII)
    other = python is not None and not platform.python_version().startswith(f"{python[0]}.")
    command = " ".join(["pip install", *filter(None, words), *indexes])
    return f"To install them{f' (Python {python[0]})' if python and other else ''}: {command}"


def _require(name: str, recorded: Any) -> str:
    """What pip is told to install for a package. Empty if that is here, or nothing well-formed was recorded."""
    found = VERSION.fullmatch(recorded) if isinstance(recorded, str) else None
    here = _find_version(name) or ""
    if found is None or recorded == here:
        return ""
    version, build = found.groups()
    if build and BUILD.fullmatch(build):
        return f"{name}=={recorded}"
    if here.partition("+")[0] != version:  # a build of somebody's own can be had nowhere: the version alone
        return f"{name}=={version}"
    return "" if build else f"{name}==={version}"  # == would accept what is here, a build such as +cpu
