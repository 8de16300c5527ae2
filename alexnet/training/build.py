"""From a checked configuration to the objects of a run. The only place that knows both."""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from alexnet.config import checks, options
from alexnet.data import colours, facts, randomness
from alexnet.data.batches import Batches
from alexnet.data.dataset import Dataset, Split, split_validation, take_part
from alexnet.engine import device as devices
from alexnet.engine.cuda_graph import Recorder
from alexnet.engine.device import Engine
from alexnet.errors import Failure, Mistake
from alexnet.training.whitening import whiten

SAMPLE = 500  # training images that a network's initial weights are taken from, where they depend on the images


@dataclass
class Training:
    """All that a run is made of, on its device.

    forward(images) gives the model's logits as the engine computes them; schedule(epoch, epochs, errors) the
    factor of the learning rate. rate: (), on the GPU: where a recorded step finds its learning rate. seen: training
    images, as many as there are test images and drawn at random, to be tested as those are. `model` stays the bare
    network, whose weights are saved. measured: what a null in the dataset's knobs stood for, found on the training
    images.
    """

    engine: Engine
    dataset: Dataset
    train: Batches
    validation: Batches | None
    test: Batches
    train_subset: Batches
    model: torch.nn.Module
    forward: Callable[[torch.Tensor], torch.Tensor]
    optimizer: torch.optim.Optimizer
    recorder: Recorder | None  # of the steps, where they are recorded
    rate: torch.Tensor | None
    scaler: torch.amp.GradScaler
    schedule: Callable[..., float]
    seed: int
    epochs: int
    label_smoothing: float
    cutmix: float
    log_every: int  # batches a window
    checkpoint_minutes: float
    measured: dict[str, Any]

    @contextmanager
    def enough_memory(self) -> Iterator[None]:
        """Raises Failure, with the batch and what to try, where the device finds no memory for what is done within."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            causes = error, error.__context__  # the latter where it came while a step was recorded
            known = any(isinstance(each, (torch.OutOfMemoryError, MemoryError)) for each in causes)  # a GPU's, NumPy's
            if not known and not re.search("allocate memory|MemoryError", str(error)):  # a processor's, a worker's
                raise
            batch, images = self.train.batch_size, f"{self.dataset.channels}x{self.dataset.size}x{self.dataset.size}"
            half = " or device.precision=bf16" if self.engine.precision in ("float32", "tf32") else ""
            raise Failure(
                f"A step with batch_size={batch} of {images} images needs more memory than {self.engine.device} has "
                f"left: try batch_size={max(1, batch // 2)}{half}."
            ) from error


def assemble(config: DictConfig, dataset: Dataset | None = None) -> Training:
    """Builds everything that the configuration names. Raises Mistake for what can't be built or run.

    dataset: in place of the configuration's own source.
    """
    engine = _engine(config)
    dataset, train, validation, test, seen, sample, measured = _data(config, engine, dataset)
    torch.manual_seed(randomness.derive_seed(config.seed, randomness.WEIGHTS))
    found = {"classes": len(dataset.classes), "channels": dataset.channels, "size": dataset.size}
    model = _call("model", config.model, **found)
    if getattr(model, "whitens", False):
        whiten(model, torch.cat([images for images, _ in sample().epoch()]).cpu())
    model = engine.place(model)
    optimizer = _optimizer(config, engine, model)
    recorded = engine.capture and bool(optimizer.defaults.get("fused"))
    schedule = partial(_target("schedule", config.schedule), **_knobs(config.schedule))
    return Training(
        engine,
        dataset,
        train,
        validation,
        test,
        seen,
        model,
        engine.forward(model, recorded),
        optimizer,
        Recorder(engine.device) if recorded else None,
        torch.zeros((), device=engine.device) if recorded else None,
        engine.scaler(),
        schedule,
        seed=config.seed,
        epochs=config.epochs,
        label_smoothing=config.label_smoothing,
        cutmix=config.cutmix,
        log_every=min(config.log_every, len(train)),  # at least one window an epoch
        checkpoint_minutes=config.checkpoint_minutes,
        measured=measured,
    )


def build_weightless(config: DictConfig, classes: int, channels: int, size: int) -> torch.nn.Module:
    """The configuration's network on the meta device: shapes without values, so nothing is allocated."""
    with torch.device("meta"):
        return _call("model", config.model, classes=classes, channels=channels, size=size)


def estimate_disk_bytes(config: DictConfig) -> tuple[int, int]:
    """What the run's folder comes to at most, and what it takes more while a checkpoint replaces another.

    Known before the data is: for images of three channels, and 1,000 classes where their number isn't known.
    """
    model = build_weightless(config, _classes(config.dataset), channels=3, size=config.dataset.size)
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    checkpoint = 3 * weights  # with up to two moments for every weight
    return checkpoint + (weights if config.dataset.get("validation") else 0) + 5 * 2**20, checkpoint


def _classes(dataset: DictConfig) -> int:
    """At most how many classes the dataset has, as far as that can be told without reading it."""
    known = facts.get_facts(dataset._target_).classes
    train = Path(str(dataset.get("root"))).expanduser() / "train"
    folders = sum(1 for path in train.iterdir() if path.is_dir()) if train.is_dir() else 0
    return known or folders or 1000


def _engine(config: DictConfig) -> Engine:
    knobs = {name: value for name, value in _knobs(config.device).items() if name != "workers"}  # those are the data's
    return devices.choose_engine(**knobs)


def _optimizer(config: DictConfig, engine: Engine, model: torch.nn.Module) -> torch.optim.Optimizer:
    takes = inspect.signature(_target("optimizer", config.optimizer)).parameters
    fused = engine.fused and "fused" in takes and not {"foreach", "differentiable"} & set(config.optimizer)
    # torch's optimizers import its compiler, a third of a program's start, only to keep it from compiling them.
    for method in filter(inspect.isfunction, vars(torch.optim.Optimizer).values()):
        plain = inspect.unwrap(method)
        setattr(plain, "__dynamo_disable", plain)  # what it would put here
    ways = ["fused", "capturable"] if engine.capture else ["fused"]
    how = {way: True for way in ways if way in takes} if fused else {}
    optimizer = _call("optimizer", config.optimizer, model.parameters(), **how)
    optimizer.step = torch.no_grad()(partial(inspect.unwrap(type(optimizer).step), optimizer))
    return optimizer


def _data(
    config: DictConfig, engine: Engine, dataset: Dataset | None
) -> tuple[Dataset, Batches, Batches | None, Batches, Batches, Callable[[], Batches], dict[str, Any]]:
    knobs = _knobs(config.dataset)
    images = {name: knobs.pop(name) for name in checks.NOT_THE_SOURCES if name in knobs}
    fraction, share = images.pop("validation", 0), images.pop("share", 1)
    dataset = dataset or _call("dataset", OmegaConf.create({"_target_": config.dataset._target_, **knobs}))
    train, validation = split_validation(dataset.train, fraction, config.seed)
    train = take_part(train, share, config.seed)
    facts.check_batch(config.batch_size, len(train))
    measured = _measured(dataset, images)
    images |= measured

    def batches(split: Split, **others: Any) -> Batches:
        return Batches(
            split,
            config.batch_size,
            engine.device,
            memory_format=engine.memory_format,
            size=dataset.size,
            workers=config.device.get("workers", 2),
            **{name: images[name] for name in checks.ALL_IMAGES if name in images},
            **others,
        )

    order = torch.randperm(len(train), generator=randomness.make_generator(config.seed, randomness.SPLIT, 1))
    seen = train.subset(order[: len(dataset.test)].sort().values)
    # Views from half as far out as training's: few of those were at the corners, and held-out images say so too.
    tested = {"views": images.get("views", 1), "crop": (images.get("crop", 0) + 1) // 2}
    training_images = {name: images[name] for name in checks.TRAINING_IMAGES if name in images}
    return (
        dataset,
        batches(train, shuffle=True, seed=config.seed, epochs=config.epochs, **training_images),
        batches(validation, views=1) if validation else None,
        batches(dataset.test, **tested),
        batches(seen, **tested),
        lambda: batches(train.subset(order[:SAMPLE]), views=1),
        measured,
    )


def _measured(dataset: Dataset, images: dict[str, Any]) -> dict[str, Any]:
    """The mean and components that are null, found on all training images, whichever of them the seed holds out.

    Empty where neither is needed.
    """
    colour_shift = images.get("colour", 0) > 0 and images.get("components") is None
    if images.get("mean", 0) is not None and not colour_shift:
        return {}
    return {name: value for name, value in colours.measure_colours(dataset.train).items() if images.get(name) is None}


def _call(group: str, config: DictConfig, *arguments: Any, **found: Any) -> Any:
    """What the group's target makes of the arguments, what was found in the data, and its own knobs."""
    target = _target(group, config)
    keywords = {**_knobs(config), **found}
    try:
        return target(*arguments, **keywords)
    except (ValueError, TypeError) as error:  # how classes, torch's too, refuse a knob
        raise Mistake(f"{group}: {' '.join(str(error).split())}") from error


def _target(group: str, config: DictConfig) -> Callable[..., Any]:
    """The class or function: its name must be in conf/, and what the name leads to of the group's kind."""
    name = config._target_
    if name not in options.list_targets(group):
        raise Mistake(f"{group}._target_={name} isn't named by any file in conf/{group}.")
    target = get_object(name)
    kind = {"model": torch.nn.Module, "optimizer": torch.optim.Optimizer}.get(group)
    if kind:
        right = isinstance(target, type) and issubclass(target, kind)
    else:  # a function, by the name that it was defined under
        right = f"{target.__module__}.{target.__qualname__}" == name
    if not right:
        raise Mistake(f"{group}._target_={name} leads to {target}, which is no {group}.")
    return target


def _knobs(config: DictConfig) -> dict[str, Any]:
    return {key: value for key, value in OmegaConf.to_container(config, resolve=True).items() if key != "_target_"}
