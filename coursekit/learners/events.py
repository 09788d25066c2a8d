"""``State`` and ``Callback``: where a training stands, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from coursekit.console import CourseError, nearest
from coursekit.learners.history import History

EVENTS = (
    "fit_start",  # before the first epoch
    "epoch_start",  # state.stream may be wrapped
    "batch_ready",  # state.x, state.y may be replaced
    "loss_ready",  # state.loss may be replaced; state.prediction is there
    "grads_ready",  # gradients are whole and unscaled: clip here
    "step_done",  # the optimizer has moved the weights
    "epoch_done",  # state.row is whole
    "fit_done",  # always runs, also after an error
)


@dataclass
class State:
    """Where a training stands; handed to every callback.

    Attributes:
        learner, model, data, optimizer, scaler: what is trained, on what, how; not to be replaced.
        schedule, rates: factor of the rate by progress; the full rate of each parameter group.
        callbacks: the learner's callbacks and those of this fit.
        epochs, batches: how many epochs, and mini-batches in an epoch.
        epoch, batch, step: finished epochs; finished batches of this epoch; optimizer steps.
        stream: the mini-batches of this epoch.
        x, y, prediction, loss: of the mini-batch at hand.
        accumulate: True keeps the gradients and steps later (gradient accumulation).
        loss_scale: factor of this batch's gradients in the step.
        micro_batch_size: most examples of one forward pass, once memory has run out, else None.
        loss_sum, examples: sums over this epoch, on the device; their quotient is the mean loss.
        began: ``time.perf_counter()`` at the start of the epoch.
        row, history: the row of this epoch, and those of the finished ones.
        stop: set to a reason, it ends the training after this batch, or after this epoch where
            that is finished.
    """

    learner: Any
    model: torch.nn.Module
    data: Any
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    schedule: Callable[[float], float]
    rates: list[float]
    callbacks: list[Callback]
    epochs: int
    batches: int
    epoch: int = 0
    batch: int = 0
    step: int = 0
    stream: Iterable = ()
    x: Any = None
    y: Any = None
    prediction: Any = None
    loss: Any = None
    accumulate: bool = False
    loss_scale: float = 1
    micro_batch_size: int | None = None
    loss_sum: Any = None
    examples: int = 0
    began: float = 0.0
    row: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)
    stop: str | None = None

    @property
    def progress(self) -> float:
        """Fraction of the training that is done, 0 to 1."""
        return (self.epoch * self.batches + self.batch) / (self.epochs * self.batches)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the training was stopped."""
        return self.epoch == self.epochs or self.stop is not None


class Callback:
    """A listener to a training: a method named like an event is called with the ``State``.

    Methods that are no event begin with an underscore, so that a misspelt event is an error.

    Attributes:
        transient: names of attributes that are no settings, such as what was seen so far; a fit
            with another value there is still the same fit to its checkpoints.
    """

    transient: tuple[str, ...] = ()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, value in vars(cls).items():
            known = name in EVENTS or hasattr(Callback, name)
            if callable(value) and not name.startswith("_") and not known:
                raise CourseError(
                    f"{cls.__name__}.{name} is no event of a training. The events are "
                    f"{', '.join(EVENTS)}; begin other methods with an underscore."
                    + nearest(name, EVENTS)
                )

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Tensors by name that a checkpoint must hold for an exact resume."""
        return {}

    def load_state_dict(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take back what ``state_dict`` returned."""


def notifier(callbacks: Sequence[Callback]) -> Callable[[str, State], None]:
    """Make the function that tells an event to every callback that listens to it, in order.

    Raises:
        CourseError: one of them is no ``Callback``.
    """
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise CourseError(f"{callback!r} is no callback; derive its class from ck.Callback.")
    listeners = {
        event: [getattr(callback, event) for callback in callbacks if hasattr(callback, event)]
        for event in EVENTS
    }

    def notify(event: str, state: State) -> None:
        for listener in listeners[event]:
            listener(state)

    return notify
