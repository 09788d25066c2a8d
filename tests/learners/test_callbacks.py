"""Callbacks: events by name, and each one equal to the formula that it stands for."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import coursekit as ck
from coursekit.console import CourseError
from coursekit.learners.events import EVENTS

SIZE, LR = 8, 0.1


def blobs(count=40, size=SIZE, classes=3):
    """Return Data in order, so that batches can be made again by hand."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(count, 6, generator=draw)
    y = torch.randint(classes, (count,), generator=draw)
    part = ck.Batches(x, y, batch_size=size)
    return ck.Data(part, part)


def net():
    """Return a network whose weights are the same in every call."""
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 3))


def learner(data=None, **options):
    """Return a learner with plain steps of SGD."""
    options = {"optimizer": "sgd", **options}
    return ck.Learner(data or blobs(), net(), ck.cross_entropy, **options)


class Watch(ck.Callback):
    """Keep what an event shows."""

    def __init__(self):
        self._seen = []

    def loss_ready(self, state):
        """Keep inputs, targets, scores and loss."""
        self._seen.append((state.x, state.y, state.prediction.detach(), state.loss.detach()))


class Gradients(ck.Callback):
    """Keep the gradients that the optimizer steps with."""

    def __init__(self):
        self._seen = []

    def grads_ready(self, state):
        """Keep them, flat."""
        kept = [parameter.grad.flatten() for parameter in state.model.parameters()]
        self._seen.append(torch.cat(kept).clone())


def fit(learn, *callbacks, epochs=1, seed=1):
    """Seed and fit at a constant rate."""
    torch.manual_seed(seed)
    return learn.fit(epochs, LR, schedule=ck.constant, callbacks=callbacks)


# Events -----------------------------------------------------------------------------------------


def test_events_come_in_order():
    """Guards against an event that is forgotten, told twice, or told too early."""
    told = []
    body = {event: lambda self, state, event=event: told.append(event) for event in EVENTS}
    everything = type("Everything", (ck.Callback,), body)
    fit(learner(blobs(16)), everything(), epochs=2)
    batch = ["batch_ready", "loss_ready", "grads_ready", "step_done"]
    epoch = ["epoch_start", *batch, *batch, "epoch_done"]
    assert told == ["fit_start", *epoch, *epoch, "fit_done"]


def test_a_callback_may_replace_inputs_targets_and_loss():
    """Guards against replacements that are looked at and not trained on."""

    class Replace(ck.Callback):
        def batch_ready(self, state):
            state.x, state.y = state.x * 0, state.y * 0

        def loss_ready(self, state):
            state.loss = state.loss * 0 + state.prediction.pow(2).mean()

    learn, twin = learner(blobs(8)), net()
    history = fit(learn, Replace())
    loss = twin(torch.zeros(8, 6)).pow(2).mean()
    assert history[0]["train_loss"] == pytest.approx(loss.item(), rel=1e-6)
    optimizer = torch.optim.SGD(twin.parameters(), LR, momentum=0.9, weight_decay=0.01)
    loss.backward()
    optimizer.step()
    for mine, theirs in zip(learn.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


# Mixup and label smoothing ----------------------------------------------------------------------


def test_mixup_blends_examples_and_labels_alike():
    """Guards against inputs and targets blended by different shares or partners."""
    watch, data = Watch(), blobs(8)
    fit(learner(data), ck.Mixup(3, alpha=0.4), watch)
    ((x, y, scores, loss),) = watch._seen
    torch.testing.assert_close(y.sum(1), torch.ones(8))
    assert y.min() >= 0
    torch.manual_seed(1)
    share = torch.distributions.Beta(0.4, 0.4).sample((8,))
    share, partner = torch.maximum(share, 1 - share), torch.randperm(8)
    before, target = data.train.inputs, data.train.targets
    torch.testing.assert_close(x, share[:, None] * before + (1 - share[:, None]) * before[partner])
    one = F.cross_entropy(scores, target, reduction="none")
    other = F.cross_entropy(scores, target[partner], reduction="none")
    torch.testing.assert_close(loss, (share * one + (1 - share) * other).mean())
    assert share.min() >= 0.5  # else an example could be its partner under another name


def test_mixup_of_several_labels_an_example():
    """Guards against one_hot of targets that are already shares."""
    x, y = torch.randn(8, 6), (torch.rand(8, 3) > 0.5).float()
    part, watch = ck.Batches(x, y, batch_size=8), Watch()
    learn = ck.Learner(ck.Data(part, part), net(), ck.binary_cross_entropy)
    fit(learn, ck.Mixup(), watch)
    assert watch._seen[0][1].shape == (8, 3)


def own():
    """Return a learner of numbers."""
    x = torch.randn(16, 6)
    model = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    return ck.Learner(ck.Data(*[ck.Batches(x, x[:, 0])] * 2), model, ck.mean_squared_error)


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (
            lambda: type("Mine", (ck.Callback,), {"step_doen": lambda self, state: None}),
            "step_doen is no event.*step_done",
        ),
        (lambda: fit(learner(), ck.Mixup()), r"ck.Mixup\(len\(data.classes\)\)"),
        (lambda: fit(learner(), ck.Mixup(2)), "classes=2 is too few"),
        (lambda: ck.Mixup(2, alpha=0), "alpha=0"),
        (lambda: ck.LabelSmoothing(2), "epsilon=2"),
        (lambda: ck.LabelSmoothing(-0.1), "epsilon=-0.1"),
        (lambda: fit(own(), ck.LabelSmoothing()), "mean_squared_error"),
        (lambda: ck.ClipGradients("1"), "max_norm='1'"),
        (lambda: ck.hook_outputs(net(), "3").__enter__(), "no layer '3'"),
        (lambda: ck.hook_outputs(learner(), ["0"]).__enter__(), "model=.*torch.nn.Module"),
        (lambda: fit(learner(), ck.ActivationStatistics("layer4")), "no layer 'layer4'"),
        (
            lambda: fit(learner(metrics=[ck.accuracy]), ck.KeepBestWeights("acuracy")),
            "'acuracy'.*Did you mean 'accuracy'",
        ),
    ],
)
def test_a_callback_that_cannot_work_says_so(use, sentence):
    """Guards against a shape error deep inside torch, and a blend of what cannot be blended."""
    with pytest.raises(CourseError, match=sentence):
        use()


def test_mixup_is_for_training_only():
    """Guards against a validation on blends, which looks worse than it is."""
    learn = learner(metrics=[ck.accuracy])
    row = fit(learn, ck.Mixup(3))[0]
    scores = learn.model(learn.data.valid.inputs)
    loss = F.cross_entropy(scores, learn.data.valid.targets)
    assert row["valid_loss"] == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_label_smoothing_equals_torch(share):
    """Guards against smoothing that leaves out the right class, or counts it twice."""
    watch, data = Watch(), blobs(8)
    fit(learner(data), ck.LabelSmoothing(share), watch)
    _, y, scores, loss = watch._seen[0]
    torch.testing.assert_close(loss, F.cross_entropy(scores, y, label_smoothing=share))


# Gradients --------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [0.01, 1e6])
def test_clipping_equals_torch(norm):
    """Guards against a clip per tensor, or one that stretches short gradients."""
    plain, clipped = Gradients(), Gradients()
    fit(learner(blobs(8)), plain)
    fit(learner(blobs(8)), ck.ClipGradients(norm), clipped)
    wanted = plain._seen[0] * min(1, norm / plain._seen[0].norm().item())
    torch.testing.assert_close(clipped._seen[0], wanted, rtol=1e-4, atol=1e-9)


# The best epoch ---------------------------------------------------------------------------------


def scripted(values, higher=False):
    """Return a metric "score" that has one of the values after the other."""
    given = iter(values)
    return ck.Metric("score", lambda scores, y: torch.zeros(1), lambda sums: next(given), higher)


@pytest.mark.parametrize(
    ("values", "higher", "best"),
    [
        ([5, 3, 4, 6], False, 2),
        ([5, 3, 4, 6], True, 4),
        ([5, 5, 5, 5], False, 1),
        ([float("nan"), 3, float("nan"), 5], False, 2),
    ],
)
def test_keep_best_ends_with_the_weights_of_the_best_epoch(values, higher, best):
    """Guards against weights of the epoch before or after, or the first of a later fit."""
    learn, twin = learner(metrics=[scripted(values, higher)]), learner()
    keep = ck.KeepBestWeights("score")
    fit(learn, keep, epochs=4)
    fit(twin, epochs=best)
    for mine, theirs in zip(learn.model.parameters(), twin.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_keep_best_forgets_the_fit_before():
    """Guards against the weights of an earlier, better fit coming back."""
    keep = ck.KeepBestWeights("score")
    learn = learner(metrics=[scripted([1, 7, 6])])
    fit(learn, keep)
    first = learn.model[0].weight.clone()
    fit(learn, keep, epochs=2)
    assert not torch.equal(first, learn.model[0].weight)


# Looking inside ---------------------------------------------------------------------------------


def hooks(model):
    """Return how many hooks a model has."""
    return sum(len(module._forward_hooks) for module in model.modules())


def test_hook_outputs_records_and_leaves_nothing_behind():
    """Guards against hooks that keep every batch alive after the block."""
    model = net()
    with ck.hook_outputs(model, ["0", "2"]) as outputs:
        scores = model(torch.randn(4, 6))
    assert torch.equal(outputs["2"], scores)
    assert outputs["0"].shape == (4, 10)
    assert not outputs["2"].requires_grad
    assert hooks(model) == 0


def test_hook_outputs_records_tuples():
    """Guards against a hook that dies on nn.LSTM, or keeps its graph alive."""
    layer = torch.nn.LSTM(3, 5, batch_first=True)
    with ck.hook_outputs(torch.nn.Sequential(layer), ["0"]) as outputs:
        hidden, (last, cell) = layer(torch.randn(2, 4, 3))
    kept, (kept_last, kept_cell) = outputs["0"]
    for one, other in ((kept, hidden), (kept_last, last), (kept_cell, cell)):
        assert torch.equal(one, other)
        assert not one.requires_grad


def test_activation_statistics_of_a_layer_that_gives_a_tuple():
    """Guards against numbers of the wrong part: the cell instead of what the next layer gets."""

    class Last(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.out = torch.nn.LSTM(6, 4, batch_first=True), torch.nn.Linear(4, 3)

        def forward(self, x):
            return self.out(self.layer(x[:, None])[0][:, -1])

    model, x = Last(), torch.randn(9, 6)
    data = ck.Data(*[ck.Batches(x, torch.arange(9) % 3, batch_size=9)] * 2)
    with torch.no_grad():
        first = model.layer(x[:, None])[0]
    watch = ck.ActivationStatistics(["layer"])
    learn = ck.Learner(data, model, ck.cross_entropy, callbacks=[watch])
    learn.fit(1, lr=0.1)
    wanted = torch.stack([first.mean(), first.std(), torch.zeros(())])
    assert torch.allclose(watch.statistics["layer"][0], wanted, atol=1e-6)


def test_activation_statistics_are_read_back_with_the_fit(capsys):
    """Guards against an empty figure when a lesson is run again and its fits are finished."""
    x = torch.randn(9, 5)
    data = ck.Data(*[ck.Batches(x, torch.arange(9) % 3, batch_size=4)] * 2)

    def listened():
        ck.seed(1)
        model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
        watch = ck.ActivationStatistics()
        ck.Learner(data, model, ck.cross_entropy, callbacks=[watch]).fit(2, 0.1, name="a")
        return watch.statistics["1"]

    first = listened()
    assert len(first) == 6
    assert torch.equal(listened(), first)
    assert "2 epochs, finished" in capsys.readouterr().out


def test_hook_outputs_leaves_nothing_behind_after_an_error():
    """Guards against hooks of the right names left behind by a wrong one."""
    model = net()
    with (
        pytest.raises(CourseError, match="no layer 'layer9'"),
        ck.hook_outputs(model, ["0", "layer9"]),
    ):
        pass
    assert hooks(model) == 0
    with pytest.raises(RuntimeError), ck.hook_outputs(model, ["0"]):
        model(torch.randn(4, 5))
    assert hooks(model) == 0


class Interrupt(ck.Callback):
    """The stop button, after the first step."""

    def step_done(self, state):
        """Stop."""
        raise KeyboardInterrupt


def test_activation_statistics_are_right_and_leave_nothing_behind():
    """Guards against statistics of the validation, of one batch, or hooks that stay."""
    learn, data = learner(), blobs()
    watch = ck.ActivationStatistics()
    fit(learn, watch, epochs=2)
    (rows,) = watch.statistics.values()
    assert list(watch.statistics) == ["1"]
    assert rows.shape == (2 * 5, 3)
    assert hooks(learn.model) == 0
    with pytest.raises(KeyboardInterrupt):
        fit(learn, ck.ActivationStatistics("0"), Interrupt())
    assert hooks(learn.model) == 0
    first = net()[:2](data.train.inputs[:SIZE]).detach()
    wanted = torch.stack([first.mean(), first.std(), (first == 0).float().mean()])
    torch.testing.assert_close(rows[0], wanted)
