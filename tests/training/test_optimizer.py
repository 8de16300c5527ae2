"""A step without torch's compiler is torch's own step."""

import inspect
import subprocess
import sys
from functools import wraps
from itertools import product

import pytest
import torch

from alexnet.training.build import assemble
from alexnet.training.optimizer import unwrap_step
from support.options import options_of
from support.programs import ROOT


@pytest.mark.parametrize("fused", ["true", "false"])
@pytest.mark.parametrize("optimizer", options_of("optimizer"))
def test_a_step_is_torchs_own_bit_for_bit(compose, small, optimizer, fused):
    """The weights and the optimizer's state after three steps with the same gradients."""
    config = compose(*small, f"optimizer={optimizer}", "optimizer.lr=0.01", f"device.fused={fused}")
    ours, theirs = assemble(config), assemble(config)
    vars(theirs.optimizer).pop("step", None)  # the class's own is left
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        for mine, other in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            other.grad = mine.grad.clone()
        ours.optimizer.step()
        theirs.optimizer.step()
    before = assemble(config).model.parameters()
    for mine, other, initial in zip(ours.model.parameters(), theirs.model.parameters(), before, strict=True):
        assert torch.equal(mine, other) and not torch.equal(mine, initial)
        assert ours.optimizer.state[mine].keys() == theirs.optimizer.state[other].keys()
        for name, value in theirs.optimizer.state[other].items():
            assert torch.equal(ours.optimizer.state[mine][name], value), name


def take_steps(optimizer, parameters):
    """The parameters after three steps with the same gradients, or the error of one."""
    generator = torch.Generator().manual_seed(0)
    try:
        for _ in range(3):
            for parameter in parameters:
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()
    except Exception as error:
        return repr(error)
    return [parameter.tolist() for parameter in parameters]


SWITCHES = ("maximize", "foreach", "fused", "capturable", "differentiable", "nesterov", "amsgrad", "centered")


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_any_switches_give_torchs_own_steps_or_its_own_error(kind):
    """Also those that torch refuses, alone or together, and at any step."""
    taken = inspect.signature(kind).parameters
    names = [name for name in SWITCHES if name in taken]
    momentum = {"momentum": 0.9} if "momentum" in taken else {}
    errors = 0
    for values in product((False, True), repeat=len(names)):
        ends = []
        for unwrapped in (True, False):
            parameters = [torch.nn.Parameter(torch.ones(3, 2)), torch.nn.Parameter(torch.ones(2))]
            try:
                optimizer = kind(parameters, lr=0.01, **momentum, **dict(zip(names, values, strict=True)))
            except RuntimeError:
                continue
            if unwrapped:
                unwrap_step(optimizer)
            ends.append(take_steps(optimizer, parameters))
        assert not ends or ends[0] == ends[1], dict(zip(names, values, strict=True))
        errors += bool(ends) and isinstance(ends[0], str)
    assert errors > 0


class Noting(torch.optim.SGD):
    """With a hook of its own."""

    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.noted = []
        self.register_step_post_hook(lambda *_: self.noted.append("hook"))


def twice(step):
    @wraps(step)
    def wrapped(self):
        step(self)
        step(self)

    return wrapped


class Twice(torch.optim.SGD):
    """With a step of its own."""

    step = twice(torch.optim.SGD.step)


@pytest.mark.parametrize("kind", [Noting, Twice])
def test_an_optimizers_own_hooks_and_step_are_used(kind):
    ends = []
    for unwrapped in (True, False):
        parameters = [torch.nn.Parameter(torch.ones(2))]
        optimizer = kind(parameters, lr=0.01)
        if unwrapped:
            unwrap_step(optimizer)
        ends.append((take_steps(optimizer, parameters), getattr(optimizer, "noted", [])))
    assert ends[0] == ends[1]


@pytest.mark.slow
def test_a_step_of_no_optimizer_imports_the_compiler(tmp_path):
    """Importing it takes as long as importing the rest of torch."""
    program = f"""
import sys, hydra, torch
from alexnet.training.build import assemble
for optimizer in {options_of("optimizer")!r}:
    with hydra.initialize_config_dir({str(ROOT / "conf")!r}, version_base="1.3"):
        config = hydra.compose("train", ["dataset=digits", "model=cuda_convnet", f"optimizer={{optimizer}}"])
    training = assemble(config)
    for parameter in training.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    training.optimizer.zero_grad(set_to_none=False)
    training.optimizer.step()
    assert "torch._dynamo" not in sys.modules, optimizer
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
