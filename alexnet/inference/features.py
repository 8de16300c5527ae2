"""Computes what the layers of a trained network give for images."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from alexnet.data.batches import Batches
from alexnet.inference.trained import Trained
from alexnet.models.named_layers import NamedLayer, choose_layer, find_layers, join, record_outputs


def compute_features(
    trained: Trained, batches: Batches, names: Sequence[str], before_activation: bool = False, start: int = 0
) -> Iterator[dict[str, Tensor]]:
    """What the layers give, a batch at a time: for each name (B, C, H, W) or (B, units), float32, on the device.

    After the activation, such as ReLU, and before dropout; the columns are joined. batches: with one view of each
    image, as `load_centres` and make_batches(images, views=1) give them; of several views the mean is taken.
    names: conv1, conv2, ..., fc8. before_activation: what the activation is given. start: the batch to begin with.

    Raises Mistake for an unknown name, before anything is computed; Failure if a batch finds too little memory.
    """
    layers = find_layers(trained.model)
    return _compute(trained, batches, [choose_layer(layers, name) for name in names], before_activation, start)


@torch.no_grad()
def _compute(
    trained: Trained, batches: Batches, layers: Sequence[NamedLayer], before_activation: bool, start: int
) -> Iterator[dict[str, Tensor]]:
    trained.model.eval()
    for images, labels in batches.epoch(start=start):
        with trained.network.enough_memory(), record_outputs(layers, before_activation) as recorded:
            trained.network.forward(images)
        joined = [join(outputs).float() for outputs in recorded]
        yield {
            layer.name: each.unflatten(0, (-1, len(labels))).mean(0) if len(each) > len(labels) else each
            for layer, each in zip(layers, joined, strict=True)
        }


def load_centres(trained: Trained, split: str = "test") -> Batches:
    """One view of each of the run's test, validation or train images, with labels. Raises Mistake like load_split."""
    _, batches = trained.load_split(split)
    return trained.make_batches(batches.images, views=1, labels=batches.labels)
