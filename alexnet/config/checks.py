"""Every value of a configuration, checked before any work; without torch, so that a typo is told at once.

What each may be is in ranges.py, the networks' knobs in models/knobs.py, what the datasets hold in facts.py.
The value of a knob that isn't in conf/ is checked by what is built with it.
"""

from math import inf

from omegaconf import DictConfig, ListConfig, OmegaConf

from alexnet.config.keys import LAUNCH, flatten
from alexnet.config.options import GROUPS, default_of, get_module_name, list_run_keys, list_targets, load_files
from alexnet.config.ranges import RANGES
from alexnet.config.signatures import read_parameters
from alexnet.data import facts
from alexnet.errors import Mistake, nearest
from alexnet.models import limits

# What a run gives to what it builds, beside the knobs.
GIVEN = {
    "model": ("classes", "channels", "size"),
    "optimizer": ("params", "fused", "capturable"),
    "schedule": ("epoch", "epochs", "errors"),
}
# The knobs of a dataset that are not its source's: what is done to any images, and which of them are trained on.
TRAINING_IMAGES = ("crop", "flip", "cutout", "progressive", "colour", "components")
ALL_IMAGES, TEST_IMAGES = ("mean", "std"), ("views",)
NOT_THE_SOURCES = (*ALL_IMAGES, *TRAINING_IMAGES, *TEST_IMAGES, "validation", "share")


def check(config: DictConfig) -> None:
    """Raises Mistake for the first unknown key, unusable value or target that the project doesn't offer."""
    known = [*GROUPS, *list_run_keys()]
    for key in config:
        if key not in known:
            raise Mistake(f"{key} isn't a key of this configuration{nearest(key, known)}")
    for key in list_run_keys():
        if key not in config and key not in LAUNCH:  # which a saved configuration doesn't have
            raise Mistake(f"{key} is missing: give {key}={default_of(config, key)}.")
    for group in GROUPS:
        if not isinstance(config.get(group), DictConfig):
            raise Mistake(f"{group}={config.get(group)}: expected one of {', '.join(load_files(group))}.")
        offered = list_targets(group)
        if config[group].get("_target_") not in (offered or {None}):
            raise Mistake(
                f"{group}._target_={config[group].get('_target_')} isn't one of the {group}s here "
                f"({', '.join(sorted(offered))}): only what a file in conf/{group} names can be built."
            )
    if not isinstance(config.get("report", OmegaConf.create({})), DictConfig):
        raise Mistake(f"report={config.report}: expected report.metrics=[NAME,...] and report.best_of=KEY.")
    for prefix, place in [("", config), *((f"{group}.", config[group]) for group in GROUPS)]:
        for key in place:
            mapping = not OmegaConf.is_missing(place, key) and isinstance(place[key], DictConfig)
            if mapping and (prefix or key not in (*GROUPS, "report")):
                raise Mistake(f"{prefix}{key}={place[key]} is a mapping: expected {RANGES.get(key, ('a value',))[0]}.")
    for path, value in flatten(config).items():
        group, _, name = path.rpartition(".")
        if name.startswith("_") and (name != "_target_" or group not in GROUPS):
            raise Mistake(f"{path} isn't allowed: only model, dataset, optimizer and schedule have one _target_ each.")
        if value == "???":
            raise Mistake(f"{path} has no value: give {path}=VALUE{f', {RANGES[name][0]}' if name in RANGES else ''}.")
        if name in RANGES and not RANGES[name][1](value):
            example = default_of(config, path)
            example = str(example).lower() if isinstance(example, bool) else example
            example = "" if example is None else f", for example {path}={example}"
            raise Mistake(f"{path}={value} ({type(value).__name__}): expected {RANGES[name][0]}{example}.")
    for group in GROUPS:
        _check_knobs(group, config[group])
    _check_together(config)


def check_images(config: DictConfig) -> None:
    """Raises Mistake for images that the model isn't for, and for fewer than a batch, as far as that is known."""
    check_size(config, config.dataset.size)
    if images := facts.get_facts(config.dataset._target_).images:
        check_count(config, images)


def check_size(config: DictConfig, size: int) -> None:
    """Raises Mistake for images of a size, or smaller ones before, that the model isn't for."""
    try:
        limits.check_size(get_module_name(config.model), size, config.dataset.get("progressive", []))
    except ValueError as error:
        raise Mistake(f"model: {error}") from error


def _check_knobs(group: str, config: DictConfig) -> None:
    """Raises Mistake for a knob that what is built with it doesn't take, and for one that it can't do without."""
    target = config.get("_target_", "alexnet.engine.device.choose_engine")
    takes = read_parameters(target)
    if takes is None:
        return  # building it says so
    elsewhere = {"dataset": NOT_THE_SOURCES, "device": ("workers",)}.get(group, ())
    known = [name for name in (*takes, *elsewhere) if name not in GIVEN.get(group, ())]
    if unknown := [str(name) for name in config if name not in ("_target_", *known)]:
        near = nearest(unknown[0], known)
        without = " ".join(f"~{group}.{name}" for name in unknown)
        of_another = "" if near.endswith("?") else f" What an experiment set goes with {without}"
        raise Mistake(f"{group}.{unknown[0]} isn't a knob of {target.rpartition('.')[2]}{near}{of_another}")
    for name in known:
        if takes.get(name) and name not in config:
            value = default_of({group: config}, f"{group}.{name}")
            raise Mistake(f"{group}.{name} is missing: give {group}.{name}={'VALUE' if value is None else value}.")


def check_count(config: DictConfig, images: int) -> None:
    """Raises Mistake where so many training images are too few."""
    images -= facts.count_held_out(images, config.dataset.get("validation", 0))
    facts.check_batch(config.batch_size, facts.count_taken(images, config.dataset.get("share", 1)))


def _check_channels(dataset: DictConfig) -> None:
    """Raises Mistake for as many numbers as the images have no channels."""
    channels = facts.get_facts(dataset._target_).channels
    for name in ALL_IMAGES:
        value = dataset.get(name)
        if channels and isinstance(value, ListConfig) and len(value) not in (1, channels):
            raise Mistake(f"dataset.{name}={value}: expected one number, or one for each of {channels} channels.")
    components = dataset.get("components")
    if channels and components is not None and len(components) != channels:
        raise Mistake(
            f"dataset.components={components}: expected {channels} rows of {channels} numbers, one for each channel, "
            f"or null to have them measured."
        )


def _check_together(config: DictConfig) -> None:
    """The few values that are only wrong in company."""
    _check_channels(config.dataset)
    model = OmegaConf.to_container(config.model)
    columns = model.get("columns", 1)
    try:
        limits.list_crossings(columns, model.get("cross", "none"))
        if "kernels" in model:
            limits.split_kernels(model["kernels"], columns)
        shape = {knob: model[knob] for knob in ("kernel_sizes", "pool_after", "pool_to", "hidden") if knob in model}
        limits.check_layers(columns, **shape)
    except ValueError as error:
        raise Mistake(f"model: {error}") from error
    devices = config.device.get("columns")
    if devices is not None:
        try:
            limits.check_devices(devices, columns)
        except ValueError as error:
            raise Mistake(f"device.columns={devices}: {error}") from error
    warmup = config.schedule.get("warmup", 0)
    if warmup >= config.epochs:
        raise Mistake(f"schedule.warmup={warmup}: expected less than the run's epochs={config.epochs}.")
    cutout, size = config.dataset.get("cutout", 0), config.dataset.get("size", inf)
    if cutout >= size:
        raise Mistake(f"dataset.cutout={cutout} hides all of an image: give less than dataset.size={size}.")
    resize = config.dataset.get("resize")
    if resize is not None and resize < size:
        raise Mistake(f"dataset.resize={resize} is less than dataset.size={size}, which is cut from it: give more.")
    crop = config.dataset.get("crop", 0)
    if crop >= size:
        raise Mistake(f"dataset.crop={crop} leaves crops nothing of the image: give less than dataset.size={size}.")
    larger = [side for side in config.dataset.get("progressive", []) if side >= size]
    if larger:
        raise Mistake(
            f"dataset.progressive={config.dataset.progressive}: expected sides below dataset.size={size}; "
            f"{larger[0]} is none."
        )
    optimizer = config.optimizer
    if optimizer.get("nesterov", False) and optimizer.get("momentum", 0) == 0:
        raise Mistake("optimizer.nesterov=true needs momentum: give optimizer.momentum=0.9.")
    if optimizer.get("nesterov", False) and optimizer.get("dampening", 0) != 0:
        raise Mistake("optimizer.nesterov=true takes no dampening: leave out optimizer.dampening.")
    if optimizer.get("differentiable", False) and optimizer.get("foreach", False):
        raise Mistake("optimizer.differentiable=true takes no optimizer.foreach=true: leave out one of them.")
