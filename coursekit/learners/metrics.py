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
        update: (scores, targets) of a batch -> (k,) tensor on the device; batches are added up.
        compute: the k added sums, as floats -> the metric.
    """

    name: str
    update: Callable
    compute: Callable

    def __call__(self, scores, targets):
        """Return the metric over the given scores and targets, as a float."""
        return self.compute(self.update(scores, targets).tolist())

    def __repr__(self):
        return self.name


def average_of(name, function):
    """Return a Metric: the mean over all numbers of ``function(scores, targets)``, (N,) or more."""

    def update(scores, targets):
        each = function(scores, targets).float()
        return torch.stack([each.sum(), torch.full_like(each.sum(), each.numel())])

    return Metric(name, update, lambda totals: totals[0] / totals[1])


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

    return average_of(f"f{beta:g}", each)


accuracy = average_of("accuracy", _right)
_squares = average_of("mse", lambda scores, targets: (scores - targets) ** 2)
rmse = Metric("rmse", _squares.update, lambda totals: _squares.compute(totals) ** 0.5)
_surprise = average_of("nats", lambda scores, targets: _nats(scores, targets))
perplexity = Metric(
    "perplexity", _surprise.update, lambda totals: math.exp(min(_surprise.compute(totals), 700))
)


def _nats(scores, targets):
    return F.cross_entropy(scores.flatten(0, -2), targets.flatten(), reduction="none")


def _percentages(scores, targets):
    counted = targets != 0  # a share of nothing has no size; the competition leaves them out too
    shares = (targets - scores) / targets.where(counted, torch.ones_like(targets))
    return torch.stack([(shares[counted] ** 2).sum(), counted.sum()])


rmspe = Metric("rmspe", _percentages, lambda totals: (totals[0] / max(totals[1], 1)) ** 0.5)


def exponentiated(metric):
    """Return the metric of the real scale for scores and targets that are logarithms."""

    def update(scores, targets):
        return metric.update(scores.exp(), targets.exp())

    return Metric(metric.name, update, metric.compute)


def check_metric(thing):
    """Return ``thing`` where it is a Metric, or say what a metric has to be."""
    if isinstance(thing, Metric):
        return thing
    raise CourseError(
        f"metrics= takes metrics such as ck.accuracy; {thing!r} is none: wrap a function of "
        "(scores, targets) by ck.Metric, or call it first, as in ck.f_beta(2)."
    )
