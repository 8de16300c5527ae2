"""Where a run computes."""

from collections.abc import Sequence

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


def of_columns(names: Sequence[str] | None) -> list[torch.device] | None:
    """The devices of a network's columns, one a column; None where there are no such names.

    Raises Mistake for what isn't a list of names, and for a device that isn't there.
    """
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise Mistake(f"device.columns={names}: expected null or a list, for example device.columns=[cuda:0,cuda:1]")
    try:
        devices = [torch.device(name) for name in names]
        for device in devices:
            torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:  # the latter from a torch without CUDA
        reason = str(error).splitlines()[0]
        raise Mistake(f"device.columns={names}: torch {torch.__version__} can't use them all here: {reason}") from error
    return devices
