"""Losses: functions of scores and targets that also know how scores become probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from coursekit.learners.checks import matched, out_of_range


@dataclass(frozen=True, repr=False)
class Loss:
    """A loss: call it with scores and targets for the mean over the examples.

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

    def __call__(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Mean loss over the examples, a tensor with one number."""
        return self.function(*matched(self.name, self.kind, scores, targets), reduction="mean")

    def per_example(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Loss of every example, (N,)."""
        scores, targets = matched(self.name, self.kind, scores, targets)
        return self.function(scores, targets, reduction="none").reshape(len(scores), -1).mean(1)

    def __repr__(self) -> str:
        return self.name


def _cross_entropy(scores: Tensor, targets: Tensor, reduction: str) -> Tensor:
    if scores.dim() > 2:  # (B, T, classes): every position of a text is an example
        shares = targets.shape == scores.shape
        scores, targets = scores.flatten(0, -2), targets.flatten(0, -2 if shares else -1)
    try:
        return F.cross_entropy(scores, targets, reduction=reduction)
    except IndexError as error:  # on a CPU; a GPU does not look
        raise out_of_range(scores, targets) from error


def _log_softmax(scores: Tensor) -> Tensor:
    return scores.log_softmax(-1)


cross_entropy = Loss("cross_entropy", _cross_entropy, "classes", _log_softmax)
binary_cross_entropy = Loss(
    "binary_cross_entropy", F.binary_cross_entropy_with_logits, "flags", F.logsigmoid
)
mean_squared_error = Loss("mean_squared_error", F.mse_loss)
