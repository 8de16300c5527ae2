"""A trained network with all that it needs to be used: from a run's folder alone, or from a published weight file."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from numbers import Integral
from os import PathLike
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from alexnet.config.options import add_own_folder
from alexnet.config.overrides import with_overrides
from alexnet.config.saved import choose_weights, load_run_config
from alexnet.data import facts
from alexnet.data.batches import Batches
from alexnet.data.dataset import Dataset, Split
from alexnet.data.decoding import decode
from alexnet.data.facts import is_image
from alexnet.data.image_files import ImageFiles
from alexnet.data.photographs import MODES, Inspect, Photographs
from alexnet.data.preparation import VIEWS, Preparation
from alexnet.errors import Mistake
from alexnet.inference.images import AnImage, as_pil_image, fit_image, list_images
from alexnet.inference.predictions import Predictions
from alexnet.inference.published import (
    compose_published,
    list_categories,
    name_classes,
    number_classes,
    number_folders,
)
from alexnet.messages.console import translate
from alexnet.models.weight_files import load_file
from alexnet.runs.folder import Run
from alexnet.training.evaluation import average_views, load_weights, rank_classes
from alexnet.training.network import Network, build_network, choose_engine, configure_batches, load_split
from alexnet.training.result import hash_weights
from alexnet.training.targets import refusing

logger = logging.getLogger(__name__)

EXPECTED = "a run's folder, or a file of weights that torchvision publishes for its AlexNet"


class Trained:
    """A trained network in use.

    source: the run's folder, or the weight file. run: the folder; None for a weight file. model: the network, on its
    device, with dropout off. classes: their names. config: the run's configuration, plain and nested. result: the
    content of result.json; None if the run hasn't ended. weights: best or last. epoch: after which the weights were
    saved. weights_sha256: as in result.json.
    """

    def __init__(
        self,
        source: str,
        network: Network,
        config: DictConfig,
        *,
        run: Run | None = None,
        weights: str | None = None,
        epoch: int | None = None,
    ):
        """network: with its weights. config: of the whole run.

        Raises Mistake if the configuration doesn't say how images are prepared.
        """
        self.source, self.run, self.weights, self.epoch = source, run, weights, epoch
        self.network = network
        self.model = network.model.eval()
        self.classes = list(network.dataset.classes)
        self.channels, self.size = network.dataset.channels, network.dataset.size
        plain: Any = OmegaConf.to_container(config)
        self.options, self.config = config, dict[str, Any](plain)
        dataset = self.config["dataset"]
        if dataset["mean"] is None:
            raise Mistake(f"{source} doesn't say the mean of its images: resume the run, which measures and notes it.")
        self.preparation = Preparation(**{key: dataset[key] for key in ("mean", "std", "crop", "views")})
        self.side = dataset.get("resize") or dataset["size"]  # of the decoded images, out of which the views are cut
        self.result = None if run is None else run.result()
        self.weights_sha256 = hash_weights(self.model)

    def __repr__(self) -> str:
        saved = "" if self.weights is None else f", {self.weights} weights after epoch {self.epoch}"
        return f"<Trained {self.source!r}: {len(self.classes):,} classes{saved}>"

    def preprocess(self, image: AnImage, invert: bool = False) -> Tensor:
        """An image as the network expects it: (channels, size, size) float32, its centre, normalised, on the device.

        image: a path, a PIL image, an array (H, W) or (H, W, 3), or a tensor (1 or 3, H, W); pixels are uint8. invert:
        dark becomes light. Raises Mistake for anything else, and for a file that can't be read.
        """
        batches = self.make_batches(self._decode([image], invert), views=1)
        return next(batches.epoch())[0][0]

    def predict(
        self, images: AnImage | Sequence[AnImage] | Tensor, views: int | None = None, invert: bool = False
    ) -> Predictions:
        """What the network sees in the images.

        images: one, or several, each as `preprocess` takes it; an array (N, H, W, 3) or a tensor (N, 1 or 3, H, W) is
        several, too. views: 1, 2 or 10 of each image; None: as the run was tested. invert: dark becomes light.

        Raises Mistake like `preprocess` and for other views, Failure if a batch finds too little memory.
        """
        if views is not None and not (isinstance(views, Integral) and views in VIEWS):
            raise Mistake(f"views={views!r}: expected 1, 2 or 10 of each image, or None for as many as in the test.")
        listed = list_images(images)
        files = [str(image) for image in listed if isinstance(image, (str, PathLike))]
        given = self.open_files(files, invert) if 0 < len(files) == len(listed) else self._decode(listed, invert)
        batches = [torch.empty(0, len(self.classes))]
        for each in self.compute_logits(self.make_batches(given, views)):
            if isinstance(given, Photographs) and given.broken:
                raise Mistake(given.broken[min(given.broken)])
            batches.append(each.cpu())
        logits = torch.cat(batches)
        names = [self.classes[number] for number in rank_classes(logits, 1)[:, 0].tolist()]
        return Predictions(names, logits.softmax(1), self.classes)

    @property
    def class_names(self) -> list[str]:
        """The classes as people call them: ImageNet's synsets have names."""
        return name_classes(self.classes)

    @property
    def folder_names(self) -> dict[str, int]:
        """By each name that the folder of a class may have, the number of the class."""
        return number_classes(self.classes)

    @torch.no_grad()
    def compute_logits(self, batches: Batches) -> Iterator[Tensor]:
        """The logits (B, K) float32 of each batch; their softmax is the mean of the views' (§4.1).

        Raises Failure if a batch finds too little memory.
        """
        self.model.eval()
        with self.network.enough_memory():
            for images, labels in batches.epoch():
                yield average_views(self.network.forward(images), len(labels))

    def make_batches(
        self,
        images: Tensor | ImageFiles,
        views: int | None = None,
        batch_size: int | None = None,
        labels: Tensor | None = None,
    ) -> Batches:
        """The batches of images, prepared as the run's test images are.

        images: (N, channels, side, side) uint8, or the files. views: of each; None: as the run was tested. batch_size:
        views a batch; None: the run's own, which gives the same bits. labels: (N,) int64; None: all are 0.
        """
        preparation = self.preparation.for_test()
        if views is not None:
            preparation = replace(preparation, views=views)
        split = Split(images, torch.zeros(len(images), dtype=torch.int64) if labels is None else labels)
        settings = OmegaConf.create({**self.options, "batch_size": batch_size or self.options.batch_size})
        if len(images) * (preparation.views or 1) <= settings.batch_size:  # nothing to decode meanwhile
            settings.device = {**settings.device, "workers": 0}
        return configure_batches(settings, self.network.engine, self.size)(split, preparation)

    def open_files(self, paths: Sequence[str], invert: bool = False, inspect: Inspect | None = None) -> Photographs:
        """Image files that are decoded batch by batch, one that can't be read as black. invert: dark becomes light."""
        return Photographs(paths, self.side, self.channels, invert, inspect=inspect)

    def load_split(self, split: str = "test") -> tuple[Dataset, Batches]:
        """The run's dataset, and its test, validation or train images, prepared as for a test, with their labels.

        Raises Mistake if the data isn't there, or its classes aren't the run's.
        """
        if self.run is None:
            return self._load_published_split(split)
        dataset, batches = load_split(self.options, self.network.engine, split, self.classes)
        if list(dataset.classes) != self.classes:
            raise Mistake(f"The data of {self.source} has other classes than the run: {', '.join(dataset.classes)}.")
        return dataset, batches

    def _load_published_split(self, split: str) -> tuple[Dataset, Batches]:
        """The images of dataset.root, whose class folders are called as ImageNet's synsets or categories are."""
        if split != "test":
            raise Mistake(
                f"{self.source} is a file of weights, and has test images only: those in dataset.root=FOLDER."
            )
        known = list(number_classes(self.classes))
        dataset, batches = load_split(self.options, self.network.engine, split, known)
        numbers = torch.tensor(number_folders(dataset.classes, self.classes, self.options.dataset.root))
        batches.labels = numbers.to(batches.device)[batches.labels]
        return replace(dataset, classes=self.classes, test=replace(dataset.test, labels=batches.labels.cpu())), batches

    def _decode(self, images: Sequence[AnImage], invert: bool) -> Tensor:
        """The images as (N, channels, side, side) uint8."""
        mode = MODES[self.channels]
        decoded = [
            decode(str(image), self.side, mode=mode)
            if isinstance(image, (str, PathLike))
            else fit_image(as_pil_image(image), self.side, mode)
            for image in images
        ]
        if not decoded:
            return torch.empty(0, self.channels, self.side, self.side, dtype=torch.uint8)
        return 255 - torch.stack(decoded) if invert else torch.stack(decoded)


def load(
    source: str | PathLike[str],
    overrides: Sequence[str] = (),
    weights: str | None = None,
    device: str | None = None,
    config_dir: str | PathLike[str] | None = None,
) -> Trained:
    """The trained network in a run's folder, or in a weight file that torchvision publishes for its AlexNet.

    It needs no data, and runs no code from the folder. overrides: of the run's configuration, such as
    dataset.root=FOLDER. weights: best or last; None: those that the run itself was tested with. device: auto, cpu, cuda
    or mps; None: the run's own, or auto if that isn't here. config_dir: as `--config-dir`.

    Raises Mistake if it is neither of the two, or lacks what is needed; Damaged if a file in the folder isn't as it was
    written.
    """
    if config_dir is not None:
        add_own_folder(str(config_dir))
    is_file = _is_file(source)
    if weights not in (None, "best", "last"):
        raise Mistake(
            f"weights={weights!r:.200}: expected best or last, or None for those that the run was tested with."
        )
    if is_file:
        if weights is not None:
            raise Mistake(f"{source} is a file of weights, and has no {weights} ones: leave that out.")
        return _load_published(str(source), overrides, device)
    run = Run(Path(source))
    config, changed = load_run_config(run, overrides, trains=False)
    classes = run.classes()
    if classes is None:
        raise Mistake(
            f"{run.folder} doesn't name its classes: version 0.1.0 did so at the end only. To finish it: "
            f"python scripts/resume.py {quote(str(run.folder))}"
        )
    channels = run.environment().get("channels", facts.get_facts(config.dataset._target_).channels or 3)
    network = _build(config, classes, channels, device)
    chosen = weights or choose_weights(config, changed)
    if chosen == "best" and choose_weights(config) == "last":
        raise Mistake(f"{run.folder} held out no images, so it has no best weights: take its last ones.")
    epoch = load_weights(network, run, chosen, config.ema > 0, overrides)
    return Trained(str(source), network, config, run=run, weights=chosen, epoch=epoch)


def _is_file(source: str | PathLike[str]) -> bool:
    """Raises Mistake if it is no path."""
    if not isinstance(source, (str, PathLike)):
        raise Mistake(f"{source!r:.200} is no path: expected {EXPECTED}.")
    try:
        return Path(source).is_file()
    except OSError as error:
        raise Mistake(f"{source!r:.200} can't be opened: {error.strerror}; expected {EXPECTED}.") from error


def _load_published(file: str, overrides: Sequence[str], device: str | None) -> Trained:
    if is_image(file):
        raise Mistake(f"{file} is an image: RUN comes first, {EXPECTED}; the images come after it.")
    config, _ = with_overrides(compose_published(), overrides)
    network = _build(config, list_categories(), 3, device)
    with refusing("model", config.model):
        try:
            load_file(network.model, file)
        except ValueError as error:
            raise Mistake(f"{str(error).removeprefix('model.weights=')}. RUN must be {EXPECTED}.") from error
    return Trained(file, network, config)


def _build(config: DictConfig, classes: Sequence[str], channels: int, device: str | None) -> Network:
    """The network, without its weights."""
    engine = choose_engine(_use_what_is_here(config, device))
    return build_network(config, engine, Dataset.without_images(classes, channels, config.dataset.size))


def _use_what_is_here(config: DictConfig, name: str | None) -> DictConfig:
    """The configuration for another device, if one is named or the run's own isn't here. Nothing is compiled: that
    takes longer than most predictions.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    own = {**config.device, "compile": False}
    wanted = {str(device).partition(":")[0] for device in [own["name"], *(own["columns"] or [])]}
    if name is not None or not all(here.get(device, True) for device in wanted):
        if name is None:
            logger.warning(translate("The run's device isn't here: another one is used."))
        own |= {"name": name or "auto", "columns": None}
        own["precision"] = "auto" if own["precision"] == "tf32" else own["precision"]
    return OmegaConf.create({**config, "device": own})
