"""Mini-batches that pass through the device in parts once its memory has run out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from coursekit.console import CourseError, note
from coursekit.learners.events import State

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
        sums = state.loss_sum, state.examples
        while True:
            for part in _parts(state.x, state.y, state.micro_batch_size):
                yield part
                if self._failed:
                    break
            else:
                return
            # Outside of the failed call, so that what it held is free again.
            self._failed, (state.loss_sum, state.examples) = False, sums
            self._halve()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        self._failed = isinstance(error, torch.OutOfMemoryError)
        return self._failed

    def _halve(self) -> None:
        state, size = self._state, count(self._state.x)
        tried = min(size, state.micro_batch_size or size)
        if tried == 1:
            raise CourseError(SINGLE_EXAMPLE)
        state.prediction = state.loss = None
        state.optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        state.micro_batch_size = -(-tried // 2)
        note(
            f"the device ran out of memory with {tried} examples: batches of {size} now go through "
            f"it in parts of {state.micro_batch_size}, whose gradients are added up before each "
            "step. Only batch norm notices: it sees the parts."
        )


def count(x: Any) -> int:
    """Number of examples in a batch of inputs: a tensor, or a tuple of them."""
    return len(x[0]) if isinstance(x, tuple) else len(x)


def cut(x: Any, rows: slice) -> Any:
    """Take some examples of a batch of inputs or targets."""
    return tuple(part[rows] for part in x) if isinstance(x, tuple) else x[rows]


def _parts(x: Any, y: Any, size: int | None) -> Iterator[tuple[Any, Any, float]]:
    """Yield (x, y, fraction of the batch) in equal parts of at most ``size`` examples."""
    examples = count(x)
    if size is None or examples <= size:
        yield x, y, 1
        return
    for rows in torch.arange(examples).tensor_split(-(-examples // size)):
        part = slice(rows[0].item(), rows[-1].item() + 1)
        yield cut(x, part), cut(y, part), (part.stop - part.start) / examples
