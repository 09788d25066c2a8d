"""A table of ratings, who gave what to which item -> ``Data`` of two codes and a number."""

from dataclasses import dataclass

import numpy
import torch

from coursekit import runtime
from coursekit.console import CourseError, nearest
from coursekit.data.batches import Batches, Data

QUICK = 20_000  # ratings that the quick profile keeps


@dataclass(repr=False)
class RatingsData(Data):
    """Ratings, ready to train on: x = (users (B,), items (B,)) int64 codes, y (B,) float32.

    Attributes:
        users, items: who and what stands behind each code, in order; code 0, None, stands for
            everyone and everything that the training part does not know.
        counts: (items,) int64, how many ratings of the training part each item has.
        rows: {"train": ..., "valid": ...}, the rows of the frame that each part was made of.
    """

    users: tuple = ()
    items: tuple = ()
    counts: numpy.ndarray = None
    rows: dict = None

    def code(self, item):
        """Return the code of an item by its name.

        Raises:
            CourseError: the training part has no item of this name.
        """
        try:
            return self.items.index(item)
        except ValueError:
            raise CourseError(
                f"The training part has no item {item!r}; take one of data.items."
                + nearest(item, self.items[1:])
            ) from None

    def __repr__(self):
        users, items = len(self.users) - 1, len(self.items) - 1
        known = self.train.num_examples / max(1, users * items)
        return (
            f"RatingsData(train {self.train.num_examples:,}, valid {self.valid.num_examples:,}; "
            f"{users:,} users, {items:,} items, {known:.1%} of all pairs rated)"
        )


def ratings(
    frame,
    *,
    user="userId",
    item="title",
    rating="rating",
    valid=0.2,
    time="timestamp",
    seed=0,
    batch_size=512,
):
    """Return ``RatingsData``: the codes of users and items are those of the training part.

    A user or item that only the validation part has gets code 0.

    Args:
        frame: a pandas DataFrame with one row a rating.
        user, item, rating: its columns.
        valid: what is held out: a share drawn at random; "time", the newest fifth by the column
            ``time``; or the numbers of the rows, counted from 0.
        time: the column that ``valid="time"`` goes by; used for nothing else.
        seed: of the random share.
        batch_size: ratings in a mini-batch.

    Raises:
        CourseError: a column is missing or has gaps, ratings are no numbers, or a part is empty.
    """
    columns = [user, item, rating] + ([time] if isinstance(valid, str) else [])
    _check_frame(frame, columns, rating)
    held_out = _held_out(frame, valid, time, seed)
    rows = {"train": numpy.flatnonzero(~held_out), "valid": numpy.flatnonzero(held_out)}
    if runtime.quick():
        rows = {part: _fewer(those, len(frame), seed) for part, those in rows.items()}
    if not all(map(len, rows.values())):
        raise CourseError(
            f"valid={valid!r} leaves one part without ratings; hold out about a fifth."
        )
    people, things = (_Codes(frame[column].iloc[rows["train"]]) for column in (user, item))
    y = frame[rating].to_numpy("float32")

    def part(name, **options):
        chosen = frame.iloc[rows[name]]
        x = (people.of(chosen[user]), things.of(chosen[item]))
        return Batches(x, y[rows[name]], batch_size=batch_size, **options)

    train = part("train", shuffle=True)
    counts = torch.bincount(train.inputs[1], minlength=len(things.names)).numpy()
    return RatingsData(
        train, part("valid"), users=people.names, items=things.names, counts=counts, rows=rows
    )


class _Codes:
    """Codes from 1 for the values of a column, in order; 0 for all others."""

    def __init__(self, column):
        import pandas

        self._known = pandas.Index(column.unique()).sort_values()
        self.names = (None, *self._known.tolist())

    def of(self, column):
        """Return the codes (N,) int64 of a column."""
        return self._known.get_indexer(column).astype("int64") + 1


def _held_out(frame, valid, time, seed):
    """Return which rows are held out, (N,) bool."""
    held_out = numpy.zeros(len(frame), bool)
    if isinstance(valid, str):
        if valid != "time":
            raise CourseError(f"valid={valid!r} is no way to split; use a share, rows or 'time'.")
        order = numpy.argsort(frame[time].to_numpy(), kind="stable")
        held_out[order[len(frame) - len(frame) // 5 :]] = True
    elif numpy.ndim(valid) == 0:
        if not 0 < valid < 1:
            raise CourseError(f"valid={valid!r} is no share of the ratings; use 0.2, say.")
        random = numpy.random.default_rng(seed)
        held_out[random.permutation(len(frame))[: round(valid * len(frame))]] = True
    else:
        rows = numpy.asarray(valid)
        if (
            rows.dtype.kind not in "iu"
            or not len(rows)
            or not 0 <= rows.min() <= rows.max() < len(frame)
        ):
            raise CourseError(
                f"valid= has to hold numbers of rows from 0 to {len(frame) - 1}; "
                "numpy.flatnonzero(mask) makes them of a mask."
            )
        held_out[rows] = True
    return held_out


def _check_frame(frame, columns, rating):
    for column in columns:
        if column not in frame:
            raise CourseError(
                f"The table has no column {column!r}; name yours, as in user='userId'."
                + nearest(column, frame.columns)
            )
        if gaps := int(frame[column].isna().sum()):
            raise CourseError(
                f"{gaps} rows have no {column}; drop them first, by frame.dropna(), say."
            )
    if frame[rating].dtype.kind not in "iuf":
        raise CourseError(
            f"The column {rating!r} holds no numbers; turn it into them by pandas.to_numeric."
        )


def _fewer(rows, total, seed):
    """Return rows drawn at random, so that both parts together have about ``QUICK``."""
    count = max(1, len(rows) * QUICK // max(total, QUICK)) if len(rows) else 0
    return numpy.sort(numpy.random.default_rng(seed).permutation(rows)[:count])
