"""Builds the objects of a run from a checked configuration. No other module knows both."""

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from alexnet.config import options
from alexnet.data import colours, facts, randomness
from alexnet.data.batches import Batches, SplitBatches
from alexnet.data.dataset import Dataset, Splits, choose_splits
from alexnet.data.preparation import KEYS_OF_ANY_SOURCE, Preparation
from alexnet.engine import device as devices
from alexnet.engine.cuda_graph import Recorder
from alexnet.engine.device import Engine
from alexnet.errors import Failure, Mistake
from alexnet.runs.texts import TEXTS, Texts
from alexnet.training.optimizer import prevent_compiler_import, unwrap_step
from alexnet.training.whitening import whiten

NO_MEMORY = re.compile("allocate memory|MemoryError|out of memory")  # a processor's, a worker's, a GPU's


@dataclass
class Training:
    """All that a run is made of, on its device.

    model: the bare network, whose weights are saved. forward(images) gives its logits as the engine computes them.
    recorder: of steps, on a GPU; None if they aren't recorded. rate: (), where a recorded step finds its learning rate.
    schedule(epoch, epochs, errors) gives the factor of the learning rate.
    """

    engine: Engine
    dataset: Dataset
    batches: SplitBatches
    model: torch.nn.Module
    forward: Callable[[torch.Tensor], torch.Tensor]
    optimizer: torch.optim.Optimizer
    recorder: Recorder | None
    rate: torch.Tensor | None
    scaler: torch.amp.GradScaler
    schedule: partial[float]
    seed: int
    epochs: int
    label_smoothing: float
    cutmix: float
    log_every: int  # batches a window
    checkpoint_minutes: float
    texts: Texts

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
            size, batch = self.dataset.size, self.batches.train.batch_size
            half = " or device.precision=bf16" if self.engine.precision in ("float32", "tf32") else ""
            raise Failure(
                f"A step with batch_size={batch} of {self.dataset.channels}x{size}x{size} images needs more memory "
                f"than {self.engine.device} has left: try batch_size={max(1, batch // 2)}{half}."
            ) from error


def assemble(config: DictConfig, dataset: Dataset | None = None) -> Training:
    """Builds everything that the configuration names. Raises Mistake for what can't be built or run.

    dataset: used instead of the configuration's own source.
    """
    engine = _choose_engine(config)
    if dataset is None:
        dataset = _load_dataset(config.dataset)
    splits = choose_splits(dataset, config.dataset.get("validation", 0), config.dataset.get("share", 1), config.seed)
    facts.check_batch(config.batch_size, len(splits.train))
    preparation = _choose_preparation(config.dataset, dataset)
    make_batches = partial(
        Batches,
        batch_size=config.batch_size,
        device=engine.device,
        size=dataset.size,
        memory_format=engine.memory_format,
        workers=config.device.get("workers", 2),
    )
    batches = _batch_splits(config, splits, preparation, make_batches)
    model = engine.place(_build_model(config, dataset, make_batches(splits.sample, preparation.for_validation())))
    optimizer = _build_optimizer(config, engine, model)
    recorded = engine.capture and bool(optimizer.defaults.get("fused"))
    return Training(
        engine,
        dataset,
        batches,
        model,
        engine.forward(model, recorded),
        optimizer,
        Recorder(engine.device) if recorded else None,
        torch.zeros((), device=engine.device) if recorded else None,
        engine.scaler(),
        partial(_find_target("schedule", config.schedule), **_read_options(config.schedule)),
        log_every=min(config.log_every, len(batches.train)),  # at least one window an epoch
        texts=TEXTS[config.language],
        **{name: config[name] for name in ("seed", "epochs", "label_smoothing", "cutmix", "checkpoint_minutes")},
    )


def build_weightless(config: DictConfig, classes: int, channels: int, size: int) -> torch.nn.Module:
    """The configuration's network on the meta device: shapes without values, so nothing is allocated."""
    with torch.device("meta"):
        return _call("model", config.model, classes=classes, channels=channels, size=size)


def check_options(config: DictConfig) -> None:
    """Raises Mistake if the network, optimizer or schedule refuses its options. Reads no data, allocates nothing."""
    prevent_compiler_import()
    _call("optimizer", config.optimizer, _build_without_data(config).parameters())
    _call("schedule", config.schedule, 0.0, config.epochs, [])


def estimate_disk_bytes(config: DictConfig) -> tuple[int, int]:
    """The most that the run's folder will take, and what it takes on top while one checkpoint replaces another.

    It reads no data: it assumes three channels and 1,000 classes if their number isn't known.
    """
    model = _build_without_data(config)
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    checkpoint = 3 * weights  # with up to two moments for every weight
    return checkpoint + (weights if config.dataset.get("validation", 0) > 0 else 0) + 5 * 2**20, checkpoint


def _build_without_data(config: DictConfig) -> torch.nn.Module:
    known = facts.get_facts(config.dataset._target_)
    return build_weightless(config, _guess_classes(config.dataset), known.channels or 3, config.dataset.size)


def _guess_classes(dataset: DictConfig) -> int:
    """The most classes that the dataset can have, as far as its name and folders say."""
    known = facts.get_facts(dataset._target_).classes
    train = Path(str(dataset.get("root"))).expanduser() / "train"
    folders = sum(1 for path in train.iterdir() if path.is_dir()) if train.is_dir() else 0
    return known or folders or 1000


def _choose_engine(config: DictConfig) -> Engine:
    settings = _read_options(config.device)
    settings.pop("workers", None)  # an option of the data's
    return devices.choose_engine(**settings)


def _load_dataset(config: DictConfig) -> Dataset:
    own = {name: value for name, value in _read_options(config).items() if name not in KEYS_OF_ANY_SOURCE}
    return _call("dataset", OmegaConf.create({"_target_": config._target_, **own}))


def _choose_preparation(config: DictConfig, dataset: Dataset) -> Preparation:
    """As configured. A mean of null, and components of null if they are used, are measured: see colours.py.

    At most colours.SAMPLE training images are measured. Those held out for validation count too: the seed chooses them,
    so otherwise runs that differ only by seed would be different configurations.
    """
    given = _read_options(config)
    given = {field.name: given[field.name] for field in fields(Preparation) if field.name in given}
    shifts_colours = given.get("colour", 0) > 0 and given.get("components") is None
    if given.get("mean", 0) is None or shifts_colours:
        measured = colours.measure_colours(dataset.train)
        given |= {name: value for name, value in measured.items() if given.get(name) is None}
    return Preparation(**given)


def _batch_splits(
    config: DictConfig, splits: Splits, preparation: Preparation, make_batches: Callable[..., Batches]
) -> SplitBatches:
    training, test = preparation.for_training(), preparation.for_test()
    validation = splits.validation
    return SplitBatches(
        train=make_batches(splits.train, training, shuffle=True, seed=config.seed, epochs=config.epochs),
        validation=None if validation is None else make_batches(validation, preparation.for_validation()),
        test=make_batches(splits.test, test),
        train_subset=make_batches(splits.train_subset, test),
    )


def _build_model(config: DictConfig, dataset: Dataset, sample: Batches) -> torch.nn.Module:
    """The network with its initial weights, which some take from a sample of the training images."""
    torch.manual_seed(randomness.derive_seed(config.seed, randomness.WEIGHTS))
    shape = {"classes": len(dataset.classes), "channels": dataset.channels, "size": dataset.size}
    model = _call("model", config.model, **shape)
    with refusing("model", config.model):
        _try_forward(model, **shape)
    if getattr(model, "whitens", False):
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


def _build_optimizer(config: DictConfig, engine: Engine, model: torch.nn.Module) -> torch.optim.Optimizer:
    """It updates all weights in one kernel (`fused`) if the engine wants that, it can, and foreach isn't set."""
    prevent_compiler_import()
    takes = inspect.signature(_find_target("optimizer", config.optimizer)).parameters
    fused = engine.fused and "fused" in takes and "foreach" not in config.optimizer
    ways = {"fused": True} if fused else {}
    if fused and engine.capture and "capturable" in takes:
        ways["capturable"] = True
    optimizer = _call("optimizer", config.optimizer, model.parameters(), **ways)
    unwrap_step(optimizer)
    return optimizer


def _call(group: str, config: DictConfig, *arguments: Any, **others: Any) -> Any:
    """What the group's target makes of its own options and what else it is given. Raises Mistake if it refuses them."""
    with refusing(group, config):
        return _find_target(group, config)(*arguments, **_read_options(config), **others)


@contextmanager
def refusing(group: str, config: DictConfig) -> Iterator[None]:
    """Raises Mistake for what a class or function raises: a bad option may be the cause. Lack of memory isn't one."""
    try:
        yield
    except (Mistake, Failure, MemoryError):
        raise
    except Exception as error:
        message = " ".join(str(error).split())
        if NO_MEMORY.search(message) or (group == "dataset" and isinstance(error, OSError)):  # a disk's, a network's
            raise
        names_option = re.search(rf"\b({'|'.join(map(re.escape, map(str, config)))}|size)=", message)
        if isinstance(error, ValueError) and (names_option or config._target_.startswith("torch.")):
            raise Mistake(f"{group}: {message}") from error
        raised = " ".join("".join(traceback.format_exception_only(error)).split())
        raise Mistake(
            f"{group}: {config._target_} doesn't take these options{_list_own_values(group, config)}: "
            f"{raised}{_find_place(config._target_, error)}. HYDRA_FULL_ERROR=1 before the command shows the trace."
        ) from error


def _find_place(target: str, error: Exception) -> str:
    """Where the target's file, or what it called, raised the error: ', raised in FILE, line 3'; '' if neither did."""
    own = getattr(sys.modules.get(target.rpartition(".")[0]), "__file__", None)
    frames = traceback.extract_tb((error.__cause__ or error).__traceback__)
    places = [frame for frame in frames if frame.filename == own] or frames[-1:]
    return "".join(
        f", raised in {frame.filename}, line {frame.lineno}" for frame in places[-1:] if frame.filename != __file__
    )


def _list_own_values(group: str, config: DictConfig) -> str:
    """The options that aren't the defaults of conf/, to be named in a message: ' (width=-3)'."""
    values = _read_options(config).items()
    defaults = {key: options.default_of({group: config}, f"{group}.{key}") for key, _ in values}
    changed = [f"{key}={value}" for key, value in values if value != defaults[key]]
    return f" ({' '.join(changed)})"[:200] if changed else ""


def _find_target(group: str, config: DictConfig) -> Callable[..., Any]:
    """The group's class or function. Raises Mistake if no file in conf/ names it, or it is of another kind."""
    name = config._target_
    if name not in options.list_targets(group):
        raise Mistake(f"{group}._target_={name} isn't named by any file in conf/{group}.")
    target = get_object(name)
    kind = {"model": torch.nn.Module, "optimizer": torch.optim.Optimizer}.get(group)
    if kind is not None:
        right = isinstance(target, type) and issubclass(target, kind)
    else:  # a function, by the name that it was defined under
        right = f"{target.__module__}.{target.__qualname__}" == name
    if not right:
        raise Mistake(f"{group}._target_={name} leads to {target}, not to a valid {group}.")
    return target


def _read_options(config: DictConfig) -> dict[str, Any]:
    values: Any = OmegaConf.to_container(config, resolve=True)
    return {key: value for key, value in values.items() if key != "_target_"}
