"""What a file of weights that torchvision publishes for its AlexNet expects: its images, and its 1,000 classes."""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from alexnet.config.compose import compose_config
from alexnet.errors import Mistake, nearest

SYNSETS = Path(__file__).with_name("synsets.txt")
SYNSET = re.compile(r"n\d{8}")
# As torchvision's own transforms prepare images, and in the precision in which it computes.
SETTINGS = (
    "device.precision=float32",
    "dataset=imagenet",
    "dataset.size=224",
    "dataset.resize=256",
    "dataset.mean=[0.485,0.456,0.406]",
    "dataset.std=[0.229,0.224,0.225]",
    "dataset.colour=0",
    "dataset.views=1",
)


def compose_published() -> DictConfig:
    """The configuration of the network in such a file. A program that Hydra runs may ask for it, too."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        return compose_config(["model=alexnet", *SETTINGS])[0]
    finally:
        GlobalHydra.instance().hydra = running


def list_categories() -> list[str]:
    """torchvision's names of ImageNet's 1,000 classes, in the order of their synsets."""
    from torchvision.models import AlexNet_Weights  # takes a second to import

    return list(AlexNet_Weights.IMAGENET1K_V1.meta["categories"])


def list_synsets() -> list[str]:
    """ImageNet's 1,000 synsets, in the same order: n01440764, n01443537, ..."""
    return SYNSETS.read_text(encoding="ascii").split()


def name_classes(classes: Sequence[str]) -> list[str]:
    """Names for people: torchvision's if all classes are among ImageNet's synsets; else the classes as they are."""
    if not all(SYNSET.fullmatch(name) for name in classes):
        return list(classes)
    names = dict(zip(list_synsets(), list_categories(), strict=True))
    return [names[name] for name in classes] if names.keys() >= set(classes) else list(classes)


def number_classes(classes: Sequence[str]) -> dict[str, int]:
    """The number of each class, by each name that its folder may have.

    ImageNet's categories have their synsets as a second name. No folder is called T-shirt/top, but T-shirt_top.
    """
    synsets = list_synsets() if len(classes) == 1000 and list(classes) == list_categories() else []
    as_folders = [name.replace("/", "_") for name in classes]
    return {name: number for names in (synsets, as_folders, classes) for number, name in enumerate(names)}


def number_folders(folders: Sequence[str], classes: Sequence[str], root: str) -> list[int]:
    """The number of the class that each folder is named after. Raises Mistake for one that is none's."""
    numbers = number_classes(classes)
    for name in folders:
        if name not in numbers:
            raise Mistake(
                f"{root}: {name} isn't one of ImageNet's classes: expected folders named as its synsets, such as "
                f"n01440764, or as torchvision's categories{nearest(name, classes)}"
            )
    return [numbers[name] for name in folders]
