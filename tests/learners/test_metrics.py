"""Metrics: scikit-learn's numbers, whatever the batches."""

import pytest
import torch
from sklearn.metrics import accuracy_score, fbeta_score

import coursekit as ck
from coursekit.console import CourseError

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


@pytest.mark.parametrize("thing", ["accuracy", ck.f_beta, accuracy_score, None])
def test_what_is_no_metric_is_said(thing):
    """Guards against a metric of another kind that fails in the middle of the first epoch."""
    with pytest.raises(CourseError, match="metrics such as"):
        measured(torch.randn(4, 2), torch.zeros(4).long(), thing, 2, ck.cross_entropy)
