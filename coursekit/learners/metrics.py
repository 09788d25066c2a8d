"""Metrics: sums kept on the device, read once an epoch, weighted by examples."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from coursekit.console import CourseError


@dataclass(frozen=True, repr=False)
class Metric:
    """A number over a whole data set, computed from sums over its batches.

    Attributes:
        name: column of the epoch table.
        sums: (scores, targets) of a batch -> (k,) tensor on the device; batches are added up.
        value: the k added sums, as floats -> the metric.
    """

    name: str
    sums: Callable
    value: Callable

    def __call__(self, scores, targets):
        """Return the metric over the given scores and targets, as a float."""
        return self.value(self.sums(scores, targets).tolist())

    def __repr__(self):
        return self.name


def mean_metric(name, function):
    """Return a Metric: the mean over all numbers of ``function(scores, targets)``, (N,) or more."""

    def sums(scores, targets):
        each = function(scores, targets).float()
        return torch.stack([each.sum(), torch.full_like(each.sum(), each.numel())])

    return Metric(name, sums, lambda totals: totals[0] / totals[1])


def _right(scores, targets):
    return scores.argmax(-1) == targets


def f_beta(beta, *, threshold=0.5):
    """Return F-beta for several labels an example, averaged over the examples.

    Args:
        beta: how many times as much recall counts as precision; 2 in the satellite competition.
        threshold: probability from which a label counts as predicted.
    """

    def each(scores, targets):
        chosen = scores.sigmoid() > threshold
        wanted = targets > 0.5
        hits = (chosen & wanted).sum(1)
        weighted = beta**2 * wanted.sum(1) + chosen.sum(1)
        return (1 + beta**2) * hits / weighted.clamp(min=1e-9)

    return mean_metric(f"f{beta:g}", each)


accuracy = mean_metric("accuracy", _right)
_squares = mean_metric("mse", lambda scores, targets: (scores - targets) ** 2)
rmse = Metric("rmse", _squares.sums, lambda totals: _squares.value(totals) ** 0.5)
_surprise = mean_metric("nats", lambda scores, targets: _nats(scores, targets))
perplexity = Metric(
    "perplexity", _surprise.sums, lambda totals: math.exp(min(_surprise.value(totals), 700))
)


def _nats(scores, targets):
    return F.cross_entropy(scores.flatten(0, -2), targets.flatten(), reduction="none")


def _percentages(scores, targets):
    counted = targets != 0  # a share of nothing has no size; the competition leaves them out too
    shares = (targets - scores) / targets.where(counted, torch.ones_like(targets))
    return torch.stack([(shares[counted] ** 2).sum(), counted.sum()])


rmspe = Metric("rmspe", _percentages, lambda totals: (totals[0] / max(totals[1], 1)) ** 0.5)


def of_logs(metric):
    """Return the metric of the real scale for scores and targets that are logarithms."""

    def sums(scores, targets):
        return metric.sums(scores.exp(), targets.exp())

    return Metric(metric.name, sums, metric.value)


def as_metric(thing):
    """Return ``thing`` where it is a Metric, or say what a metric has to be."""
    if isinstance(thing, Metric):
        return thing
    raise CourseError(
        f"metrics= takes metrics such as ck.accuracy; {thing!r} is none: wrap a function of "
        "(scores, targets) by ck.Metric, or call it first, as in ck.f_beta(2)."
    )
