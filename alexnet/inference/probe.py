"""Measures how much of the classes a linear classifier finds in what each layer gives (Alain and Bengio 2016)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor

from alexnet.comparison.spread import compute_share_interval
from alexnet.config.checks import check_run
from alexnet.config.machine import check_machine
from alexnet.config.overrides import with_overrides
from alexnet.data.batches import Batches
from alexnet.data.dataset import Dataset, choose_splits
from alexnet.data.image_files import ImageFiles
from alexnet.errors import Mistake
from alexnet.inference.features import compute_features
from alexnet.inference.trained import Trained
from alexnet.messages.console import progress
from alexnet.training.network import load_dataset

MOST_FEATURES = 4096  # of a layer, for an image; larger maps are averaged over squares
OWN = ("size", "resize", "mean", "std", "crop")  # options of a dataset that belong to the network
HELD_OUT = 0.1  # of the training images, to choose C
STRENGTHS = [10.0**power for power in range(-5, 1)]  # C, the inverse of the strength of the regularisation


@dataclass(frozen=True)
class Probe:
    """What was measured of one layer. right: test images of `images`. choice: the held-out accuracy for each C."""

    layer: str
    features: int
    c: float
    choice: dict[float, float]
    right: int
    images: int

    @property
    def accuracy(self) -> float:
        return self.right / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the accuracy."""
        return compute_share_interval(self.right, self.images)


@dataclass(frozen=True)
class Data:
    """The images of a probe, prepared as the network's test images are."""

    dataset: Dataset
    train: Batches
    test: Batches


def load_data(trained: Trained, overrides: Sequence[str]) -> Data:
    """The run's images, or with dataset=NAME others: their classes may be others, and they get the run's preparation.

    The training images are those that the run trained on. Raises Mistake if the data isn't there or doesn't fit.
    """
    others = [given for given in overrides if given.partition("=")[0].partition(".")[0] != "dataset"]
    if others:
        raise Mistake(f"{others[0]}: only dataset=NAME and dataset.KEY=VALUE change what is probed.")
    fixed = [given for given in overrides if given.partition("=")[0] in {f"dataset.{key}" for key in OWN}]
    if fixed:
        raise Mistake(f"{fixed[0]}: the network sees images as it was trained to. Leave it out.")
    config, _ = with_overrides(trained.options, overrides)
    for key in OWN:
        if key in trained.options.dataset and key in config.dataset:
            config.dataset[key] = trained.options.dataset[key]
    check_run(config, trains=False)
    check_machine(OmegaConf.create({**config, "batch_size": 1}))  # a probe has no batches to train on
    dataset = load_dataset(config.dataset)
    splits = choose_splits(dataset, config.dataset.get("validation", 0), config.dataset.get("share", 1), config.seed)
    train, test = (
        trained.make_batches(_fit_channels(split.images, dataset, trained), views=1, labels=split.labels)
        for split in (splits.train, dataset.test)
    )
    return Data(dataset, train, test)


def _fit_channels(images: Tensor | ImageFiles, dataset: Dataset, trained: Trained) -> Tensor | ImageFiles:
    """Grey images as the network's colours, or the reverse. Raises Mistake if files can't be converted."""
    if dataset.channels == trained.channels:
        return images
    if not isinstance(images, Tensor):
        raise Mistake(f"{trained.source} sees grey images, and these are files in colour: probe it with dataset=NAME.")
    if trained.channels == 3:
        return images.expand(-1, 3, -1, -1)
    red, green, blue = images.to(torch.int32).unbind(1)  # as Pillow converts colours to grey
    return ((19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16).to(torch.uint8)[:, None]


def probe(trained: Trained, data: Data, layer: str, seed: int = 0) -> Probe:
    """Fits a logistic regression to the layer's features, with L2 regularisation, and tests it.

    Maps with more than 4,096 values are averaged over squares of equal size, as few as it takes. Each feature is
    standardised. C is chosen on a random tenth of the training images; then all of them are used.
    Raises Mistake for an unknown layer, or too few images.
    """
    from sklearn.preprocessing import StandardScaler  # takes a second to import

    scaler = StandardScaler(copy=False)
    found, labels = scaler.fit_transform(_collect(trained, data.train, layer)), data.train.labels.cpu().numpy()
    order = np.random.default_rng(seed).permutation(len(found))
    held, rest = np.split(order, [max(1, round(HELD_OUT * len(order)))])
    if len(np.unique(labels[rest])) < 2:
        raise Mistake(f"{len(labels)} training images are too few to probe: expected at least two classes among them.")
    choice: dict[float, float] = {}
    with progress("Probing", len(STRENGTHS) + 1, "fit") as advance:
        for c in STRENGTHS:
            choice[c] = float(_make_classifier(c).fit(found[rest], labels[rest]).score(found[held], labels[held]))
            advance(1)
            if max(list(choice.values())[-2:]) < max(choice.values()):
                break  # it only gets worse
        best = max(choice, key=lambda c: choice[c])  # the strongest regularisation of equally good ones
        model = _make_classifier(best).fit(found, labels)
    right = model.predict(scaler.transform(_collect(trained, data.test, layer))) == data.test.labels.cpu().numpy()
    return Probe(layer, found.shape[1], best, choice, int(right.sum()), len(right))


def _make_classifier(c: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, max_iter=200, tol=1e-3)


def _collect(trained: Trained, batches: Batches, layer: str) -> np.ndarray:
    """The layer's features of all images, (N, D) float32, D at most 4,096. All layers' wouldn't fit the memory."""
    rows: list[np.ndarray] = []
    with progress("Extracting", len(batches.labels), "image") as advance:
        for found in compute_features(trained, batches, [layer]):
            rows.append(shrink(found[layer]).cpu().numpy())
            advance(len(rows[-1]))
    return np.concatenate(rows)


def shrink(features: Tensor) -> Tensor:
    """(B, C, H, W) or (B, D) as (B, at most 4,096): maps are averaged over as few squares as needed."""
    if features.ndim == 4:
        channels, side = features.shape[1], features.shape[2]
        places = max(1, min(side, int((MOST_FEATURES / channels) ** 0.5)))
        features = torch.nn.functional.adaptive_avg_pool2d(features, places)
    return features.flatten(1)
