"""``Data`` (train, valid, test, classes) and ``Batches``: whole mini-batches on the device."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy
import torch
from torch import Tensor

from coursekit import runtime
from coursekit.console import CourseError
from coursekit.data.cache import digest

Arrays = Any  # an array or tensor with one row an example, or a tuple of them
HASHED_AT_ONCE = 2**26  # bytes


def _parts(thing: Any) -> tuple:
    return thing if isinstance(thing, tuple) else (thing,)


def _rejoin(parts: Sequence, like: Any) -> Any:
    return tuple(parts) if isinstance(like, tuple) else parts[0]


def _as_tensor(array: Any) -> Tensor:
    if not isinstance(array, numpy.ndarray):
        return array
    with warnings.catch_warnings():  # of arrays that may not be written: here they are only read
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


class Rows:
    """Some rows of a tensor, looked up when they are asked for: ``rows[3]``, ``rows[10:20]``."""

    def __init__(self, whole: Tensor, rows: Tensor):
        self._whole, self._rows = whole, rows
        self.shape, self.dtype = (len(rows), *whole.shape[1:]), whole.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Tensor:
        return self._whole[self._rows[index]]

    def __array__(self, dtype: Any = None, copy: Any = None) -> numpy.ndarray:
        return numpy.asarray(self[:], dtype=dtype)


class Batches:
    """One part of a data set, as whole mini-batches ``(x, y)`` on the device.

    A batch is one index into the arrays: nothing is fetched example by example, and a subset shares
    the arrays of the whole.

    Args:
        inputs: array or tensor with one row an example, such as (N, H, W, 3) uint8, or a tuple of
            them; may be memory-mapped.
        targets: array or tensor (N, ...) or a tuple of them; None where there are no labels.
        batch_size: examples in a mini-batch.
        shuffle: True draws a new order for every epoch from torch's random numbers. A last batch of
            a single example is then joined to the one before it, since a batch statistic needs two.
        transform: function of a batch of inputs, called on the device, such as bytes to floats.
        augment: function of a transformed batch, called after ``transform``.
        filenames: the file, or other name, of each example.
        cache_key: text that stands for the content of ``inputs`` in ``fingerprint``; for inputs
            that nobody can edit. Without it the content is hashed.

    Raises:
        CourseError: inputs and targets differ in length, or ``batch_size`` is no whole number > 0.
    """

    def __init__(
        self,
        inputs: Arrays,
        targets: Arrays | None = None,
        *,
        batch_size: int = 64,
        shuffle: bool = False,
        transform: Callable | None = None,
        augment: Callable | None = None,
        filenames: Sequence[str] | None = None,
        cache_key: str | None = None,
    ):
        self._inputs = tuple(_as_tensor(part) for part in _parts(inputs))
        self._one_input = not isinstance(inputs, tuple)
        self._targets = targets
        if targets is not None:
            self._targets = _rejoin([_as_tensor(part) for part in _parts(targets)], targets)
        arrays = [part for part in (*self._inputs, *_parts(self._targets)) if part is not None]
        lengths = {len(part) for part in arrays}
        if len(lengths) > 1:
            raise CourseError(
                f"Inputs and targets differ in length ({sorted(lengths)}); give one row an example."
            )
        if not isinstance(batch_size, int) or batch_size < 1:
            raise CourseError(f"batch_size={batch_size!r} is not a whole number above 0.")
        self.batch_size, self.shuffle = batch_size, shuffle
        self.transform, self.augment = transform, augment
        self._filenames, self._cache_key = filenames, cache_key
        self._rows = torch.arange(lengths.pop())
        self._whole = True
        self._on_device: dict[str, tuple[tuple, ...]] = {}  # shared by all subsets

    # What an example is -----------------------------------------------------------------------

    @property
    def num_examples(self) -> int:
        """Number of examples."""
        return len(self._rows)

    @property
    def inputs(self) -> Any:
        """Inputs of all examples before ``transform``, in order; a subset copies rows on demand."""
        parts = [part if self._whole else Rows(part, self._rows) for part in self._inputs]
        return parts[0] if self._one_input else tuple(parts)

    @property
    def targets(self) -> Any:
        """Targets of all examples, in order, or None."""
        if self._targets is None or self._whole:
            return self._targets
        return _rejoin([part[self._rows] for part in _parts(self._targets)], self._targets)

    @property
    def filenames(self) -> Sequence[str] | None:
        """File, or other name, of each example, in order, or None."""
        if self._filenames is None or self._whole:
            return self._filenames
        return [self._filenames[row] for row in self._rows.tolist()]

    def __repr__(self) -> str:
        kind = "shuffled" if self.shuffle else "in order"
        sizes = f"{self.num_examples:,} examples, {len(self)} batches of {self.batch_size}"
        return f"Batches({sizes}, {kind})"

    # Views: nothing is copied -----------------------------------------------------------------

    def subset(self, rows: Any) -> Self:
        """Select the examples ``rows`` (whole numbers), in that order, over the same arrays."""
        other = copy.copy(self)
        other._rows = self._rows[torch.as_tensor(rows, dtype=torch.long)]
        other._whole = False
        return other

    def sequential(self, *, augment: Callable | None = None) -> Self:
        """View the same examples unshuffled, augmented by ``augment`` only."""
        other = copy.copy(self)
        other.shuffle, other.augment = False, augment
        return other

    def fingerprint(self) -> str:
        """Hash everything that decides the batches: content, order, transform, augmentation.

        Equal in every process; another where an array, a setting, or the code of a function is.

        Raises:
            TypeError: ``transform`` or ``augment`` has no content to compare.
        """
        arrays = [*(() if self._cache_key else self._inputs), *_parts(self._targets)]
        content = [self._cache_key, self._rows if self._cache_key else None]
        for part in arrays:
            if part is None:
                continue
            step = max(1, HASHED_AT_ONCE * len(part) // max(1, part.nbytes))
            for rows in self._rows.to(part.device).split(step):
                content.append(digest(part.index_select(0, rows)))
        return digest(self.batch_size, self.shuffle, self.transform, self.augment, content)

    # Mini-batches -----------------------------------------------------------------------------

    def __len__(self) -> int:
        full, rest = divmod(self.num_examples, self.batch_size)
        joined = self.shuffle and rest == 1 and full > 0
        return full + (rest > 0 and not joined)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Pass over all examples once, a mini-batch ``(x, y)`` at a time."""
        where = runtime.device()
        inputs, targets = self._arrays_on(where)
        rows = self._rows
        if self.shuffle:
            rows = rows[torch.randperm(len(rows))]
        rows = rows.to(inputs[0].device)
        count = len(self)
        for number in range(count):
            end = None if number == count - 1 else (number + 1) * self.batch_size
            index = rows[number * self.batch_size : end]
            parts = [self._move(part.index_select(0, index), where) for part in inputs]
            x = parts[0] if self._one_input else tuple(parts)
            x = x if self.transform is None else self.transform(x)
            x = x if self.augment is None else self.augment(x)
            y = [part if part is None else part.index_select(0, index) for part in targets]
            y = [part if part is None else self._move(part, where) for part in y]
            yield x, _rejoin(y, self._targets)

    def one_batch(self) -> tuple[Any, Any]:
        """First mini-batch ``(x, y)`` of an epoch."""
        return next(iter(self))

    @staticmethod
    def _move(part: Tensor, where: torch.device) -> Tensor:
        if part.device.type == where.type:
            return part
        part = part.pin_memory() if where.type == "cuda" else part
        return part.to(where, non_blocking=True)

    def _arrays_on(self, where: torch.device) -> tuple[tuple, ...]:
        """Inputs and targets, moved to the device once where they fit with room to spare."""
        arrays: tuple[tuple, ...] = self._inputs, _parts(self._targets)
        if where.type == "cpu":
            return arrays
        if where.type not in self._on_device:
            total = sum(part.nbytes for parts in arrays for part in parts if part is not None)
            free = torch.cuda.mem_get_info(where)[0] if where.type == "cuda" else 4 * 2**30
            if total < free / 3:
                arrays = tuple(
                    tuple(part if part is None else part.to(where) for part in parts)
                    for parts in arrays
                )
            self._on_device[where.type] = arrays
        return self._on_device[where.type]


MADE_BY = {  # fields of the kinds of Data that recipes need -> what makes them
    **dict.fromkeys(("size", "resize", "multi_label"), "ck.images"),
    **dict.fromkeys(("categories", "continuous", "log_target"), "ck.table"),
    **dict.fromkeys(("users", "items"), "ck.ratings"),
    **dict.fromkeys(("vocabulary", "backward"), "ck.text or ck.language"),
}


class MissingFieldError(CourseError, AttributeError):
    """Data that was put together by hand lacks a field; ``hasattr`` says False."""


@dataclass(repr=False)
class Data:
    """A data set, ready to train on.

    Attributes:
        train, valid: ``Batches`` (or any iterable of ``(x, y)`` with a length).
        test: ``Batches`` without targets, or None.
        classes: names of the classes, in the order of the numbers in the targets.
        path: the folder that file names of examples are relative to, or None.
    """

    train: Any
    valid: Any
    test: Any = None
    classes: tuple = ()
    path: Path | None = None

    def __getattr__(self, name: str) -> Any:
        """Say what a recipe misses in Data that was put together by hand."""
        if name not in MADE_BY:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise MissingFieldError(
            f"This {type(self).__name__} has no {name}. Make it by {MADE_BY[name]}, or from such "
            "Data by data.replace(train=...)."
        )

    def replace(self, **changes: Any) -> Self:
        """Copy with other parts, all else the same: ``data.replace(train=fewer)``."""
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        parts = [
            f"{part} {getattr(self, part).num_examples:,}"
            for part in ("train", "valid", "test")
            if hasattr(getattr(self, part), "num_examples")
        ]
        shown = "; ".join(filter(None, [", ".join(parts), self._details()]))
        return f"{type(self).__name__}({shown})"

    def _details(self) -> str:
        """Say what there is beside the parts, in a few words."""
        if not self.classes:
            return ""
        names = ", ".join(map(str, self.classes[:6])) + (", ..." if len(self.classes) > 6 else "")
        return f"{len(self.classes)} classes: {names}"
