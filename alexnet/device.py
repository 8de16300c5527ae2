"""Where a run computes."""

import torch

from alexnet.errors import Mistake

THREADS = torch.get_num_threads()  # torch's own choice, to go back to when one job of a sweep had another


def choose(name: str, threads: int | None = None) -> torch.device:
    """The device of that name; `auto` is a CUDA GPU where there is one, else Apple's, else the processor.

    threads: processor threads for torch; None leaves torch's own choice.
    Raises Mistake where the device asked for isn't there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, available in there.items() if available)
    if not there[name]:
        have = ", ".join(device for device, available in there.items() if available)
        raise Mistake(
            f"device={name}: torch {torch.__version__} finds no such device here, only {have}. "
            f"Give device=cpu, or device=auto to take the best one there is."
        )
    torch.set_num_threads(threads or THREADS)
    return torch.device(name)
