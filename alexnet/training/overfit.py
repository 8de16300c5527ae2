"""Whether a network learns a single batch by heart: the check of a new network or dataset (`overfit`)."""

import logging
from collections.abc import Sequence
from math import log

import torch
from torch import nn

from alexnet.errors import Failure
from alexnet.messages.console import RESULT, translate
from alexnet.training.build import Training
from alexnet.training.evaluation import Evaluation, evaluate

logger = logging.getLogger(__name__)

MOST_NAMES = 3  # that a message lists


def has_learnt(training: Training) -> bool:
    """Whether the batch has a loss as low as asked for; False if none is asked for."""
    return (
        training.overfit is not None
        and evaluate(training.tested, training.batches.train_subset).loss < training.overfit
    )


def check_learnt(training: Training, tested: Evaluation, steps: int) -> None:
    """Logs that the batch is learnt. Raises Failure, with what to look at, if it isn't. tested: on the batch."""
    if training.overfit is None:
        return
    count, right = len(training.batches.train_subset.labels), 100 * tested.top1
    unreached = _list_unreached(training)
    if tested.loss < training.overfit and not unreached:
        text = translate("Overfitted: {} images are learnt in {} steps, loss {:.2g}, {:.1f}% right")
        logger.info(text.format(count, steps, tested.loss, right), extra=RESULT)
        return
    reached = f"{tested.loss:.3g} after {steps} steps, and {right:.1f}% are right"
    cause = _find_cause(training, tested.loss, unreached)
    raise Failure(f"overfit={training.overfit:g}: the loss of the batch of {count} images is {reached}. {cause}")


def _find_cause(training: Training, loss: float, unreached: Sequence[str]) -> str:
    """A sentence about what keeps the network from learning the batch, or what to look at first."""
    guessing, same = log(len(training.dataset.classes)), _count_contradictions(training)
    if unreached:
        more = f" and {len(unreached) - MOST_NAMES} more" if len(unreached) > MOST_NAMES else ""
        return f"No gradient reaches {', '.join(unreached[:MOST_NAMES])}{more}: look for what is detached, or always 0."
    if same:
        return f"{same} of the images are equal to one of another class: look at the labels."
    if loss > 1.2 * guessing:
        return f"That is far above guessing, {guessing:.3f}: try a lower optimizer.lr."
    if loss > 0.95 * guessing:
        return (
            f"That is guessing ({guessing:.3f}): try another optimizer.lr, which python scripts/find_lr.py suggests, "
            f"then look at the initial weights, at dataset.mean and dataset.std, and at the labels."
        )
    return "Something is learnt: try more epochs or another optimizer.lr, then look at the labels."


def _list_unreached(training: Training) -> list[str]:
    """The trained weights whose gradient, that of wrong labels, is missing or 0 throughout. (A loss of 0 has none.)"""
    training.model.eval()  # in training it would change the statistics of normalisation, after they were saved
    images, labels = next(training.batches.train_subset.epoch())
    training.model.zero_grad()
    loss = nn.functional.cross_entropy(training.forward(images), (labels + 1) % len(training.dataset.classes))
    if loss.requires_grad:
        loss.backward()
    named = [(name, each.grad) for name, each in training.model.named_parameters() if each.requires_grad]
    return [name for name, gradient in named if gradient is None or not gradient.any()]


def _count_contradictions(training: Training) -> int:
    """How many images of the batch are equal to one with another label."""
    images, labels = next(training.batches.train_subset.epoch())
    flat = images.flatten(1)
    equal = torch.stack([(flat == each).all(1) for each in flat])
    return int((equal & (labels[:, None] != labels)).any(1).sum())
