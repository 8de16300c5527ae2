"""What each value of a configuration may be, by its name: what is expected, in words, and whether a value is that.

One word has one meaning here, so it has one range wherever it stands: `lr` of any optimizer is above 0.
What the networks' knobs may be is in models/knobs.py.
"""

import re
from collections.abc import Callable
from math import isfinite
from typing import Any

from omegaconf import ListConfig

from alexnet.models import limits


def _whole(least: int, most: int = 2**63 - 1) -> tuple[str, Callable[[Any], bool]]:
    text = f"a whole number, {least} or more" if most == 2**63 - 1 else f"a whole number from {least} to {most}"
    return text, lambda value: type(value) is int and least <= value <= most


def _number(text: str, holds: Callable[[float], bool]) -> tuple[str, Callable[[Any], bool]]:
    return text, lambda value: type(value) in (int, float) and isfinite(value) and holds(value)


def _choice(*options: str | int) -> tuple[str, Callable[[Any], bool]]:
    return f"one of {', '.join(map(str, options))}", lambda value: limits.is_one(value, options)


def _or_null(rule: tuple[str, Callable[[Any], bool]]) -> tuple[str, Callable[[Any], bool]]:
    return f"{rule[0]}, or null", lambda value: value is None or rule[1](value)


def _each(rule: tuple[str, Callable[[Any], bool]]) -> tuple[str, Callable[[Any], bool]]:
    return (
        f"{rule[0]}, or a list of such",
        lambda value: len(value) > 0 and all(map(rule[1], value)) if isinstance(value, ListConfig) else rule[1](value),
    )


def _is_pair(value: Any) -> bool:
    return isinstance(value, ListConfig) and len(value) == 2 and all(map(_share[1], value))


def _matrix() -> tuple[str, Callable[[Any], bool]]:
    return (
        "a square list of lists of numbers",
        lambda value: (
            isinstance(value, ListConfig)
            and all(isinstance(row, ListConfig) and len(row) == len(value) and _each(_any)[1](row) for row in value)
        ),
    )


_any = _number("a number", lambda value: True)
_above_zero = _number("a number above 0", lambda value: value > 0)
_zero_or_more = _number("a number, 0 or more", lambda value: value >= 0)
_share = _number("a number from 0 to 1, 1 excluded", lambda value: 0 <= value < 1)
_part = _number("a number above 0, at most 1", lambda value: 0 < value <= 1)
_switch = "true or false", lambda value: type(value) is bool
_address = (
    "an address, such as https://host/file",
    lambda value: isinstance(value, str) and re.match(r"(https?|ftp|file)://\S", value) is not None,
)
_text = "a text", lambda value: isinstance(value, str) and value != ""

RANGES = {
    "metrics": (
        "a list of names, such as [test_accuracy,error_gap]",
        lambda value: (
            isinstance(value, (list, ListConfig)) and len(value) > 0 and all(isinstance(name, str) for name in value)
        ),
    ),
    "best_of": _or_null(_text),
    "seed": _whole(0),
    "epochs": _whole(1),
    "batch_size": _whole(1),
    "label_smoothing": _share,
    "cutmix": _number("a number from 0 to 1", lambda value: 0 <= value <= 1),
    "log_every": _whole(1),
    "checkpoint_minutes": _above_zero,
    "resume": _or_null(_text),
    "dry_run": _switch,
    "language": _choice("en", "zh"),
    **{name: _choice(*options) for name, options in limits.CHOICES.items()},
    "dropout": _share,
    "lrn": _switch,
    "weights": _or_null(_text),
    "root": _text,
    "download": _switch,
    "url": _or_null(_address),
    "size": _whole(1, 4096),
    "resize": _or_null(_whole(1, 4096)),
    "mean": _or_null(_each(_any)),
    "std": _each(_above_zero),
    "crop": _whole(0),
    "flip": _switch,
    "cutout": _whole(0),
    "progressive": (
        "a list of whole numbers above 0",
        lambda value: isinstance(value, (list, ListConfig)) and all(type(side) is int and side > 0 for side in value),
    ),
    "colour": _zero_or_more,
    "components": _or_null(_matrix()),
    "views": _choice(1, 10),
    "validation": _share,
    "share": _part,
    "memory_share": _share,
    "cache": _or_null(_text),
    "lr": _above_zero,
    "momentum": _share,
    "weight_decay": _zero_or_more,
    "nesterov": _switch,
    "betas": ("a list of two numbers from 0 to 1, 1 excluded", _is_pair),
    "alpha": _share,
    "eps": _above_zero,
    "dampening": _any,
    **dict.fromkeys(("amsgrad", "centered", "decoupled_weight_decay", "differentiable", "maximize"), _switch),
    "foreach": _or_null(_switch),
    "every": _whole(1),
    "factor": _part,
    "warmup": _zero_or_more,
    "start": _part,
    "final": _number("a number from 0 to 1", lambda value: 0 <= value <= 1),
    "rise": _share,
    "patience": _whole(0),
    "threshold": _share,
    "name": _choice("auto", "cpu", "cuda", "mps"),
    "threads": _or_null(_whole(1, 1024)),
    "precision": _choice("auto", "float32", "tf32", "bf16", "fp16"),
    "channels_last": _switch,
    "fused": _switch,
    "compile": _switch,
    "capture": _switch,
    "winograd": _or_null(_switch),
    "deterministic": _switch,
    "workers": _whole(0, 1024),
}
