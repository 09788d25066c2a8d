"""The sweep of the learning rate: nothing that follows notices it, and it stops in time."""

import math

import pytest
import torch
from torch import nn

import coursekit as ck


def data(count=61, size=8):
    """Return Data of ``count`` examples, shuffled and changed by random draws."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(count, 6, generator=draw)
    y = (x[:, 0] > 0).long()
    train = ck.Batches(
        x, y, batch_size=size, shuffle=True, augment=lambda x: x + torch.rand(len(x), 1)
    )
    return ck.Data(train, ck.Batches(x, y, batch_size=size))


def learner():
    """Return a learner whose network draws numbers and keeps statistics."""
    torch.manual_seed(3)
    layers = [nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 2)]
    model = nn.Sequential(*layers)
    groups = [layers[:2], layers[2:]]
    return ck.Learner(data(), model, ck.cross_entropy, groups=groups)


def lesson(*sweeps):
    """Run the cells of a lesson, with a sweep before those fits whose numbers are given."""
    learn = learner()
    for number in range(3):
        if number == 1:
            learn.freeze()
        if number == 2:
            learn.unfreeze()
        if number in sweeps:
            learn.find_lr(steps=30)
        learn.fit(1, 0.05)
    return learn, torch.rand(1)


@pytest.mark.parametrize("sweeps", [(0,), (1,), (0, 1, 2)])
def test_what_follows_does_not_notice_it(sweeps):
    """Guards against weights, statistics, momentum or random numbers left behind by the sweep."""
    (plain, draw), (swept, other) = lesson(), lesson(*sweeps)
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, swept.model.state_dict()[name]), name
    assert torch.equal(draw, other)
    assert [row["valid_loss"] for row in plain.history] == [
        row["valid_loss"] for row in swept.history
    ]


def test_an_interrupted_sweep_leaves_no_trace():
    """Guards against a stop button that leaves the weights of the highest rate behind."""
    learn = learner()
    before = {name: value.clone() for name, value in learn.model.state_dict().items()}
    calls = []

    def stop(x):
        calls.append(len(x))
        if len(calls) == 12:
            raise KeyboardInterrupt
        return x

    learn.data.train.transform = stop
    state = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        learn.find_lr()
    assert all(torch.equal(before[name], now) for name, now in learn.model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


def test_it_leaves_no_trace_in_modules_and_callbacks():
    """Guards against what a model or callback noted in the sweep, or gradients, left behind."""

    class Note(nn.Linear):
        seen = None

        def forward(self, x):
            self.seen = x
            return super().forward(x)

    learn = ck.Learner(data(), Note(6, 2), ck.cross_entropy)
    learn.callbacks = [ck.ActivationStatistics([""]), ck.ClipGradients(0.1)]
    learn.find_lr(steps=12)
    assert learn.model.seen is None
    assert learn.callbacks[0].statistics == {}
    assert all(parameter.grad is None for parameter in learn.model.parameters())
    assert learn.history == []


def test_callbacks_take_part():
    """Guards against a rate chosen without the clipping that the training has."""
    plain, clipped = learner(), learner()
    clipped.callbacks = [ck.ClipGradients(1e-3)]
    clipped.optimizer = plain.optimizer = "sgd"
    highest = {"lowest": 0.1, "highest": 100, "steps": 40}
    assert len(plain.find_lr(**highest).losses) < len(clipped.find_lr(**highest).losses)


def test_the_losses_are_those_of_a_loop_by_hand():
    """Guards against losses after the step, rates one batch late, or smoothing without a start."""
    learn, twin = learner(), learner()
    torch.manual_seed(1)
    sweep = learn.find_lr(lowest=1e-4, highest=1e-1, steps=12)
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW(twin.model.parameters(), weight_decay=0.01, fused=True)
    twin.model.train()
    wanted, rates, running, smoothed = [], [], 0.0, []
    batches = (batch for _ in range(2) for batch in twin.data.train)
    for step in range(12):
        rates.append(1e-4 * 1000 ** (step / 11))
        optimizer.param_groups[0]["lr"] = rates[-1]
        x, y = next(batches)
        loss = nn.functional.cross_entropy(twin.model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        wanted.append(loss.item())
        running = 0.9 * running + 0.1 * wanted[-1]
        smoothed.append(running / (1 - 0.9 ** (step + 1)))
    assert sweep.losses == wanted
    assert sweep.rates == pytest.approx(rates)
    assert sweep.smoothed == pytest.approx(smoothed)
    assert "all 12 mini-batches" in sweep.stopped


def swept(losses, steps=100):
    """Return the sweep over a training whose losses are given."""
    given = iter(losses)
    part = ck.Batches(torch.zeros(2, 1), torch.zeros(2))
    loss = lambda scores, y: 0 * scores.sum() + next(given)  # noqa: E731
    model = nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))
    learn = ck.Learner(ck.Data(part, part), model, loss)
    return learn.find_lr(lowest=1e-5, highest=10.0, steps=steps)


def test_it_stops_above_four_times_the_best():
    """Guards against a plot that is all explosion, and against a stop at the first bad batch."""
    sweep = swept([2.0, 1.0, 1.0, 5.0, 1.0] + [1.0] * 10 + [100.0] * 85)
    assert len(sweep.losses) == len(sweep.rates) == len(sweep.smoothed) == 16
    best = min(sweep.smoothed[:-1])
    assert sweep.smoothed[-1] > 4 * best
    assert all(loss <= 4 * best for loss in sweep.smoothed[:-1])
    assert "mini-batch 16" in sweep.stopped
    assert "4 times" in sweep.stopped


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_it_stops_where_the_loss_is_no_number(odd):
    """Guards against a NaN in the picture, or one that makes every later value a NaN."""
    sweep = swept([1.0, 0.9, 0.8, odd] + [1.0] * 96)
    assert sweep.losses == pytest.approx([1.0, 0.9, 0.8])
    assert all(map(math.isfinite, sweep.smoothed))
    assert "mini-batch 4, the loss was no number" in sweep.stopped


def test_a_first_loss_that_is_no_number():
    """Guards against a crash where nothing could be measured."""
    sweep = swept([math.nan] * 100)
    assert sweep.losses == []
    assert sweep.suggestion is None


def test_one_batch_is_enough():
    """Guards against a data set smaller than the sweep."""
    learn = learner()
    learn.data = data(count=8)
    assert len(learn.data.train) == 1
    assert len(learn.find_lr(lowest=1e-6, highest=1e-2, steps=25).losses) == 25
    assert len(learn.find_lr(steps=1).losses) == 1


def test_the_suggestion_on_a_bowl_whose_limit_is_known():
    """Guards against a suggestion that diverges: on this loss, all rates above 2 / steep do."""
    steep = 20.0

    class Bowl(nn.Module):
        def __init__(self):
            super().__init__()
            self.place = nn.Parameter(torch.ones(4))

        def forward(self, x):
            return self.place.expand(len(x), 4)

    part = ck.Batches(torch.zeros(64, 1), torch.zeros(64), batch_size=8)
    learn = ck.Learner(
        ck.Data(part, part),
        Bowl(),
        lambda place, y: steep / 2 * (place**2).sum(1).mean(),
        optimizer=lambda groups: torch.optim.SGD(groups),
    )
    sweep = learn.find_lr(lowest=1e-5, highest=10.0, steps=100, weight_decay=0.0)
    assert 0.1 / steep < sweep.suggestion < 2 / steep
    assert "passed 4 times its best" in sweep.stopped
    lowest = sweep.rates[sweep.smoothed.index(min(sweep.smoothed))]
    assert sweep.suggestion == pytest.approx(lowest / 10, rel=0.1)
    assert "lowest (" in sweep.reason
    history = learn.fit(2, sweep.suggestion, schedule=ck.constant, weight_decay=0.0)
    assert history[-1]["valid_loss"] < 0.2 * steep * 2


def test_no_suggestion_where_the_loss_never_falls():
    """Guards against a rate suggested from noise."""
    sweep = swept([1.0] * 100)
    assert sweep.suggestion is None
    assert "less than 2 percent" in sweep.reason
