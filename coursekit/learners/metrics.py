"""Metrics: sums that stay on the device, read once an epoch, whatever the batches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from coursekit.console import CourseError
from coursekit.learners.losses import check_shapes


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
    update: Callable[[Tensor, Tensor], Tensor]
    compute: Callable[[Sequence[float]], float]
    higher_is_better: bool = False

    def __call__(self, scores: Tensor, targets: Tensor) -> float:
        """Compute the metric over all given scores and targets."""
        return self.compute(self.update(scores, targets).tolist())

    def __repr__(self) -> str:
        return self.name


def average_of(
    name: str, function: Callable[[Tensor, Tensor], Tensor], *, higher_is_better: bool = False
) -> Metric:
    """Make a metric: the mean over all numbers that ``function(scores, targets)`` gives."""

    def update(scores: Tensor, targets: Tensor) -> Tensor:
        values = function(scores, targets).float()
        return torch.stack([values.sum(), torch.full_like(values.sum(), values.numel())])

    return Metric(name, update, lambda sums: sums[0] / sums[1], higher_is_better)


def f_beta(beta: float, *, threshold: float = 0.5) -> Metric:
    """F-beta for several labels per example, averaged over the examples.

    Args:
        beta: how many times as much recall counts as precision; 2 in the satellite competition.
        threshold: probability from which a label counts as predicted.
    """

    def per_example(scores: Tensor, targets: Tensor) -> Tensor:
        check_shapes(scores, targets)
        predicted, actual = scores.sigmoid() > threshold, targets > 0.5  # (N, labels)
        hits = (predicted & actual).sum(1)
        weighted = beta**2 * actual.sum(1) + predicted.sum(1)
        return (1 + beta**2) * hits / weighted.clamp(min=1e-9)

    return average_of(f"f{beta:g}", per_example, higher_is_better=True)


def exponentiated(metric: Metric) -> Metric:
    """Measure on the real scale what is learned as a logarithm."""
    return dataclasses.replace(metric, update=lambda x, y: metric.update(x.exp(), y.exp()))


def check_metric(metric: Any) -> Metric:
    """Return a metric as it is, or raise a CourseError that says what a metric has to be."""
    if isinstance(metric, Metric):
        return metric
    raise CourseError(
        f"metrics= takes metrics such as ck.accuracy, and {metric!r} is none. Wrap a function of "
        "(scores, targets) by ck.Metric, or call it first, as in ck.f_beta(2)."
    )


def _correct(scores: Tensor, targets: Tensor) -> Tensor:
    if scores.shape[:-1] != targets.shape or scores.shape[-1] < 2:
        raise CourseError(
            f"Accuracy needs scores (N, classes) and class numbers (N,), but the scores have the "
            f"shape {tuple(scores.shape)} and the targets {tuple(targets.shape)}. Use ck.f_beta "
            "for labels of zeros and ones."
        )
    return scores.argmax(-1) == targets


def _squared_errors(scores: Tensor, targets: Tensor) -> Tensor:
    check_shapes(scores, targets)
    return (scores - targets) ** 2


def _squared_fractions(scores: Tensor, targets: Tensor) -> Tensor:
    errors, counted = _squared_errors(scores, targets), targets != 0  # as the competition counts
    fractions = torch.where(counted, errors / targets**2, 0)
    return torch.stack([fractions.sum(), counted.sum()])


def _negative_log_likelihood(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores.flatten(0, -2), targets.flatten(), reduction="none")


def _root_mean(sums: Sequence[float]) -> float:
    return (sums[0] / max(sums[1], 1)) ** 0.5


def _exp_mean(sums: Sequence[float]) -> float:
    return math.exp(min(sums[0] / sums[1], 700))  # e to the 710 is no float


accuracy = average_of("accuracy", _correct, higher_is_better=True)
rmse = Metric("rmse", average_of("mse", _squared_errors).update, _root_mean)
rmspe = Metric("rmspe", _squared_fractions, _root_mean)
perplexity = Metric("perplexity", average_of("nll", _negative_log_likelihood).update, _exp_mean)
