"""``Data`` (train, valid, test, classes) and ``Batches``: whole mini-batches on the device."""

from __future__ import annotations

import copy
import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy
import torch
from torch import Tensor

from coursekit import runtime
from coursekit.arguments import checked
from coursekit.console import CourseError
from coursekit.data.cache import digest

Arrays = Any  # an array or tensor with one row an example, or a tuple of them
HASHED_AT_ONCE = 2**26  # bytes


def _each(function: Callable[[Any], Any], arrays: Any) -> Any:
    """Apply a function to an array or to each one of a tuple; None stays None."""
    if isinstance(arrays, tuple):
        return tuple(function(part) for part in arrays)
    return None if arrays is None else function(arrays)


def _flat(*arrays: Any) -> list:
    parts = (part for one in arrays for part in (one if isinstance(one, tuple) else (one,)))
    return [part for part in parts if part is not None]


def _as_tensor(name: str, array: Any) -> Tensor:
    """Turn an array, list, column or frame of numbers into a tensor; tensors stay as they are."""
    if isinstance(array, Tensor) and array.dim():
        return array
    found = numpy.asarray(array)
    found = numpy.array(found.tolist()) if found.dtype == object else found
    if found.ndim == 0 or found.dtype.kind not in "biuf":
        first = found.ravel()[:1].tolist()
        raise CourseError(f"{name} hold {first}, no numbers; use pandas.factorize(words)[0], say.")
    if found.dtype.kind == "f":
        found = found.astype(numpy.float32, copy=False)
    elif name == "targets" or (found.dtype.kind == "u" and found.itemsize > 1):
        found = found.astype(numpy.int64, copy=False)
    with warnings.catch_warnings(action="ignore"):  # of arrays that are read-only: none is written
        return torch.from_numpy(found)


def check_count(name: str, value: Any) -> None:
    """Raise a CourseError where the argument ``name``, or what is in it, is no count."""
    if not isinstance(value, (int, numpy.integer)) or value < 1:
        raise CourseError(f"{name}={value!r} is not a whole number above 0.")


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


@checked
class Batches:
    """One part of a data set, as whole mini-batches ``(x, y)`` on the device.

    A batch is one index into the arrays: nothing is fetched example by example, and a subset shares
    the arrays of the whole.

    Args:
        inputs: numbers, one row an example, such as (N, H, W, 3) uint8: a tensor, which stays as it
            is, an array (may be memory-mapped), frame or list, whose floats become float32, or a
            tuple of such.
        targets: as inputs, (N, ...), whole numbers as int64; None where there are no labels.
        batch_size: examples in a mini-batch.
        shuffle: True draws a new order for every epoch from torch's random numbers. A last batch of
            a single example is then joined to the one before it, since a batch statistic needs two.
        transform: function of a batch of inputs, called on the device, such as bytes to floats.
        augment: function of a transformed batch, called after ``transform``.
        filenames: the file, or other name, of each example.
        cache_key: text that stands for the content of ``inputs`` in ``fingerprint``; for inputs
            that nobody can edit. Without it the content is hashed.

    Raises:
        CourseError: lengths differ, or an argument is not what it should be.
    """

    _unit = "examples"
    _joins_single = False  # a last single example to the batch before it, even when in order

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
        check_count("batch_size", batch_size)
        self._inputs = _each(functools.partial(_as_tensor, "inputs"), inputs)
        self._targets = _each(functools.partial(_as_tensor, "targets"), targets)
        self.batch_size, self.shuffle = batch_size, shuffle
        self.transform, self.augment = transform, augment
        self._filenames = None if filenames is None else list(filenames)
        self._cache_key = cache_key
        parts = [*_flat(self._inputs, self._targets), self._filenames]
        lengths = {len(part) for part in parts if part is not None}
        if not _flat(self._inputs) or len(lengths) != 1:
            raise CourseError(
                f"Inputs, targets or filenames differ in length ({sorted(lengths)}) or are missing."
            )
        self._rows = torch.arange(lengths.pop())
        self._whole = True
        self._on_device: dict[str, tuple[Arrays, Arrays]] = {}  # shared by all subsets

    # What an example is -----------------------------------------------------------------------

    @property
    def num_examples(self) -> int:
        """Number of examples."""
        return len(self._rows)

    @property
    def inputs(self) -> Any:
        """Inputs of all examples before ``transform``, in order; a subset copies rows on demand."""
        return _each(lambda part: part if self._whole else Rows(part, self._rows), self._inputs)

    @property
    def targets(self) -> Any:
        """Targets of all examples, in order, or None."""
        return _each(lambda part: part if self._whole else part[self._rows], self._targets)

    @property
    def filenames(self) -> Sequence[str] | None:
        """File, or other name, of each example, in order, or None."""
        if self._filenames is None or self._whole:
            return self._filenames
        return [self._filenames[row] for row in self._rows.tolist()]

    def __repr__(self) -> str:
        kind = "shuffled" if self.shuffle else "in order"
        sizes = f"{self.num_examples:,} {self._unit}, {len(self)} batches of {self.batch_size}"
        return f"{type(self).__name__}({sizes}, {kind})"

    @checked
    def subset(self, rows: Any) -> Self:
        """Select ``rows`` (numbers, a mask or a slice), in that order, over the same arrays."""
        other = copy.copy(self)
        other._rows = self._rows[torch.from_numpy(row_numbers("rows", rows, self.num_examples))]
        other._whole = False
        return other

    @checked
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
        keyed = self._cache_key is not None
        content = [self._cache_key, self._rows if keyed else None]
        for part in _flat(None if keyed else self._inputs, self._targets):
            step = max(1, HASHED_AT_ONCE * len(part) // max(1, part.nbytes))
            for rows in self._rows.to(part.device).split(step):
                content.append(digest(part.index_select(0, rows)))
        return digest(self.batch_size, self.shuffle, self.transform, self.augment, content)

    # Mini-batches -----------------------------------------------------------------------------

    def __len__(self) -> int:
        full, rest = divmod(self.num_examples, self.batch_size)
        joined = rest == 1 and full > 0 and (self.shuffle or self._joins_single)
        return full + (rest > 0 and not joined)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Pass over all examples once, a mini-batch ``(x, y)`` at a time."""
        where = runtime.device()
        inputs, targets = self._arrays_on(where)
        rows = self._rows[torch.randperm(len(self._rows))] if self.shuffle else self._rows
        for index in self._cut(rows.to(_flat(inputs)[0].device)):
            x, y = _take(inputs, index, where), _take(targets, index, where)
            x = x if self.transform is None else self.transform(x)
            yield x if self.augment is None else self.augment(x), y

    def one_batch(self) -> tuple[Any, Any]:
        """First mini-batch ``(x, y)`` of an epoch."""
        return next(iter(self))

    def _cut(self, rows: Tensor) -> list[Tensor]:
        ends = [number * self.batch_size for number in range(1, len(self))]
        return list(rows.tensor_split(ends))[: len(self)]

    def _arrays_on(self, where: torch.device) -> tuple[Arrays, Arrays]:
        """Inputs and targets, moved to the device once where they fit with room to spare."""
        arrays = self._inputs, self._targets
        if where.type == "cpu":
            return arrays
        if where.type not in self._on_device:
            total = sum(part.nbytes for part in _flat(*arrays))
            free = torch.cuda.mem_get_info(where)[0] if where.type == "cuda" else 4 * 2**30
            if total < free / 3:
                arrays = _each(lambda part: _each(lambda one: one.to(where), part), arrays)
            self._on_device[where.type] = arrays
        return self._on_device[where.type]


def _take(arrays: Arrays, rows: Tensor, where: torch.device) -> Any:
    """Look up rows and bring them to the device."""

    def take(array: Tensor) -> Tensor:
        part = array.index_select(0, rows)
        if part.device.type == where.type:
            return part
        part = part.pin_memory() if where.type == "cuda" else part
        return part.to(where, non_blocking=True)

    return _each(take, arrays)


class MissingFieldError(CourseError, AttributeError):
    """Data that was put together by hand lacks a field; ``hasattr`` says False."""


@checked
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
        raise MissingFieldError(
            f"This {type(self).__name__} has no {name}. What recipes need is made by ck.images, "
            "ck.table, ck.text, ck.language or ck.ratings; keep it by data.replace(train=...)."
        )

    @checked
    def replace(self, **changes: Any) -> Self:
        """Copy with other parts, all else the same: ``data.replace(train=fewer)``."""
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        parts = [(part, getattr(self, part)) for part in ("train", "valid", "test")]
        sizes = [f"{n} {p.num_examples:,}" for n, p in parts if hasattr(p, "num_examples")]
        shown = "; ".join(filter(None, [", ".join(sizes), self._details()]))
        return f"{type(self).__name__}({shown})"

    def _details(self) -> str:
        names = ", ".join(map(str, self.classes[:6])) + (", ..." if len(self.classes) > 6 else "")
        return f"{len(self.classes)} classes: {names}" if self.classes else ""


# Which rows ------------------------------------------------------------------------------------


def split(n: int, valid: Any, seed: int = 0) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Split ``n`` rows into training and validation.

    Args:
        n: number of rows.
        valid: what is held out: a fraction such as 0.2, drawn at random; a mask (n,) of True and
            False; or the numbers of the rows, counted from 0.
        seed: decides the random fraction; the same seed and ``n`` give the same rows.

    Returns:
        (training rows, validation rows): int64, ascending, without overlap.

    Raises:
        CourseError: ``valid`` is none of these, or leaves a part without rows.
    """
    if numpy.ndim(valid) == 0:
        if not 0 < valid < 1:
            raise CourseError(f"valid={valid!r} is not a fraction between 0 and 1, such as 0.2.")
        count = min(max(1, round(valid * n)), n - 1)
        valid = _shuffled(n, seed)[: max(0, count)]
    held_out = numpy.zeros(n, bool)
    held_out[row_numbers("valid", valid, n)] = True
    if not 0 < held_out.sum() < n:
        count = held_out.sum()
        raise CourseError(f"Of {n:,} rows {count:,} would be held out; hold out a fifth, say.")
    return numpy.flatnonzero(~held_out), numpy.flatnonzero(held_out)


def row_numbers(name: str, rows: Any, n: int) -> numpy.ndarray:
    """Numbers (M,) int64 of the rows, from 0 to n - 1, that an argument takes out of ``n``.

    They may be given as numbers, as a mask of n times True and False, or as a slice.
    """
    every = numpy.arange(n)
    if isinstance(rows, slice):
        return every[rows]
    chosen = numpy.asarray(rows.cpu() if hasattr(rows, "cpu") else rows)
    chosen = chosen if chosen.size else chosen.astype(int)
    numbers = chosen.dtype.kind in "iu" and ((chosen >= 0) & (chosen < n)).all()
    if chosen.ndim != 1 or not (numbers or (chosen.dtype == bool and len(chosen) == n)):
        raise CourseError(f"{name}= is neither a mask of {n:,} rows nor row numbers below {n:,}.")
    return every[chosen]


def fewer(rows: Any, count: int, seed: int = 0) -> Any:
    """Draw ``count`` of some rows (an array or a list), in order, under the quick profile only."""
    if not runtime.quick() or len(rows) <= count:
        return rows
    chosen = numpy.sort(_shuffled(len(rows), seed)[: max(1, count)])
    return rows[chosen] if isinstance(rows, numpy.ndarray) else [rows[row] for row in chosen]


def _shuffled(n: int, seed: int) -> numpy.ndarray:
    return numpy.random.default_rng(seed % 2**64).permutation(n)  # NumPy takes no sign
