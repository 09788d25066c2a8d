"""Losses, and metrics: sums that stay on the device, read once an epoch, whatever the batches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from coursekit.arguments import ERRORS, checked
from coursekit.console import CourseError
from coursekit.learners.checks import as_tensor, listed, matched, number, refuse

# Losses ---------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Loss:
    """A loss: call it with scores and targets, tensors or arrays, for the mean over the examples.

    Attributes:
        name: as it appears in messages.
        function: (scores, targets, reduction=...) -> loss.
        kind: of its targets: "classes" (numbers of classes), "flags" (zeros and ones) or "numbers".
        log_probabilities: scores -> natural logarithms of the probabilities, or None where scores
            are no logits.
    """

    name: str
    function: Callable[..., Tensor]
    kind: str = "numbers"
    log_probabilities: Callable[[Tensor], Tensor] | None = None

    def __call__(self, scores: Any, targets: Any) -> Tensor:
        """Mean loss over the examples, a tensor with one number."""
        return self.function(*matched(self.name, self.kind, scores, targets), reduction="mean")

    def per_example(self, scores: Any, targets: Any) -> Tensor:
        """Loss of every example, (N,)."""
        scores, targets = matched(self.name, self.kind, scores, targets)
        return self.function(scores, targets, reduction="none").reshape(len(scores), -1).mean(1)

    def __repr__(self) -> str:
        return self.name


def _cross_entropy(scores: Tensor, targets: Tensor, reduction: str) -> Tensor:
    if scores.dim() > 2:  # (B, T, classes): every position of a text is an example
        shares = targets.shape == scores.shape
        scores, targets = scores.flatten(0, -2), targets.flatten(0, -2 if shares else -1)
    return F.cross_entropy(scores, targets, reduction=reduction)


cross_entropy = Loss("cross_entropy", _cross_entropy, "classes", partial(F.log_softmax, dim=-1))
binary_cross_entropy = Loss(
    "binary_cross_entropy", F.binary_cross_entropy_with_logits, "flags", F.logsigmoid
)
mean_squared_error = Loss("mean_squared_error", F.mse_loss)


# Metrics --------------------------------------------------------------------------------------

RESERVED = ("epoch", "loss", "train_loss", "valid_loss", "seconds")


@checked
@dataclass(frozen=True, repr=False)
class Metric:
    """A number over a whole data set, computed from sums over its batches.

    Attributes:
        name: column of the epoch table.
        update: (scores, targets) of a batch -> (k,) tensor on the device; batches are added up.
        compute: the k sums over all batches, as floats -> the metric.
        higher_is_better: what ``KeepBestWeights`` goes by.
    """

    name: str
    update: Callable[[Tensor, Tensor], Tensor]
    compute: Callable[[Sequence[float]], float]
    higher_is_better: bool = False

    def __call__(self, scores: Any, targets: Any) -> float:
        """Compute the metric over all given scores and targets: tensors, arrays or lists."""
        return self.value(self.sums(as_tensor(scores), as_tensor(targets)))

    def sums(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Sums (k,) over a batch."""
        try:
            return self.update(scores, targets).reshape(-1)
        except ERRORS as error:
            refuse(error, f"The update(scores, targets) of {self.name!r} gives no sums")

    def value(self, sums: Tensor) -> float:
        """The metric, of the sums over all batches."""
        try:
            return float(self.compute(sums.tolist()))
        except ERRORS as error:
            refuse(error, f"The compute(sums) of {self.name!r} gives no number")

    def __repr__(self) -> str:
        return self.name


def average_of(
    name: str,
    kind: str,
    function: Callable[[Tensor, Tensor], Tensor],
    *,
    higher_is_better: bool = False,
) -> Metric:
    """Make a metric: the mean over all numbers that ``function(scores, targets)`` gives."""
    return Metric(name, partial(_sum_up, name, kind, function), _mean, higher_is_better)


@checked
def f_beta(beta: float, *, threshold: float = 0.5) -> Metric:
    """F-beta for several labels per example, averaged over the examples.

    Args:
        beta: how many times as much recall counts as precision, above 0.
        threshold: probability from which a label counts as predicted.
    """
    beta = number("beta", beta)
    if not 0 < number("threshold", threshold) < 1:
        raise CourseError(f"threshold={threshold!r} is no probability; give one between 0 and 1.")

    function = partial(_f_beta, beta, threshold)
    return average_of(f"f{beta:g}", "flags", function, higher_is_better=True)


def exponentiated(metric: Metric) -> Metric:
    """Measure on the real scale what is learned as a logarithm."""
    return dataclasses.replace(metric, update=partial(_update_exponentials, metric))


def check_metrics(metrics: Any) -> list[Metric]:
    """Return one or several metrics as a list, or say what a metric has to be."""
    names = list(RESERVED)
    for metric in listed(metrics):
        if not isinstance(metric, Metric):
            raise CourseError(
                f"metrics= takes metrics such as ck.accuracy, and {metric!r} is none. Wrap a "
                "function of (scores, targets) by ck.Metric, or call it first, as in ck.f_beta(2)."
            )
        if metric.name in names:
            raise CourseError(f"Two columns of the table are named {metric.name!r}; rename one.")
        names.append(metric.name)
    return listed(metrics)


# Named functions, and not closures, so that a learner can be pickled.


def _sum_up(name: str, kind: str, function: Any, scores: Tensor, targets: Tensor) -> Tensor:
    values = function(*matched(name, kind, scores, targets)).float()
    return torch.stack([values.sum(), torch.full_like(values.sum(), values.numel())])


def _update_exponentials(metric: Metric, scores: Tensor, targets: Tensor) -> Tensor:
    return metric.update(scores.exp(), targets.exp())


def _f_beta(beta: float, threshold: float, scores: Tensor, targets: Tensor) -> Tensor:
    predicted, actual = scores.sigmoid() > threshold, targets > 0.5  # (N, labels)
    hits = (predicted & actual).sum(1)
    weighted = beta**2 * actual.sum(1) + predicted.sum(1)
    return (1 + beta**2) * hits / weighted.clamp(min=1e-9)


def _correct(scores: Tensor, targets: Tensor) -> Tensor:
    if targets.is_floating_point():  # probabilities of the classes
        targets = targets.argmax(-1)
    return scores.argmax(-1) == targets


def _squared_errors(scores: Tensor, targets: Tensor) -> Tensor:
    return (scores - targets) ** 2


def _squared_fractions(scores: Tensor, targets: Tensor) -> Tensor:
    scores, targets = matched("rmspe", "numbers", scores, targets)
    counted = targets != 0  # as the competition counts
    fractions = torch.where(counted, _squared_errors(scores, targets) / targets**2, 0)
    return torch.stack([fractions.sum(), counted.sum()])


def _mean(sums: Sequence[float]) -> float:
    return sums[0] / sums[1]


def _root_mean(sums: Sequence[float]) -> float:
    return (sums[0] / max(sums[1], 1)) ** 0.5


def _exp_mean(sums: Sequence[float]) -> float:
    return math.exp(min(sums[0] / sums[1], 700))  # e to the 710 is no float


accuracy = average_of("accuracy", "classes", _correct, higher_is_better=True)
rmse = Metric("rmse", average_of("rmse", "numbers", _squared_errors).update, _root_mean)
rmspe = Metric("rmspe", _squared_fractions, _root_mean)
nll = average_of("perplexity", "classes", partial(cross_entropy.function, reduction="none"))
perplexity = Metric("perplexity", nll.update, _exp_mean)
