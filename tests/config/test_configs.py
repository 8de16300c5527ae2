"""Every YAML file under conf/ is tried, so a new one is covered unasked."""

import contextlib
import inspect
import re

import pytest
import torch
from hydra.utils import get_object
from omegaconf import OmegaConf

from alexnet.config import checks, keys, options, signatures
from alexnet.config.ranges import RANGES
from alexnet.errors import Mistake
from alexnet.models import limits
from alexnet.training import build
from support.options import filled, options_of
from support.programs import ROOT

FACTS = ("classes", "channels", "size")
SIZES = {"alexnet": 224, "alexnet_2012": 224, "alexnet_2012_one_gpu": 224}  # others take 32


@pytest.mark.parametrize("group, option", [(group, option) for group in options.GROUPS for option in options_of(group)])
def test_every_option_composes_and_its_values_are_in_range(compose, group, option):
    checks.check(compose(*filled(group, option)))


def test_every_key_is_checked():
    """By its range, or by what is built with it: device.columns, and the shape of the layers."""
    built = {"columns", "kernels", "kernel_sizes", "pool_after", "pool_to", "hidden"}
    files = [path for group in options.GROUPS for path in (ROOT / "conf" / group).glob("*.yaml")]
    keys = {key for path in files for key in OmegaConf.load(path)}
    assert keys - set(RANGES) == built | {"_target_", "defaults"}


@pytest.mark.parametrize(
    "option", [*options_of("experiment"), *(f"paper/{name}" for name in options_of("experiment/paper"))]
)
def test_every_experiment_composes_and_names_its_command(compose, option):
    checks.check(compose(f"experiment={option}"))
    text = (ROOT / "conf" / "experiment" / f"{option}.yaml").read_text(encoding="utf-8")
    assert f"experiment={option}" in text


def test_one_gpu_is_trained_as_the_columns_are(compose):
    """All but the network's columns and kernels is the same, so that they can be compared."""
    two, one = (compose(f"experiment=paper/{name}") for name in ("columns", "one_gpu"))
    differing = keys.list_changes(keys.flatten(two), keys.flatten(one))
    assert [key for key, *_ in differing] == ["model.columns", "model.kernels"]


@pytest.mark.parametrize("option", options_of("model"))
def test_every_model_keeps_the_contract(compose, option):
    """Model(classes, channels, size, **knobs) has features and a classifier, and gives (B, classes) logits.

    Where it isn't for images of a size, it says so in a sentence that names a model that is.
    """

    def made(option, *facts):
        return build._call("model", compose(f"model={option}").model, **dict(zip(FACTS, facts, strict=True)))

    taken = []
    for classes, channels, size in [(7, 1, 32), (10, 3, 40), (5, 3, 224)]:
        try:
            model = made(option, classes, channels, size)
        except Mistake as mistake:
            assert str(mistake).startswith(f"model: images of {size}x{size} are too ")
            with torch.device("meta"):
                made(re.search(r"give model=(\w+)", str(mistake))[1], classes, channels, size)
            continue
        assert list(model.features.parameters()) and list(model.classifier.parameters())
        logits = model(torch.randn(2, channels, size, size))
        assert logits.shape == (2, classes)
        logits.sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        taken.append(size)
    assert taken in ([32, 40], [224])


@pytest.mark.parametrize("option", options_of("model"))
def test_every_choice_of_a_knob_is_built(compose, option):
    config = compose(f"model={option}").model
    for knob in set(limits.CHOICES) & set(config):
        for choice in limits.CHOICES[knob]:
            changed = OmegaConf.merge(config, {knob: choice, **({"columns": 2} if knob == "cross" else {})})
            with torch.device("meta"):
                build._call("model", changed, classes=2, channels=3, size=SIZES.get(option, 32))


TARGETS = sorted(target for group in options.GROUPS for target in options.list_targets(group))


@pytest.mark.parametrize("target", [*TARGETS, "torch.optim.NAdam"])
def test_what_is_built_takes_what_its_source_says(target):
    """What is checked without importing torch is what the signature says."""
    signature = inspect.signature(get_object(target)).parameters.values()
    assert signatures.read_parameters(target) == {
        each.name: each.default is inspect.Parameter.empty for each in signature
    }


def test_a_target_whose_source_is_not_found_is_left_to_what_builds_it():
    assert (
        signatures.read_parameters("nowhere.at.all")
        is signatures.read_parameters("alexnet.models.columns.Cross")
        is None
    )


@pytest.mark.parametrize("option, size", [(name, SIZES.get(name, 32)) for name in limits.SIDES])
def test_the_models_that_take_smaller_images_are_known(compose, option, size):
    with torch.device("meta"):
        model = build._call("model", compose(f"model={option}").model, classes=2, channels=3, size=size).eval()
        taken = set()
        for side in range(1, size):
            with contextlib.suppress(RuntimeError):
                model(torch.empty(1, 3, side, side))
                taken.add(side)
    assert taken == set(range(limits.SMALLER.get(option, size), size))


@pytest.mark.parametrize("option", options_of("optimizer"))
def test_every_optimizer_descends(compose, option):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = build._call("optimizer", compose(f"optimizer={option}").optimizer, [weight])
    for _ in range(5):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert weight.square().sum() < 3


@pytest.mark.parametrize("option", options_of("schedule"))
def test_every_schedule_keeps_the_rate_between_0_and_its_base(compose, option):
    config = compose(f"schedule={option}").schedule
    schedule = build._target("schedule", config)
    for epoch in torch.linspace(0, 29.99, 100).tolist():
        assert 0 <= schedule(epoch, 30, [0.5] * int(epoch), **build._knobs(config)) <= 1


@pytest.mark.parametrize("option", options_of("dataset"))
def test_every_dataset_takes_exactly_the_knobs_of_its_file(compose, option):
    """What the source doesn't take is for the loaders, and nothing else stands in the file."""
    config = compose(*filled("dataset", option)).dataset
    knobs = set(config) - {"_target_"} - set(checks.NOT_THE_SOURCES)
    assert knobs == set(inspect.signature(get_object(config._target_)).parameters)


def test_no_yaml_states_a_fact_about_data():
    """Classes and channels come from the dataset object alone."""
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert not {"classes", "num_classes", "channels"} & set(OmegaConf.load(path)), path


def test_alone_it_is_the_tutorials_run(compose):
    config = compose()
    assert (config.epochs, config.batch_size, config.log_every) == (30, 64, 200)
    assert config.optimizer == {
        "_target_": "torch.optim.SGD",
        "lr": 0.001,
        "momentum": 0.9,
        "weight_decay": 0,
        "nesterov": False,
    }
    assert config.dataset._target_ == "alexnet.data.cifar.cifar10"
    assert (config.dataset.size, config.dataset.mean, config.dataset.std) == (32, 0.5, 0.5)
    assert (config.dataset.crop, config.dataset.flip, config.dataset.validation) == (0, False, 0)
    assert config.model == {
        "_target_": "alexnet.models.alexnet_cifar.AlexNetCifar",
        "columns": 1,
        "cross": "conv3",
        "kernels": [64, 192, 384, 256, 256],
        "kernel_sizes": [5, 5, 3, 3, 3],
        "pool_after": [1, 2, 5],
        "pool_to": None,
        "hidden": 4096,
        "dropout": 0.5,
        "activation": "relu",
        "normalisation": "none",
        "initialisation": "torch",
    }
    assert config.schedule._target_ == "alexnet.training.schedules.constant"
    assert config.device.name == "auto"
