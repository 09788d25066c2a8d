"""A table, one row an example -> ``Data`` of categories and numbers; dates and days since events.

Whatever is learned from a column (its categories, median, mean and standard deviation, whether it
has gaps) is learned from the rows of the training part alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy
import torch

from coursekit.arguments import checked
from coursekit.console import CourseError, nearest, note
from coursekit.data.batches import Batches, Data, check_count, fewer, split

if TYPE_CHECKING:
    import pandas

QUICK = 20_000  # rows that the quick profile keeps
MISSING = " is missing"  # ends the name of a column that says where another one has gaps
# Kinds of values, in the words of pandas.api.types.infer_dtype.
NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal", "empty"}
TIMES = {"datetime64", "datetime", "date", "timedelta64", "timedelta", "period"}
NO_EVENT = (0, "0", "", "False")  # 0 == 0.0 == False


@checked
@dataclass(kw_only=True, repr=False)
class TableData(Data):
    """A table, ready to train on: x = (categories (B, C) int64, numbers (B, N) float32), y (B,).

    Attributes:
        categories: {column: its values}, in the order of their codes; code 0, None, stands for
            every value that the training part does not have, and NaN for a gap.
        medians: {column: median}, which fills its gaps.
        means, scales: {column: mean or standard deviation}; where a column has gaps in the training
            part, another one says so, such as "Distance is missing".
        target: the column that is predicted.
        log_target: whether y is the logarithm of the target.
        rows: {"train": ..., "valid": ...}, the rows of the frame that each part was made of.
    """

    categories: dict[str, tuple] = field(default_factory=dict)
    medians: dict[str, float] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    target: str | int = ""
    log_target: bool = False
    rows: dict[str, numpy.ndarray] = field(default_factory=dict)

    @property
    def continuous(self) -> tuple[str, ...]:
        """Names of the columns of numbers, in order, those that mark gaps included."""
        return tuple(self.means)

    @checked
    def encode(self, frame: pandas.DataFrame) -> Batches:
        """Make ``Batches`` without targets of another frame; raises like ``ck.table``.

        Args:
            frame: rows with the same columns, a single one as ``frame.iloc[[0]]``.
        """
        return self._batches(frame, None, self.train.batch_size)

    @checked
    def real(self, scores: Any) -> numpy.ndarray:
        """Bring predictions to the scale of the target: exp where y is a logarithm."""
        scores = torch.as_tensor(getattr(scores, "scores", scores)).detach().cpu().double()
        return (scores.exp() if self.log_target else scores).numpy()

    def _learn(self, frame: pandas.DataFrame, categories: list, continuous: list) -> None:
        """Learn categories, medians and scales from the training rows."""
        self.categories = {name: values_of(column_of(frame, name)) for name in categories}
        for name in continuous:
            values = numbers_of(frame, name)
            if numpy.isnan(values).all():
                raise CourseError(f"The column {name!r} is empty in the training rows; drop it.")
            self.medians[name] = float(numpy.nanmedian(values))
        for name, values in self._numbers(frame):
            if name in self.medians or values.any():
                self.means[name] = float(values.mean())
                self.scales[name] = float(values.std()) or 1.0  # a constant column becomes zeros

    def _numbers(self, frame: pandas.DataFrame) -> Iterator[tuple[str, numpy.ndarray]]:
        """Pass over the numbers (N,) of each column, gaps filled, and over where the gaps are."""
        for name, median in self.medians.items():
            values = numbers_of(frame, name)
            gaps = numpy.isnan(values)
            yield name, numpy.where(gaps, median, values)
            yield f"{name}{MISSING}", gaps

    def _batches(
        self, frame: pandas.DataFrame, y: numpy.ndarray | None, batch_size: int, **options: Any
    ) -> Batches:
        """Encode rows as codes (N, categories) int32 and scaled numbers (N, continuous) float32."""
        check_filled(frame)
        codes = numpy.zeros((len(frame), len(self.categories)), numpy.int32)
        for place, (name, known) in enumerate(self.categories.items()):
            codes[:, place] = codes_of(column_of(frame, name), known)
        scaled = numpy.zeros((len(frame), len(self.means)), numpy.float32)
        for name, values in self._numbers(frame):
            if name in self.means:
                place = self.continuous.index(name)
                scaled[:, place] = (values - self.means[name]) / self.scales[name]
        options |= {"batch_size": batch_size, "transform": codes_to_int64}
        return Batches((codes, scaled), y, **options)

    def _details(self) -> str:
        log = "; target as a logarithm" if self.log_target else ""
        return f"{len(self.categories)} categories, {len(self.means)} numbers{log}"


@checked
def table(
    frame: pandas.DataFrame,
    target: str | int,
    *,
    valid: float | Sequence,
    categories: Sequence[str] | str | None = None,
    continuous: Sequence[str] | str | None = None,
    log_target: bool = False,
    test: pandas.DataFrame | None = None,
    batch_size: int = 1024,
    seed: int = 0,
) -> TableData:
    """Encode a table: categories as codes, numbers scaled, all fitted on the training rows.

    Gaps in a number become the median, and a column of their own says where they were. A category
    that the training rows do not have gets code 0.

    Args:
        frame: one row an example.
        target: name of the column to predict, which holds numbers.
        valid: which rows are held out: a mask (one True or False a row), the numbers of the rows
            counted from 0, or a fraction such as 0.2, drawn at random.
        categories, continuous: names of columns. By default the continuous ones are those of
            numbers, the categories all others; with one list given, the other is empty.
        log_target: True learns the logarithm of the target: errors count in percent.
        test: another frame with the same columns, whose target nobody knows.
        batch_size: rows in a mini-batch.
        seed: decides a random fraction.

    Raises:
        CourseError: a column is missing or unfit, the target has gaps or cannot be logged, or a
            part is empty.
    """
    check_filled(frame)
    column_of(frame, target, gaps=False)
    y = numbers_of(frame, target, f"predict 0 and 1: frame[{target!r}] = frame[{target!r}] == ...")
    if log_target and (low := int((y <= 0).sum())):
        raise CourseError(
            f"{low:,} rows have a {target} of 0 or less, which has no logarithm; drop them."
        )
    y = (numpy.log(y) if log_target else y).astype("float32")
    categories, continuous = _choose(frame, target, categories, continuous)
    n = len(frame)
    parts = (fewer(rows, QUICK * len(rows) // n, seed) for rows in split(n, valid, seed))
    train, held_out = parts
    rows = {"train": train, "valid": held_out}
    data = TableData(train=None, valid=None, target=target, log_target=log_target, rows=rows)
    data._learn(frame.iloc[train], categories, continuous)
    whole = data._batches(frame, y, batch_size, shuffle=True)
    data.train, data.valid = whole.subset(train), whole.subset(held_out).sequential()
    data.test = None if test is None else data._batches(test, None, batch_size)
    _note_unknown(data, frame)
    return data


def codes_to_int64(inputs: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Widen the codes of (categories, numbers) to int64, which torch looks up by."""
    return inputs[0].long(), inputs[1]


def _choose(
    frame: pandas.DataFrame, target: str | int, categories: Any, continuous: Any
) -> tuple[list[str], list[str]]:
    """List the columns of both kinds; told apart by what they hold where none is given."""
    from pandas.api.types import infer_dtype

    if categories is None and continuous is None:
        kinds = {name: infer_dtype(column_of(frame, name)) for name in frame if name != target}
        continuous = [name for name, kind in kinds.items() if kind in NUMBERS | TIMES]
        categories = [name for name in kinds if name not in continuous]
    categories, continuous = _listed(categories), _listed(continuous)
    columns = [*categories, *continuous]
    if not columns:
        raise CourseError("There is no column to predict from; name categories= or continuous=.")
    names = [*columns, target, *(f"{name}{MISSING}" for name in continuous)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise CourseError(
            f"The column {twice[0]!r} has two parts in the table: leave out the target and what is "
            "named twice, and rename a column that is called like the gaps of another."
        )
    return categories, continuous


def _listed(names: Sequence | str | None) -> list:
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


# What stands in a column ----------------------------------------------------------------------


def check_filled(frame: pandas.DataFrame) -> None:
    """Refuse a frame without rows or columns."""
    if frame.empty:
        raise CourseError("The table is empty; look at frame.shape where it is made.")


def column_of(frame: pandas.DataFrame, name: Any, *, gaps: bool = True) -> pandas.Series:
    """Look up a column that is there once, and without gaps if told so."""
    count = list(frame.columns).count(name)
    if not count:
        hint = nearest(name, [one for one in frame.columns if str(one) != str(name)])
        raise CourseError(f"The table has no column {name!r:.60}; see frame.columns.{hint}")
    if count > 1:
        raise CourseError(
            f"The table has {count} columns {name!r}; keep the first by "
            "frame = frame.loc[:, ~frame.columns.duplicated()]."
        )
    column = frame[name]
    if not gaps and (count := int(column.isna().sum())):
        raise CourseError(
            f"{count:,} rows have no {name}; drop them: frame = frame.dropna(subset=[{name!r}])."
        )
    return column


def numbers_of(
    frame: pandas.DataFrame, name: str | int, words: str = "name it under categories="
) -> numpy.ndarray:
    """Read a column (N,) as float64, gaps as NaN, "12.5" as 12.5.

    Where none of it is a number, the CourseError ends in ``words``.
    """
    import pandas
    from pandas.api.types import infer_dtype

    column = column_of(frame, name)
    kind = infer_dtype(column)
    if kind in TIMES:  # which pandas.to_numeric would count in nanoseconds
        remedy = "count it by .dt.days" if "delta" in kind else "take it apart by ck.date_parts"
        raise CourseError(f"The column {name!r} holds no numbers ({column.dtype}); {remedy}.")
    values = pandas.to_numeric(column, errors="coerce").to_numpy("float64", na_value=numpy.nan)
    wrong = numpy.isnan(values) & column.notna().to_numpy()
    if wrong.any():
        raise CourseError(
            f"The column {name!r} holds {column[wrong].iloc[0]!r}, which is no number; mend it, "
            f"as by .str.replace(',', '') and pandas.to_numeric(..., errors='coerce'), or {words}."
        )
    if (numpy.abs(values) > numpy.finfo("float32").max).any():
        raise CourseError(f"The column {name!r} holds infinite values; replace them by gaps.")
    return values


def values_of(column: pandas.Series) -> tuple:
    """List the values of a column by code: None, the values in order, NaN where it has gaps."""
    import pandas

    known = pandas.Index(column.dropna().unique())
    try:
        known = known.sort_values()
    except TypeError:  # numbers and words in one column
        known = pandas.Index(sorted(known, key=str), dtype=object)
    _check_alike(column.name, known.tolist())
    gap = (float("nan"),) if column.isna().any() else ()
    return (None, *known.tolist(), *gap)


def codes_of(column: pandas.Series, values: tuple) -> numpy.ndarray:
    """Codes (N,) int64 of a column: 0 for a value that is not among ``values``."""
    import pandas

    gap = isinstance(values[-1], float) and numpy.isnan(values[-1])
    known = values[1 : len(values) - gap]
    index = pandas.Index(known) if known else pandas.Index([], dtype=object)
    codes = index.get_indexer(pandas.Index(column)) + 1
    unknown = column[codes == 0].dropna().unique()
    if len(unknown):
        _check_alike(column.name, [*known, *unknown.tolist()])
    if gap:
        codes[column.isna().to_numpy()] = len(values) - 1
    return codes


def _check_alike(name: Any, values: Iterable) -> None:
    """Refuse values that look the same and are not: 1 and "1", "a" and "a ", two forms of an é."""
    seen: dict[str, Any] = {}
    for value in values:
        other = seen.setdefault(unicodedata.normalize("NFC", str(value)).strip(), value)
        if other is not value:
            raise CourseError(
                f"The column {name!r} holds {other!r} and {value!r}, which look the same; make "
                f"them the same in every table: frame[{name!r}] = frame[{name!r}].astype(str)"
                ".str.strip().str.normalize('NFC')."
            )


def _note_unknown(data: TableData, frame: pandas.DataFrame) -> None:
    """Name the categories that most held-out rows have and no training row has."""
    codes = numpy.asarray(data.valid.inputs[0])
    for name, unknown in zip(data.categories, (codes == 0).T, strict=True):
        if unknown.mean() > 0.5:
            row = data.rows["valid"][unknown.argmax()]
            value = frame[name].iloc[[row]].tolist()[0]
            note(
                f"{name}: {unknown.sum():,} of {len(unknown):,} held-out rows have a value such as "
                f"{value!r}, which no training row has; make numbers of it (ck.date_parts does so "
                "with dates), or leave the column out."
            )


# Dates ----------------------------------------------------------------------------------------


@checked
def date_parts(dates: Sequence) -> pandas.DataFrame:
    """Take dates apart into a DataFrame of numbers, one row a date, on the same index.

    Its columns: Year, Month, Week (ISO), Day (of the month), Weekday (0 is Monday), DayOfYear,
    MonthStart and MonthEnd (0 or 1), Elapsed (days since 1970-01-01).

    Args:
        dates: a Series of dates, or of text such as "2015-07-31"; with a time zone, by its own
            calendar.

    Raises:
        CourseError: there is something that is no date, or a gap, or text written in another way.
    """
    import pandas

    series = pandas.Series(dates)
    series = series.astype(getattr(series.dtype, "categories", series).dtype)
    wrong = [value for value in series.dropna().unique() if isinstance(value, Number)]
    texts = series.astype(str) if wrong else series
    when = pandas.to_datetime(texts, errors="coerce", format="ISO8601").dt.tz_localize(None)
    if wrong := wrong or series[when.isna() & series.notna()].tolist():
        raise CourseError(
            f"{str(wrong[0])!r} is no date like 2015-07-31; read such by pandas.to_datetime(..., "
            "format='%d/%m/%Y'), or unit='s' for seconds."
        )
    if gaps := int(when.isna().sum()):
        raise CourseError(f"{gaps:,} dates are missing; drop these rows first.")
    parts = when.dt
    columns = {
        "Year": parts.year, "Month": parts.month, "Week": parts.isocalendar().week,
        "Day": parts.day, "Weekday": parts.day_of_week, "DayOfYear": parts.day_of_year,
        "MonthStart": parts.is_month_start, "MonthEnd": parts.is_month_end,
        "Elapsed": when.to_numpy("datetime64[D]").astype("int64"),
    }  # fmt: skip
    columns = {name: numpy.asarray(part, dtype="int32") for name, part in columns.items()}
    return pandas.DataFrame(columns, index=when.index)


@checked
def elapsed(
    frame: pandas.DataFrame,
    events: str | Sequence[str],
    *,
    by: str,
    time: str,
    cap: int | None = None,
) -> pandas.DataFrame:
    """Count the days since and until events, in a DataFrame on the index of ``frame``.

    For a column ``Promo`` there are ``AfterPromo``, days since the last row of the same store that
    had one, and ``BeforePromo``, days until the next; both 0 on the day itself, NaN where there
    is none. Looking ahead is fair for what is planned, never for what is to be predicted.

    Args:
        frame: one row a store and day, in any order.
        events: names of columns that are 0, "0", False, "" or a gap on days without the event.
        by: the column that says whose days they are, such as "Store".
        time: the column of dates.
        cap: days from which on it counts the same; None for no limit.

    Raises:
        CourseError: a column is missing, ``by`` has gaps, or ``time`` holds no dates.
    """
    import pandas

    check_filled(frame)
    if cap is not None:
        check_count("cap", cap)
    days = date_parts(column_of(frame, time))["Elapsed"].to_numpy("int64")
    groups = pandas.factorize(column_of(frame, by, gaps=False))[0]
    order = numpy.lexsort((days, groups))
    days, groups = days[order], groups[order]
    found = {}
    for event in _listed(events):
        column = column_of(frame, event)
        none = column.isna() | column.astype(object).isin(NO_EVENT)
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
