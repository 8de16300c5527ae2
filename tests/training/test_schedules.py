"""Each schedule gives the learning rates of torch's own scheduler, step by step."""

import pytest
import torch
from torch.optim import lr_scheduler

from alexnet.training import schedules

EPOCHS, STEPS = 12, 10


def torch_factors(make, per_step, errors=()):
    """The learning rate of a torch scheduler at each step of training, from a base of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    scheduler = make(optimizer)
    factors = []
    for epoch in range(EPOCHS):
        for _ in range(STEPS):
            factors.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if per_step:
                scheduler.step()
        if not per_step:
            scheduler.step(*([errors[epoch]] if errors else []))
    return factors


def our_factors(schedule, errors=(), **options):
    return [
        schedule(epoch + step / STEPS, EPOCHS, errors[:epoch], **options)
        for epoch in range(EPOCHS)
        for step in range(STEPS)
    ]


def test_constant():
    assert set(our_factors(schedules.constant)) == {1.0}


def test_step():
    expected = torch_factors(lambda o: lr_scheduler.StepLR(o, 5, 0.3), per_step=False)
    assert our_factors(schedules.step, every=5, factor=0.3) == pytest.approx(expected)


def test_cosine():
    expected = torch_factors(lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS, eta_min=0.1), per_step=True)
    assert our_factors(schedules.cosine, warmup=0, final=0.1) == pytest.approx(expected)


def test_linear():
    expected = torch_factors(lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, EPOCHS * STEPS), per_step=True)
    assert our_factors(schedules.linear, warmup=0, final=0.1) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", [schedules.cosine, schedules.linear])
def test_warmup_is_a_line_from_zero(schedule):
    warm = our_factors(schedule, warmup=2, final=0)[: 2 * STEPS + 1]
    assert warm == pytest.approx([index / (2 * STEPS) for index in range(2 * STEPS + 1)])


def test_one_cycle():
    """torch's cycle ends on its last step, ours after it, so torch gets one step more."""
    total = EPOCHS * STEPS + 1
    expected = torch_factors(
        lambda o: lr_scheduler.OneCycleLR(
            o,
            1.0,
            total_steps=total,
            pct_start=(36 + 1) / total,
            div_factor=25,
            final_div_factor=1e4,
            cycle_momentum=False,
        ),
        per_step=True,
    )
    ours = our_factors(schedules.one_cycle, rise=36 / (EPOCHS * STEPS), start=1 / 25, final=1 / 25e4)
    assert ours == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_plateau(patience):
    errors = [0.9, 0.8, 0.8, 0.81, 0.79999, 0.7, 0.7, 0.7, 0.7, 0.69, 0.69, 0.69]
    expected = torch_factors(
        lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.1, patience=patience, threshold=1e-4),
        per_step=False,
        errors=errors,
    )
    assert our_factors(schedules.plateau, errors, factor=0.1, patience=patience, threshold=1e-4) == pytest.approx(
        expected
    )
