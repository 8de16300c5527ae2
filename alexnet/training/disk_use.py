"""Estimates how much disk a run's folder will take."""

from math import ceil
from typing import NamedTuple

import torch
from omegaconf import DictConfig

from alexnet.data import facts
from alexnet.training import build
from alexnet.training.optimizer import prevent_compiler_import, unwrap_step
from alexnet.training.targets import call, refusing

SETTINGS = 2**18  # bytes of config.yaml, environment.json, .hydra/ and the curve
TENSOR = 400  # bytes of a checkpoint beside each tensor's values
WINDOW, EPOCH = 180, 420  # bytes of their rows, and of their lines in train.log
CELL = 4  # bytes of the confusion matrix in result.json and as a picture, a pair of classes


class DiskUse(NamedTuple):
    """Bytes. kept: what the folder has in the end. peak: the most that it has while one checkpoint replaces another."""

    kept: int
    peak: int


def estimate(config: DictConfig) -> DiskUse:
    """How much disk the run of a checked configuration takes.

    It reads no data: it assumes three channels and 1,000 classes if their number isn't known. Raises Mistake if the
    network or the optimizer refuses its options.
    """
    model = build.build_without_data(config)
    weights = sum(map(_count_bytes, model.state_dict().values()))
    optimizer = _measure_optimizer(config, model)
    state = weights + optimizer + (weights if config.get("ema", 0) > 0 else 0)
    best = weights if config.dataset.get("validation", 0) > 0 else 0
    others = SETTINGS + _estimate_tables(config) + CELL * build.guess_classes(config.dataset) ** 2
    keep = config.get("keep", "all")
    if keep == "none" and not config.get("test", True):
        keep = "weights"  # until they are tested
    kept = {"all": state + best, "weights": weights, "none": 0}[keep]
    return DiskUse(others + kept, others + best + 2 * state)


def _measure_optimizer(config: DictConfig, model: torch.nn.Module) -> int:
    """The bytes of the optimizer's state. It makes that in its first step, so one is taken with a small parameter."""
    prevent_compiler_import()
    small = torch.nn.Parameter(torch.zeros(3, 5))
    small.grad = torch.zeros_like(small)
    optimizer = call("optimizer", config.optimizer, [small])
    unwrap_step(optimizer)
    with refusing("optimizer", config.optimizer):
        optimizer.step()
    values = [value for value in optimizer.state[small].values() if isinstance(value, torch.Tensor)]
    moments = [value for value in values if value.shape == small.shape]
    sizes = [len(moments) * _count_bytes(each) + (len(values) - len(moments)) * TENSOR for each in model.parameters()]
    return sum(sizes)


def _count_bytes(value: torch.Tensor) -> int:
    return value.numel() * value.element_size() + TENSOR


def _estimate_tables(config: DictConfig) -> int:
    """losses.csv, epochs.csv and train.log. A folder's images aren't counted, because that may take long."""
    images = facts.get_facts(config.dataset._target_).images or 0
    batches = images * config.dataset.get("share", 1) * (1 - config.dataset.get("validation", 0)) / config.batch_size
    return config.epochs * (EPOCH + WINDOW * ceil(batches / config.log_every))
