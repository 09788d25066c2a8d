"""What fits together in one way is trained; everything else is one sentence with a remedy."""

import numpy
import pandas
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import coursekit as ck
from coursekit import CourseError

X = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))
Y, NUMBERS, FLAGS = (X[:, 0] > 0).long(), 2 * X[:, 0], (X[:, :2] > 0).float()


def parts(x=X, y=Y, **options):
    """Return Data of these examples for training and validation."""
    return ck.Data(*[ck.Batches(x, y, batch_size=8)] * 2, **options)


def learner(data=None, model=None, loss=ck.cross_entropy, **options):
    """Return a learner of two classes, unless asked for something else."""
    return ck.Learner(data or parts(), model or nn.Linear(6, 2), loss, **options)


def line():
    """Return a network of one number an example, (B,)."""
    return nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))


def of(y, loss=ck.cross_entropy, model=None, *metrics, x=X, **options):
    """Return a learner of other targets."""
    return learner(parts(x, y), model, loss, metrics=metrics, **options)


def given(*batches):
    """Return a learner of these mini-batches."""
    return learner(ck.Data(list(batches), [(X, Y)]))


def fit(learn, epochs=1, lr=0.1, **options):
    """Fit, and return the last row."""
    return learn.fit(epochs, lr, **options)[-1]


# One meaning ------------------------------------------------------------------------------------

FITS = {
    "float64 inputs": lambda: of(Y, x=X.double()),
    "arrays": lambda: given((X.double().numpy(), Y.numpy())),
    "frames": lambda: given((pandas.DataFrame(X.numpy()), pandas.Series(Y.numpy()))),
    "a list of targets": lambda: given((X, Y.tolist())),
    "whole flags": lambda: of(FLAGS.long(), ck.binary_cross_entropy, None, ck.f_beta(2)),
    "true and false": lambda: of(FLAGS.bool(), ck.binary_cross_entropy, None, ck.f_beta(2)),
    "whole numbers": lambda: of(Y, ck.mean_squared_error, line(), ck.rmse, ck.rmspe),
    "float64 targets": lambda: of(NUMBERS.double(), nn.MSELoss(), line()),
    "a share of each class": lambda: of(F.one_hot(Y).float(), ck.cross_entropy, None, ck.accuracy),
    "ignored classes": lambda: of(Y - 1, nn.CrossEntropyLoss(ignore_index=-1)),
    "an optimizer's class": lambda: learner(optimizer=torch.optim.Adam),
    "no callbacks": lambda: learner(callbacks=None, metrics=None),
    "a single sum": lambda: learner(
        metrics=ck.Metric("sum", lambda scores, y: scores.sum(), lambda sums: sums[0])
    ),
}
OPTIONS = [
    {"epochs": numpy.int64(1)},
    {"lr": numpy.float32(0.1)},
    {"lr": torch.tensor([0.1])},
    {"weight_decay": 0},
    {"schedule": lambda progress: torch.tensor(1.0)},
    {"callbacks": None},
]


@pytest.mark.parametrize("name", FITS)
def test_what_has_one_meaning_is_trained(name):
    """Guards against a refusal, or a silent change, of what NumPy and pandas hand out."""
    assert fit(FITS[name]())["train_loss"] > 0


@pytest.mark.parametrize("options", OPTIONS)
def test_numbers_of_other_kinds_are_numbers(options):
    """Guards against "lr=np.float32(0.1) is no learning rate"."""
    assert fit(learner(), **options)


def test_values_of_losses_and_metrics_of_arrays_and_lists():
    """Guards against a metric that takes tensors only, once predictions are arrays."""
    scores = numpy.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
    assert ck.accuracy(scores, [0, 1, 1]) == pytest.approx(2 / 3)
    assert ck.mean_squared_error([1.0, 2.0], [1, 4]).item() == 2
    assert ck.f_beta(1)(scores, pandas.DataFrame(scores > 0)) == pytest.approx(1)


def test_a_learner_can_be_saved_by_torch(tmp_path):
    """Guards against "Can't pickle local object", which says nothing of learn.save."""
    metrics = [ck.accuracy, ck.f_beta(2), ck.perplexity, ck.rmspe]
    torch.save(learner(metrics=metrics, callbacks=ck.Mixup(2)), tmp_path / "learner.pt")
    assert (tmp_path / "learner.pt").stat().st_size


# Batches, model, loss ---------------------------------------------------------------------------


class Gives(nn.Module):
    """A network that gives something else than a tensor."""

    def __init__(self, make):
        super().__init__()
        self.layer, self.make = nn.Linear(6, 2), make

    def forward(self, x):
        """Make it."""
        return self.make(self.layer(x))


class Once:
    """One batch, that can be gone through once."""

    def __init__(self):
        self.batches = iter([(X, Y)])

    def __len__(self):
        return 1

    def __iter__(self):
        return self.batches


def metric(update, compute=lambda sums: sums[0], name="mine"):
    """Return a learner with a metric of one's own."""
    return learner(metrics=ck.Metric(name, update, compute))


SAID = {
    "a loader as data": (lambda: learner(DataLoader([1])), "DataLoader has no train"),
    "no validation": (lambda: learner(ck.Data([1], None)), "has no train and valid"),
    "dicts": (lambda: given({"x": X, "y": Y}), "is a dict"),
    "three parts": (lambda: given((X, X, Y)), r"a tuple of 3 parts.*\(\(a, b\), y\)"),
    "no y": (lambda: learner(ck.Data(DataLoader(TensorDataset(X), 8), [1])), "list of 1 parts"),
    "words": (lambda: given((numpy.array(["a"]), Y)), "ndarray cannot become a tensor"),
    "no length": (lambda: learner(ck.Data(iter([(X, Y)]), [1])), "does not know how many"),
    "once": (lambda: learner(ck.Data(Once(), [(X, Y)])).find_lr(), "no mini-batch"),
    "nothing": (lambda: learner(parts(X[:0], Y[:0])), "has no mini-batches"),
    "no targets": (lambda: given((X, None)), "no targets"),
    "one example": (
        lambda: of(Y[:1], model=nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 2)), x=X[:1]),
        "batch norm.*batch_size=2",
    ),
    "inputs too wide": (
        lambda: learner(model=Gives(nn.Linear(3, 2))),
        r"Gives cannot .* float32 \(8, 6\).*in the line 'return self.make\(self.layer\(x\)\)'",
    ),
    "whole inputs": (lambda: of(Y, x=(9 * X).long()), r"Linear cannot .* int64 \(8, 6\)"),
    "other lengths": (lambda: given((X, Y[:5])), r"\(16, 2\).*\(5,\)"),
    "a tuple": (lambda: learner(model=Gives(lambda x: (x, x))), r"scores of \(8 x 2\), \(8 x 2\)"),
    "a loss that is a class": (lambda: learner(loss=nn.CrossEntropyLoss), r"CrossEntropyLoss\(\)"),
    "a loss by name": (lambda: learner(loss="cross_entropy"), "loss='cross_entropy'"),
    "a loss of each": (lambda: learner(loss=nn.CrossEntropyLoss(reduction="none")), r"\(8,\)"),
    "a loss of float": (lambda: learner(loss=lambda p, y: 0.5), "is 0.5"),
    "a loss cut off": (lambda: learner(loss=lambda p, y: p.detach().mean()), "without .item"),
    "classes from one": (lambda: of(Y + 1), "from 1 to 2.*2 scores"),
    "torch's, from one": (lambda: of(Y + 1, nn.CrossEntropyLoss()), "from 1 to 2.*2 scores"),
    "a late class": (
        lambda: of(torch.cat([Y[:15], torch.tensor([7])])),
        "from 0 to 7.*2 scores",
    ),
    "float classes": (lambda: of(Y.float()), r"float32 \(8,\).*y.long\(\)"),
    "a column of classes": (lambda: of(Y[:, None]), r"int64 \(8, 1\)"),
    "one logit of classes": (lambda: of(0 * Y, model=nn.Linear(6, 1)), r"\(8, 1\).*\(8,\)"),
    "numbers as classes": (lambda: of(NUMBERS, model=line()), "cross_entropy cannot"),
    "a column against a row": (
        lambda: of(NUMBERS, ck.mean_squared_error, nn.Linear(6, 1)),
        r"\(8, 1\).*\(8,\).*squeeze",
    ),
    "the same in torch": (
        lambda: of(NUMBERS, lambda p, y: F.l1_loss(p, y), nn.Linear(6, 1)),
        r"\(8, 1\).*\(8,\)",
    ),
    "the same by hand": (
        lambda: of(NUMBERS, lambda p, y: ((p - y) ** 2).mean(), nn.Linear(6, 1)),
        r"broadcasting.*squeeze",
    ),
    "accuracy of one logit": (
        lambda: of(FLAGS[:, :1], ck.binary_cross_entropy, nn.Linear(6, 1), ck.accuracy),
        "accuracy.*ck.f_beta",
    ),
    "accuracy of numbers": (
        lambda: of(NUMBERS, ck.mean_squared_error, line(), ck.accuracy),
        "accuracy.*ck.rmse",
    ),
    "f_beta of classes": (lambda: of(Y, ck.cross_entropy, None, ck.f_beta(2)), "f2.*ck.accuracy"),
    "a metric that is a name": (lambda: learner(metrics=["accuracy"]), "'accuracy' is none"),
    "a metric not called": (lambda: learner(metrics=[ck.f_beta]), r"ck.f_beta\(2\)"),
    "a metric of a float": (lambda: metric(lambda p, y: 0.5), "update.*'mine'"),
    "a metric of no number": (lambda: metric(lambda p, y: p, lambda sums: "x"), "compute.*'mine'"),
    "a metric named loss": (lambda: metric(lambda p, y: p, name="loss"), "'loss'"),
    "a metric twice": (lambda: learner(metrics=[ck.accuracy] * 2), "'accuracy'"),
    "another optimizer": (lambda: learner(optimizer="adam"), "Did you mean 'adamw'"),
    "an optimizer made": (
        lambda: learner(optimizer=torch.optim.Adam(nn.Linear(1, 1).parameters())),
        "optimizer=Adam.*give a text or a function",
    ),
    "an optimizer of closures": (lambda: learner(optimizer=torch.optim.LBFGS), "steps once"),
    "a model's class": (lambda: learner(model=nn.Linear), "model=.*torch.nn.Module"),
    "groups of layers": (lambda: learner(groups=[nn.ReLU()]), "lists of modules"),
    "a callback's class": (lambda: learner(callbacks=ck.Mixup), "is no callback"),
    "all frozen": (lambda: learner(model=nn.Linear(6, 2).requires_grad_(False)), "frozen"),
    "mixed texts": (
        lambda: learner(ck.Data([((X, X), Y)], [1]), callbacks=ck.Mixup(2)),
        "cannot blend texts",
    ),
}
ARGUMENTS = [
    ({"epochs": 0}, "epochs=0"),
    ({"lr": -1}, "lr=-1"),
    ({"lr": "0.1"}, "lr='0.1'"),
    ({"lr": float("nan")}, "lr=nan"),
    ({"lr": [0.1, 0.2]}, "2 rates and the model 1 layer groups"),
    ({"weight_decay": -1}, "weight_decay=-1"),
    ({"schedule": "cosine"}, "schedule='cosine'"),
    ({"schedule": ck.CosineRestarts}, "CosineRestarts.*call it"),
    ({"schedule": lambda progress: -1}, r"schedule\(0.0\)=-1"),
    ({"callbacks": [ck.Mixup]}, "is no callback"),
]


def refuses(use, sentence):
    """What is used raises one line that says so."""
    with pytest.raises(CourseError, match=sentence) as error:
        use()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", SAID)
def test_what_does_not_fit_is_said(name):
    """Guards against a page of torch's traceback, and against a number that means nothing."""
    make, sentence = SAID[name]
    refuses(lambda: fit(make()), sentence)


@pytest.mark.parametrize(("options", "sentence"), ARGUMENTS)
def test_arguments_of_fit(options, sentence):
    """Guards against a training at a rate that nobody asked for."""
    refuses(lambda: fit(learner(), **options), sentence)


def test_what_is_in_no_group_is_named(capsys):
    """Guards against a body that is never trained, since groups= holds the head only."""
    model = nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 2))
    learner(model=model, groups=[[model[1]]])
    assert "2 of the model's weights, 0.weight first" in capsys.readouterr().out


# Scoring ----------------------------------------------------------------------------------------

ITEMS = [
    "my_cat.jpg",
    X,
    3,
    {"x": X},
    pandas.DataFrame({"a": [1]}),
    [X[0]],
    [],
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
@pytest.mark.parametrize("call", ["evaluate", "predict"])
def test_one_item_is_no_batch(call, item):
    """Guards against "not enough values to unpack" for what every learner types."""
    refuses(lambda: getattr(learner(), call)(item), "mini-batch")


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (lambda: learner().find_lr(lowest=0), "lowest=0"),
        (lambda: learner().find_lr(lowest=11), "lowest=11"),
        (lambda: learner().find_lr(steps=0), "steps=0"),
        (lambda: learner().predict(parts()), "not one Data"),
        (lambda: learner().evaluate(ck.Batches(X, None)), "no targets"),
        (lambda: learner().predict(ck.Batches(X, None)).losses, "no targets"),
        (lambda: learner(loss=nn.CrossEntropyLoss()).predict().losses, "each example"),
        (lambda: learner(loss=nn.CrossEntropyLoss()).predict().probabilities, "no probabilities"),
        (lambda: learner().predict([(X[None], Y[None]), (X[None, :3], Y[None, :3])]), "joined"),
        (lambda: learner().predict(tta=1), "tta=1"),
        (lambda: learner().freeze_to("head"), "'head'"),
        (lambda: learner().set_data(None), "NoneType"),
        (lambda: learner(parts(classes="ab")).set_data(parts(classes="ba")), "other classes"),
        (lambda: ck.cross_entropy("a", Y), "str cannot become"),
        (lambda: ck.f_beta(2, threshold=50), "threshold=50"),
        (lambda: ck.CosineRestarts(0), "cycles=0"),
    ],
)
def test_other_calls_say_it_too(use, sentence):
    """Guards against an answer, or a traceback, for what cannot be answered."""
    refuses(use, sentence)
