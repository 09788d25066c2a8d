"""Metrics: scikit-learn's numbers, whatever the batches."""

import numpy
import pytest
import torch
from sklearn.metrics import accuracy_score, fbeta_score, mean_squared_error

import coursekit as ck
from coursekit.learners.metrics import exponentiated

COUNT, CLASSES = 101, 7


class Given(torch.nn.Module):
    """Return the inputs as scores."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        """Return them."""
        return x


def measured(scores, targets, metric, size, loss):
    """Return what a learner finds over batches of ``size``, the last one smaller."""
    data = ck.Batches(scores, targets, batch_size=size)
    learn = ck.Learner(ck.Data(data, data), Given(), loss, metrics=[metric])
    return learn.evaluate()[metric.name]


@pytest.mark.parametrize("size", [1, 8, 100, 101, 500])
def test_accuracy_equals_sklearn(size):
    """Guards against a mean of the batches' accuracies."""
    draw = torch.Generator().manual_seed(size)
    scores = torch.randn(COUNT, CLASSES, generator=draw)
    targets = torch.randint(CLASSES, (COUNT,), generator=draw)
    wanted = accuracy_score(targets, scores.argmax(1))
    assert measured(scores, targets, ck.accuracy, size, ck.cross_entropy) == pytest.approx(wanted)
    assert ck.accuracy(scores, targets) == pytest.approx(wanted)


@pytest.mark.parametrize("size", [8, 100, 101])
@pytest.mark.parametrize(("beta", "threshold"), [(1, 0.5), (2, 0.5), (2, 0.2), (0.5, 0.7)])
def test_f_beta_equals_sklearn(beta, threshold, size):
    """Guards against recall and precision swapped, and an average over classes or batches."""
    draw = torch.Generator().manual_seed(size)
    scores = torch.randn(COUNT, CLASSES, generator=draw)
    targets = (torch.rand(COUNT, CLASSES, generator=draw) < 0.3).float()
    scores[:3], targets[2:4] = -9, 0  # nothing chosen, nothing wanted, neither
    metric = ck.f_beta(beta, threshold=threshold)
    chosen = scores.sigmoid().numpy() > threshold
    wanted = fbeta_score(targets.numpy(), chosen, beta=beta, average="samples", zero_division=0)
    loss = ck.binary_cross_entropy
    assert measured(scores, targets, metric, size, loss) == pytest.approx(wanted, rel=1e-6)
    assert metric.name == f"f{beta:g}"


def test_accuracy_of_every_position():
    """Guards against texts counted by their first token, or a long one as much as a short one."""
    scores, targets = torch.randn(9, 5, CLASSES), torch.randint(CLASSES, (9, 5))
    wanted = accuracy_score(targets.flatten(), scores.argmax(-1).flatten())
    assert measured(scores, targets, ck.accuracy, 4, ck.cross_entropy) == pytest.approx(wanted)


def test_a_metric_of_several_sums():
    """Guards against metrics that can only be means: this one is a ratio of two spreads."""
    ratio = ck.Metric(
        "explained",
        lambda scores, y: torch.stack([((scores - y) ** 2).sum(), (y**2).sum()]),
        lambda sums: torch.tensor(1 - sums[0] / sums[1]),  # a tensor where a number is wanted
    )
    scores, targets = torch.randn(50, 1), torch.randn(50, 1)
    wanted = 1 - ((scores - targets) ** 2).sum() / (targets**2).sum()
    found = measured(scores, targets, ratio, 8, ck.mean_squared_error)
    assert type(found) is float  # else no checkpoint could hold the history
    assert found == pytest.approx(wanted.item())


@pytest.mark.parametrize("parts", [(100,), (7, 93), (50, 50)], ids=str)
def test_errors_equal_sklearn(parts):
    """Guards against a mean of the roots of batches, and an error measured on logarithms."""
    rng = numpy.random.default_rng(0)
    guess, targets = rng.uniform(1, 9, 100), rng.uniform(1, 9, 100)
    wanted = {
        ck.rmse: mean_squared_error(targets, guess) ** 0.5,
        ck.rmspe: mean_squared_error(numpy.ones(100), guess / targets) ** 0.5,
    }
    guess, targets = torch.tensor(guess), torch.tensor(targets)
    for metric, value in wanted.items():
        logs = exponentiated(metric)
        for kind, x, y in ((metric, guess, targets), (logs, guess.log(), targets.log())):
            pairs = zip(x.split(parts), y.split(parts), strict=True)
            sums = sum(kind.update(*pair) for pair in pairs)
            assert kind.compute(sums.tolist()) == pytest.approx(value)


def test_nothing_sold_does_not_count():
    """Guards against infinite percentages; the competition leaves such days out, too."""
    assert ck.rmspe(torch.tensor([5.0, 2.0]), torch.tensor([0.0, 1.0])) == pytest.approx(1.0)
    assert ck.rmspe(torch.tensor([5.0]), torch.tensor([0.0])) == 0


def test_perplexity_is_the_exponential_of_the_loss():
    """Guards against an overflow where a model is sure of the wrong token."""
    scores, targets = torch.randn(9, 5, CLASSES), torch.randint(CLASSES, (9, 5))
    loss = ck.cross_entropy(scores, targets).item()
    assert ck.perplexity(scores, targets) == pytest.approx(numpy.exp(loss), rel=1e-5)
    assert ck.perplexity(torch.tensor([[9e9, 0.0]]), torch.tensor([1])) > 1e300


def test_higher_is_better_where_it_is():
    """Guards against KeepBestWeights that keeps the worst."""
    assert ck.accuracy.higher_is_better
    assert ck.f_beta(2).higher_is_better
    assert not any(one.higher_is_better for one in (ck.rmse, ck.rmspe, ck.perplexity))
