"""torch's optimizers without its compiler, which takes a third of a program's start to import.

Each of them imports it only to keep it from compiling them. tests/training/test_optimizer.py holds every optimizer in
conf/optimizer to torch's own steps, bit for bit.
"""

import inspect
from functools import partial

import torch


def prevent_compiler_import() -> None:
    """Marks the methods that all optimizers share as not to be compiled, which torch does by importing its compiler."""
    for method in filter(inspect.isfunction, vars(torch.optim.Optimizer).values()):
        plain = inspect.unwrap(method)
        setattr(plain, "__dynamo_disable", plain)  # where torch keeps the method that it would make


def unwrap_step(optimizer: torch.optim.Optimizer) -> None:
    """Gives the optimizer torch's step without what is wrapped around it: the compiler's import, hooks, a profiler."""
    vars(optimizer)["step"] = torch.no_grad()(partial(inspect.unwrap(type(optimizer).step), optimizer))
