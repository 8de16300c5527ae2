"""Tests a network, usually on images that it wasn't trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log
from shlex import quote
from typing import Any

import torch
from torch import Tensor, nn

from alexnet.data.batches import Batches
from alexnet.engine.shares import cut
from alexnet.errors import Damaged, Diverged, Mistake
from alexnet.messages.console import progress
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training.network import Network


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
def evaluate(network: Network, batches: Batches) -> Evaluation:
    """One pass over the split, dropout off. With K < 5 classes top5 is top-K.

    Processes share the batches, and each adds up the losses of its shares. Raises Failure if a batch finds too little
    memory, Interrupted if one of several processes got a signal.
    """
    network.model.eval()
    group, classes = network.group, len(network.dataset.classes)
    counts = torch.zeros(classes * classes + 1, dtype=torch.int64, device=batches.device)  # confusion and top-5
    losses = torch.zeros(group.shards // group.size, device=batches.device)
    parts = [cut(len(batches), group.shards)[share] for share in group.get_shares()]
    with network.enough_memory(), progress("Testing", sum(map(len, parts)), "batch") as advance:
        for loss, part in zip(losses, parts, strict=True):
            for images, labels in batches.epoch(start=part.start, stop=part.stop):
                if group.find_stop() > 0:
                    break
                logits = average_views(network.forward(images), len(labels))  # (B, K)
                best = rank_classes(logits)  # (B, 5)
                counts[:-1] += torch.bincount(labels * classes + best[:, 0], minlength=classes * classes)
                counts[-1] += (best == labels[:, None]).sum()
                loss += nn.functional.cross_entropy(logits, labels, reduction="sum")
                advance(1)
    group.settle()
    counts, total = group.count(counts).cpu(), sum(group.gather(losses).tolist())
    count, confusion = len(batches.labels), counts[:-1].view(classes, classes)
    return Evaluation(total / count, confusion.trace().item() / count, counts[-1].item() / count, confusion)


def rank_classes(logits: Tensor, count: int = 5) -> Tensor:
    """The numbers (B, count) of the most likely classes, the likeliest first; of fewer than `count` classes, all.

    Where two are equally likely, which happens in bfloat16, the first is the same one whatever `count` is.
    """
    classes = logits.shape[1]
    first = logits.topk(min(5, classes)).indices
    if count <= 5:
        return first[:, :count]
    ranked = logits.topk(min(count, classes)).indices
    return ranked.gather(1, (ranked != first[:, :1]).to(torch.uint8).argsort(dim=1, stable=True))


def average_views(logits: Tensor, count: int) -> Tensor:
    """Logits (V * B, K) of V views of each of `count` images, as (B, K) whose softmax is the mean of theirs (§4.1)."""
    views = len(logits) // count
    return logits if views == 1 else logits.log_softmax(1).view(views, count, -1).logsumexp(0) - log(views)


def compute_figures(network: Network, batches: Batches, split: str = "test") -> dict[str, Any]:
    """The figures of a split as plain values; result.json has those of the test split. Raises Failure like `evaluate`.

    split: test, validation or train.
    """
    tested = evaluate(network, batches)
    return {
        f"{split}_images": len(batches.labels),
        f"{split}_loss": tested.loss,
        f"{split}_accuracy": tested.top1,
        f"{split}_top5_accuracy": tested.top5,
        f"{split}_error": 1 - tested.top1,  # as the paper counts
        f"{split}_top5_error": 1 - tested.top5,
        "per_class_accuracy": dict(zip(network.dataset.classes, tested.per_class, strict=True)),
        "confusion_matrix": tested.confusion.tolist(),
    }


def check_finite(loss: float, which: str, new_layers: bool = False) -> None:
    """Raises Diverged, with what to try, if the loss is NaN or infinite. new_layers: they have a higher rate."""
    if not isfinite(loss):
        first = "optimizer.new_layers=1, " if new_layers else ""
        raise Diverged(
            f"{which} is {loss}. Try {first}a lower optimizer.lr, schedule=one_cycle, which starts low, or batch "
            f"normalisation."
        )


def load_weights(network: Network, run: Run, name: str, averaged: bool, overrides: Sequence[str] = ()) -> int:
    """Gives the network the weights in checkpoints/NAME.pt. Returns how many epochs they were trained.

    name: best, of the best validation epoch, or last. averaged: whether to take their moving average (ema). overrides:
    changes of the run's own configuration, for the message. Raises Mistake if the weights don't fit or weren't kept,
    Damaged if their file is.
    """
    saved = load_checkpoint(run, name)
    try:
        network.model.load_state_dict(choose_tensors(saved, run, averaged))
        return int(saved["epoch"] if "epoch" in saved else saved["state"]["epoch"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        why = " ".join(str(error).split())[:200]
        given = f" with {' '.join(overrides)}" if overrides else ""
        raise Mistake(f"The weights in {run.folder} don't fit the network of its config.yaml{given}: {why}") from error


def choose_tensors(saved: dict[str, Any], run: Run, averaged: bool) -> dict[str, Tensor]:
    """The weights of a checkpoint, or their average. Raises Mistake if it has only the other one."""
    are_average = saved.get("averaged") is True
    if averaged and not are_average and "average" not in saved:
        raise Mistake(f"{run.folder} was trained without an average of its weights: give ema=0.")
    if are_average and not averaged:
        raise Mistake(f"{run.folder} has only the average of these weights: leave out ema=0.")
    return saved["average"] if averaged and not are_average else saved["model"]


def load_checkpoint(run: Run, name: str) -> dict[str, Any]:
    """What checkpoints/NAME.pt holds. Raises Mistake if it wasn't kept, Damaged if it isn't what the run saved."""
    if not (run.checkpoints / f"{name}.pt").exists():
        _refuse_pruned(run, name)
        _refuse_unsaved(run, name)
    saved = checkpoints.load(run.checkpoints, name)
    try:
        if run.environment():  # a copy of weights and configuration may be without it
            run.check_owner(saved)
        saved["model"]
    except (KeyError, TypeError) as error:
        raise Damaged(f"{run.checkpoints}/{name}.pt holds no weights of this project's: bring them back.") from error
    return saved


def _refuse_unsaved(run: Run, name: str) -> None:
    """Raises Mistake if the weights are missing because the run hasn't come that far."""
    if run.result() is not None or (name == "last" and run.has_checkpoint):
        return
    way_out = quote(str(run.folder)) + (" --from-start" if run.has_rows and not run.has_checkpoint else "")
    raise Mistake(
        f"{run.folder} hasn't saved its {name} weights yet: wait for its next epochs, or if it was stopped, resume it: "
        f"python scripts/resume.py {way_out}"
    )


def _refuse_pruned(run: Run, name: str) -> None:
    """Raises Mistake if the weights are missing because of the run's `keep`."""
    config = run.config()
    keep = config.get("keep")
    if not run.is_done() or keep not in ("weights", "none"):
        return
    if keep == "weights" and name == "last":
        raise Mistake(f"{run.folder} kept only its best weights (keep=weights), so there are no last ones.")
    raise Mistake(
        f"{run.folder} kept no weights when it ended (keep={keep}). To train them again, with the same result: "
        f"python scripts/reproduce.py {quote(str(run.folder))} keep=weights"
    )
