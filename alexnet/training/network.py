"""Builds a network and the data that it sees, to be trained or tested."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from inspect import signature
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from alexnet.config.checks import FOR_OTHERS
from alexnet.config.options import is_own
from alexnet.config.processes import count_shards, count_thread_shares
from alexnet.data import colours, randomness
from alexnet.data.batches import Batches
from alexnet.data.dataset import Dataset, check_dataset, choose_splits, keep_classes
from alexnet.data.preparation import Preparation
from alexnet.engine import device as devices
from alexnet.engine.device import Engine
from alexnet.engine.distributed import Group
from alexnet.errors import Failure, Mistake
from alexnet.training.targets import NO_MEMORY, call, find_target, read_options, refusing
from alexnet.training.whitening import whiten


@dataclass
class Network:
    """A network on its device, and the images that it sees.

    model: the bare network, whose weights are saved. forward(images) gives its logits as the engine computes them.
    """

    engine: Engine
    group: Group
    dataset: Dataset
    model: torch.nn.Module
    forward: Callable[[torch.Tensor], torch.Tensor]
    batch_size: int

    @contextmanager
    def enough_memory(self) -> Iterator[None]:
        """Raises Failure, with the batch and what to try, if the device runs out of memory within this context."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            causes = error, error.__context__  # the latter if it came while a step was recorded
            known = any(isinstance(each, (torch.OutOfMemoryError, MemoryError)) for each in causes)  # a GPU's, NumPy's
            if not known and not NO_MEMORY.search(str(error)):
                raise
            size, batch = self.dataset.size, self.batch_size
            half = " or device.precision=bf16" if self.engine.precision in ("float32", "tf32") else ""
            raise Failure(
                f"A step with batch_size={batch} of {self.dataset.channels}x{size}x{size} images needs more memory "
                f"than {self.engine.device} has left: try batch_size={max(1, batch // 2)}{half}."
            ) from error


def build_for_test(config: DictConfig, split: str, classes: Sequence[str] | None) -> tuple[Network, Batches]:
    """The configuration's network, whose weights are still to be loaded, and the images of that split to test it on.

    Split and classes as in `load_split`, which raises the same; also raises Mistake for what can't be built.
    """
    engine = choose_engine(config)
    dataset, batches = load_split(config, engine, split, classes)
    return build_network(config, engine, dataset), batches


def build_network(config: DictConfig, engine: Engine, dataset: Dataset) -> Network:
    """The configuration's network for that dataset's classes and images. Its weights are still to be loaded."""
    model = engine.place(build_model(config, dataset))
    return Network(engine, make_group(config), dataset, model, engine.forward(model, engine.capture), config.batch_size)


def load_split(
    config: DictConfig, engine: Engine, split: str, classes: Sequence[str] | None
) -> tuple[Dataset, Batches]:
    """The dataset, and the images of one split: test, validation or train, whose images are prepared like the test's.

    classes: those that the network tells apart, if they are known. Then a test reads no training images, where a source
    can do without. Raises Mistake for a split without images.
    """
    only_test = split == "test" and config.dataset.get("mean", 0) is not None  # else it is measured in training images
    dataset = load_dataset(config.dataset, classes if only_test else None)
    preparation = choose_preparation(OmegaConf.create({**config.dataset, "colour": 0}), dataset)
    chosen = dataset.test
    if split != "test":
        validation = config.dataset.get("validation", 0)
        splits = choose_splits(dataset, validation, config.dataset.get("share", 1), config.seed)
        held_out = splits.validation
        if split == "validation" and held_out is None:
            raise Mistake("dataset.validation=0: no images were held out. Give --split test, or --split train.")
        chosen = splits.train if split == "train" or held_out is None else held_out
    prepared = preparation.for_validation() if split == "validation" else preparation.for_test()
    return dataset, configure_batches(config, engine, dataset.size)(chosen, prepared)


def configure_batches(config: DictConfig, engine: Engine, size: int) -> Callable[..., Batches]:
    """Makes the batches of a split, given it and its preparation."""
    return partial(
        Batches,
        batch_size=config.batch_size,
        device=engine.device,
        size=size,
        memory_format=engine.memory_format,
        workers=config.device.get("workers", 2),
    )


def choose_engine(config: DictConfig) -> Engine:
    settings = read_options(config.device)
    for name in FOR_OTHERS["device"]:
        settings.pop(name, None)
    settings["shards"] = count_thread_shares(config)
    return devices.choose_engine(**settings)


def make_group(config: DictConfig, *_: Any) -> Group:
    """This process alone, which computes all shares of a batch."""
    return Group(shards=count_shards(config))


def load_dataset(config: DictConfig, classes: Sequence[str] | None = None) -> Dataset:
    """The configuration's images. classes: of a network to be tested; then a source may leave out training images."""
    only, given = config.get("only"), {}
    if classes is not None and only is None and "classes" in signature(find_target("dataset", config)).parameters:
        given["classes"] = list(classes)
    dataset = call("dataset", config, **given)
    if is_own("dataset", config._target_):
        check_dataset(dataset)
    return keep_classes(dataset, only)


def choose_preparation(config: DictConfig, dataset: Dataset) -> Preparation:
    """As configured. A mean of null, and components of null if they are used, are measured: see colours.py.

    At most colours.SAMPLE training images are measured. Those held out for validation count too: the seed chooses them,
    so otherwise runs that differ only by seed would be different configurations.
    """
    given = read_options(config)
    given = {field.name: given[field.name] for field in fields(Preparation) if field.name in given}
    shifts_colours = given.get("colour", 0) > 0 and given.get("components") is None
    if given.get("mean", 0) is None or shifts_colours:
        measured = colours.measure_colours(dataset.train)
        given |= {name: value for name, value in measured.items() if given.get(name) is None}
    return Preparation(**given)


def build_model(config: DictConfig, dataset: Dataset, sample: Batches | None = None) -> torch.nn.Module:
    """The network with its initial weights. sample: of the training images, from which some take them; None: they will
    be replaced anyway.
    """
    torch.manual_seed(randomness.derive_seed(config.seed, randomness.WEIGHTS))
    shape = {"classes": len(dataset.classes), "channels": dataset.channels, "size": dataset.size}
    model = call("model", config.model, **shape)
    with refusing("model", config.model):
        _try_forward(model, **shape)
    if sample is not None and getattr(model, "whitens", False):
        whiten(model, torch.cat([images for images, _ in sample.epoch()]).cpu())
    return model


@torch.no_grad()
def _try_forward(model: torch.nn.Module, classes: int, channels: int, size: int) -> None:
    """Runs the network once on a black image, because some bad options show only then. Changes no weights.

    Raises ValueError if it doesn't answer with a number for each class.
    """
    model.eval()
    answer = tuple(model(torch.zeros(1, channels, size, size)).shape)
    model.train()
    if answer != (1, classes):
        raise ValueError(f"its answer to an image has the shape {answer}, expected {(1, classes)}")
