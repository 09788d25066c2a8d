"""A table of ratings, who gave what to which item -> ``Data`` of two codes and a number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy

from coursekit.console import CourseError, nearest
from coursekit.data.batches import Batches, Data
from coursekit.data.split import fewer, split
from coursekit.data.tables import codes_of, values_of

if TYPE_CHECKING:
    import pandas

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
    counts: numpy.ndarray | None = None
    rows: dict[str, numpy.ndarray] = field(default_factory=dict)

    def code(self, item: str) -> int:
        """Code of an item by its name; raises CourseError where the training part has none."""
        if item in self.items:
            return self.items.index(item)
        hint = nearest(item, self.items[1:])
        raise CourseError(f"The training part has no item {item!r}; see data.items.{hint}")

    def _details(self) -> str:
        users, items = len(self.users) - 1, len(self.items) - 1
        known = self.train.num_examples / max(1, users * items)
        return f"{users:,} users, {items:,} items, {known:.1%} of all pairs rated"


def ratings(
    frame: pandas.DataFrame,
    *,
    user: str = "userId",
    item: str = "title",
    rating: str = "rating",
    valid: Any = 0.2,
    time: str = "timestamp",
    seed: int = 0,
    batch_size: int = 512,
) -> RatingsData:
    """Encode ratings; the codes of users and items are those of the training part.

    A user or item that only the validation part has gets code 0.

    Args:
        frame: a pandas DataFrame with one row a rating.
        user, item, rating: its columns.
        valid: what is held out: a fraction drawn at random; "time", the newest fifth by the column
            ``time``; a mask of the rows, or their numbers, counted from 0.
        time: the column that ``valid="time"`` goes by; used for nothing else.
        seed: of the random fraction.
        batch_size: ratings in a mini-batch.

    Raises:
        CourseError: a column is missing or has gaps, ratings are no numbers, or a part is empty.
    """
    by_time = isinstance(valid, str) and valid == "time"
    _check_frame(frame, [user, item, rating, *([time] if by_time else [])], rating)
    n = len(frame)
    if by_time:
        valid = numpy.argsort(frame[time].to_numpy(), kind="stable")[n - n // 5 :]
    rows = dict(zip(("train", "valid"), split(n, valid, seed), strict=True))
    rows = {name: fewer(part, QUICK * len(part) // n, seed) for name, part in rows.items()}
    columns = frame[user], frame[item]
    users, items = (values_of(column.iloc[rows["train"]]) for column in columns)
    codes = codes_of(columns[0], users), codes_of(columns[1], items)
    y = frame[rating].to_numpy("float32")

    def part(name: str, **options: Any) -> Batches:
        inputs = tuple(code[rows[name]] for code in codes)
        return Batches(inputs, y[rows[name]], batch_size=batch_size, **options)

    return RatingsData(
        part("train", shuffle=True),
        part("valid"),
        users=users,
        items=items,
        counts=numpy.bincount(codes[1][rows["train"]], minlength=len(items)),
        rows=rows,
    )


def _check_frame(frame: pandas.DataFrame, columns: list[str], rating: str) -> None:
    for column in columns:
        if column not in frame:
            hint = nearest(column, frame.columns)
            raise CourseError(f"The table has no column {column!r}; name yours: user=...{hint}")
        if gaps := int(frame[column].isna().sum()):
            raise CourseError(f"{gaps} rows have no {column}; drop them first: frame.dropna().")
    if frame[rating].dtype.kind not in "iuf":
        raise CourseError(f"The column {rating!r} holds no numbers; try pandas.to_numeric.")
