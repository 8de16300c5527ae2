"""All YAML files in conf/ are tested, so a new one is tested without an edit here."""

import contextlib
import inspect
import re

import pytest
import torch
from hydra.utils import get_object
from omegaconf import OmegaConf

from alexnet.config import checks, keys, options, signatures
from alexnet.config.ranges import find_rule
from alexnet.data.preparation import KEYS_OF_ANY_SOURCE
from alexnet.errors import Mistake
from alexnet.models import limits
from alexnet.training import targets
from support.options import filled, options_of
from support.programs import ROOT

FACTS = ("classes", "channels", "size")
SIZES = {"alexnet": 224, "alexnet_2012": 224, "alexnet_2012_one_gpu": 224}  # others take 32


@pytest.mark.parametrize("group, option", [(group, option) for group in options.GROUPS for option in options_of(group)])
def test_every_option_composes_and_its_values_are_in_range(compose, group, option):
    checks.check(compose(*filled(group, option)))


@pytest.mark.parametrize("group, option", [(group, option) for group in options.GROUPS for option in options_of(group)])
def test_files_are_read_as_hydra_composes_them(compose, group, option):
    """Also in the order of the keys, which is that of config.yaml."""
    composed, read = compose(f"{group}={option}")[group], options.load_files(group)[option]
    assert OmegaConf.to_yaml(OmegaConf.create(read)) == OmegaConf.to_yaml(composed)


def test_every_key_has_a_rule(compose):
    """Except those that combinations.py checks: the shape of the layers, and a device for each column."""
    shape = {f"model.{name}" for name in ("columns", "kernels", "kernel_sizes", "pool_after", "pool_to", "hidden")}
    files = {group: options.load_files(group).values() for group in options.GROUPS}
    paths = {f"{group}.{key}" for group in options.GROUPS for file in files[group] for key in file}
    paths |= {path for path in keys.flatten(compose()) if path.partition(".")[0] not in options.GROUPS}
    without = {path for path in paths if find_rule(path) is None}
    assert without == shape | {"device.columns", *(f"{group}._target_" for group in options.GROUPS[:-1])}


EXPERIMENTS = [
    "/".join([*folder, name])
    for folder in ((), ("paper",), ("transfer",))
    for name in options_of("/".join(["experiment", *folder]))
]


@pytest.mark.parametrize("option", EXPERIMENTS)
def test_every_experiment_composes_and_names_its_command(compose, option):
    needed = ["dataset.root=images", "model.weights=run"] if option.startswith("transfer") else []
    checks.check(compose(f"experiment={option}", *needed))
    text = (ROOT / "conf" / "experiment" / f"{option}.yaml").read_text(encoding="utf-8")
    assert f"experiment={option}" in text


def test_one_gpu_is_trained_as_the_columns_are(compose):
    """Only the columns and kernels differ, so that the two can be compared."""
    two, one = (compose(f"experiment=paper/{name}") for name in ("columns", "one_gpu"))
    differing = keys.list_changes(keys.flatten(two), keys.flatten(one))
    assert [key for key, *_ in differing] == ["model.columns", "model.kernels"]


@pytest.mark.parametrize("option", options_of("model"))
def test_every_model_keeps_the_contract(compose, option):
    """Model(classes, channels, size, **options) has features and a classifier, and returns logits (B, classes).

    If it doesn't take images of a size, it says so and names a model that does.
    """

    def build_model(option, *facts):
        return targets.call("model", compose(f"model={option}").model, **dict(zip(FACTS, facts, strict=True)))

    taken = []
    for classes, channels, size in [(7, 1, 32), (10, 3, 40), (5, 3, 224)]:
        try:
            model = build_model(option, classes, channels, size)
        except Mistake as mistake:
            assert str(mistake).startswith(f"model: images of {size}x{size} are too ")
            with torch.device("meta"):
                build_model(re.search(r"give model=(\w+)", str(mistake))[1], classes, channels, size)
            continue
        assert list(model.features.parameters()) and list(model.classifier.parameters())
        logits = model(torch.randn(2, channels, size, size))
        assert logits.shape == (2, classes)
        logits.sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        taken.append(size)
    assert taken in ([32, 40], [224])


@pytest.mark.parametrize("option", options_of("model"))
def test_every_choice_is_built(compose, option):
    config = compose(f"model={option}").model
    for name in set(limits.CHOICES) & set(config):
        for choice in limits.CHOICES[name]:
            changed = OmegaConf.merge(config, {name: choice, **({"columns": 2} if name == "cross" else {})})
            with torch.device("meta"):
                targets.call("model", changed, classes=2, channels=3, size=SIZES.get(option, 32))


TARGETS = sorted(target for group in options.GROUPS for target in options.list_targets(group))


@pytest.mark.parametrize("target", [*TARGETS, "torch.optim.NAdam"])
def test_parameters_read_from_the_source_are_those_of_the_signature(target):
    """So options can be checked without importing torch."""
    signature = inspect.signature(get_object(target)).parameters.values()
    assert signatures.read_parameters(target) == {
        each.name: each.default is inspect.Parameter.empty for each in signature
    }


@pytest.mark.parametrize("option", ["alexnet_cifar", "alexnet_2012", "cuda_convnet"])
def test_a_target_has_the_name_that_is_typed(compose, option):
    assert options.find_option("model", compose(f"model={option}").model._target_) == option
    assert options.find_option("model", "elsewhere.Other") == "Other"


def test_a_target_without_a_known_source_is_not_checked():
    assert (
        signatures.read_parameters("nowhere.at.all")
        is signatures.read_parameters("alexnet.models.columns.Cross")
        is None
    )


@pytest.mark.parametrize("option, size", [(name, SIZES.get(name, 32)) for name in limits.SIDES])
def test_models_that_take_smaller_images_are_known(compose, option, size):
    with torch.device("meta"):
        model = targets.call("model", compose(f"model={option}").model, classes=2, channels=3, size=size).eval()
        taken = set()
        for side in range(1, size):
            with contextlib.suppress(RuntimeError):
                model(torch.empty(1, 3, side, side))
                taken.add(side)
    assert taken == set(range(limits.SMALLER.get(option, size), size))


@pytest.mark.parametrize("stride, pool", [(1, 3), (1, 2), (2, 3), (2, 2)])
def test_sizes_that_the_stride_and_the_poolings_take_are_known(compose, stride, pool):
    """Of the network, and of smaller images in progressive training."""
    layers = {"stride": stride, "pool": pool}
    config = compose("model=alexnet_cifar", "model.kernels=[1,1,1,1,1]", *[f"model.{k}={v}" for k, v in layers.items()])

    def is_taken(size, progressive=()):
        try:
            limits.check_size("alexnet_cifar", size, progressive, **layers)
        except ValueError:
            return False
        return True

    with torch.device("meta"):
        model = targets.call("model", config.model, classes=2, channels=1, size=40).eval()
        for side in range(1, 40):
            with pytest.raises((RuntimeError, ValueError)) if not is_taken(side) else contextlib.nullcontext():
                targets.find_target("model", config.model)(
                    classes=2, channels=1, size=side, kernels=[1] * 5, hidden=2, **layers
                )(torch.empty(1, 1, side, side))
            with pytest.raises(RuntimeError) if not is_taken(40, [side]) else contextlib.nullcontext():
                model(torch.empty(1, 1, side, side))


@pytest.mark.parametrize("option", options_of("optimizer"))
def test_every_optimizer_descends(compose, option):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = targets.call("optimizer", compose(f"optimizer={option}").optimizer, [weight])
    for _ in range(5):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert weight.square().sum() < 3


@pytest.mark.parametrize("option", options_of("schedule"))
def test_every_schedule_keeps_the_rate_between_0_and_its_base(compose, option):
    config = compose(f"schedule={option}").schedule
    schedule = targets.find_target("schedule", config)
    for epoch in torch.linspace(0, 29.99, 100).tolist():
        assert 0 <= schedule(epoch, 30, [0.5] * int(epoch), **targets.read_options(config)) <= 1


@pytest.mark.parametrize("option", options_of("dataset"))
def test_every_dataset_takes_exactly_the_options_of_its_file(compose, option):
    """An option is a parameter of the function that loads the dataset, or it is for any images."""
    config = compose(*filled("dataset", option)).dataset
    own = set(config) - {"_target_"} - set(KEYS_OF_ANY_SOURCE)
    assert own == set(inspect.signature(get_object(config._target_)).parameters) - set(checks.GIVEN["dataset"])


def test_no_yaml_states_a_fact_about_data():
    """Classes and channels come only from the dataset object."""
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert not {"classes", "num_classes", "channels"} & set(OmegaConf.load(path)), path


def test_without_overrides_it_is_the_tutorials_run(compose):
    config = compose()
    assert (config.epochs, config.batch_size, config.log_every) == (30, 64, 200)
    assert config.optimizer == {
        "_target_": "torch.optim.SGD",
        "lr": 0.001,
        "momentum": 0.9,
        "weight_decay": 0,
        "nesterov": False,
        "new_layers": 1,
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
        "stride": 1,
        "pool": 3,
        "pool_after": [1, 2, 5],
        "pool_to": None,
        "hidden": 4096,
        "dropout": 0.5,
        "activation": "relu",
        "normalisation": "none",
        "initialisation": "torch",
        "weights": None,
        "keep": None,
        "freeze": None,
    }
    assert config.schedule._target_ == "alexnet.training.schedules.constant"
    assert config.device.name == "auto"
