"""Checks values that are each valid alone, but not together. No torch."""

from math import inf
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from alexnet.config.options import get_module_name
from alexnet.config.processes import count_shards
from alexnet.data import facts
from alexnet.errors import Mistake
from alexnet.models import limits


def check_combinations(config: DictConfig) -> None:
    """Raises Mistake for the first values that exclude each other. Each value has passed its own check."""
    _check_channels(config.dataset)
    _check_network(config)
    _check_transfer(config)
    _check_warmup(config)
    _check_sides(config.dataset)
    _check_optimizer(config.optimizer)
    _check_processes(config)
    _check_training(config)
    _check_overfit(config)


def check_images(config: DictConfig, trains: bool) -> None:
    """Raises Mistake if the model doesn't take images of this size, or if they are too few to train on, as far as that
    is known.
    """
    check_size(config, config.dataset.size)
    images = facts.get_facts(config.dataset._target_).images
    if trains and images is not None:
        check_count(config, images)


def check_size(config: DictConfig, size: int) -> None:
    """Raises Mistake if the model doesn't take images of `size` pixels a side, or of the sizes in progressive."""
    layers = {name: config.model[name] for name in ("stride", "pool") if name in config.model}
    try:
        limits.check_size(get_module_name(config.model), size, config.dataset.get("progressive", []), **layers)
    except ValueError as error:
        raise Mistake(f"model: {error}") from error


def check_count(config: DictConfig, images: int) -> None:
    """Raises Mistake if this number of training images is too small for the batch, validation or share."""
    images -= facts.count_held_out(images, config.dataset.get("validation", 0))
    facts.check_batch(config.batch_size, facts.count_taken(images, config.dataset.get("share", 1)))


def _check_channels(dataset: DictConfig) -> None:
    """Checks that there is one number for each channel of the images."""
    channels = facts.get_facts(dataset._target_).channels
    if channels is None:
        return
    for name in ("mean", "std"):
        value = dataset.get(name)
        if isinstance(value, ListConfig) and len(value) not in (1, channels):
            each = f", or one for each of {channels} channels" if channels > 1 else ""
            raise Mistake(f"dataset.{name}={value}: expected one number{each}.")
    components = dataset.get("components")
    if components is not None and len(components) != channels:
        raise Mistake(
            f"dataset.components={components}: expected {channels} rows of {channels} numbers, one for each channel, "
            f"or null to measure them."
        )


def _check_network(config: DictConfig) -> None:
    """Checks the shape of the layers, and that each column has a device."""
    known = get_module_name(config.model) in limits.SIDES  # else its options may mean something else
    model: Any = OmegaConf.to_container(config.model) if known else {}
    columns, devices = model.get("columns", 1), config.device.get("columns")
    shape = {name: model[name] for name in ("kernel_sizes", "pool_after", "pool_to", "hidden") if name in model}
    try:
        limits.list_crossings(columns, model.get("cross", "none"))
        if "kernels" in model:
            limits.split_kernels(model["kernels"], columns)
        limits.check_layers(columns, **shape)
    except ValueError as error:
        raise Mistake(f"model: {error}") from error
    if devices is not None:
        try:
            limits.check_devices(devices, columns)
        except ValueError as error:
            raise Mistake(f"device.columns={devices}: {error}") from error


def _check_transfer(config: DictConfig) -> None:
    """Checks the layers that are taken from other weights and those that aren't trained."""
    model = config.model
    weights, keep, freeze = (model.get(name) for name in limits.TRANSFER)
    factor = config.optimizer.get("new_layers", 1)
    needing = {"model.keep": keep, "model.freeze": freeze if freeze == limits.KEPT else None}
    needing["optimizer.new_layers"] = factor if factor != 1 else None
    for key, value in needing.items():
        if weights is None and value is not None:
            raise Mistake(f"{key}={value} needs the weights to start from: give model.weights=FOLDER_OF_A_RUN.")
    layers = limits.LAYERS.get(get_module_name(model), ())
    for key, name in (("keep", keep), ("freeze", freeze)):
        others = [limits.KEPT] if key == "freeze" else []
        if layers and name is not None and name not in (*layers, *others):
            raise limits.refuse_layer(name, layers, f"model.{key}", others)
    if keep in layers and freeze in layers and layers.index(freeze) > layers.index(keep):
        raise Mistake(
            f"model.freeze={freeze} would keep layers from learning that are new, as model.keep={keep}: "
            f"give model.freeze={keep} or an earlier layer."
        )
    if layers and freeze == layers[-1]:
        raise Mistake(f"model.freeze={freeze} leaves nothing to train: give model.freeze={layers[-2]} or earlier.")


def _check_warmup(config: DictConfig) -> None:
    warmup = config.schedule.get("warmup", 0)
    if config.schedule._target_.startswith("alexnet.") and warmup >= config.epochs:
        raise Mistake(f"schedule.warmup={warmup}: expected less than the run's epochs={config.epochs}.")


def _check_sides(dataset: DictConfig) -> None:
    """Compares pixels a side with those of the images that the network sees."""
    size, cutout, crop = dataset.get("size", inf), dataset.get("cutout", 0), dataset.get("crop", 0)
    if cutout >= size:
        raise Mistake(f"dataset.cutout={cutout} hides all of an image: give less than dataset.size={size}.")
    resize = dataset.get("resize")
    if resize is not None and resize < size:
        raise Mistake(f"dataset.resize={resize} is less than dataset.size={size}, which is cut from it: give more.")
    if crop >= size:
        raise Mistake(f"dataset.crop={crop} leaves crops nothing of the image: give less than dataset.size={size}.")
    too_large = [side for side in dataset.get("progressive", []) if side >= size]
    if too_large:
        raise Mistake(
            f"dataset.progressive={dataset.progressive}: expected sizes below dataset.size={size}, not {too_large[0]}."
        )


def _check_optimizer(optimizer: DictConfig) -> None:
    nesterov = optimizer._target_.startswith("torch.") and optimizer.get("nesterov", False)
    if nesterov and optimizer.get("momentum", 0) == 0:
        raise Mistake("optimizer.nesterov=true needs momentum: give optimizer.momentum=0.9.")
    if nesterov and optimizer.get("dampening", 0) != 0:
        raise Mistake("optimizer.nesterov=true takes no dampening: leave out optimizer.dampening.")


def _check_training(config: DictConfig) -> None:
    """Checks the options of the training itself."""
    if config.cutmix + config.mixup > 1:
        raise Mistake(
            f"cutmix={config.cutmix} and mixup={config.mixup} are more than all steps: expected at most 1 in all."
        )
    if config.patience is not None and config.dataset.get("validation", 0) == 0:
        raise Mistake(
            f"patience={config.patience} watches held-out images, and there are none: give dataset.validation=0.1."
        )


def _check_overfit(config: DictConfig) -> None:
    """Checks that nothing keeps the training from the low loss that it is to reach."""
    if config.overfit is None:
        return
    others = {key: config[key] for key in ("label_smoothing", "cutmix", "mixup", "ema")}
    others["dataset.validation"] = config.dataset.get("validation", 0)
    for key, value in others.items():
        if value != 0:
            raise Mistake(
                f"overfit={config.overfit} learns one batch by heart, and {key}={value} doesn't: give {key}=0."
            )


def _check_processes(config: DictConfig) -> None:
    """Checks that the shares of a batch can be divided equally among the processes."""
    processes, shards = config.device.get("processes", 1), count_shards(config)
    accumulate, given = config.get("accumulate", 1), f"device.shards={shards}"
    if config.device.get("shards") is None:
        given = " ".join(
            f"{key}={value}"
            for key, value in (("device.processes", processes), ("accumulate", accumulate))
            if value > 1
        )
    if shards % accumulate != 0:
        raise Mistake(
            f"accumulate={accumulate} and {given} contradict each other: both say in how many parts a batch is "
            f"computed. Give one of them."
        )
    if shards % processes != 0:
        fewer = max(number for number in range(1, processes) if shards % number == 0)
        raise Mistake(
            f"{given} can't be divided among device.processes={processes}, each of which computes equally many shares "
            f"of a batch. Give device.processes={fewer}, or device.shards={-(-shards // processes) * processes}."
        )
    if shards > config.batch_size:
        raise Mistake(f"{given}: batch_size={config.batch_size} has too few images for that: give a larger batch_size.")
    if processes > 1 and config.device.get("columns") is not None:
        raise Mistake(f"device.processes={processes} and device.columns exclude each other: give one of them.")
