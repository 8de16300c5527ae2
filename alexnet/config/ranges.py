"""The range of each option, in the shape of conf/: RANGES[group][name]. Group "" has the options of the run itself.

The shape of a network's layers is checked in models/limits.py, because its options depend on each other.
"""

import re
from collections.abc import Callable, Sequence
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any, NamedTuple

from omegaconf import ListConfig

from alexnet.data.preparation import FLIPS, VIEWS
from alexnet.errors import make_printable
from alexnet.models import limits


class Rule(NamedTuple):
    """What a value may be: in words that follow "expected", as a function that tests a value, and as a JSON schema,
    which takes 1.0 for a whole number. choices: all, if few.
    """

    text: str
    allows: Callable[[Any], bool]
    schema: dict[str, Any]
    choices: Sequence[str | int | bool | None] = ()


def _allow_whole(least: int, most: int = 2**63 - 1) -> Rule:
    text = f"a whole number, {least} or more" if most == 2**63 - 1 else f"a whole number from {least} to {most}"
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Rule(text, lambda value: type(value) is int and least <= value <= most, schema)


def _allow_number(text: str, **bounds: float) -> Rule:
    """bounds: as a JSON schema names them."""
    holds = {"minimum": ge, "exclusiveMinimum": gt, "maximum": le, "exclusiveMaximum": lt}

    def allows(value: Any) -> bool:
        is_number = type(value) in (int, float) and isfinite(value)
        return is_number and all(holds[name](value, bound) for name, bound in bounds.items())

    return Rule(text, allows, {"type": "number", **bounds})


def _allow_choice(*choices: str | int) -> Rule:
    text = f"one of {', '.join(map(str, choices))}"
    return Rule(text, lambda value: limits.is_one(value, choices), {"enum": list(choices)}, choices)


def _allow_null(rule: Rule) -> Rule:
    choices = (True, False, None) if rule is SWITCH else ()
    schema = {"anyOf": [rule.schema, {"type": "null"}]}
    return Rule(f"{rule.text}, or null", lambda value: value is None or rule.allows(value), schema, choices)


def _allow_list(rule: Rule) -> Rule:
    """One value, or a list of one or more."""
    return Rule(
        f"{rule.text}, or a list of these",
        lambda value: (
            len(value) > 0 and all(map(rule.allows, value)) if isinstance(value, ListConfig) else rule.allows(value)
        ),
        {"anyOf": [rule.schema, _list_schema(rule, minItems=1)]},
    )


def _is_list_of(rule: Rule, value: Any) -> bool:
    return isinstance(value, ListConfig) and all(map(rule.allows, value))


def _list_schema(rule: Rule, **bounds: Any) -> dict[str, Any]:
    return {"type": "array", "items": rule.schema, **bounds}


ANY_NUMBER = _allow_number("a number")
ABOVE_ZERO = _allow_number("a number above 0", exclusiveMinimum=0)
ZERO_OR_MORE = _allow_number("a number, 0 or more", minimum=0)
FROM_0_TO_1 = _allow_number("a number from 0 to 1", minimum=0, maximum=1)
BELOW_1 = _allow_number("a number from 0 to 1, 1 excluded", minimum=0, exclusiveMaximum=1)
ABOVE_0_TO_1 = _allow_number("a number above 0, at most 1", exclusiveMinimum=0, maximum=1)
SWITCH = Rule("true or false", lambda value: type(value) is bool, {"type": "boolean"})
FLIP = Rule("true, false or alternate", lambda value: limits.is_one(value, FLIPS), {"enum": [*FLIPS]}, FLIPS)
TEXT = Rule("a text", lambda value: isinstance(value, str) and value != "", {"type": "string", "minLength": 1})
ADDRESS = Rule(
    "an address, such as https://host/file",
    lambda value: isinstance(value, str) and re.match(r"(https?|ftp|file)://\S", value) is not None,
    {"type": "string", "pattern": r"^(https?|ftp|file)://\S"},
)
NOT_IN_TAGS = r"[\x00-*,/:-@\[-^`{-~\s]"  # editors read \w as ASCII only
TAG = Rule(
    "a word",
    lambda value: type(value) in (str, int) and re.fullmatch(r"[\w.+-]{1,40}", str(value)) is not None,
    {
        "anyOf": [
            {"type": "integer"},
            {"type": "string", "minLength": 1, "maxLength": 40, "not": {"pattern": NOT_IN_TAGS}},
        ]
    },
)
TAGS = Rule(
    "a list of words of letters, digits and . _ + -, each of at most 40 characters, such as [baseline,wide]",
    lambda value: _is_list_of(TAG, value) and len(value) <= 20,
    _list_schema(TAG, maxItems=20),
)
NOTE = Rule(
    "a text of at most 500 characters, in one line and without ${",
    lambda value: isinstance(value, str) and len(value) <= 500 and "${" not in value and make_printable(value) == value,
    {"type": "string", "maxLength": 500, "not": {"pattern": r"[\x00-\x1f\x7f-\x9f]|\$\{"}},
)
NAMES = Rule(
    "a list of names, such as [test_accuracy,error_gap]",
    lambda value: _is_list_of(TEXT, value) and len(value) > 0,
    _list_schema(TEXT, minItems=1),
)
CLASS = Rule(
    "a name", lambda value: type(value) in (str, int) and value != "", {"type": ["string", "integer"], "minLength": 1}
)
CLASSES = Rule(
    "a list of two or more different names of classes, such as [cat,dog]",
    lambda value: _is_list_of(CLASS, value) and len(set(map(str, value))) == len(value) >= 2,
    _list_schema(CLASS, minItems=2, uniqueItems=True),
)
PAIR = Rule(
    "a list of two numbers from 0 to 1, 1 excluded",
    lambda value: _is_list_of(BELOW_1, value) and len(value) == 2,
    _list_schema(BELOW_1, minItems=2, maxItems=2),
)
SIDES = Rule(
    "a list of whole numbers above 0",
    lambda value: _is_list_of(_allow_whole(1), value),
    _list_schema(_allow_whole(1)),
)
ROWS = [  # with as many numbers as there are rows: one for each channel
    {
        "type": "array",
        "minItems": side,
        "maxItems": side,
        "items": _list_schema(ANY_NUMBER, minItems=side, maxItems=side),
    }
    for side in range(4)
]
MATRIX = Rule(
    "a square list of lists of numbers",
    lambda value: (
        isinstance(value, ListConfig) and all(_is_list_of(ANY_NUMBER, row) and len(row) == len(value) for row in value)
    ),
    {"anyOf": ROWS},
)

RANGES: dict[str, dict[str, Rule]] = {
    "": {
        "seed": _allow_whole(0),
        "epochs": _allow_whole(1),
        "batch_size": _allow_whole(1),
        "label_smoothing": BELOW_1,
        "cutmix": FROM_0_TO_1,
        "mixup": FROM_0_TO_1,
        "clip_norm": _allow_null(ABOVE_ZERO),
        "accumulate": _allow_whole(1, 1024),
        "ema": BELOW_1,
        "patience": _allow_null(_allow_whole(1)),
        "overfit": _allow_null(ABOVE_ZERO),
        "log_every": _allow_whole(1),
        "checkpoint_minutes": ABOVE_ZERO,
        "keep": _allow_choice("all", "weights", "none"),
        "test": SWITCH,
        "language": _allow_choice("en", "zh"),
        "console": _allow_choice("quiet", "normal", "verbose"),
        "tags": TAGS,
        "note": _allow_null(NOTE),
        "resume": _allow_null(TEXT),
        "join": _allow_null(TEXT),
        "dry_run": SWITCH,
    },
    "report": {
        "metrics": _allow_null(NAMES),
        "best_of": _allow_null(TEXT),
    },
    "model": {
        **{name: _allow_choice(*choices) for name, choices in limits.CHOICES.items()},
        "dropout": BELOW_1,
        "lrn": SWITCH,
        **{name: _allow_null(TEXT) for name in limits.TRANSFER},
    },
    "dataset": {
        "root": TEXT,
        "download": SWITCH,
        "url": _allow_null(ADDRESS),
        "size": _allow_whole(1, 4096),
        "resize": _allow_null(_allow_whole(1, 4096)),
        "memory_share": BELOW_1,
        "cache": _allow_null(TEXT),
        "mean": _allow_null(_allow_list(ANY_NUMBER)),
        "std": _allow_list(ABOVE_ZERO),
        "crop": _allow_whole(0),
        "flip": FLIP,
        "cutout": _allow_whole(0),
        "progressive": SIDES,
        "colour": ZERO_OR_MORE,
        "components": _allow_null(MATRIX),
        "views": _allow_choice(*VIEWS),
        "validation": BELOW_1,
        "share": ABOVE_0_TO_1,
        "only": _allow_null(CLASSES),
    },
    "optimizer": {
        "lr": ABOVE_ZERO,
        "momentum": BELOW_1,
        "weight_decay": ZERO_OR_MORE,
        "vectors": ZERO_OR_MORE,
        "nesterov": SWITCH,
        "dampening": ANY_NUMBER,
        "betas": PAIR,
        "alpha": BELOW_1,
        "eps": ABOVE_ZERO,
        **dict.fromkeys(("amsgrad", "centered", "decoupled_weight_decay", "maximize"), SWITCH),
        "foreach": _allow_null(SWITCH),
        "new_layers": ABOVE_ZERO,
    },
    "schedule": {
        "every": _allow_whole(1),
        "factor": ABOVE_0_TO_1,
        "warmup": ZERO_OR_MORE,
        "start": ABOVE_0_TO_1,
        "final": FROM_0_TO_1,
        "rise": BELOW_1,
        "patience": _allow_whole(0),
        "threshold": BELOW_1,
    },
    "device": {
        "name": _allow_choice("auto", "cpu", "cuda", "mps"),
        "precision": _allow_choice("auto", "float32", "tf32", "bf16", "fp16"),
        "channels_last": SWITCH,
        "fused": SWITCH,
        "compile": SWITCH,
        "capture": SWITCH,
        "winograd": _allow_null(SWITCH),
        "deterministic": SWITCH,
        "threads": _allow_null(_allow_whole(1, 1024)),
        "processes": _allow_whole(1, 1024),
        "shards": _allow_null(_allow_whole(1, 1024)),
        "workers": _allow_whole(0, 1024),
    },
}


def find_rule(path: str) -> Rule | None:
    """The rule of the option with that whole name, such as optimizer.lr; None if RANGES has none."""
    group, _, name = path.rpartition(".")
    return RANGES.get(group, {}).get(name)
