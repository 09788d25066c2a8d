"""Metrics: sums that stay on the device, read once an epoch, whatever the batches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from coursekit.console import CourseError
from coursekit.learners.losses import check_shapes

PerExample = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (scores, targets) -> (N, ...)


@dataclass(frozen=True, repr=False)
class Metric:
    """A number over a whole data set, computed from sums over its batches.

    Attributes:
        name: column of the epoch table.
        update: (scores, targets) of a batch -> (k,) tensor on the device; batches are added up.
        compute: the k sums over all batches, as floats -> the metric.
        higher_is_better: what ``KeepBestWeights`` and ``EarlyStopping`` go by.
    """

    name: str
    update: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    compute: Callable[[Sequence[float]], float]
    higher_is_better: bool = False

    def __call__(self, scores: torch.Tensor, targets: torch.Tensor) -> float:
        """Compute the metric over all given scores and targets."""
        return self.compute(self.update(scores, targets).tolist())

    def __repr__(self) -> str:
        return self.name


def average_of(name: str, function: PerExample, *, higher_is_better: bool = False) -> Metric:
    """Make a metric: the mean over all numbers that ``function(scores, targets)`` gives."""
    return Metric(name, partial(_sum_and_count, function), _mean, higher_is_better)


def f_beta(beta: float, *, threshold: float = 0.5) -> Metric:
    """F-beta for several labels per example, averaged over the examples.

    Args:
        beta: how many times as much recall counts as precision; 2 in the satellite competition.
        threshold: probability from which a label counts as predicted.
    """
    function = partial(_f_beta, beta=beta, threshold=threshold)
    return average_of(f"f{beta:g}", function, higher_is_better=True)


def exponentiated(metric: Metric) -> Metric:
    """Measure on the real scale what is learned as a logarithm."""
    return dataclasses.replace(metric, update=partial(_update_exponentiated, metric.update))


def check_metric(metric: Any) -> Metric:
    """Return a metric, or say what a metric has to be.

    Raises:
        CourseError: it is no ``Metric``.
    """
    if isinstance(metric, Metric):
        return metric
    raise CourseError(
        f"metrics= takes metrics such as ck.accuracy, and {metric!r} is none. Wrap a function of "
        "(scores, targets) by ck.Metric, or call it first, as in ck.f_beta(2)."
    )


def _sum_and_count(
    function: PerExample, scores: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    values = function(scores, targets).float()
    return torch.stack([values.sum(), torch.full_like(values.sum(), values.numel())])


def _update_exponentiated(
    update: PerExample, scores: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    return update(scores.exp(), targets.exp())


def _correct(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if scores.shape[:-1] != targets.shape or scores.shape[-1] < 2:
        raise CourseError(
            f"Accuracy needs one score per class, (N, classes), and the numbers of the classes, "
            f"(N,), but the scores have the shape {tuple(scores.shape)} and the targets "
            f"{tuple(targets.shape)}. Use ck.f_beta where labels are zeros and ones."
        )
    return scores.argmax(-1) == targets


def _f_beta(
    scores: torch.Tensor, targets: torch.Tensor, *, beta: float, threshold: float
) -> torch.Tensor:
    check_shapes(scores, targets)
    predicted, actual = scores.sigmoid() > threshold, targets > 0.5  # (N, labels)
    hits = (predicted & actual).sum(1)
    weighted = beta**2 * actual.sum(1) + predicted.sum(1)
    return (1 + beta**2) * hits / weighted.clamp(min=1e-9)


def _squared_errors(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    check_shapes(scores, targets)
    return (scores - targets) ** 2


def _squared_relative_errors(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    check_shapes(scores, targets)
    counted = targets != 0  # nothing is a fraction of 0; the competition leaves them out too
    errors = (targets - scores) / targets.where(counted, torch.ones_like(targets))
    return torch.stack([(errors[counted] ** 2).sum(), counted.sum()])


def _negative_log_likelihood(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(scores.flatten(0, -2), targets.flatten(), reduction="none")


def _mean(sums: Sequence[float]) -> float:
    return sums[0] / sums[1]


def _root_mean(sums: Sequence[float]) -> float:
    return (sums[0] / max(sums[1], 1)) ** 0.5


def _exp_mean(sums: Sequence[float]) -> float:
    return math.exp(min(_mean(sums), 700))  # beyond it is no float


accuracy = average_of("accuracy", _correct, higher_is_better=True)
rmse = Metric("rmse", partial(_sum_and_count, _squared_errors), _root_mean)
rmspe = Metric("rmspe", _squared_relative_errors, _root_mean)
perplexity = Metric("perplexity", partial(_sum_and_count, _negative_log_likelihood), _exp_mean)
