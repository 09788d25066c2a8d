"""Explorers of a model of a table: one row with other values, and the effect of each column."""

import numpy

from coursekit.console import CourseError, nearest
from coursekit.visuals import tables
from coursekit.visuals.explore.frame import Choice, Explorer, Slider, Switch
from coursekit.visuals.style import (
    COLORS,
    DASHES,
    digits,
    fit_text,
    panels,
    say,
    sentence,
    use_style,
)

GAP = "(none)"  # how a gap is shown among the values of a category
ROWS, VALUES, GROUPS = 200, 12, 6  # of an effect: at most so many
NOTHING = "nothing"


# What the columns hold ------------------------------------------------------------------------


def _columns(learn, frame, wanted):
    """Return the names of the columns: those wanted, or those that model and frame have."""
    data = learn.data
    known = [*data.categories, *data.medians]
    if wanted is None:
        return [column for column in known if column in frame]
    for column in wanted:
        if column not in known or column not in frame:
            raise CourseError(
                f"The model or the table has no column {column!r}; name one of "
                f"{', '.join(known[:8])}." + nearest(column, known)
            )
    return list(wanted)


def _plain(value):
    """Return a value of a frame as Python has it, and a gap as ``GAP``."""
    import pandas

    if pandas.isna(value):
        return GAP
    return value.item() if hasattr(value, "item") else value


def _choices(learn, frame, column):
    """Return the values that a category may have: those it was trained on and those of a frame."""
    values = [_plain(value) for value in learn.data.categories[column][1:]]
    there = [_plain(value) for value in frame[column].unique()]
    return values + [value for value in there if value not in values]


def _numbers(frame, column):
    """Return the numbers of a column, gaps as NaN."""
    return frame[column].to_numpy(dtype="float64", na_value=numpy.nan)


def _trained(data, column):
    """Return the numbers of a column in the training part, gaps filled, to six digits or so."""
    scaled = numpy.asarray(data.train.inputs[1][:])[:, data.continuous.index(column)]
    return numpy.round(scaled.astype(float) * data.scales[column] + data.means[column], 4)


def _shown(learn, frame, row, column):
    """Return what a row holds, as a control shows it: the median in place of a gap."""
    if column in learn.data.categories:
        return _plain(frame[column].iloc[row])
    value = float(_numbers(frame.iloc[[row]], column)[0])
    value = learn.data.medians[column] if numpy.isnan(value) else value
    return int(value) if value == int(value) else value


def _text(value, words):
    """Return how a value is written."""
    said = words.get(value, value)
    if isinstance(said, float) and said == int(said):
        said = int(said)
    return str(said)[:10] if hasattr(said, "year") else str(said)


def _written(value, words):
    number = isinstance(value, float) and value not in words
    return digits(value) if number else _text(value, words)


# One row, with other values -------------------------------------------------------------------


def answers(learn, frame, row, changes):
    """Return what a model predicts for a row: as it is, with each change alone, with all of them.

    Args:
        learn: a learner whose data is a ``Table``.
        frame: a DataFrame that holds the row.
        row: its place, from 0.
        changes: {column: its other value}, C of them.

    Returns:
        (C + 2,) array on the real scale of the target.
    """
    import pandas

    data, count = learn.data, len(changes) + 2
    table = {}
    for column in [*data.categories, *data.medians]:
        if column not in frame:
            continue  # encode says which one is missing
        gap = numpy.nan
        value = _plain(frame[column].iloc[row])
        values = [gap if value == GAP else value] * count
        if column in changes:
            other = gap if changes[column] == GAP else changes[column]
            values[1 + list(changes).index(column)] = values[-1] = other
        table[column] = values if column in data.categories else numpy.array(values, float)
    return data.real(learn.predict(data.encode(pandas.DataFrame(table))).scores)


class _WhatIf(Explorer):
    """Another row sets all other controls to what that row holds."""

    def __init__(self, starts, *arguments, **options):
        super().__init__(*arguments, **options)
        self._starts = starts

    def set(self, **settings):
        """Change settings by code; a new ``row`` brings its own values along."""
        row = settings.get("row")
        if row is not None and row != self.settings["row"]:
            settings = self._starts(self.controls["row"].check(row)) | settings
        return super().set(**settings)

    def back(self):
        """Set every column to what the row holds."""
        self.set(**self._starts(self.settings.get("row", 0)))

    def _moved(self, name, change):
        if name == "row" and not self._quiet:
            self._guarded(lambda: self.set(row=change["new"]))
        else:
            super()._moved(name, change)


def _control(learn, frame, column, value, words):
    """Return the control of one column."""
    if column in learn.data.categories:
        options = {_text(one, words): one for one in _choices(learn, frame, column)}
        return Choice(column, value, options=options)
    values = _numbers(frame, column)
    known = {*values[~numpy.isnan(values)].tolist(), float(value)}
    if known <= {0.0, 1.0}:
        return Switch(column, bool(value))
    trained = _trained(learn.data, column)
    low, high = min(known | {trained.min()}), max(known | {trained.max()})
    if all(one == int(one) for one in known):
        low, high = round(low), round(high)
    log = low > 0 and high > 200 * low
    return Slider(column, value, low=low, high=high, log=log)


def what_if(learn, frame, *, columns=None, row=0, names=(), words=None):
    """Change one row, column by column, and watch the prediction beside the unchanged one.

    Each change is also shown alone; the truth stands beside them where the frame knows it.

    Args:
        learn: a learner whose data is what ``ck.table`` returned.
        frame: a DataFrame with the columns of the model; its rows can be chosen.
        columns: those that get a control; None takes all, which can be many.
        row: the row to begin with, from 0.
        names: columns that say which row it is, such as ("Store", "Date").
        words: {column: {value: what is written in its stead}}.

    Raises:
        CourseError: the model or the frame has no such column.
    """
    columns, words = _columns(learn, frame, columns), dict(words or {})
    target = learn.data.target

    def starts(row):
        return {column: _shown(learn, frame, row, column) for column in columns}

    def draw(axes, row=0, **settings):
        was = starts(row)
        changes = {
            column: int(value) if isinstance(value, bool) else value
            for column, value in settings.items()
            if not controls[column].same(value, was[column])
        }
        predicted = answers(learn, frame, row, changes)
        said = {}
        for column, value in changes.items():
            kind = _plain if column in learn.data.categories else float
            new, old = (_written(kind(one), words.get(column, {})) for one in (value, was[column]))
            said[column] = f"{column} {new} (was {old})"
        who = ", ".join(f"{name} {_text(frame[name].iloc[row], {})}" for name in names)
        truth = frame[target].iloc[row] if target in frame else numpy.nan
        return _show_what_if(
            who or f"row {row}", target, predicted, said, truth, learn.data.log_target, axes=axes
        )

    controls = {
        column: _control(learn, frame, column, value, words.get(column, {}))
        for column, value in starts(row).items()
    }
    if len(frame) > 1:
        controls = {"row": Slider("row", row, low=0, high=len(frame) - 1)} | controls
    buttons = {"as it was": lambda shown: shown.back()}
    return _WhatIf(starts, "what_if", draw, controls, buttons=buttons)


@use_style()
def _show_what_if(who, target, predicted, said, truth, log, *, axes=None):
    """Draw predictions (C + 2,) for a row, and what each of the changes does."""
    before, after = predicted[0], predicted[-1]
    left, right = panels(1, 2, size=(9.5, 3.4), widths=[1, 1], axes=axes)[0]
    bars = {"as it was": (before, "grey"), "as you set it": (after, "blue")}
    if truth == truth:  # not a gap
        bars["the truth"] = (float(truth), "orange")
    heights = [value for value, _ in bars.values()]
    left.barh(list(bars), heights, color=[COLORS[colour] for _, colour in bars.values()])
    left.set(title=who, xlabel=target, xticks=[0], ylim=(2.6, -0.6))
    room = 1.25 * max(max(heights), 0), 1.25 * min(min(heights), 0)
    left.set_xlim(room[1], room[0] or 1)
    for place, value in enumerate(heights):
        text = f"{value:,.0f}" if abs(value) >= 100 else digits(value)
        left.text(max(value, 0), place, f" {text}", va="center")
    change = 100 * (predicted / before - 1) if log else predicted - before
    unit = " %" if log else ""
    alone = dict(zip(said.values(), change[1:-1], strict=True))
    if len(alone) > 1:
        alone["all of them"] = change[-1]
    rows = max(4, len(alone))
    wide = max(1e-9, *numpy.abs(change)) * 1.15
    colours = [COLORS["sky" if place < len(said) else "blue"] for place in range(len(alone))]
    ground = {"size": 10, "bbox": {"facecolor": "white", "linewidth": 0, "pad": 0.5}}
    lower = numpy.arange(len(alone)) + 0.2  # below its label
    right.barh(lower, list(alone.values()), height=0.34, color=colours)
    for place, (label, value) in enumerate(alone.items()):
        text = f"{fit_text(label, 4, lines=1)}: {value:+.1f}{unit}"
        right.text(0.01, place - 0.12, text, transform=right.get_yaxis_transform(), **ground)
    if not said:
        right.text(0, 1, "nothing is changed yet", ha="center", color=COLORS["grey"], **ground)
    right.axvline(0, color="#444444", linewidth=1, zorder=0)
    right.set(yticks=[], ylim=(rows - 0.4, -0.6), xlim=(-wide, wide), xticks=[0])
    right.set(
        title="what each change does alone",
        xlabel="change of the prediction" + (", %" if log else ""),
    )
    for axis in (left, right):
        axis.grid(False)
    told = [f"{who}: {digits(before)} as it was"]
    if truth == truth:
        told[0] += f" (the truth is {digits(truth)})"
    if said:
        told.append(f"with {', '.join(said.values())} it is {digits(after)}")
        told[-1] += f", {change[-1]:+.1f}{unit}"
    else:
        told.append("nothing is changed yet")
    say(sentence(*told))
    return numpy.array([left, right])


# The effect of a column -----------------------------------------------------------------------


def spread_values(learn, frame, column):
    """Return up to twelve values of a column: the most frequent ones, or even steps of rank.

    Of a category that is the same in all rows, the values that the model knows.
    """
    if column in learn.data.categories:
        counts, known = frame[column].value_counts(dropna=False), _choices(learn, frame, column)
        common = [_plain(value) for value in counts.index[:VALUES]]
        return [one for one in known if one in common] if len(common) > 1 else known[:VALUES]
    values = _numbers(frame, column)
    values = values[~numpy.isnan(values)]
    few = numpy.unique(values)
    if len(few) > VALUES:
        few = numpy.unique(numpy.quantile(values, numpy.linspace(0.02, 0.98, 9)))
    return [int(value) if value == int(value) else float(value) for value in few]


def partial_dependence(learn, frame, *, columns=None, column=None, by=NOTHING, words=None):
    """Set one column of many rows to one value after the other and watch the mean prediction.

    Choose the column, and another one that tells groups of rows apart: where their lines run
    differently, the effect depends on it. What was worked out once is kept.

    Args:
        learn: a learner whose data is what ``ck.table`` returned.
        frame: a DataFrame with the columns of the model; of many rows 200 are drawn.
        columns: those that can be chosen; None takes all of the model.
        column: the one to begin with; None for the first.
        by: a column with two to six different values, whose rows get a line each.
        words: {column: {value: what is written in its stead}}.

    Raises:
        CourseError: the model or the frame has no such column.
    """
    columns, words = _columns(learn, frame, columns), dict(words or {})
    few = frame.sample(min(ROWS, len(frame)), random_state=0)
    groups = [one for one in columns if 2 <= few[one].nunique(dropna=False) <= GROUPS]
    kept = {}

    def draw(axes, column, by):
        if column not in kept:
            values = spread_values(learn, few, column)
            kept[column] = values, dependence(learn, few, column, values)
        values, predicted = kept[column]
        marks = [one if by == NOTHING else _plain(one) for one in few[by if by in few else column]]
        said = words.get(column, {})
        in_words = column in learn.data.categories or bool(said)
        ticks = [_text(value, said) for value in values] if in_words else None
        if by == NOTHING:
            return tables.show_partial_dependence(
                predicted, values, name=column, ticks=ticks, axes=axes
            )
        ordered = sorted(set(marks), key=lambda mark: (isinstance(mark, str), mark))
        names = {mark: f"{by} {_text(mark, words.get(by, {}))}" for mark in ordered}
        return _show_groups(predicted, values, marks, names, column, ticks, axes=axes)

    controls = {
        "column": Choice("column", column or columns[0], options=columns),
        "by": Choice("a line for each", by, options=[NOTHING, *groups]),
    }
    return Explorer("partial_dependence", draw, controls)


def dependence(learn, frame, column, values):
    """Return (V, rows): the predictions had ``column`` each of V values, ``GAP`` for a gap."""
    values = [numpy.nan if value == GAP else value for value in values]
    return tables.what_if(learn, frame, column, values)


@use_style()
def _show_groups(predicted, values, marks, names, name, ticks, *, axes=None):
    """Draw the mean effect (V, rows) of a column for each group of rows."""
    relative = 100 * (predicted / predicted.mean(0, keepdims=True) - 1)
    axis = panels(size=(7.5, 3.8), axes=axes)[0, 0]
    places = numpy.asarray(values, float) if ticks is None else numpy.arange(len(values))
    told = []
    for number, (mark, label) in enumerate(names.items()):
        mine = numpy.array([one == mark for one in marks])
        mean = relative[:, mine].mean(1)
        style = {"linestyle": DASHES[number % len(DASHES)], "marker": "o", "markersize": 4}
        axis.plot(places, mean, label=f"{label} ({mine.sum()})", **style)
        told.append(f"{label} {numpy.ptp(mean):.1f} points")
    low, high = axis.get_ylim()
    axis.set(ylim=(low, high + 0.3 * (high - low)))  # room for the legend
    axis.legend(loc="upper center", ncols=3)
    if ticks is not None:
        axis.set_xticks(places, ticks)
    axis.set(xlabel=name, ylabel="change of the prediction, %")
    say(f"{name}, from lowest to highest: {', '.join(told)}.")
    return axis
