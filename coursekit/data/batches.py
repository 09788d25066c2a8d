"""``Data`` (train, valid, test, classes) and ``Batches``: whole mini-batches on the device."""

import copy
import hashlib
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import torch

from coursekit import runtime
from coursekit.console import CourseError


def _parts(thing):
    return thing if isinstance(thing, tuple) else (thing,)


def _rejoin(parts, like):
    return tuple(parts) if isinstance(like, tuple) else parts[0]


def _as_tensor(array):
    if not isinstance(array, numpy.ndarray):
        return array
    with warnings.catch_warnings():  # of arrays that may not be written: here they are only read
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


class Rows:
    """Some rows of a tensor, looked up when they are asked for: ``rows[3]``, ``rows[10:20]``."""

    def __init__(self, whole, rows):
        self._whole, self._rows = whole, rows
        self.shape, self.dtype = (len(rows), *whole.shape[1:]), whole.dtype

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, index):
        return self._whole[self._rows[index]]

    def __array__(self, dtype=None, copy=None):
        return numpy.asarray(self[:], dtype=dtype)


class Batches:
    """One part of a data set, handed out as whole mini-batches ``(x, y)`` on the device.

    A batch is one index into the arrays: nothing is fetched example by example, and a subset shares
    the arrays of the whole.

    Args:
        inputs: array or tensor with one row an example, such as (N, H, W, 3) uint8, or a tuple of
            them; may be memory-mapped.
        targets: array or tensor (N, ...) or a tuple of them; None where there are no labels.
        size: examples in a batch.
        shuffle: True draws a new order for every epoch from torch's random numbers. A last batch of
            a single example is then joined to the one before it, since a batch statistic needs two.
        prepare: function of a batch of inputs, called on the device; turns bytes into floats, say.
        augment: function of a prepared batch, called after ``prepare``.
        names: the file, or other name, of each example.
        identity: text that stands for the content of ``inputs``; without it the bytes are hashed
            when a fit asks whether it may resume.
    """

    def __init__(
        self,
        inputs,
        targets=None,
        *,
        size=64,
        shuffle=False,
        prepare=None,
        augment=None,
        names=None,
        identity=None,
    ):
        self._inputs = tuple(_as_tensor(part) for part in _parts(inputs))
        self._one_input = not isinstance(inputs, tuple)
        self._targets = targets
        if targets is not None:
            parts = [_as_tensor(part) for part in _parts(targets)]
            self._targets = _rejoin(parts, targets)
        lengths = {
            len(part) for part in (*self._inputs, *_parts(self._targets)) if part is not None
        }
        if len(lengths) > 1:
            raise CourseError(
                f"Inputs and targets differ in length ({sorted(lengths)}); give one row an example."
            )
        if not isinstance(size, int) or size < 1:
            raise CourseError(
                f"A batch of {size!r} examples cannot be made; use a whole number > 0."
            )
        self.size, self.shuffle = size, shuffle
        self.prepare, self.augment = prepare, augment
        self._names, self._identity = names, identity
        self._rows = torch.arange(lengths.pop())
        self._whole = True
        self._resident = None

    # What an example is -----------------------------------------------------------------------

    @property
    def examples(self):
        """Return how many examples there are."""
        return len(self._rows)

    @property
    def inputs(self):
        """Return the raw inputs of all examples, in order; a subset copies rows when asked."""
        parts = [part if self._whole else Rows(part, self._rows) for part in self._inputs]
        return parts[0] if self._one_input else tuple(parts)

    @property
    def targets(self):
        """Return the targets of all examples, in order, or None."""
        if self._targets is None or self._whole:
            return self._targets
        return _rejoin([part[self._rows] for part in _parts(self._targets)], self._targets)

    @property
    def names(self):
        """Return the file, or other name, of each example, in order, or None."""
        if self._names is None or self._whole:
            return self._names
        return [self._names[row] for row in self._rows.tolist()]

    def __repr__(self):
        kind = "shuffled" if self.shuffle else "in order"
        return f"Batches({self.examples:,} examples, {len(self)} batches of {self.size}, {kind})"

    # Views: nothing is copied -----------------------------------------------------------------

    def subset(self, rows):
        """Return the examples ``rows`` (whole numbers) as Batches over the same arrays."""
        other = copy.copy(self)
        other._rows = self._rows[torch.as_tensor(rows, dtype=torch.long)]
        other._whole = False
        return other

    def in_order(self, *, augment=None):
        """Return the same examples unshuffled, augmented by ``augment`` only."""
        other = copy.copy(self)
        other.shuffle, other.augment = False, augment
        return other

    def fingerprint(self):
        """Return a short hash of content, order and augmentation; equal means the same batches.

        Functions count by their names, since their addresses differ in every kernel.
        """
        digest = hashlib.blake2b(digest_size=16)
        facts = repr((self.size, self.shuffle, self.prepare, self.augment, self._identity))
        digest.update(re.sub(r" at 0x[0-9a-f]+", "", facts).encode())
        hashed = (*(() if self._identity else self._inputs), *_parts(self._targets), self._rows)
        for part in hashed:
            if part is not None:
                digest.update(f"{part.dtype}{tuple(part.shape)}".encode())
                digest.update(part.contiguous().cpu().view(torch.uint8).numpy())
        return digest.hexdigest()

    # Mini-batches -----------------------------------------------------------------------------

    def __len__(self):
        full, rest = divmod(self.examples, self.size)
        joined = self.shuffle and rest == 1 and full > 0
        return full + (rest > 0 and not joined)

    def __iter__(self):
        """Walk through all examples once, a mini-batch ``(x, y)`` at a time."""
        where = runtime.device()
        inputs, targets = self._settle(where)
        rows = self._rows
        if self.shuffle:
            rows = rows[torch.randperm(len(rows))]
        rows = rows.to(inputs[0].device)
        count = len(self)
        for number in range(count):
            end = None if number == count - 1 else (number + 1) * self.size
            index = rows[number * self.size : end]
            x = [self._move(part[index], where) for part in inputs]
            x = x[0] if self._one_input else tuple(x)
            x = x if self.prepare is None else self.prepare(x)
            x = x if self.augment is None else self.augment(x)
            y = [None if part is None else self._move(part[index], where) for part in targets]
            yield x, _rejoin(y, self._targets)

    def first(self):
        """Return the first mini-batch ``(x, y)``."""
        return next(iter(self))

    @staticmethod
    def _move(part, where):
        if part.device.type == where.type:
            return part
        part = part.pin_memory() if where.type == "cuda" else part
        return part.to(where, non_blocking=True)

    def _settle(self, where):
        """Put the arrays on the device once, where they fit with room to spare."""
        if where.type == "cpu":
            return self._inputs, _parts(self._targets)
        if self._resident is None:
            parts = [*self._inputs, *_parts(self._targets)]
            total = sum(part.nbytes for part in parts if part is not None)
            free = torch.cuda.mem_get_info(where)[0] if where.type == "cuda" else 4 * 2**30
            if total < free / 3:
                parts = [None if part is None else part.to(where) for part in parts]
            self._resident = parts[: len(self._inputs)], parts[len(self._inputs) :]
        return self._resident


@dataclass
class Data:
    """A data set, ready to train on.

    Attributes:
        train, valid: ``Batches`` (or any iterable of ``(x, y)`` with a length).
        test: ``Batches`` without targets, or None.
        classes: names of the classes, in the order of the numbers in the targets.
        path: the folder that names of examples are relative to, or None.
        options: how an example was made (size of a picture, say); a new one is made alike.
    """

    train: object
    valid: object
    test: object = None
    classes: tuple = ()
    path: Path | None = None
    options: dict = field(default_factory=dict)

    def __repr__(self):
        parts = [
            f"{part} {getattr(self, part).examples:,}"
            for part in ("train", "valid", "test")
            if hasattr(getattr(self, part), "examples")
        ]
        if not self.classes:
            return f"Data({', '.join(parts)})"
        names = ", ".join(map(str, self.classes[:6])) + (", ..." if len(self.classes) > 6 else "")
        return f"Data({', '.join(parts)}; {len(self.classes)} classes: {names})"
