"""Where a training stands, who is told of it, and mini-batches in parts where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from coursekit.console import CourseError, nearest, note

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


class History(list[dict[str, Any]]):
    """Rows such as {"epoch": 1, "train_loss": 0.52, "valid_loss": 0.41, "seconds": 3.2}."""

    def __repr__(self) -> str:
        if not self:
            return "History of no epoch"
        columns = list(self[0])
        return "\n".join([table_head(columns), *(table_row(columns, row) for row in self)])


def table_head(columns: list[str]) -> str:
    """Format the names of the columns, aligned with ``table_row``."""
    return "  ".join(name.replace("_", " ").rjust(7) for name in columns)


def table_row(columns: list[str], row: dict[str, Any]) -> str:
    """Format one epoch as a line of the table."""
    return "  ".join(_cell(name, row.get(name)).rjust(max(7, len(name))) for name in columns)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "seconds":
        return f"{value:.1f}"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


@dataclass
class State:
    """Where a training stands; handed to every callback."""

    learner: Any
    model: torch.nn.Module
    data: Any
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    schedule: Callable[[float], float]  # progress -> factor of the rates
    rates: list[float]  # full learning rate of each parameter group
    callbacks: list[Callback]  # the learner's and those of this fit
    epochs: int
    batches: int  # mini-batches in an epoch
    epoch: int = 0  # finished epochs
    batch: int = 0  # finished mini-batches of this epoch
    step: int = 0  # steps of the optimizer
    stream: Iterable = ()  # the mini-batches of this epoch
    x: Any = None  # of the mini-batch at hand, as y, prediction and loss
    y: Any = None
    prediction: Any = None
    loss: Any = None
    micro_batch_size: int | None = None  # examples of a forward pass, once memory has run out
    loss_sum: Any = None  # over the examples of this epoch, on the device
    examples: int = 0  # so far in this epoch
    began: float = 0.0  # time.perf_counter() at the start of the epoch
    row: dict[str, Any] = field(default_factory=dict)  # this epoch's, of the history
    history: History = field(default_factory=History)
    stop: str | None = None  # a reason to end the training: after this batch, or this epoch

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
        transient: names of attributes that are no settings, such as what was seen so far; with
            another value there, a fit still goes on from its checkpoints.
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


def check_callbacks(callbacks: Sequence[Any]) -> list[Callback]:
    """Return callbacks as a list, or refuse what is none."""
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise CourseError(f"{callback!r} is no callback; derive its class from ck.Callback.")
    return list(callbacks)


def notifier(callbacks: Sequence[Callback]) -> Callable[[str, State], None]:
    """Make the function that tells an event, in order, to the callbacks that listen to it."""
    listeners = {e: [getattr(c, e) for c in callbacks if hasattr(c, e)] for e in EVENTS}

    def notify(event: str, state: State) -> None:
        for listener in listeners[event]:
            listener(state)

    return notify


# Mini-batches in parts ------------------------------------------------------------------------

SINGLE_EXAMPLE = (
    "The device ran out of memory with a single example; use smaller inputs or a smaller model."
)


class MicroBatches:
    """The parts of one mini-batch: the whole, or smaller parts after running out of memory.

    The loop over it does the work on each part in a ``with`` block of it. Where memory runs out
    there, the work on this batch is undone and its parts come again, of half the size, now and for
    all later batches.
    """

    def __init__(self, state: State) -> None:
        self._state, self._failed = state, False

    def __iter__(self) -> Iterator[tuple[Any, Any, float]]:
        """Yield (x, y, fraction of the batch)."""
        state = self._state
        sums, size = (state.loss_sum, state.examples), max(1, count(state.x))
        while True:
            pieces = -(-size // (state.micro_batch_size or size))
            for x, y in zip(split(state.x, pieces), split(state.y, pieces), strict=True):
                yield x, y, count(x) / size
                if self._failed:
                    break
            else:
                return
            # Outside of the failed call, so that what it held is free again.
            self._failed, (state.loss_sum, state.examples) = False, sums
            tried = min(size, state.micro_batch_size or size)
            if tried == 1:
                raise CourseError(SINGLE_EXAMPLE)
            state.prediction = state.loss = None
            state.optimizer.zero_grad(set_to_none=True)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            state.micro_batch_size = -(-tried // 2)
            note(
                f"the device ran out of memory with {tried} examples: batches of {size} now go "
                f"through it in parts of {state.micro_batch_size}, whose gradients are added up "
                "before each step. Only batch norm notices: it sees the parts."
            )

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        self._failed = isinstance(error, torch.OutOfMemoryError)
        return self._failed


def count(x: Any) -> int:
    """Number of examples in a batch of inputs: a tensor, or a tuple of them."""
    return len(x[0]) if isinstance(x, tuple) else len(x)


def split(x: Any, pieces: int) -> Sequence[Any]:
    """Cut a batch of inputs or targets into equal parts."""
    if pieces == 1:
        return [x]
    if isinstance(x, tuple):
        return list(zip(*(part.tensor_split(pieces) for part in x), strict=True))
    return x.tensor_split(pieces)
