"""What has another name since version 0.1.0, so that its folders stay readable."""

from typing import Any

# Targets of a configuration as version 0.1.0 named them, and their names today.
MOVED = {
    "alexnet.datasets.cifar10": "alexnet.data.cifar.cifar10",
    "alexnet.datasets.cifar100": "alexnet.data.cifar.cifar100",
    "alexnet.datasets.digits": "alexnet.data.digits.digits",
    "alexnet.datasets.fashion_mnist": "alexnet.data.fashion_mnist.fashion_mnist",
    "alexnet.datasets.image_folder": "alexnet.data.image_folder.image_folder",
    "alexnet.schedules.constant": "alexnet.training.schedules.constant",
    "alexnet.schedules.cosine": "alexnet.training.schedules.cosine",
    "alexnet.schedules.one_cycle": "alexnet.training.schedules.one_cycle",
    "alexnet.schedules.plateau": "alexnet.training.schedules.plateau",
    "alexnet.schedules.step": "alexnet.training.schedules.step",
}


def rename_targets(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration, changed in place, with today's names."""
    for group in config.values():
        if isinstance(group, dict) and isinstance(group.get("_target_"), str):
            group["_target_"] = MOVED.get(group["_target_"], group["_target_"])
    return config
