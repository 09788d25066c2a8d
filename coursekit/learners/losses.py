"""Losses: functions of scores and targets that also know how scores become probabilities."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True, repr=False)
class Loss:
    """A loss: call it with scores and targets for the mean over the examples.

    Attributes:
        name: as it appears in messages.
        function: (scores, targets, reduction=...) -> loss.
        log_probabilities: scores -> natural logarithms of the probabilities, or None where scores
            are no logits.
    """

    name: str
    function: Callable
    log_probabilities: Callable | None = None

    def __call__(self, scores, targets):
        """Return the mean loss over the examples, a tensor with one number."""
        return self.function(scores, targets, reduction="mean")

    def per_example(self, scores, targets):
        """Return the loss of every example (N,)."""
        losses = self.function(scores, targets, reduction="none")
        return losses.reshape(len(targets), -1).mean(1)

    def __repr__(self):
        return self.name


def _cross_entropy(scores, targets, reduction):
    if scores.dim() > 2:  # (B, T, classes) scores of every position in a text
        scores, targets = scores.flatten(0, -2), targets.flatten()
    return F.cross_entropy(scores, targets, reduction=reduction)


cross_entropy = Loss("cross_entropy", _cross_entropy, lambda scores: scores.log_softmax(-1))
binary_cross_entropy = Loss(
    "binary_cross_entropy", F.binary_cross_entropy_with_logits, torch.nn.functional.logsigmoid
)
mean_squared_error = Loss("mean_squared_error", F.mse_loss)
