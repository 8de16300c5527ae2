"""Builds the objects of a run from a checked configuration. No other module knows both."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from alexnet.config.options import is_own
from alexnet.data import facts
from alexnet.data.batches import Batches, SplitBatches
from alexnet.data.dataset import Dataset, Splits, repeat_batch
from alexnet.data.preparation import Preparation
from alexnet.engine.cuda_graph import Recorder
from alexnet.engine.device import Engine
from alexnet.engine.distributed import Group
from alexnet.engine.half_weights import HalfWeights, suits
from alexnet.engine.packing import Packing
from alexnet.errors import Mistake
from alexnet.runs.texts import TEXTS, Texts
from alexnet.training.averaging import Average
from alexnet.training.data import load_data
from alexnet.training.network import Network, build_model, choose_engine, configure_batches, make_group
from alexnet.training.optimizer import prevent_compiler_import, unwrap_step
from alexnet.training.targets import call, find_target, read_options
from alexnet.training.transfer import Transfer, freeze, group_parameters, take_weights

# The options that a training has as they are.
OWN = (
    *("batch_size", "seed", "epochs", "patience", "label_smoothing", "cutmix", "mixup", "clip_norm", "overfit"),
    *("checkpoint_minutes", "keep", "test"),
)
STEPS = 10  # an epoch of `overfit` has
Join = Callable[[DictConfig, Engine, dict[str, Any] | None], Group]


@dataclass
class Training(Network):
    """All that a run is made of, on its device.

    half_weights: what `forward` computes with; None: the model's own. average: of the weights; None if none is taken.
    packing: of what shares add up; None if there is one share. recorder: of steps, on a GPU; None if they aren't
    recorded. rates: (), where a recorded step finds the learning rate of each group of the optimizer. transfer: what
    was taken of other weights. frozen: layers that aren't trained. schedule(epoch, epochs, errors) gives the factor of
    the learning rate.
    """

    batches: SplitBatches
    optimizer: torch.optim.Optimizer
    half_weights: HalfWeights | None
    average: Average | None
    packing: Packing | None
    recorder: Recorder | None
    rates: Sequence[torch.Tensor] | None
    transfer: Transfer | None
    frozen: Sequence[str]
    scaler: torch.amp.GradScaler
    schedule: partial[float]
    seed: int
    epochs: int
    patience: int | None  # epochs without a better one
    label_smoothing: float
    cutmix: float
    mixup: float
    clip_norm: float | None
    overfit: float | None  # the loss at which a single batch is learnt
    log_every: int  # batches a window
    checkpoint_minutes: float
    keep: str  # what of its checkpoints
    test: bool  # whether the trained network is tested
    texts: Texts

    @property
    def tested(self) -> Network:
        """The network that is validated, tested and chosen: the average of the weights, if one is taken."""
        return self if self.average is None else self.average.network

    def call(self, function: Callable[..., torch.Tensor], *tensors: torch.Tensor) -> torch.Tensor:
        """function(training, *tensors), recorded if steps are."""
        return function(self, *tensors) if self.recorder is None else self.recorder(function, self, *tensors)


def assemble(
    config: DictConfig, dataset: Dataset | None = None, began: dict[str, Any] | None = None, join: Join = make_group
) -> Training:
    """Builds everything that the configuration names. Raises Mistake for what can't be built or run.

    dataset: in place of the configuration's own. began: the "transferred_from" in the environment of a resumed run;
    then model.weights isn't read again. join: gives the run's processes, this one among them.
    """
    engine = choose_engine(config)
    group = join(config, engine, began)
    dataset, splits, preparation = load_data(config, group, engine.device, dataset)
    make_batches = configure_batches(config, engine, dataset.size)
    if config.overfit is not None:
        splits = repeat_batch(splits, config.batch_size, STEPS, config.seed)
    batches = _batch_splits(config, splits, preparation, make_batches, group)
    model = build_model(config, dataset, make_batches(splits.sample, preparation.for_validation()))
    transfer = take_weights(model, config.model, dataset, began)
    if config.overfit is not None:
        _switch_off_dropout(model)
    frozen = freeze(model, config.model.get("freeze"), transfer)
    engine.place(model)
    optimizer = _build_optimizer(config, engine, model, transfer)
    recorded = engine.capture and bool(optimizer.defaults.get("fused"))
    half_weights = HalfWeights(model, optimizer) if _can_halve(config, engine, group, optimizer, recorded) else None
    training = Training(
        engine=engine,
        group=group,
        dataset=dataset,
        model=model,
        forward=engine.forward(half_weights or model, recorded),
        batches=batches,
        optimizer=optimizer,
        half_weights=half_weights,
        average=None,
        packing=Packing(model, engine.device) if group.shards > 1 else None,
        recorder=Recorder(engine.device) if recorded else None,
        rates=[torch.zeros((), device=engine.device) for _ in optimizer.param_groups] if recorded else None,
        transfer=transfer,
        frozen=frozen,
        scaler=engine.scaler(),
        schedule=partial(find_target("schedule", config.schedule), **read_options(config.schedule)),
        log_every=min(config.log_every, len(batches.train)),  # at least one window an epoch
        texts=TEXTS[config.language],
        **{name: config[name] for name in OWN},
    )
    if config.ema > 0:
        training.average = Average(training, config.ema)
    return training


def build_weightless(config: DictConfig, classes: int, channels: int, size: int) -> torch.nn.Module:
    """The configuration's network on the meta device: shapes without values, so nothing is allocated."""
    with torch.device("meta"):
        return call("model", config.model, classes=classes, channels=channels, size=size)


def check_options(config: DictConfig) -> None:
    """Raises Mistake if the network, optimizer or schedule refuses its options. Reads no data, allocates nothing."""
    prevent_compiler_import()
    _check_optimizer(config, call("optimizer", config.optimizer, build_without_data(config).parameters()))
    factor = call("schedule", config.schedule, 0.0, config.epochs, [])
    if type(factor) not in (int, float) or not isfinite(factor):
        raise Mistake(f"schedule: {config.schedule._target_} gave {factor!r:.100}: expected a finite number.")


def _check_optimizer(config: DictConfig, optimizer: torch.optim.Optimizer) -> None:
    """Raises Mistake if the optimizer can't take a step here."""
    name = config.optimizer._target_
    if "lr" not in optimizer.defaults:
        raise Mistake(f"optimizer: {name} has no lr in its defaults, which schedules multiply: give it one.")
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise Mistake(f"optimizer: {name} needs a closure, but a step here is one forward and one backward pass.")


def build_without_data(config: DictConfig) -> torch.nn.Module:
    """The network on the meta device, for three channels and 1,000 classes if the data's aren't known."""
    known = facts.get_facts(config.dataset._target_)
    return build_weightless(config, guess_classes(config.dataset), known.channels or 3, config.dataset.size)


def guess_classes(dataset: DictConfig) -> int:
    """The most classes that the dataset can have, as far as its name and folders say."""
    known = facts.get_facts(dataset._target_).classes
    train = Path(str(dataset.get("root"))).expanduser() / "train"
    folders = sum(1 for path in train.iterdir() if path.is_dir()) if train.is_dir() else 0
    return len(dataset.get("only") or ()) or known or folders or 1000


def _batch_splits(
    config: DictConfig, splits: Splits, preparation: Preparation, make_batches: Callable[..., Batches], group: Group
) -> SplitBatches:
    training, test = preparation.for_training(), preparation.for_test()
    if config.overfit is not None:  # nothing random
        training = test = preparation.for_validation()
    validation = splits.validation
    mixes = config.cutmix + config.mixup > 0
    rows = partial(choose_rows, group, mixes) if group.size > 1 else None
    return SplitBatches(
        train=make_batches(
            splits.train,
            training,
            shuffle=config.overfit is None,
            seed=config.seed,
            epochs=config.epochs,
            choose_rows=rows,
        ),
        validation=None if validation is None else make_batches(validation, preparation.for_validation()),
        test=make_batches(splits.test, test),
        train_subset=make_batches(splits.train_subset, test),
    )


def _switch_off_dropout(model: torch.nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0


def choose_rows(group: Group, mixes: bool, count: int) -> slice | torch.Tensor:
    """The images of a batch of `count` that this process computes. mixes: whether CutMix or MixUp, which give each
    image a part of the one before it, need the one before them as well.
    """
    rows = group.get_rows(count)
    if not mixes or len(rows) in (0, count):
        return slice(rows.start, rows.stop)
    return torch.arange(rows.start - 1, rows.stop) % count


def _can_halve(
    config: DictConfig, engine: Engine, group: Group, optimizer: torch.optim.Optimizer, recorded: bool
) -> bool:
    """Whether the network can compute with 16-bit copies of its weights: if nothing needs float32 gradients. A person's
    own network may use its layers' weights in other ways than autocast's.
    """
    placed = engine.device.type == "cpu" or (engine.compile and recorded)
    plain = engine.precision == "bf16" and placed and group.shards == 1
    needs = config.clip_norm is not None or config.overfit is not None or is_own("model", config.model._target_)
    return plain and not needs and suits(optimizer)


def _build_optimizer(
    config: DictConfig, engine: Engine, model: torch.nn.Module, transfer: Transfer | None
) -> torch.optim.Optimizer:
    """It updates all weights in one kernel (`fused`) if the engine wants that, it can, and foreach isn't set."""
    prevent_compiler_import()
    takes = inspect.signature(find_target("optimizer", config.optimizer)).parameters
    fused = engine.fused and "fused" in takes and "foreach" not in config.optimizer
    ways = {"fused": True} if fused else {}
    if fused and engine.capture and "capturable" in takes:
        ways["capturable"] = True
    parameters = group_parameters(model, transfer, config.optimizer.get("new_layers", 1))
    optimizer = call("optimizer", config.optimizer, parameters, **ways)
    unwrap_step(optimizer)
    return optimizer
