"""Keeps torch's optimizers from importing torch's compiler, which takes a third of a program's start-up time.

The optimizers import it only to exclude themselves from compilation. tests/training/test_optimizer.py checks that every
optimizer in conf/optimizer still takes torch's own steps, bit for bit.
"""

import inspect
from functools import partial

import torch


def prevent_compiler_import() -> None:
    """Marks the methods that all optimizers share as not to be compiled, so torch needn't import its compiler."""
    for method in filter(inspect.isfunction, vars(torch.optim.Optimizer).values()):
        plain = inspect.unwrap(method)
        setattr(plain, "__dynamo_disable", plain)  # where torch keeps the method that it would make


def unwrap_step(optimizer: torch.optim.Optimizer) -> None:
    """Gives the optimizer torch's step without what is wrapped around it: the compiler's import, hooks, a profiler."""
    vars(optimizer)["step"] = torch.no_grad()(partial(inspect.unwrap(type(optimizer).step), optimizer))
