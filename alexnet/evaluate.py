"""How well a network does on a split that it doesn't learn from."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from alexnet.loaders import Batches


@dataclass(frozen=True)
class Evaluation:
    """loss: mean over the images. confusion: (K, K) counts, [true, predicted]."""

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
def evaluate(model: nn.Module, batches: Batches, classes: int) -> Evaluation:
    """One pass over the split, dropout off. top5 is top-K where there are only K < 5 classes."""
    model.eval()
    confusion = torch.zeros(classes * classes, dtype=torch.int64, device=batches.device)
    loss, top5 = (torch.zeros((), device=batches.device) for _ in range(2))
    for images, labels in batches.epoch():
        logits = model(images)  # (B, K)
        best = logits.topk(min(5, classes)).indices  # (B, 5), most likely first
        confusion += torch.bincount(labels * classes + best[:, 0], minlength=classes * classes)
        loss += nn.functional.cross_entropy(logits, labels, reduction="sum")
        top5 += (best == labels[:, None]).sum()
    count = len(batches.labels)
    confusion = confusion.view(classes, classes).cpu()
    return Evaluation(loss.item() / count, confusion.trace().item() / count, top5.item() / count, confusion)
