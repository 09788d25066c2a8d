"""Identity: an edited object trains anew, an unchanged one is read back in a new kernel."""

import contextlib
import dataclasses
import enum
import functools
import io
import os
import random
import subprocess
import sys
import threading
import types

import numpy
import pandas
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import coursekit as ck

X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
PLAIN = ck.Batches(X, Y, batch_size=16)


def cell(code, **names):
    """The names that a cell of a notebook defines."""
    names |= {"__name__": "__main__", "torch": torch, "nn": nn, "F": nn.functional, "ck": ck}
    names |= {"functools": functools, "numpy": numpy, "dataclasses": dataclasses, "enum": enum}
    types.FunctionType(compile(code, "cell", "exec"), names)()
    return names


def read_back(fit=(), seed=1, train=PLAIN, model=lambda: nn.Linear(6, 2), loss=None, **options):
    """Fit, and tell whether the training was read back, and what was printed."""
    ck.seed(seed)
    learn = ck.Learner(ck.Data(train, PLAIN), model(), loss or ck.cross_entropy, **options)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        learn.fit(**{"epochs": 1, "lr": 0.05, "name": "fit", **dict(fit)})
    return "Read back" in said.getvalue(), said.getvalue()


# Cells of a notebook that define ``loss``; the edit turns the first 1.0 in them into 9.0.
CE = "F.cross_entropy(p, y)"
FOCAL = f"class Focal:\n def __call__(self, p, y): return {CE} * self.by\n"
LOSSES = {
    "a number in it": f"def loss(p, y): return {CE} * 1.0",
    "a global tensor": f"by = torch.tensor([1.0, 1])\ndef loss(p, y): return {CE} * by[0]",
    "a global of an inner function": (
        f"by = [1.0]\ndef loss(p, y):\n def inner(): return by[0]\n return {CE} * inner()"
    ),
    "a class of settings": f"class By:\n x = 1.0\ndef loss(p, y): return {CE} * By.x",
    "an attribute": f"{FOCAL}loss = Focal()\nloss.by = 1.0",
    "a slot": f"{FOCAL} __slots__ = ('by',)\nloss = Focal()\nloss.by = 1.0",
    "a method": f"{FOCAL} @property\n def by(self): return 1.0\nloss = Focal()",
    "an inherited method": (
        f"class Base:\n def get(self): return 1.0\nclass Focal(Base):\n"
        f" def __call__(self, p, y): return {CE} * self.get()\nloss = Focal()"
    ),
    "a bound method": (
        f"class Focal:\n by = 1.0\n def loss(self, p, y): return {CE} * self.by\n"
        "loss = Focal().loss"
    ),
    "the argument of a partial": (
        f"def f(p, y, a): return {CE} * a\nloss = functools.partial(f, a=1.0)"
    ),
    "a default": f"def loss(p, y, a=1.0): return {CE} * a",
    "a closure over a tensor": (
        f"def make(w): return lambda p, y: {CE} * w\nloss = make(torch.tensor(1.0))"
    ),
    "an attribute of a function": f"def loss(p, y): return {CE} * loss.by\nloss.by = 1.0",
    "a module's buffer": (
        "class Weighted(nn.Module):\n def __init__(self):\n  super().__init__()\n"
        "  self.register_buffer('w', torch.tensor(1.0), persistent=False)\n"
        f" def forward(self, p, y): return {CE} * self.w\nloss = Weighted()"
    ),
    "torch's own loss": "loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]))",
}


NET = """
class Net(nn.Module):
    def __init__(self, scale, function):
        super().__init__()
        self.inner, self.scale, self.function = nn.Linear(6, 2), scale, function
    def forward(self, x): return self.function(self.inner(x) * self.scale[0]) * 1.0
class Slope(nn.Module):
    def forward(self, x): return x * 1.0
def init(model):
    nn.init.ones_(model.weight), nn.init.zeros_(model.bias)
    return model
def hooked(by):
    model = nn.Linear(6, 2)
    model.register_forward_hook(lambda *a: a[2] * by)
    return model
def tied(shared):
    layers = [nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)]
    layers[1].load_state_dict(layers[0].state_dict())
    if shared: layers[1].weight = layers[0].weight
    return nn.Sequential(*layers)
def frozen(yes):
    model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2))
    model[0].requires_grad_(not yes)
    return model
same, twice = (lambda x: x), (lambda x: 2 * x)
"""


MODELS = {
    "a list": ("model=lambda: Net([1.0], same)", "model=lambda: Net([9.0], same)"),
    "a function": ("model=lambda: Net([1.0], same)", "model=lambda: Net([1.0], twice)"),
    "code": ("model=lambda: Net([1.0], same)", ("* 1.0", "* 2.0")),
    "code of an inner layer": (
        "model=lambda: nn.Sequential(nn.Linear(6, 2), Slope())",
        ("return x * 1.0", "return x * 2.0"),
    ),
    "a setting of a layer": (
        "model=lambda: nn.Sequential(nn.Dropout(0.1), nn.Linear(6, 2))",
        "model=lambda: nn.Sequential(nn.Dropout(0.2), nn.Linear(6, 2))",
    ),
    "weights at the start": (
        "model=lambda: nn.Linear(6, 2)",
        "model=lambda: init(nn.Linear(6, 2))",
    ),
    "a hook": ("model=lambda: hooked(1)", "model=lambda: hooked(2)"),
    "a shared weight": ("model=lambda: tied(False)", "model=lambda: tied(True)"),
    "frozen layers": ("model=lambda: frozen(False)", "model=lambda: frozen(True)"),
}
DATA = """
class Own(Dataset):
    def __init__(self, by, frame=None, transform=None):
        self.by, self.frame, self.transform = by, frame, transform
    def __len__(self): return 40
    def __getitem__(self, row):
        x = X[row] * self.by
        return (self.transform(x) if self.transform else x), Y[row]
class Quiet(Own):
    def __getitem__(self, row): return super().__getitem__(row)
class Stream:
    def __len__(self): return 1
    def __iter__(self): yield X * 1.0, Y
class Brighter:
    def __init__(self, by): self.by = by
    def __call__(self, x): return x * self.by
class Doubled(ck.Batches):
    def __iter__(self):
        for x, y in super().__iter__(): yield x * 1.0, y
frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
other = pandas.DataFrame({"a": [1, 2], "b": ["x", "z"]})
def collate(rows): return torch.stack([x for x, _ in rows]) * 1.0, torch.stack([y for _, y in rows])
"""
NAMES = {"X": X, "Y": Y, "Dataset": Dataset, "DataLoader": DataLoader, "pandas": pandas}
NAMES |= {"TensorDataset": TensorDataset}
PARTS = {
    "a field of a data set": ("train=DataLoader(Own(1), 16)", "train=DataLoader(Own(2), 16)"),
    "a frame in a data set": (
        "train=DataLoader(Own(1, frame), 16)",
        "train=DataLoader(Own(1, other), 16)",
    ),
    "a transform in a data set": (
        "train=DataLoader(Own(1, None, Brighter(1)), 16)",
        "train=DataLoader(Own(1, None, Brighter(2)), 16)",
    ),
    "an overriding subclass": ("train=DataLoader(Own(1), 16)", "train=DataLoader(Quiet(1), 16)"),
    "__getitem__": ("train=DataLoader(Own(1), 16)", ("X[row] *", "2 * X[row] *")),
    "__iter__": ("train=Stream()", ("yield X * 1.0", "yield X * 2.0")),
    "collate_fn": (
        "train=DataLoader(Own(1), 16, collate_fn=collate)",
        ("rows]) * 1.0", "rows]) * 2.0"),
    ),
    "the size of batches": ("train=DataLoader(Own(1), 16)", "train=DataLoader(Own(1), 8)"),
    "the order": ("train=DataLoader(Own(1), 16)", "train=DataLoader(Own(1), 16, shuffle=True)"),
    "content": (
        "train=DataLoader(TensorDataset(X, Y), 16)",
        "train=DataLoader(TensorDataset(X + 1, Y), 16)",
    ),
    "a list of batches": ("train=[(X, Y)]", "train=[(X + 1, Y)]"),
    "an augmentation object": (
        "train=ck.Batches(X, Y, augment=Brighter(1))",
        "train=ck.Batches(X, Y, augment=Brighter(2))",
    ),
    "Batches of one's own": ("train=Doubled(X, Y)", ("yield x * 1.0", "yield x * 2.0")),
}


REST = """
class Weigh(ck.Callback):
    def __init__(self, by): self._by = by
    def loss_ready(self, state): state.loss = state.loss * self._by * 1.0
class Flat:
    def __init__(self, by): self.by = by
    def __call__(self, progress): return 1 / self.by
class Sgd(torch.optim.SGD):
    by = 1.0
class Momentum:
    def __init__(self, by): self.by = by
    def __call__(self, groups): return Sgd(groups, momentum=self.by)
"""
SETTINGS = {
    "rate": ("fit=dict(lr=0.05)", "fit=dict(lr=0.06)"),
    "epochs": ("fit=dict(epochs=1)", "fit=dict(epochs=2)"),
    "weight decay": ("fit=dict(weight_decay=0.1)", "fit=dict(weight_decay=0.2)"),
    "schedule": ("fit=dict(schedule=ck.cosine)", "fit=dict(schedule=ck.constant)"),
    "a schedule's number": (
        "fit=dict(schedule=ck.CosineRestarts(2))",
        "fit=dict(schedule=ck.CosineRestarts(3))",
    ),
    "a schedule's code": (
        "fit=dict(schedule=lambda p: 1 - p)",
        "fit=dict(schedule=lambda p: 1 - p * p)",
    ),
    "a schedule object": ("fit=dict(schedule=Flat(1))", "fit=dict(schedule=Flat(2))"),
    "optimizer": ("optimizer='sgd'", "optimizer='adamw'"),
    "an optimizer object": ("optimizer=Momentum(0.1)", "optimizer=Momentum(0.2)"),
    "an optimizer's code": ("optimizer=Momentum(0.1)", ("by = 1.0", "by = 2.0")),
    "a callback": ("fit=dict(callbacks=[Weigh(1)])", "fit=dict(callbacks=[])"),
    "a callback's number": ("fit=dict(callbacks=[Weigh(1)])", "fit=dict(callbacks=[Weigh(2)])"),
    "a callback's code": ("callbacks=[Weigh(1)]", ("* 1.0", "* 2.0")),
    "order of callbacks": (
        "callbacks=[Weigh(1), ck.ClipGradients(1)]",
        "callbacks=[ck.ClipGradients(1), Weigh(1)]",
    ),
    "metrics": ("metrics=[ck.accuracy]", "metrics=[]"),
    "seed": ("seed=1", "seed=2"),
    "seed, with the same weights": (
        "seed=1, model=lambda: init(nn.Linear(6, 2))",
        "seed=2, model=lambda: init(nn.Linear(6, 2))",
    ),
}
EDITS = {
    **{f"loss: {name}": (code, "loss=loss", ("1.0", "9.0")) for name, code in LOSSES.items()},
    **{f"model: {name}": (NET, *edit) for name, edit in MODELS.items()},
    **{f"data: {name}": (DATA, *edit) for name, edit in PARTS.items()},
    **{f"settings: {name}": (REST + NET, *edit) for name, edit in SETTINGS.items()},
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_trains_anew(name):
    """Guards against the result of old code, data or settings shown below the new."""
    code, before, after = EDITS[name]

    def run(code, options):
        return read_back(**cell(f"{code}\nmade = dict({options})", **NAMES)["made"])

    assert not run(code, before)[0]
    assert run(code, before)[0], "run again, nothing edited"
    edited = (code.replace(*after, 1), before) if isinstance(after, tuple) else (code, after)
    again, said = run(*edited)
    assert not again
    assert "'fit' starts afresh: loss changed" in said or not name.startswith("loss")


def test_quick_and_precision_train_anew(monkeypatch):
    """Guards against a trial run, or another number format, read back as the whole training."""
    assert not read_back({"epochs": 2})[0]
    monkeypatch.setenv("COURSEKIT_QUICK", "1")
    assert not read_back({"epochs": 2})[0]
    assert read_back({"epochs": 2})[0]
    half = ck.runtime.Precision(torch.bfloat16, False, "bfloat16: for this test")
    monkeypatch.setattr(ck.runtime, "precision", lambda where=None: half)
    assert not read_back({"epochs": 2})[0]


class Draws(Dataset):
    """A data set that draws from a generator of its own."""

    def __init__(self, generator):
        self.generator = generator

    def __len__(self):
        return 40

    def __getitem__(self, row):
        return X[row], Y[row]


@pytest.mark.parametrize(
    "options",
    [
        {"train": DataLoader(Draws(numpy.random.default_rng(1)), 8)},
        {"train": DataLoader(Draws(random.Random(1)), 8)},
        {"train": DataLoader(TensorDataset(X, Y), 8, generator=torch.Generator())},
        {"train": DataLoader(Draws(threading.Lock()), 8)},
        {"train": DataLoader(Draws(open(__file__)), 8)},  # noqa: SIM115
        {"loss": functools.partial(lambda lock, p, y: ck.cross_entropy(p, y), threading.Lock())},
        {"model": lambda: vars(net := nn.Linear(6, 2)).update(lock=threading.Lock()) or net},
    ],
    ids=["numpy", "random", "torch", "lock in data", "file", "lock in loss", "lock in model"],
)
def test_what_cannot_be_compared_trains_anew_and_says_why(options, tmp_path):
    """Guards against two objects taken for the same because neither can be looked into."""
    for _ in range(2):
        again, said = read_back(**options)
        assert not again
        notes = [line for line in said.splitlines() if line.startswith("Note")]
        assert len(notes) == 1
        assert "cannot be compared" in notes[0]
    assert not list((tmp_path / "checkpoints").rglob("*.safetensors"))


def test_what_a_callback_saw_is_no_setting():
    """Guards against a second fit that is another one because its callback remembers the first."""

    class Record(ck.Callback):
        transient = ("_seen",)

        def __init__(self):
            self._seen = []

        def step_done(self, state):
            self._seen.append(state.step)

    def cells():
        ck.seed(1)
        learn = ck.Learner(ck.Data(PLAIN, PLAIN), nn.Linear(6, 2), ck.cross_entropy)
        learn.callbacks = [Record(), ck.ActivationStatistics([""])]
        learn.fit(1, 0.1, name="first")
        learn.fit(1, 0.1, name="second")
        return len(learn.callbacks[0]._seen)

    assert cells() == 6
    assert cells() == 0


KERNEL = """
import collections, enum, functools, sys
import torch
from torch import nn
import coursekit as ck
ck.seed(3)
x = torch.randn(24, 6)
settings = {"words": {"a", "b", "c"}, "weights": frozenset([1, 2]), "path": [torch.ones(2)]}
class Kind(enum.Enum):
    A, B = 1, 2
class Net(nn.Module):
    kinds = {"q", "r", "s"}
    def __init__(self):
        super().__init__()
        self.layer, self.counts = nn.Linear(6, 2), collections.Counter("abca")
    def forward(self, x):
        return self.layer(x) if type(x).__name__ not in {"u", "v", "w"} else x
class Focal:
    def __init__(self): self.kind, self.more = Kind.A, settings
    def __call__(self, p, y): return ck.cross_entropy(p, y)
train = ck.Batches(x, (x[:, 0] > 0).long(), shuffle=True, augment=lambda x: x + 1)
learn = ck.Learner(ck.Data(train, train), Net(), Focal(), metrics=[ck.accuracy])
calls = [ck.Mixup(2), ck.KeepBestWeights()]
learn.fit(1, 0.1, name="fit", schedule=lambda p: 1 - p, callbacks=calls)
"""


def test_nothing_depends_on_the_kernel(tmp_path):
    """Guards against an address, or the order of a set, in what says that two fits are the same."""
    said = [
        subprocess.run(
            [sys.executable, "-c", KERNEL],
            env=os.environ
            | {"PYTHONHASHSEED": seed, "COURSEKIT_CHECKPOINTS": str(tmp_path / "kept")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    ]
    assert "Read back" not in said[0]
    assert "Read back from a checkpoint: 1 epoch, finished" in said[1]
