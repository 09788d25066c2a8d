"""A table, one row an example -> ``Data`` of categories and numbers; dates and days since events.

Whatever is learned from a column (which categories there are, its median, mean and spread, whether
it has gaps) is learned from the rows of the training part alone.
"""

from dataclasses import dataclass, field

import numpy
import torch

from coursekit import runtime
from coursekit.console import CourseError, nearest
from coursekit.data.batches import Batches, Data

QUICK = 20_000  # rows that the quick profile keeps
MISSING = " is missing"  # ends the name of a column that says where another one has gaps


@dataclass(repr=False)
class TableData(Data):
    """A table, ready to train on: x = (categories (B, C) int64, numbers (B, N) float32), y (B,).

    Attributes:
        categories: {column: its values}, in the order of their codes; code 0, None, stands for
            every value that the training part does not have, and NaN for a gap.
        continuous: names of the number columns, in order; where a column has gaps in the training
            part, another one says so, such as "Distance is missing".
        medians, means, scales: {column: number} of the training part.
        target: the column that is predicted.
        log_target: whether y is the logarithm of the target.
        rows: {"train": ..., "valid": ...}, the rows of the frame that each part was made of.
    """

    categories: dict = field(default_factory=dict)
    continuous: tuple = ()
    medians: dict = field(default_factory=dict)
    means: dict = field(default_factory=dict)
    scales: dict = field(default_factory=dict)
    target: str = ""
    log_target: bool = False
    rows: dict = field(default_factory=dict)

    def encode(self, frame):
        """Return the rows of another frame as ``Batches`` without targets, in order.

        Raises:
            CourseError: a column is missing, or holds no numbers where it should.
        """
        inputs = self._codes(frame), self._scaled(frame)
        return Batches(
            inputs, batch_size=self.train.batch_size if self.train else 1024, transform=as_codes
        )

    def real(self, scores):
        """Return predictions as a numpy array on the scale of the target: exp where y is a log."""
        scores = torch.as_tensor(scores).detach().cpu().double()
        return (scores.exp() if self.log_target else scores).numpy()

    def _codes(self, frame):
        codes = numpy.zeros((len(frame), len(self.categories)), numpy.int32)
        for place, (column, values) in enumerate(self.categories.items()):
            codes[:, place] = _codes(_column(frame, column), values)
        return codes

    def _scaled(self, frame):
        scaled = numpy.zeros((len(frame), len(self.continuous)), numpy.float32)
        for place, name in enumerate(self.continuous):
            whole = name if name in self.medians else name.removesuffix(MISSING)
            values = _as_numbers(frame, whole)
            gaps = numpy.isnan(values)
            values = numpy.where(gaps, self.medians[whole], values) if whole == name else gaps
            scaled[:, place] = (values - self.means[name]) / self.scales[name]
        return scaled

    def __repr__(self):
        parts = [f"train {self.train.num_examples:,}", f"valid {self.valid.num_examples:,}"]
        parts += [f"test {self.test.num_examples:,}"] if self.test else []
        return (
            f"TableData({', '.join(parts)} rows; {len(self.categories)} categories, "
            f"{len(self.continuous)} numbers{'; target as a logarithm' if self.log_target else ''})"
        )


def table(
    frame,
    target,
    *,
    valid,
    categories=None,
    continuous=None,
    log_target=False,
    test=None,
    batch_size=1024,
    seed=0,
):
    """Return ``TableData``: categories as codes, numbers scaled, all fitted on the training rows.

    Gaps in a number become the median, and a column of their own says where they were. A category
    that the training rows do not have gets code 0.

    Args:
        frame: a pandas DataFrame with one row an example.
        target: the column to predict.
        valid: which rows are held out: a mask (one True or False a row), the numbers of the rows
            counted from 0, or a share such as 0.2, drawn at random.
        categories, continuous: names of columns. By default the categories are the columns of
            words, categories and yes or no, the continuous ones all others; with one list given,
            the other is empty.
        log_target: True learns the logarithm of the target: errors count in percent.
        test: another frame with the same columns, whose target nobody knows.
        batch_size: rows in a mini-batch.
        seed: of a random share.

    Raises:
        CourseError: a column is missing or unfit, the target has gaps or cannot be logged, or a
            part is empty.
    """
    y = _target(frame, target, log_target)
    categories, continuous = _choose(frame, target, categories, continuous)
    held_out = _held_out(len(frame), valid, seed)
    rows = {"train": numpy.flatnonzero(~held_out), "valid": numpy.flatnonzero(held_out)}
    if not all(map(len, rows.values())):
        raise CourseError("valid= leaves one part without rows; hold out the last weeks, say.")
    if runtime.quick():
        rows = {part: _fewer(those, len(frame), seed) for part, those in rows.items()}
    found = TableData(None, None, target=target, log_target=log_target, rows=rows)
    for column in categories:
        found.categories[column] = _values(_column(frame, column).iloc[rows["train"]])
    for column in continuous:
        _fit_numbers(found, frame, column, rows["train"])
    found.continuous = tuple(found.means)
    inputs = found._codes(frame), found._scaled(frame)
    whole = Batches(inputs, y, batch_size=batch_size, transform=as_codes)
    found.train, found.valid = (whole.subset(those) for those in rows.values())
    found.train.shuffle = True
    found.test = None if test is None else found.encode(test)
    return found


def as_codes(inputs):
    """Return (categories, numbers) with the codes as int64, which torch looks up by."""
    return inputs[0].long(), inputs[1]


# What is learned from a column ----------------------------------------------------------------


def _values(column):
    """Return (None, the values of a column in order), and NaN as the last where it has gaps."""
    import pandas

    known = pandas.Index(column.dropna().unique())
    try:
        known = known.sort_values()
    except TypeError:  # numbers and words in one column
        known = pandas.Index(sorted(known, key=str), dtype=object)
    gap = (float("nan"),) if column.isna().any() else ()
    return (None, *known.tolist(), *gap)


def _codes(column, values):
    """Return the codes (N,) of a column: 0 for a value that is not among ``values``."""
    import pandas

    gap = isinstance(values[-1], float) and numpy.isnan(values[-1])
    known = values[1 : len(values) - gap]
    known = pandas.Index(known) if known else pandas.Index([], dtype=object)
    codes = known.get_indexer(pandas.Index(column)) + 1
    if gap:
        codes[column.isna().to_numpy()] = len(values) - 1
    return codes


def _fit_numbers(found, frame, column, train):
    values = _as_numbers(frame, column)[train]
    gaps = numpy.isnan(values)
    if gaps.all():
        raise CourseError(f"The column {column!r} is empty in the training rows; leave it out.")
    found.medians[column] = float(numpy.median(values[~gaps]))
    parts = {column: numpy.where(gaps, found.medians[column], values)}
    if gaps.any():
        parts[column + MISSING] = gaps
    for name, part in parts.items():
        found.means[name] = float(part.mean())
        found.scales[name] = float(part.std()) or 1.0  # a constant column becomes zeros


# What can be wrong with a frame ---------------------------------------------------------------


def _column(frame, column):
    if column not in frame:
        raise CourseError(
            f"The table has no column {column!r}; name one of frame.columns."
            + nearest(column, frame.columns)
        )
    return frame[column]


def _as_numbers(frame, column):
    """Return a column (N,) as float64, gaps as NaN."""
    import pandas

    values = _column(frame, column)
    if not (pandas.api.types.is_numeric_dtype(values) or pandas.api.types.is_bool_dtype(values)):
        dates = pandas.api.types.is_datetime64_any_dtype(values)
        remedy = "take it apart by ck.date_parts" if dates else "name it under categories="
        raise CourseError(f"The column {column!r} holds no numbers ({values.dtype}); {remedy}.")
    values = values.to_numpy(dtype="float64", na_value=numpy.nan)
    if numpy.isinf(values).any():
        raise CourseError(f"The column {column!r} holds infinite values; replace them by gaps.")
    return values


def _target(frame, target, log_target):
    """Return the target (N,) float32, or its logarithm."""
    y = _as_numbers(frame, target)
    if gaps := int(numpy.isnan(y).sum()):
        raise CourseError(f"{gaps:,} rows have no {target}; drop them by frame.dropna, say.")
    if log_target and (low := int((y <= 0).sum())):
        raise CourseError(
            f"{low:,} rows have a {target} of 0 or less, which has no logarithm; drop them (days "
            "that a shop is closed, say), or use log_target=False."
        )
    return (numpy.log(y) if log_target else y).astype("float32")


def _choose(frame, target, categories, numbers):
    """Return the lists of the columns of both kinds; told apart by type where none is given."""
    import pandas

    types = pandas.api.types
    if categories is None and numbers is None:
        others = [column for column in frame if column != target]
        numbers = [
            column
            for column in others
            if (types.is_numeric_dtype(frame[column]) and not types.is_bool_dtype(frame[column]))
            or types.is_datetime64_any_dtype(frame[column])  # which is refused, with a remedy
        ]
        categories = [column for column in others if column not in numbers]
    categories, numbers = list(categories or ()), list(numbers or ())
    columns = [*categories, *numbers]
    if not columns:
        raise CourseError(
            "There is no column to predict from; name some as categories= or continuous=."
        )
    twice = [column for column in columns if columns.count(column) > 1]
    if twice or target in columns:
        wrong = twice[0] if twice else target
        why = "named twice" if twice else "the target itself"
        raise CourseError(f"The column {wrong!r} is {why}; take it out of the lists.")
    return categories, numbers


def _held_out(count, valid, seed):
    """Return which rows are held out, (N,) bool."""
    held_out = numpy.zeros(count, bool)
    if numpy.ndim(valid) == 0:
        if not isinstance(valid, (int, float)) or not 0 < valid < 1:
            raise CourseError(f"valid={valid!r} is no share; use a mask, rows, or 0.2, say.")
        held_out[numpy.random.default_rng(seed).permutation(count)[: round(valid * count)]] = True
        return held_out
    chosen = numpy.asarray(valid)
    if chosen.dtype == bool and len(chosen) == count:
        return chosen
    whole = chosen.dtype.kind in "iu" and len(chosen)
    if not whole or not 0 <= chosen.min() <= chosen.max() < count:
        raise CourseError(
            f"valid= has to be a mask of {count:,} times True or False, or numbers of rows from 0 "
            f"to {count - 1:,}."
        )
    held_out[chosen] = True
    return held_out


def _fewer(rows, total, seed):
    """Return rows drawn at random, so that both parts together have about ``QUICK``."""
    count = max(1, len(rows) * QUICK // max(total, QUICK))
    return numpy.sort(numpy.random.default_rng(seed).permutation(rows)[:count])


# Dates ----------------------------------------------------------------------------------------


def date_parts(dates):
    """Return a DataFrame with the parts of dates, one row a date, on the same index.

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
        raise CourseError(
            f"{series.name or 'The column'} holds something that is no date."
        ) from error
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


def elapsed(frame, events, *, by, time, cap=None):
    """Return a DataFrame with the days since and until events, on the index of ``frame``.

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
        happened = _happened(_column(frame, event))[order]
        after = _since(days, groups, happened)
        before = _since(-days[::-1], groups[::-1], happened[::-1])[::-1]
        for name, values in ((f"After{event}", after), (f"Before{event}", before)):
            found[name] = numpy.empty(len(frame), "float32")
            found[name][order] = values if cap is None else numpy.minimum(values, cap)
    return pandas.DataFrame(found, index=frame.index)


def _happened(column):
    """Return where a column (N,), of whatever type, is not 0, "0", False or a gap."""
    none = column.astype(object).isin([0, "0"])  # to Python, False and 0.0 are equal to 0
    return (column.notna() & ~none).to_numpy(dtype=bool)


def _since(days, groups, happened):
    """Return the days (N,) since the last event of the same group; rows are sorted."""
    rows = numpy.arange(len(days))
    last = numpy.maximum.accumulate(numpy.where(happened, rows, -1))
    known = (last >= 0) & (groups[last] == groups)
    return numpy.where(known, days - days[last], numpy.nan)
