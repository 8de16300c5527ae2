"""Tests a network, usually on images that it wasn't trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import torch
from torch import Tensor, nn

from alexnet.data.batches import Batches
from alexnet.errors import Mistake
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training.build import Training


@dataclass(frozen=True)
class Evaluation:
    """loss: the mean over the images. top1, top5: shares of them. confusion: (K, K) counts, [true, predicted]."""

    loss: float
    top1: float
    top5: float
    confusion: Tensor

    @property
    def per_class(self) -> list[float | None]:
        """The share of each class's images that are recognised; None for a class without images."""
        counts = self.confusion.sum(1)
        hits = self.confusion.diagonal()
        return [hit / count if count else None for hit, count in zip(hits.tolist(), counts.tolist(), strict=True)]


@torch.no_grad()
def evaluate(training: Training, batches: Batches) -> Evaluation:
    """One pass over the split, dropout off. With K < 5 classes top5 is top-K.

    Raises Failure if a batch finds too little memory.
    """
    training.model.eval()
    classes = len(training.dataset.classes)
    confusion = torch.zeros(classes * classes, dtype=torch.int64, device=batches.device)
    loss, top5 = (torch.zeros((), device=batches.device) for _ in range(2))
    with training.enough_memory():
        for images, labels in batches.epoch():
            logits = average_views(training.forward(images), len(labels))  # (B, K)
            best = logits.topk(min(5, classes)).indices  # (B, 5), most likely first
            confusion += torch.bincount(labels * classes + best[:, 0], minlength=classes * classes)
            loss += nn.functional.cross_entropy(logits, labels, reduction="sum")
            top5 += (best == labels[:, None]).sum()
    count = len(batches.labels)
    confusion = confusion.view(classes, classes).cpu()
    return Evaluation(loss.item() / count, confusion.trace().item() / count, top5.item() / count, confusion)


def average_views(logits: Tensor, count: int) -> Tensor:
    """Logits (V * B, K) of V views of each of `count` images, as (B, K) whose softmax is the mean of theirs (§4.1)."""
    views = len(logits) // count
    return logits if views == 1 else logits.log_softmax(1).view(views, count, -1).logsumexp(0) - log(views)


def compute_test_figures(training: Training) -> dict[str, Any]:
    """What result.json holds of the test images, as plain values. Raises Failure like `evaluate`."""
    test = evaluate(training, training.batches.test)
    return {
        "test_images": len(training.batches.test.labels),
        "test_loss": test.loss,
        "test_accuracy": test.top1,
        "test_top5_accuracy": test.top5,
        "test_error": 1 - test.top1,  # as the paper counts
        "test_top5_error": 1 - test.top5,
        "per_class_accuracy": dict(zip(training.dataset.classes, test.per_class, strict=True)),
        "confusion_matrix": test.confusion.tolist(),
    }


def load_chosen_weights(training: Training, run: Run, overrides: Sequence[str] = ()) -> None:
    """Gives the network the run's weights: of the best validation epoch, or of the end if there is no validation.

    overrides: changes of the run's own configuration, for the message. Raises Mistake if the weights don't fit, Damaged
    if their file is.
    """
    saved = checkpoints.load(run.checkpoints, "last" if training.batches.validation is None else "best")
    try:
        if run.environment():  # a copy of weights and configuration may be without it
            run.check_owner(saved)
        training.model.load_state_dict(saved["model"])
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        why = " ".join(str(error).split())[:200]
        given = f" with {' '.join(overrides)}" if overrides else ""
        raise Mistake(f"The weights in {run.folder} don't fit the network of its config.yaml{given}: {why}") from error
