"""Trains AlexNet and compares the runs, configured with Hydra. docs/architecture.md has the map of the folders.

import alexnet
trained = alexnet.load("outputs/2026-11-27/15-19-30/3")
trained.predict("photograph.jpg").top(5)
"""

import sys
from os import PathLike
from typing import TYPE_CHECKING

if sys.platform == "win32":  # before anything that imports what Windows lacks: docs/platforms.md
    print("alexnet doesn't run on Windows itself: run it in WSL, which is Linux: wsl --install", file=sys.stderr)
    sys.exit(2)

if TYPE_CHECKING:
    from alexnet.inference.trained import Trained


def load(
    source: "str | PathLike[str]",
    weights: str | None = None,
    device: str | None = None,
    config_dir: "str | PathLike[str] | None" = None,
) -> "Trained":
    """The trained network in a run's folder, or in a file of weights that torchvision publishes for its AlexNet.

    It needs no data, and runs no code from the folder. weights: best (of the best validation epoch) or last; None:
    those that the run itself was tested with. device: auto, cpu, cuda or mps; None: the run's own if it is here.
    config_dir: your own folder with what the run was made of besides conf/, as for train.py --config-dir.

    Raises errors.Mistake if there is no such run, or it lacks what is needed, and errors.Damaged, which is one, if a
    file in it isn't as the run wrote it.
    """
    from alexnet.inference.trained import load as load_trained  # torch takes seconds to import

    return load_trained(source, weights=weights, device=device, config_dir=config_dir)
