"""train.py --schema says the same of a value as the rules do, and knows every file in conf/."""

import math

import pytest
from omegaconf import OmegaConf

from alexnet.config import options
from alexnet.config.checks import check_run
from alexnet.config.ranges import RANGES
from alexnet.config.schema import make_schema
from alexnet.errors import Mistake
from support.options import filled

jsonschema = pytest.importorskip("jsonschema")

NUMBERS = [-1, 0, 1, 2, 3, 10, 4096, 5000, 2**63, -0.5, 1e-9, 0.5, 0.999, 1.5]
TEXTS = [
    "",
    "a",
    "adam",
    "relu",
    "all",
    "zh",
    "x" * 41,
    "x" * 501,
    "a b",
    "a/b",
    "a\nb",
    "${x}",
    "图",
    "https://a/b",
    "ftp:",
]
LISTS = [
    [],
    [1],
    [0],
    [0.5],
    [1, 2],
    [0.9, 0.999],
    [1, 1],
    [1, "1"],
    ["a"],
    ["a", "b"],
    ["a", "a"],
    [""],
    [True, False],
]
MATRICES = [[[1]], [[1, 2]], [[1, 2], [3, 4]], [[1, 2], [3]], [[0.5] * 3] * 3, [["a"]], [[[1]]], ["a"] * 21]
VALUES = [None, True, False, {}, {"a": 1}, *NUMBERS, *TEXTS, *LISTS, *MATRICES]
PLACES = [(group, name) for group, rules in RANGES.items() for name in rules]


@pytest.fixture(scope="module")
def checker():
    schema = make_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("group, name", PLACES, ids=lambda part: part or "run")
def test_a_rule_and_its_schema_say_the_same_of_every_value(group, name):
    rule = RANGES[group][name]
    checker = jsonschema.Draft202012Validator(rule.schema)
    wrong = [
        value
        for value in VALUES
        if checker.is_valid(value)
        != bool(rule.allows(OmegaConf.create(value) if isinstance(value, list | dict) else value))
    ]
    assert wrong in ([], [[1, "1"]])  # two names that are the same only as texts


@pytest.mark.parametrize("group", [*options.GROUPS, "experiment"])
def test_every_file_in_conf_is_valid_composed_and_as_it_is(compose, checker, group):
    names = options.list_experiments() if group == "experiment" else list(options.load_files(group))
    for name in names:
        given = [f"experiment={name}", "dataset=digits"] if group == "experiment" else filled(group, name)
        checker.validate(OmegaConf.to_container(compose(*given)))
        if group == "experiment":
            checker.validate(options.read_file(options.find_file(f"experiment/{name}")))


@pytest.mark.parametrize(
    "wrong", [{"sed": 1}, {"optimizer": {"lrr": 1}}, {"model": {"_target_": "os.system"}}, {"seed": -1}, {"report": 1}]
)
def test_what_no_option_is_called_or_may_be_is_invalid(checker, wrong):
    assert not checker.is_valid(wrong)


def list_described(schema, path=()):
    for name, part in schema["properties"].items():
        if "properties" in part:
            yield from list_described(part, (*path, name))
        elif name not in ("defaults", "hydra"):  # Hydra's own
            yield ".".join((*path, name)), part


def test_every_option_has_a_sentence_and_says_what_it_may_be(checker):
    for name, part in list_described(checker.schema):
        assert part["description"] and {"type", "enum", "anyOf"} & part.keys(), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": 3}, {"kernels": [64, 192]}, {"kernel_sizes": [5, 4, 3, 3, 3]}, {"pool_after": [1, 2]},
        {"pool_to": 0}, {"hidden": 0},
    ],
)  # fmt: skip
def test_the_shape_of_the_layers_is_described_as_it_is_checked(compose, checker, wrong):
    ((name, value),) = wrong.items()
    assert not checker.is_valid({"model": wrong})
    with pytest.raises(Mistake, match=name):
        check_run(compose(f"model.{name}={value}".replace(" ", "")))


def test_an_option_has_its_default_its_sentence_and_a_range(checker):
    described = checker.schema["properties"]["dataset"]["properties"]["crop"]
    assert described["default"] == 0 and described["minimum"] == 0 and described["description"].startswith("pixels of")
    assert "default" not in checker.schema["properties"]["optimizer"]["properties"]["lr"]  # it differs
    assert math.isfinite(described["maximum"])
