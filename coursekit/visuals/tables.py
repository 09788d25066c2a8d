"""What a model of a table predicts when columns change: what if, and partial dependence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from coursekit.arguments import checked
from coursekit.console import CourseError, no_such
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import (
    COLORS,
    DASHES,
    array_of,
    counted,
    digits,
    figure,
    fit_text,
    plain,
    sentence,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

GAP = "(none)"  # a gap among the values of a category
ROWS, VALUES, GROUPS = 200, 12, 6  # the most that a partial dependence takes of each
NOTHING = "nothing"


@checked
def predict_with(learn: Any, frame: DataFrame, column: str, values: Any) -> numpy.ndarray:
    """Predict the rows of a frame as if a column had other values: (values, rows).

    The mean over the rows is the *partial dependence* on the column. ``learn`` is a learner whose
    data is what ``ck.table`` returned; predictions are on the real scale of the target.
    """
    _check(learn, frame, [column])
    alone = isinstance(values, str) or numpy.ndim(values) == 0
    values = [_plain(value) for value in ([values] if alone else values)]
    if column in learn.data.categories:
        known = _categories(learn.data, column)
        for unknown in (value for value in values if value not in known):
            raise no_such(column, unknown, known)
    if not values:
        raise CourseError(f"There is no value of {column}; values= takes a list, such as [0, 1].")
    return numpy.stack([_predict(learn, frame, {column: value}) for value in values])


def _predict(learn: Any, frame: DataFrame, changes: Mapping[str, Any]) -> numpy.ndarray:
    changed = {name: numpy.nan if value == GAP else value for name, value in changes.items()}
    return learn.data.real(learn.predict(learn.data.encode(frame.assign(**changed))).scores)


# Columns and their values ---------------------------------------------------------------------


def _check(learn: Any, frame: DataFrame, columns: Iterable, others: Iterable = ()) -> list[str]:
    """List the columns that model and frame have; ``columns`` must be in both, others in the frame.

    A CourseError, too, where ``learn`` is no learner of a table, or the frame has no row.
    """
    data: Any = getattr(learn, "data", None)
    if not hasattr(data, "medians") or not len(frame):
        given = f"a {type(learn).__name__} and a DataFrame of {counted(len(frame), 'row')}"
        raise CourseError(f"Here are {given}; give a learner of ck.table's data, and rows of it.")
    known = [column for column in (*data.categories, *data.medians) if column in frame]
    for named, there in ((columns, known), (others, list(frame))):
        for column in named:
            if column not in there:
                raise no_such("column", column, there)
    return known


def _plain(value: Any) -> Any:
    """Turn a value of pandas into Python's own, and a gap into ``GAP``."""
    import pandas

    if pandas.isna(value):
        return GAP
    return value.item() if hasattr(value, "item") else value


def _categories(data: Any, column: str, more: Iterable[Any] = ()) -> list[Any]:
    """List the values of a category: those it was trained on, a gap, and more."""
    return list(dict.fromkeys(map(_plain, [*data.categories[column][1:], *more])))


def _text(value: Any, words: Mapping[Any, str]) -> str:
    value = words.get(value, value)
    if isinstance(value, float):
        return digits(value)
    return str(value)[:10] if hasattr(value, "year") else str(value)


# One row, with other values -------------------------------------------------------------------


@checked
def what_if(
    learn: Any,
    frame: DataFrame,
    *,
    columns: Sequence[str] | None = None,
    row: int = 0,
    names: Sequence[str] = (),
    words: Mapping[str, Mapping[Any, str]] | None = None,
) -> Explorer:
    """Change one row, column by column, and watch the prediction beside the unchanged one.

    Each change is also shown alone; the true target stands beside them where the frame has it.

    Args:
        learn: a learner whose data is what ``ck.table`` returned.
        frame: a DataFrame with the columns of the model; its rows can be chosen.
        columns: those that get a control; None for all.
        row: the row to begin with, from 0.
        names: columns that say which row it is, such as ("Store", "Date").
        words: {column: {value: what is written in its stead}}.
    """
    words = words or {}
    known = _check(learn, frame, [*(columns or ()), *words], names)
    data, columns = learn.data, list(columns or known)
    rows = Control(row, (0, max(len(frame) - 1, 1)), label="row")
    rows.check(row)

    def start(row: int) -> dict[str, Any]:
        values = {column: _plain(frame[column].iloc[row]) for column in columns}
        gaps = {one for one, value in values.items() if value == GAP} & {*data.medians}
        return values | {column: float(data.medians[column]) for column in gaps}

    def follow(changes: dict[str, Any]) -> dict[str, Any]:
        """Set all other controls to what another row holds."""
        moved = changes.get("row", explorer.settings.get("row")) != explorer.settings.get("row")
        return start(changes["row"]) | changes if moved else changes

    def draw(axes: Axes, row: int = 0, **settings: Any) -> str:
        was, one, changes = start(row), frame.iloc[[row]], {}
        bars = {"as it was": _predict(learn, one, {})[0]}
        for column, value in settings.items():
            if not explorer.controls[column].same(value, was[column]):
                changes[column] = value = int(value) if isinstance(value, bool) else value
                new, old = (_text(some, words.get(column, {})) for some in (value, was[column]))
                bars[f"{column} {new} (was {old})"] = _predict(learn, one, {column: value})[0]
        if len(changes) > 1:
            bars["all of them"] = _predict(learn, one, changes)[0]
        named = [f"{name} {_text(_plain(frame[name].iloc[row]), {})}" for name in names]
        who, truth = ", ".join(named) or f"row {row}", _plain(one.iloc[0].get(data.target))
        return _draw_predictions(axes, bars, truth, who, data.target)

    controls = {c: _control(data, frame, c, v, words.get(c, {})) for c, v in start(row).items()}
    controls = {"row": rows} | controls if len(frame) > 1 else controls
    buttons = {"as it was": lambda shown: shown.set(**start(shown.settings.get("row", 0)))}
    how: Any = {"panels": {"size": (9.5, 3.8)}, "buttons": buttons, "follow": follow}
    explorer = Explorer("what_if", draw, controls, **how)
    return explorer


def _control(
    data: Any, frame: DataFrame, column: str, value: Any, words: Mapping[Any, str]
) -> Control:
    """Make the control of a column: its categories, yes or no, or the range of its numbers."""
    if column in data.categories:
        known = _categories(data, column, frame[column].unique())
        return Control(value, {_text(one, words): one for one in known})
    numbers = {*frame[column].dropna().astype(float), value}
    if numbers <= {0, 1}:
        return Control(bool(value), bool)
    scaled = numpy.asarray(data.train.inputs[1][:])[:, data.continuous.index(column)]
    ends = numpy.array([scaled.min(), scaled.max()], float) * data.scales[column]
    numbers |= {*numpy.round(ends + data.means[column], 4).tolist()}  # of the training part
    low, high = min(numbers), max(numbers)
    if all(float(number).is_integer() for number in numbers):
        low, high = int(low), int(high)
    return Control(value, (low, high), log=low > 0 and high > 200 * low)


def _draw_predictions(axes: Axes, bars: dict[str, float], truth: Any, who: str, target: str) -> str:
    """Draw the prediction as it was, with each change alone, with all of them, and the truth."""
    before, last = bars["as it was"], [*bars][-1]
    colors = {last: "blue", "as it was": "grey", "the truth": "orange"}
    captions = [f"{who}: {digits(before)} as it was"]
    if truth != GAP:
        captions[0] += f" (the truth is {digits(truth)})"
        bars = bars | {"the truth": float(truth)}
    for place, (label, value) in enumerate(bars.items()):
        text = f"{value:,.0f}" if abs(value) >= 100 else digits(value)
        if label not in ("as it was", "the truth"):
            percent = min(value, before) > 0
            change = f"{100 * (value / before - 1):+.1f} %" if percent else f"{value - before:+.3g}"
            text += f" ({change})"
            captions.append(f"{label}: {text}")
        axes.barh(place, value, color=COLORS[colors.get(label, "sky")])
        axes.text(max(value, 0), place, f" {text}", va="center")
    axes.set_yticks(range(len(bars)), [fit_text(label, 3.6, lines=1) for label in bars])
    axes.set(title=plain(who), xlabel=plain(target), ylim=(max(len(bars), 4) - 0.4, -0.6))
    axes.margins(x=0.25)
    axes.grid(False)
    return sentence(*captions, *["nothing is changed yet"] * (len(captions) == 1))


# Partial dependence ---------------------------------------------------------------------------


@figure(size=(7.5, 3.8))
def show_partial_dependence(
    axes: Axes,
    predicted: numpy.ndarray,
    values: Sequence[Any],
    *,
    name: str,
    ticks: Sequence[str] | None = None,
    groups: Mapping[str, numpy.ndarray] | None = None,
) -> str:
    """Draw how predictions change with one column, against the mean of each row.

    In percent where all predictions are positive, else in the target's own unit.

    Args:
        predicted: (V, rows) as of ``ck.predict_with``; the first 30 rows get a thin line each.
        values: the V values, in order.
        name: of the column.
        ticks: words for the values; None writes numbers, or the values as they are.
        groups: {name: (rows,) bool} for a line each, in place of the rows.
    """
    predicted = array_of("The array of predictions", predicted, len(values), None)
    if ticks is None and not all(isinstance(value, int | float) for value in map(_plain, values)):
        ticks = [str(value) for value in values]
    if ticks is not None and len(ticks) != len(values):
        raise CourseError(f"{len(ticks)} ticks and {len(values)} values do not fit; give as many.")
    mean = predicted.mean(0, keepdims=True)  # of each row
    percent = bool((predicted > 0).all())  # a fraction of a negative number turns the curve over
    changes, unit = (100 * (predicted / mean - 1), " %") if percent else (predicted - mean, "")
    places = numpy.arange(len(values)) if ticks else numpy.asarray(values, float)
    words, captions = ticks or [digits(value) for value in values], []
    if groups is None:
        axes.plot(places, changes[:, :30], color=COLORS["grey"], linewidth=0.6, alpha=0.4)
    every = {name: numpy.ones(changes.shape[1])}
    for number, (label, mask) in enumerate((groups or every).items()):
        rows = array_of(f"The mask of {label}", mask, changes.shape[1]) > 0
        if not rows.any():
            raise CourseError(f"The group {label!r} has no row; leave it out.")
        line = changes[:, rows].mean(1)
        looks = {"linestyle": DASHES[number % 4], "marker": "o", "markersize": 4}
        axes.plot(places, line, label=f"{label} ({rows.sum()})", **looks)
        high = f"highest at {words[line.argmax()]} ({line.max():+.3g}{unit} against the mean)"
        low = f"lowest at {words[line.argmin()]} ({line.min():+.3g}{unit})"
        captions.append(f"{label}: {high}, {low}")
    if groups:
        axes.margins(y=0.25)
        axes.legend(loc="upper center", ncols=3)
    if ticks:
        axes.set_xticks(places, list(ticks))
    axes.set(xlabel=plain(name), ylabel=f"change of the prediction{',' * percent}{unit}")
    return sentence(*captions, *["the thin lines are single rows"] * (groups is None))


@checked
def partial_dependence(
    learn: Any,
    frame: DataFrame,
    *,
    columns: Sequence[str] | None = None,
    column: str | None = None,
    by: str = NOTHING,
    words: Mapping[str, Mapping[Any, str]] | None = None,
) -> Explorer:
    """Set one column of many rows to one value after the other, and watch the mean prediction.

    Choose the column, and another one that tells groups of rows apart: where their lines run
    differently, the effect depends on it.

    Args:
        learn: a learner whose data is what ``ck.table`` returned.
        frame: a DataFrame with the columns of the model; 200 of its rows are drawn.
        columns: those that can be chosen; None for all of the model.
        column: the one to begin with; None for the first.
        by: a column with two to six different values, whose rows get a line each.
        words: {column: {value: what is written in its stead}}.
    """
    words = words or {}
    known = _check(learn, frame, [*(columns or ()), *words])
    columns = list(columns or known)
    few = frame.sample(min(ROWS, len(frame)), random_state=0)

    def draw(axes: Axes, column: str, by: str) -> str:
        values = typical_values(learn, few, column)
        predicted = numpy.stack([_predict(learn, few, {column: value}) for value in values])
        ticks, groups, texts = None, None, words.get(column, {})
        if texts or column in learn.data.categories:
            ticks = [_text(value, texts) for value in values]
        if by != NOTHING:
            marks, texts = few[by].map(_plain), words.get(by, {})
            each = sorted(marks.unique(), key=lambda mark: (mark == GAP, mark))
            groups = {f"{by} {_text(mark, texts)}": (marks == mark).to_numpy() for mark in each}
        how = {"name": column, "ticks": ticks, "groups": groups}
        return show_partial_dependence.draw(axes, predicted, values, **how)

    apart = [one for one in columns if 2 <= few[one].nunique(dropna=False) <= GROUPS]
    controls = {"column": Control(column or columns[0], columns)}
    controls["by"] = Control(by, [NOTHING, *apart], label="a line for each")
    panels = show_partial_dependence.panels
    return Explorer("partial_dependence", draw, controls, panels=panels)


def typical_values(learn: Any, frame: DataFrame, column: str) -> list[Any]:
    """Choose up to twelve values of a column: the most frequent ones, or nine even quantiles.

    Of a category that is the same in all rows, the values that the model knows.
    """
    if column in learn.data.categories:
        known = _categories(learn.data, column, frame[column].unique())
        counts = frame[column].value_counts(dropna=False)
        common = [*map(_plain, counts.index[:VALUES])] if len(counts) > 1 else known[:VALUES]
        return [value for value in known if value in common]
    numbers = frame[column].dropna().astype(float)
    many = numbers.nunique() > VALUES
    return sorted({*(numbers.quantile(numpy.linspace(0.02, 0.98, 9)) if many else numbers)})
