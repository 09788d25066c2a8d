"""Schedules: torch's own at every step, pure, and within their bounds.

Progress 1 is the moment after the last step, as in torch's CosineAnnealingLR: the first step is
taken at progress 0, the last at 1 - 1/steps, so that no step is spent at a rate of zero. torch's
OneCycleLR counts otherwise: its last step is its end, and is taken at the lowest rate. Ours equals
it where it is told of one step more.
"""

import pytest
import torch
from torch.optim import lr_scheduler

import coursekit as ck

LR = 0.3


def theirs(make, steps):
    """Return the rates that a scheduler of torch gives to each of ``steps`` steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    plan, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        plan.step()
    return rates


def ours(schedule, steps):
    """Return the rates of our schedule."""
    return [LR * schedule(step / steps) for step in range(steps)]


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_cosine_equals_torch(steps):
    """Guards against a cosine that is a step early or late."""
    wanted = theirs(lambda o: lr_scheduler.CosineAnnealingLR(o, steps), steps)
    assert ours(ck.cosine, steps) == pytest.approx(wanted, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    ("cycles", "t_mult", "first"), [(1, 1, 10), (3, 1, 10), (3, 2, 4), (4, 2, 3), (2, 3, 5)]
)
def test_restarts_equal_torch(cycles, t_mult, first):
    """Guards against a restart at the wrong step, or cycles that do not grow."""
    steps = sum(first * t_mult**number for number in range(cycles))
    wanted = theirs(
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, first, T_mult=t_mult), steps
    )
    schedule = ck.CosineRestarts(cycles=cycles, t_mult=t_mult)
    assert ours(schedule, steps) == pytest.approx(wanted, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("steps", [10, 33, 100, 1000])
def test_one_cycle_equals_torch(steps):
    """Guards against another shape, start, peak or end than the schedule's of the paper."""
    wanted = theirs(
        lambda o: lr_scheduler.OneCycleLR(
            o,
            max_lr=LR,
            total_steps=steps + 1,
            pct_start=(0.3 * steps + 1) / (steps + 1),
            div_factor=25,
            final_div_factor=1e4,
            cycle_momentum=False,
        ),
        steps,
    )
    assert ours(ck.one_cycle, steps) == pytest.approx(wanted, rel=1e-9)


ALL = [
    ck.constant,
    ck.cosine,
    ck.one_cycle,
    ck.CosineRestarts(),
    ck.CosineRestarts(4, 2),
]


@pytest.mark.parametrize("schedule", ALL, ids=lambda one: repr(one).split(" at ")[0])
def test_factors_stay_between_zero_and_one(schedule):
    """Guards against rounding at the ends, where a negative rate would climb the loss."""
    factors = [schedule(step / 997) for step in range(998)]
    assert min(factors) >= 0
    assert max(factors) <= 1
    assert max(factors) > 0.99
