"""A step without torch's compiler is torch's own step."""

import subprocess
import sys

import pytest
import torch

from alexnet.training.build import assemble
from support.options import options_of
from support.programs import ROOT


@pytest.mark.parametrize("fused", ["true", "false"])
@pytest.mark.parametrize("optimizer", options_of("optimizer"))
def test_a_step_is_torchs_own_bit_for_bit(compose, small, optimizer, fused):
    """The weights and the optimizer's state after three steps with the same gradients."""
    config = compose(*small, f"optimizer={optimizer}", "optimizer.lr=0.01", f"device.fused={fused}")
    ours, theirs = assemble(config), assemble(config)
    del theirs.optimizer.step  # the class's own is left
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
