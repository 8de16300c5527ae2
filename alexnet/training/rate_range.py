"""Measures the loss while the learning rate grows from step to step.

It is the range test of Smith 2017 ("Cyclical Learning Rates for Training Neural Networks", §3.3), whose rate grows
linearly; here it grows exponentially, as in fastai's lr_find.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from math import isfinite, log
from statistics import fmean

from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from alexnet.config.processes import count_shards
from alexnet.data.dataset import Dataset
from alexnet.training.build import Training, assemble
from alexnet.training.loop import set_learning_rate, step

DIVERGED = 4  # times the loss of guessing
FALLEN = 0.95  # times the loss at the beginning
WINDOW = 10  # steps whose mean loss tells whether it has fallen, or is as high again


def build(config: DictConfig, seed: int, dataset: Dataset | None) -> Training:
    """The configuration's training with that seed, in one process: it computes the shares of all, so the same numbers.

    dataset: in place of the configuration's own. Raises what `assemble` does.
    """
    device = {**config.device, "processes": 1, "shards": count_shards(config)}
    return assemble(OmegaConf.create({**config, "seed": seed, "device": device, "ema": 0}), dataset)


def measure(training: Training, rates: Sequence[float]) -> Iterator[float]:
    """The loss of each step of a new training that has these learning rates in place of its schedule's.

    The loss is that before the step changes the weights. The first one that isn't finite, or is DIVERGED times that of
    guessing, ends the test and isn't given; so does one with which the loss is as high again as at the beginning, after
    it had fallen: the network is then dead. Raises Failure if a step finds too little memory.
    """
    most, seen, has_fallen = DIVERGED * log(max(2, len(training.dataset.classes))), list[float](), False
    training.model.train()
    with training.enough_memory():
        for rate, (images, labels, epoch, batch) in zip(rates, _list_batches(training), strict=False):
            set_learning_rate(training, rate)
            loss = step(training, images, labels, epoch, batch)[0].item()
            if not isfinite(loss) or loss > most:
                return
            seen.append(loss)
            first, last = fmean(seen[:WINDOW]), fmean(seen[-WINDOW:])
            has_fallen = has_fallen or last < FALLEN * first
            if has_fallen and last > first:
                return
            yield loss


def _list_batches(training: Training) -> Iterator[tuple[Tensor, Tensor, int, int]]:
    """The batches of a training, (images, labels, epoch, number in it), without an end."""
    for epoch in count():
        for batch, (images, labels) in enumerate(training.batches.train.epoch(epoch)):
            yield images, labels, epoch, batch
