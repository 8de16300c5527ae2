"""Keeps torch's optimizers from importing torch's compiler, which takes a third of a program's start-up time.

The optimizers import it only to exclude themselves from compilation. tests/training/test_optimizer.py checks that every
optimizer in conf/optimizer still takes torch's own steps, bit for bit.
"""

import inspect
from functools import partial

import torch
from torch.optim import optimizer as module


def prevent_compiler_import() -> None:
    """Marks the methods that all optimizers share as not to be compiled, so torch needn't import its compiler."""
    for method in filter(inspect.isfunction, vars(torch.optim.Optimizer).values()):
        plain = inspect.unwrap(method)
        setattr(plain, "__dynamo_disable", plain)  # where torch keeps the method that it would make


def unwrap_step(optimizer: torch.optim.Optimizer) -> None:
    """Gives the optimizer torch's step without what is wrapped around it: the compiler's import, hooks, a profiler.

    The step stays as it is if the class isn't torch's own, if there are hooks, or if it is to be differentiable.
    """
    kind = type(optimizer)
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        module._global_optimizer_pre_hooks,
        module._global_optimizer_post_hooks,
    )
    if kind.__module__.startswith("torch.optim.") and not any(hooks) and not optimizer.defaults.get("differentiable"):
        vars(optimizer)["step"] = torch.no_grad()(partial(inspect.unwrap(kind.step), optimizer))
