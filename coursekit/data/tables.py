"""A table, one row an example -> ``Data`` of categories and numbers; dates and days since events.

Whatever is learned from a column (its categories, median, mean and standard deviation, whether it
has gaps) is learned from the rows of the training part alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy
import torch

from coursekit.console import CourseError, nearest
from coursekit.data.batches import Batches, Data
from coursekit.data.split import fewer, split

if TYPE_CHECKING:
    import pandas

QUICK = 20_000  # rows that the quick profile keeps
MISSING = " is missing"  # ends the name of a column that says where another one has gaps


@dataclass(kw_only=True, repr=False)
class Columns:
    """What is learned from the columns of the training rows, and how other rows are encoded by it.

    Attributes:
        categories: {column: its values}, in the order of their codes; code 0, None, stands for
            every value that the training part does not have, and NaN for a gap.
        medians: {column: median}, which fills its gaps.
        means, scales: {column: mean or standard deviation}; where a column has gaps in the training
            part, another one says so, such as "Distance is missing".
    """

    categories: dict[str, tuple] = field(default_factory=dict)
    medians: dict[str, float] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)

    @classmethod
    def fit(cls, frame: pandas.DataFrame, categories: Sequence, continuous: Sequence) -> Columns:
        """Learn from the training rows.

        Raises:
            CourseError: a column is missing, empty, or holds no numbers where it should.
        """
        learned = cls(categories={name: values_of(_column(frame, name)) for name in categories})
        for name in continuous:
            values = _as_numbers(frame, name)
            gaps = numpy.isnan(values)
            if gaps.all():
                raise CourseError(f"The column {name!r} is empty in the training rows.")
            learned.medians[name] = float(numpy.median(values[~gaps]))
            parts = {name: numpy.where(gaps, learned.medians[name], values)}
            if gaps.any():
                parts[name + MISSING] = gaps
            learned.means |= {key: float(part.mean()) for key, part in parts.items()}
            # A constant column becomes zeros.
            learned.scales |= {key: float(part.std()) or 1.0 for key, part in parts.items()}
        return learned

    @property
    def continuous(self) -> tuple[str, ...]:
        """Names of the columns of numbers, in order, those that mark gaps included."""
        return tuple(self.means)

    def arrays(self, frame: pandas.DataFrame) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Encode rows as codes (N, categories) int32 and scaled numbers (N, continuous) float32."""
        codes = numpy.zeros((len(frame), len(self.categories)), numpy.int32)
        for place, (name, known) in enumerate(self.categories.items()):
            codes[:, place] = codes_of(_column(frame, name), known)
        scaled = numpy.zeros((len(frame), len(self.means)), numpy.float32)
        for place, name in enumerate(self.means):
            whole = name if name in self.medians else name.removesuffix(MISSING)
            values = _as_numbers(frame, whole)
            gaps = numpy.isnan(values)
            values = numpy.where(gaps, self.medians[whole], values) if whole == name else gaps
            scaled[:, place] = (values - self.means[name]) / self.scales[name]
        return codes, scaled


@dataclass(repr=False)
class TableData(Columns, Data):
    """A table, ready to train on: x = (categories (B, C) int64, numbers (B, N) float32), y (B,).

    Attributes:
        target: the column that is predicted.
        log_target: whether y is the logarithm of the target.
        rows: {"train": ..., "valid": ...}, the rows of the frame that each part was made of.
    """

    target: str = field(default="", kw_only=True)
    log_target: bool = field(default=False, kw_only=True)
    rows: dict[str, numpy.ndarray] = field(default_factory=dict, kw_only=True)

    def encode(self, frame: pandas.DataFrame) -> Batches:
        """Make ``Batches`` without targets of the rows of another frame, in order.

        Raises:
            CourseError: a column is missing, or holds no numbers where it should.
        """
        size = self.train.batch_size
        return Batches(self.arrays(frame), batch_size=size, transform=codes_to_int64)

    def real(self, scores: Any) -> numpy.ndarray:
        """Bring predictions to the scale of the target: exp where y is a logarithm."""
        scores = torch.as_tensor(scores).detach().cpu().double()
        return (scores.exp() if self.log_target else scores).numpy()

    def _details(self) -> str:
        log = "; target as a logarithm" if self.log_target else ""
        return f"{len(self.categories)} categories, {len(self.means)} numbers{log}"


def table(
    frame: pandas.DataFrame,
    target: str,
    *,
    valid: Any,
    categories: Sequence[str] | None = None,
    continuous: Sequence[str] | None = None,
    log_target: bool = False,
    test: pandas.DataFrame | None = None,
    batch_size: int = 1024,
    seed: int = 0,
) -> TableData:
    """Encode a table: categories as codes, numbers scaled, all fitted on the training rows.

    Gaps in a number become the median, and a column of their own says where they were. A category
    that the training rows do not have gets code 0.

    Args:
        frame: a DataFrame with one row an example.
        target: the column to predict, a number.
        valid: which rows are held out: a mask (one True or False a row), the numbers of the rows
            counted from 0, or a fraction such as 0.2, drawn at random.
        categories, continuous: names of columns. By default the categories are the columns of
            words, categories and yes or no, the continuous ones all others; with one list given,
            the other is empty.
        log_target: True learns the logarithm of the target: errors count in percent.
        test: another frame with the same columns, whose target nobody knows.
        batch_size: rows in a mini-batch.
        seed: of a random fraction.

    Raises:
        CourseError: a column is missing or unfit, the target has gaps or cannot be logged, or a
            part is empty.
    """
    y = _as_numbers(frame, target)
    if gaps := int(numpy.isnan(y).sum()):
        raise CourseError(f"{gaps:,} rows have no {target}; drop them by frame.dropna, say.")
    if log_target and (low := int((y <= 0).sum())):
        raise CourseError(
            f"{low:,} rows have a {target} of 0 or less, which has no logarithm; drop them."
        )
    y = (numpy.log(y) if log_target else y).astype("float32")
    categories, continuous = _choose(frame, target, categories, continuous)
    n = len(frame)
    parts = (fewer(rows, QUICK * len(rows) // n, seed) for rows in split(n, valid, seed))
    train, held_out = parts
    columns = Columns.fit(frame.iloc[train], categories, continuous)
    options: dict[str, Any] = {"batch_size": batch_size, "transform": codes_to_int64}
    whole = Batches(columns.arrays(frame), y, shuffle=True, **options)
    return TableData(
        whole.subset(train),
        whole.subset(held_out).sequential(),
        None if test is None else Batches(columns.arrays(test), **options),
        **vars(columns),
        target=target,
        log_target=log_target,
        rows={"train": train, "valid": held_out},
    )


def codes_to_int64(inputs: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Widen the codes of (categories, numbers) to int64, which torch looks up by."""
    return inputs[0].long(), inputs[1]


# Categories and their codes -------------------------------------------------------------------


def values_of(column: pandas.Series) -> tuple:
    """List the values of a column by code: None, the values in order, NaN where it has gaps."""
    import pandas

    known = pandas.Index(column.dropna().unique())
    try:
        known = known.sort_values()
    except TypeError:  # numbers and words in one column
        known = pandas.Index(sorted(known, key=str), dtype=object)
    gap = (float("nan"),) if column.isna().any() else ()
    return (None, *known.tolist(), *gap)


def codes_of(column: pandas.Series, values: tuple) -> numpy.ndarray:
    """Codes (N,) int64 of a column: 0 for a value that is not among ``values``."""
    import pandas

    gap = isinstance(values[-1], float) and numpy.isnan(values[-1])
    known = values[1 : len(values) - gap]
    known = pandas.Index(known) if known else pandas.Index([], dtype=object)
    codes = known.get_indexer(pandas.Index(column)) + 1
    if gap:
        codes[column.isna().to_numpy()] = len(values) - 1
    return codes


# What can be wrong with a frame ---------------------------------------------------------------


def _column(frame: pandas.DataFrame, column: str) -> pandas.Series:
    if column not in frame:
        hint = nearest(column, frame.columns)
        raise CourseError(f"The table has no column {column!r}; name one of frame.columns.{hint}")
    return frame[column]


def _as_numbers(frame: pandas.DataFrame, column: str) -> numpy.ndarray:
    """Read a column (N,) as float64, gaps as NaN."""
    from pandas.api import types

    values = _column(frame, column)
    if not (types.is_numeric_dtype(values) or types.is_bool_dtype(values)):
        dates = types.is_datetime64_any_dtype(values)
        remedy = "take it apart by ck.date_parts" if dates else "name it under categories="
        raise CourseError(f"The column {column!r} holds no numbers ({values.dtype}); {remedy}.")
    values = values.to_numpy(dtype="float64", na_value=numpy.nan)
    if numpy.isinf(values).any():
        raise CourseError(f"The column {column!r} holds infinite values; replace them by gaps.")
    return values


def _choose(
    frame: pandas.DataFrame, target: str, categories: Any, continuous: Any
) -> tuple[list[str], list[str]]:
    """List the columns of both kinds; told apart by type where none is given."""
    from pandas.api import types

    if categories is None and continuous is None:
        others = [column for column in frame if column != target]
        continuous = [
            column
            for column in others
            if (types.is_numeric_dtype(frame[column]) and not types.is_bool_dtype(frame[column]))
            or types.is_datetime64_any_dtype(frame[column])  # which is refused, with a remedy
        ]
        categories = [column for column in others if column not in continuous]
    categories, continuous = list(categories or ()), list(continuous or ())
    columns = [*categories, *continuous]
    if not columns:
        raise CourseError("There is no column to predict from; name categories= or continuous=.")
    twice = [column for column in columns if columns.count(column) > 1]
    if twice or target in columns:
        wrong, why = (twice[0], "named twice") if twice else (target, "the target itself")
        raise CourseError(f"The column {wrong!r} is {why}; take it out of the lists.")
    return categories, continuous


# Dates ----------------------------------------------------------------------------------------


def date_parts(dates: Any) -> pandas.DataFrame:
    """Take dates apart into a DataFrame of numbers, one row a date, on the same index.

    Its columns: Year, Month, Week (ISO), Day (of the month), Weekday (0 is Monday), DayOfYear,
    MonthStart and MonthEnd (0 or 1), Elapsed (days since 1970-01-01).

    Args:
        dates: a Series of dates, or of text such as "2015-07-31".

    Raises:
        CourseError: there is something that is no date, or a gap.
    """
    import pandas

    series = pandas.Series(dates)
    try:
        when = pandas.to_datetime(series)
    except (ValueError, TypeError) as error:
        name = series.name or "The column"
        raise CourseError(f"{name} holds something that is no date.") from error
    if when.isna().any():
        raise CourseError(f"{int(when.isna().sum()):,} dates are missing; drop these rows first.")
    parts = when.dt
    columns = {
        "Year": parts.year, "Month": parts.month, "Week": parts.isocalendar().week,
        "Day": parts.day, "Weekday": parts.day_of_week, "DayOfYear": parts.day_of_year,
        "MonthStart": parts.is_month_start, "MonthEnd": parts.is_month_end,
        "Elapsed": when.to_numpy("datetime64[D]").astype("int64"),
    }  # fmt: skip
    columns = {name: numpy.asarray(part, dtype="int32") for name, part in columns.items()}
    return pandas.DataFrame(columns, index=series.index)


def elapsed(
    frame: pandas.DataFrame,
    events: str | Sequence[str],
    *,
    by: str,
    time: str,
    cap: float | None = None,
) -> pandas.DataFrame:
    """Count the days since and until events, in a DataFrame on the index of ``frame``.

    For a column ``Promo`` there are ``AfterPromo``, days since the last row of the same store that
    had one, and ``BeforePromo``, days until the next; both 0 on the day itself, NaN where there
    is none. Looking ahead is fair for what is planned, never for what is to be predicted.

    Args:
        frame: a DataFrame with one row a store and day, in any order.
        events: names of columns that are 0, "0", False or a gap on days without the event.
        by: the column that says whose days they are, such as "Store".
        time: the column of dates.
        cap: days from which on it counts the same; None for no limit.

    Raises:
        CourseError: a column is missing, or ``time`` holds no dates.
    """
    import pandas

    days = date_parts(_column(frame, time))["Elapsed"].to_numpy("int64")
    groups = pandas.factorize(_column(frame, by))[0]
    order = numpy.lexsort((days, groups))
    days, groups = days[order], groups[order]
    found = {}
    for event in [events] if isinstance(events, str) else events:
        column = _column(frame, event)
        none = column.isna() | column.astype(object).isin([0, "0"])  # 0 == 0.0 == False
        happened = ~none.to_numpy(bool)[order]
        after = _since(days, groups, happened)
        before = _since(-days[::-1], groups[::-1], happened[::-1])[::-1]
        for name, values in ((f"After{event}", after), (f"Before{event}", before)):
            found[name] = numpy.empty(len(frame), "float32")
            found[name][order] = values if cap is None else numpy.minimum(values, cap)
    return pandas.DataFrame(found, index=frame.index)


def _since(days: numpy.ndarray, groups: numpy.ndarray, happened: numpy.ndarray) -> numpy.ndarray:
    """Days (N,) since the last event of the same group; rows are sorted."""
    rows = numpy.arange(len(days))
    last = numpy.maximum.accumulate(numpy.where(happened, rows, -1))
    known = (last >= 0) & (groups[last] == groups)
    return numpy.where(known, days - days[last], numpy.nan)
