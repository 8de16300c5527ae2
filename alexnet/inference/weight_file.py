"""What a file of weights that torchvision publishes for its AlexNet expects: its images, and its 1,000 classes."""

from omegaconf import DictConfig

from alexnet.config.compose import compose_config

# As torchvision's own transforms prepare images.
PREPARATION = (
    "dataset=imagenet",
    "dataset.size=224",
    "dataset.resize=256",
    "dataset.mean=[0.485,0.456,0.406]",
    "dataset.std=[0.229,0.224,0.225]",
    "dataset.colour=0",
    "dataset.views=1",
)


def compose_published(file: str) -> DictConfig:
    """The configuration of the network in the file."""
    config, _ = compose_config(["model=alexnet", *PREPARATION])
    config.model.weights = file
    return config


def list_categories() -> list[str]:
    """torchvision's names of ImageNet's 1,000 classes, in the order of their synsets."""
    from torchvision.models import AlexNet_Weights  # takes a second to import

    return list(AlexNet_Weights.IMAGENET1K_V1.meta["categories"])


def name_classes(classes: list[str]) -> list[str]:
    """Names for people: those of ImageNet's classes if the classes are its 1,000 synsets; else the classes as they are.

    Synsets are such as n01440764; torchvision's names are in the same order.
    """
    are_synsets = len(classes) == 1000 and all(name[:1] == "n" and name[1:].isdecimal() for name in classes)
    return list_categories() if are_synsets and classes == sorted(classes) else classes
