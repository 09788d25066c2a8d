"""The training loop: equal to a loop of raw torch, honest in its table, clear when it fails."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import coursekit as ck
from coursekit import runtime
from coursekit.console import CourseError

EPOCHS, SIZE = 3, 16


def examples(count=70, seed=0):
    """Return inputs (count, 6) and classes (count,) that depend on them."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=draw)
    return x, (x[:, 0] * x[:, 1] > 0).long() + (x[:, 2] > 1).long()


def blobs(count=70, *, size=SIZE, shuffle=True):
    """Return Data of ``count`` training and 25 validation examples."""
    train = ck.Batches(*examples(count), batch_size=size, shuffle=shuffle)
    return ck.Data(
        train, ck.Batches(*examples(25, seed=1), batch_size=size), classes=("a", "b", "c")
    )


def net(norm=True, dropout=0.2):
    """Return a small network whose weights are the same in every call."""
    torch.manual_seed(5)
    middle = [nn.BatchNorm1d(12)] if norm else []
    return nn.Sequential(
        nn.Linear(6, 12), *middle, nn.ReLU(), nn.Dropout(dropout), nn.Linear(12, 3)
    )


class Two(nn.Module):
    """A network with two inputs."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.left, self.right = nn.Linear(4, 3), nn.Linear(2, 3)

    def forward(self, left, right):
        """Return scores (B, 3)."""
        return self.left(left) + self.right(right).tanh()


def learner(data=None, model=None, **options):
    """Return a learner on the blobs that writes nothing to disk."""
    return ck.Learner(data or blobs(), model or net(), ck.cross_entropy, **options)


def fit(learn, *arguments, seed=1, **options):
    """Seed, fit, and return the model."""
    torch.manual_seed(seed)
    learn.fit(*arguments, **options)
    return learn.model


def assert_same(one, two):
    """Two models have the same weights and buffers, bit for bit."""
    one, two = one.state_dict(), two.state_dict()
    assert list(one) == list(two)
    for name in one:
        assert torch.equal(one[name], two[name]), name


def assert_near(one, two, tolerance=1e-6):
    """Two models have the same weights but for rounding."""
    for mine, theirs in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)


# Parity with raw torch --------------------------------------------------------------------------

LR = 0.1
RAW = {
    "sgd": lambda p: torch.optim.SGD(p, lr=LR, momentum=0.9, weight_decay=0.01, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=LR, weight_decay=0.01, fused=True),
}


def by_hand(model, x, y, optimizer, plan):
    """Train as anybody would with nothing but torch; ``x`` is a tuple of tensors."""
    torch.manual_seed(1)
    for _ in range(EPOCHS):
        model.train()
        order = torch.randperm(len(y))
        for start in range(0, len(y), SIZE):
            rows = order[start : start + SIZE]
            loss = F.cross_entropy(model(*[part[rows] for part in x]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            plan.step()
    return model


def steps_of(optimizer, factor, count=70):
    """Return torch's own scheduler that multiplies the rate by ``factor`` of the progress."""
    steps = EPOCHS * -(-count // SIZE)
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(step / steps))


@pytest.mark.parametrize("schedule", [ck.constant, ck.one_cycle], ids=["constant", "one_cycle"])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_weights_equal_a_raw_loop(name, schedule):
    """Guards against any step more, less or in another order than forward, loss, backward, step."""
    (x, y), model = examples(), net()
    optimizer = RAW[name](model.parameters())
    by_hand(model, (x,), y, optimizer, steps_of(optimizer, schedule))
    assert_same(fit(learner(optimizer=name), EPOCHS, LR, schedule=schedule), model)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_weights_equal_a_raw_loop_with_two_inputs(name):
    """Guards against a tuple of inputs taken apart, or in another order than the targets."""
    (x, y), model = examples(), Two()
    parts = x[:, :4].contiguous(), x[:, 4:].contiguous()
    optimizer = RAW[name](model.parameters())
    by_hand(model, parts, y, optimizer, steps_of(optimizer, ck.one_cycle))
    train = ck.Batches(parts, y, batch_size=SIZE, shuffle=True)
    learn = learner(ck.Data(train, train.sequential()), Two(), optimizer=name)
    assert_same(fit(learn, EPOCHS, LR), model)
    assert torch.equal(learn.predict().targets, y)


def test_a_plain_data_loader_is_data():
    """Guards against asking more of the data than to be an iterable of (x, y) with a length."""
    sets = [TensorDataset(*examples(count, seed)) for count, seed in ((70, 0), (25, 1))]
    train, valid = DataLoader(sets[0], SIZE, shuffle=True), DataLoader(sets[1], SIZE)
    model = net()
    optimizer = RAW["adamw"](model.parameters())
    torch.manual_seed(1)
    for _ in range(EPOCHS):
        model.train()
        for x, y in train:
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
        list(valid)  # to walk through a loader draws a random number

    learn = learner(ck.Data(train, valid))
    assert_same(fit(learn, EPOCHS, LR, schedule=ck.constant), model)
    assert learn.predict().scores.shape == (25, 3)


def test_a_loader_that_collates_two_inputs_into_a_list():
    """Guards against torch's default collation, which makes a list of a tuple of inputs."""
    x, y = examples(40)
    pairs = [((row[:4], row[4:]), target) for row, target in zip(x, y, strict=True)]
    loader = DataLoader(pairs, 8)
    learn = learner(ck.Data(loader, loader), Two(), metrics=[ck.accuracy])
    learn.fit(1, 0.01)
    assert learn.predict().scores.shape == (40, 3)


# The table --------------------------------------------------------------------------------------


class Still(torch.optim.SGD):
    """An optimizer that moves nothing, so that the losses of an epoch can be computed after it."""

    def step(self, closure=None):
        """Do nothing."""


def test_losses_and_metrics_are_weighted_by_examples():
    """Guards against a mean over batches, in which the short last batch counts too much."""
    data = blobs(67)
    learn = learner(
        data, net(norm=False, dropout=0), metrics=[ck.accuracy], optimizer=lambda g: Still(g, 1)
    )
    row = learn.fit(1, LR)[0]
    with torch.no_grad():
        train, valid = (learn.model(part.inputs) for part in (data.train, data.valid))
    y, wanted = data.train.targets, data.valid.targets
    assert row["train_loss"] == pytest.approx(F.cross_entropy(train, y).item(), rel=1e-6)
    assert row["valid_loss"] == pytest.approx(F.cross_entropy(valid, wanted).item(), rel=1e-6)
    assert row["accuracy"] == (valid.argmax(1) == wanted).sum().item() / 25
    assert learn.evaluate() == {"loss": row["valid_loss"], "accuracy": row["accuracy"]}
    assert learn.evaluate(data.train)["loss"] == pytest.approx(row["train_loss"], rel=1e-6)


def test_predictions_belong_to_their_examples():
    """Guards against scores in the shuffled order of the training part, or after dropout."""
    learn = learner()
    fit(learn, 1, LR)
    said = learn.predict(learn.data.train)
    with torch.no_grad():
        scores = learn.model(learn.data.train.inputs)
    torch.testing.assert_close(said.scores, scores)
    assert torch.equal(said.targets, learn.data.train.targets)
    torch.testing.assert_close(said.probabilities, scores.softmax(1))
    torch.testing.assert_close(said.losses, F.cross_entropy(scores, said.targets, reduction="none"))


def test_test_time_augmentation_of_several_labels():
    """Guards against sigmoids of log-probabilities: nothing would ever reach one half."""
    x, labels = torch.randn(20, 4), torch.randint(0, 2, (20, 2)).float()
    train = ck.Batches(x, labels, batch_size=8, shuffle=True, augment=lambda part: part + 1)
    data = ck.Data(train, ck.Batches(x, labels, batch_size=8))
    learn = ck.Learner(data, torch.nn.Linear(4, 2), ck.binary_cross_entropy)
    said = learn.predict(tta=3)
    with torch.no_grad():
        plain, moved = (learn.model(part).sigmoid() for part in (x, x + 1))
    yes = (plain.log() + 3 * moved.log()) / 4
    no = ((1 - plain).log() + 3 * (1 - moved).log()) / 4
    torch.testing.assert_close(said.probabilities, (yes.exp() / (yes.exp() + no.exp())))
    assert torch.equal(said.targets, labels)


class Elsewhere(nn.Linear):
    """A layer that can be taken away, and computes only when it has been brought back."""

    away = False

    def to(self, device):
        """Come to the device."""
        self.away = False
        return super().to(device)

    def forward(self, x):
        """Return scores (B, 3)."""
        assert not self.away, "the weights are on another device than the batch"
        return super().forward(x)


@pytest.mark.parametrize("use", ["fit", "find_lr", "evaluate", "predict"])
def test_a_model_that_was_moved_comes_back(use):
    """After learn.model.cpu(), a batch on the GPU meets weights that are not there any more."""
    learn = learner(model=Elsewhere(6, 3))
    learn.model.away = True
    getattr(learn, use)(*(1, 0.01) if use == "fit" else ())
    assert not learn.model.away


def test_the_history_is_the_table_in_plain_text(capsys):
    """Guards against rows that hold tensors, miss a column, or are printed twice."""
    history = learner(metrics=ck.accuracy).fit(2, LR)
    columns = ["epoch", "train_loss", "valid_loss", "accuracy", "seconds"]
    assert [list(row) for row in history] == [columns] * 2
    assert all(type(value) in (int, float) for row in history for value in row.values())
    head, *rows = repr(history).splitlines()
    assert head.split() == " ".join(columns).replace("_", " ").split()
    assert [row.split()[0] for row in rows] == ["1", "2"]
    assert capsys.readouterr().out.splitlines() == [head, *rows]
    assert repr(ck.History()) == "History of no epoch"


# Freezing ---------------------------------------------------------------------------------------


def grouped():
    """Return a learner whose network has three layer groups, two of them with a batch norm."""
    torch.manual_seed(5)
    layers = [nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 8), nn.BatchNorm1d(8)]
    model = nn.Sequential(*layers, nn.Linear(8, 3))
    return learner(model=model, groups=[layers[:2], layers[2:4], [model[4]]])


def moved(learn, *arguments):
    """Return the names of what a fit changes."""
    before = {name: value.clone() for name, value in learn.model.state_dict().items()}
    learn.fit(*arguments)
    after = learn.model.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_frozen_layers_keep_weights_and_statistics():
    """Guards against frozen batch norms whose statistics drift, and weights that decay."""
    learn = grouped()
    names = list(learn.model.state_dict())
    learn.freeze()
    assert moved(learn, 2, LR) == {name for name in names if name.startswith("4.")}
    learn.freeze_to(1)
    assert moved(learn, 2, LR) == {name for name in names if name[0] in "234"}
    learn.unfreeze()
    assert moved(learn, 2, LR) == set(names)


def test_a_rate_per_group_equals_raw_torch():
    """Guards against group rates that reach the schedule but not the step."""
    learn, twin = grouped(), grouped()
    rates = [0.01, 0.02, 0.04]
    groups = [
        {"params": [p for layer in layers for p in layer.parameters()], "lr": rate}
        for layers, rate in zip(twin.groups, rates, strict=True)
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    x, y = examples()
    by_hand(twin.model, (x,), y, optimizer, steps_of(optimizer, ck.one_cycle))
    assert_same(fit(learn, EPOCHS, rates), twin.model)


# Trouble ----------------------------------------------------------------------------------------


class Narrow(nn.Module):
    """A network that runs out of memory with more than ``most`` examples at once."""

    def __init__(self, inner, most, training_only=False):
        super().__init__()
        self.inner, self.most, self.training_only = inner, most, training_only
        self.sizes = []

    def forward(self, x):
        """Return the scores, where they fit."""
        if len(x) > self.most and (self.training or not self.training_only):
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.sizes.append(len(x))
        return self.inner(x)


def test_out_of_memory_halves_the_batch_and_keeps_the_result(capsys):
    """Guards against a rescue that trains with other gradients, or that says nothing."""
    wide = learner(model=net(norm=False, dropout=0), optimizer="sgd")
    fit(wide, 2, LR)
    capsys.readouterr()
    narrow = learner(model=Narrow(net(norm=False, dropout=0), 5), optimizer="sgd")
    fit(narrow, 2, LR)
    assert_near(narrow.model.inner, wide.model, 1e-5)
    for mine, theirs in zip(narrow.history, wide.history, strict=True):
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-5)
        assert mine["valid_loss"] == pytest.approx(theirs["valid_loss"], rel=1e-5)
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Note")]
    assert len(notes) == 2  # halves of 16 are still too much, quarters are not
    assert "parts of 4" in notes[1]
    once = learner(model=Narrow(net(), 8))
    fit(once, 2, LR)
    assert capsys.readouterr().out.count("Note") == 1
    assert all(p.isfinite().all() for p in once.model.parameters())


def test_out_of_memory_leaves_a_short_last_batch_whole():
    """Guards against a last batch of 2 cut into single examples, which no batch norm can take."""
    model = Narrow(net(), 8, training_only=True)
    learn = learner(blobs(2 * SIZE + 2), model)
    fit(learn, 1, LR)
    assert model.sizes[:5] == [8, 8, 8, 8, 2]
    assert all(p.isfinite().all() for p in model.parameters())


def test_out_of_memory_cuts_two_inputs_together_and_evenly():
    """Guards against tuples that are cut apart, and against a piece of one example at the end."""
    sizes = []

    class Small(Two):
        def forward(self, left, right):
            assert len(left) == len(right)
            if len(left) > 6:
                raise torch.OutOfMemoryError
            sizes.append(len(left))
            return super().forward(left, right)

    x, y = examples(25)
    train = ck.Batches((x[:, :4], x[:, 4:]), y, batch_size=25)
    learn = learner(ck.Data(train, train), Small())
    fit(learn, 1, LR)
    assert sizes[:7] == [4, 4, 4, 4, 3, 3, 3]  # not 4, 4, 4, 4, 4, 4, 1
    assert learn.predict().scores.shape == (25, 3)


def test_out_of_memory_with_a_single_example():
    """Guards against halving for ever, and against torch's page of allocator figures."""
    for run in (lambda learn: learn.fit(1, LR), lambda learn: learn.evaluate()):
        with pytest.raises(CourseError, match="single example"):
            run(learner(model=Narrow(net(), 0)))


def test_out_of_memory_in_the_sweep_of_rates():
    """Guards against a rescue that begins only after find_lr, the first to meet a large batch."""
    sweep = learner(model=Narrow(net(norm=False, dropout=0), 5)).find_lr(steps=20)
    whole = learner(model=net(norm=False, dropout=0)).find_lr(steps=20)
    assert sweep.losses == pytest.approx(whole.losses, rel=1e-4)


class Notebook(ck.Callback):
    """Count what happens in a fit."""

    def __init__(self):
        self._events = []

    def fit_start(self, state):
        """Note it."""
        self._events.append("start")

    def epoch_done(self, state):
        """Note it."""
        self._events.append("epoch")

    def fit_done(self, state):
        """Note it."""
        self._events.append("done")


class Fails(ck.Callback):
    """Raise an error, or spoil the loss, at one step."""

    def __init__(self, step, error=None):
        self.step, self.error = step, error

    def loss_ready(self, state):
        """Do it."""
        if state.step == self.step:
            if self.error:
                raise self.error
            state.loss = state.loss * float("nan")


def test_a_loss_that_is_no_number_ends_the_training(capsys):
    """Guards against hours of NaN, and against weights that are lost with it."""
    learn, one, notebook = learner(), learner(), Notebook()
    fit(one, 1, LR, schedule=ck.constant)
    capsys.readouterr()
    spoiler = Fails(len(learn.data.train) + 2)
    fit(learn, 3, LR, schedule=ck.constant, callbacks=[notebook, spoiler])
    assert_same(learn.model, one.model)
    assert len(learn.history) == 2
    assert notebook._events == ["start", "epoch", "epoch", "done"]
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Note")]
    assert len(notes) == 1
    assert "stopped after epoch 2: the loss is nan" in notes[0]
    assert "learning rate" in notes[0]


def test_a_stop_within_an_epoch_ends_it_there(capsys):
    """Guards against an epoch trained to its end after a callback asked to stop."""

    class Enough(ck.Callback):
        def step_done(self, state):
            state.stop = "it is late" if state.step == 7 else None

    learn, twin = learner(), learner()
    fit(learn, 3, LR, schedule=ck.constant, callbacks=[Enough()])
    assert len(learn.history) == 1
    assert "Note: stopped after epoch 1: it is late." in capsys.readouterr().out
    fit(twin, 1, LR, schedule=ck.constant)
    assert not torch.equal(learn.model[0].weight, twin.model[0].weight), "two steps more"


def test_gradients_of_an_earlier_cell_take_no_part():
    """Guards against a first step along gradients that somebody else computed."""
    learn, twin = learner(), learner()
    F.cross_entropy(
        learn.model.eval()(learn.data.train.inputs), learn.data.train.targets
    ).backward()
    assert_same(fit(learn, 1, LR), fit(twin, 1, LR))


def test_fit_done_runs_after_an_interrupt():
    """Guards against hooks and bars left behind by the stop button of a notebook."""
    learn, notebook = learner(), Notebook()
    with pytest.raises(KeyboardInterrupt):
        learn.fit(3, LR, callbacks=[notebook, Fails(7, KeyboardInterrupt())])
    assert notebook._events == ["start", "epoch", "done"]
    assert len(learn.history) == 1
    assert all(p.grad is None for p in learn.model.parameters())
    assert not learn.model.training


# Bad input --------------------------------------------------------------------------------------


# Precision --------------------------------------------------------------------------------------


def test_training_in_bfloat16(monkeypatch):
    """Guards against a mixed path that is never walked on machines without a GPU."""
    half = runtime.Precision(torch.bfloat16, False, "bfloat16: for this test")
    monkeypatch.setattr(runtime, "precision", lambda where=None: half)
    seen = set()

    class Kind(ck.Callback):
        def loss_ready(self, state):
            seen.add((state.prediction.dtype, state.loss.dtype))

    learn = learner(metrics=[ck.accuracy])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = fit_history(learn, Kind())
    assert seen == {(torch.bfloat16, torch.float32)}
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert learn.predict().scores.dtype == torch.float32
    assert all(p.dtype == torch.float32 for p in learn.model.parameters())


def fit_history(learn, *callbacks):
    """Return the history of a fit long enough to learn something."""
    torch.manual_seed(1)
    return learn.fit(6, 0.05, callbacks=callbacks)


def test_float32_never_enters_autocast():
    """Guards against warnings of torch about a precision that autocast does not know."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner().fit(1, LR)


def test_quick_trains_one_epoch(monkeypatch):
    """Guards against a quick profile that is not quick."""
    monkeypatch.setenv("COURSEKIT_QUICK", "1")
    assert len(learner().fit(5, LR)) == 1


def test_weights_saved_and_loaded(tmp_path):
    """Guards against weights of another model taken in part, and against a file that is no file."""
    learn, other = learner(), learner()
    fit(learn, 1, LR)
    other.load(learn.save(tmp_path / "weights.safetensors"))
    assert_same(learn.model, other.model)
    (tmp_path / "text.safetensors").write_text("no weights")
    with torch.no_grad():
        learn.model[0].weight[0] = torch.nan
    learn.save(tmp_path / "nan.safetensors")
    others = learner(ck.Data(learn.data.train, learn.data.valid, classes=("a", "c", "b")))
    for reader, file, sentence in (
        (learner(model=net(norm=False)), "weights.safetensors", "another model"),
        (others, "weights.safetensors", "other classes"),
        (other, "nan.safetensors", "no numbers"),
        (other, "wieghts.safetensors", "no file"),
        (other, "text.safetensors", "damaged"),
        (other, "", "damaged"),
        (other, None, "file=None"),
    ):
        with pytest.raises(CourseError, match=sentence):
            reader.load(tmp_path / file if file else file)
    for place in ("", None, tmp_path, tmp_path / "text.safetensors" / "here"):
        with pytest.raises(CourseError, match=r"Nothing can be written|file=None"):
            learn.save(place)
