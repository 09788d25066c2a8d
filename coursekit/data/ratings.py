"""A table of ratings, who gave what to which item -> ``Data`` of two codes and a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy

from coursekit.arguments import checked
from coursekit.console import no_such
from coursekit.data.batches import Batches, Data, fewer, split
from coursekit.data.tables import check_filled, codes_of, column_of, numbers_of, values_of

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
        raise no_such("item of the training part", item, self.items[1:])

    def _details(self) -> str:
        users, items = len(self.users) - 1, len(self.items) - 1
        known = self.train.num_examples / max(1, users * items)
        return f"{users:,} users, {items:,} items, {known:.1%} of all pairs rated"


@checked
def ratings(
    frame: pandas.DataFrame,
    *,
    user: str = "userId",
    item: str = "title",
    rating: str = "rating",
    valid: float | Sequence = 0.2,
    seed: int = 0,
    batch_size: int = 512,
) -> RatingsData:
    """Encode ratings; the codes of users and items are those of the training part.

    A user or item that only the validation part has gets code 0.

    Args:
        frame: the ratings, one row each.
        user, item, rating: names of the columns.
        valid: what is held out: a fraction drawn at random, a mask of the rows, or their numbers,
            counted from 0.
        seed: decides the random fraction.
        batch_size: ratings in a mini-batch.

    Raises:
        CourseError: a column is missing or has gaps, ratings are no numbers, or a part is empty.
    """
    check_filled(frame)
    columns = [column_of(frame, name, gaps=False) for name in (user, item, rating)]
    y = numbers_of(frame, rating, "name the column of the ratings by rating=").astype("float32")
    n = len(frame)
    rows = dict(zip(("train", "valid"), split(n, valid, seed), strict=True))
    rows = {name: fewer(part, QUICK * len(part) // n, seed) for name, part in rows.items()}
    users, items = (values_of(column.iloc[rows["train"]]) for column in columns[:2])
    codes = codes_of(columns[0], users), codes_of(columns[1], items)

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
