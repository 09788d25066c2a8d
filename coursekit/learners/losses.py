"""Losses: functions of scores and targets that also know how scores become probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from coursekit.console import CourseError


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
    function: Callable[..., Tensor]
    log_probabilities: Callable[[Tensor], Tensor] | None = None

    def __call__(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Mean loss over the examples, a tensor with one number."""
        return self.function(scores, targets, reduction="mean")

    def per_example(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Loss of every example, (N,)."""
        losses = self.function(scores, targets, reduction="none")
        return losses.reshape(len(targets), -1).mean(1)

    def __repr__(self) -> str:
        return self.name


def check_shapes(scores: Tensor, targets: Tensor) -> None:
    """Refuse scores that torch would broadcast against the targets, (N, 1) against (N,), say."""
    if scores.shape != targets.shape:
        raise CourseError(
            f"The scores have the shape {tuple(scores.shape)} and the targets "
            f"{tuple(targets.shape)}. Make both alike, by scores.squeeze(1), say."
        )


def _cross_entropy(scores: Tensor, targets: Tensor, reduction: str) -> Tensor:
    if scores.dim() > 2:  # (B, T, classes): every position of a text is an example
        scores, targets = scores.flatten(0, -2), targets.flatten()
    try:
        return F.cross_entropy(scores, targets, reduction=reduction)
    except IndexError as error:  # on a CPU; a GPU does not look
        raise CourseError(
            f"The targets go from {targets.min()} to {targets.max()}, but the model gives "
            f"{scores.shape[-1]} scores. Number the classes from 0 and give each of them a score."
        ) from error


def _binary_cross_entropy(scores: Tensor, targets: Tensor, reduction: str) -> Tensor:
    check_shapes(scores, targets)
    return F.binary_cross_entropy_with_logits(scores, targets, reduction=reduction)


def _squared_error(scores: Tensor, targets: Tensor, reduction: str) -> Tensor:
    check_shapes(scores, targets)
    return F.mse_loss(scores, targets, reduction=reduction)


def _log_softmax(scores: Tensor) -> Tensor:
    return scores.log_softmax(-1)


cross_entropy = Loss("cross_entropy", _cross_entropy, _log_softmax)
binary_cross_entropy = Loss("binary_cross_entropy", _binary_cross_entropy, F.logsigmoid)
mean_squared_error = Loss("mean_squared_error", _squared_error)
