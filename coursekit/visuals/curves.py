"""Curves of training: loss and metrics by epoch, runs compared, the sweep, the schedules."""

import itertools
import math

import numpy

from coursekit.console import CourseError, nearest
from coursekit.visuals.style import (
    COLORS,
    CYCLE,
    DASHES,
    WIDTH,
    counted,
    digits,
    fit_text,
    legend_beside,
    panels,
    say,
    sentence,
    use_style,
    width_of,
)

NOT_METRICS = {"epoch", "train_loss", "valid_loss", "seconds", "lr"}
MARKED = 20  # more epochs than these get no mark each: marks would hide the dashes of the line


@use_style()
def show_history(history, *, axes=None):
    """Draw train and valid loss by epoch, and every metric beside them.

    Args:
        history: list of rows such as {"epoch": 1, "train_loss": 0.2, "valid_loss": 0.1, ...}.
        axes: one Axes for the losses and one a metric; None for a new figure.

    Raises:
        CourseError: nothing was trained yet.
    """
    rows = _rows(history)
    metrics = [key for key in rows[0] if key not in NOT_METRICS]
    columns = 1 + len(metrics)
    drawn = panels(1, columns, size=(min(WIDTH, 4.2 * columns + 0.8), 3.4), axes=axes)[0]
    losses = [key for key in ("train_loss", "valid_loss") if key in rows[0]]
    for place, key in enumerate(losses):
        _curve(drawn[0], _column(rows, key), place=place, label=_words(key))
    for axis, key in zip(drawn[1:], metrics, strict=True):
        _curve(axis, _column(rows, key), place=1, label=_words(key))
    for axis, label in zip(drawn, ["loss", *map(_words, metrics)], strict=True):
        _finish_epochs(axis, len(rows), label)
    drawn[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)  # above: it covers nothing
    say(_reading(rows, losses, metrics))
    return drawn


def _rows(history):
    """Return the rows of a history, at least one."""
    rows = list(history)
    if not rows:
        raise CourseError("No epoch was trained yet; call learn.fit(...) first, then draw.")
    return rows


def _words(key):
    return key.replace("_", " ")


def _column(rows, key):
    """Return one column as a float array, NaN where a row lacks it."""
    values = [row.get(key) for row in rows]
    return numpy.array([math.nan if value is None else float(value) for value in values])


def _curve(axes, values, *, place, label):
    """Draw values by epoch; what is infinite or no number becomes a mark at the top edge."""
    epochs = numpy.arange(1, len(values) + 1)
    fine = numpy.isfinite(values)
    looks = {"color": CYCLE[place % len(CYCLE)]}
    line = {"linestyle": DASHES[place % len(DASHES)]}
    if len(values) <= MARKED:
        line |= {"marker": "o", "markersize": 5}
    axes.plot(epochs[fine], values[fine], label=label, **looks, **line)
    for epoch in epochs[~fine]:
        # Marks of several runs stand side by side, not on one another.
        axes.plot(
            epoch + 0.06 * place,
            0.98,
            marker="^",
            markersize=9,
            linestyle="none",
            transform=axes.get_xaxis_transform(),
            label="_diverged",
            **looks,
        )


def _finish_epochs(axes, count, label):
    """Label the panel, give epochs a tick at round numbers, and explain the diverged ones."""
    axes.set(xlabel="epoch", ylabel=label, xlim=(0.5, count + 0.5))
    step = _round_step(count)
    axes.set_xticks(range(step, count + 1, step))
    axes.margins(y=0.15)
    if any(line.get_label() == "_diverged" for line in axes.lines):
        axes.plot([], [], "^", color=COLORS["grey"], markersize=9, label="diverged")


def _round_step(count):
    """Return the smallest of 1, 2, 5, 10, 20, ... that makes at most ten steps of ``count``."""
    steps = (factor * 10**power for power in itertools.count() for factor in (1, 2, 5))
    return next(step for step in steps if count <= 10 * step)


def _reading(rows, losses, metrics):
    """Return the sentence that reads the curves aloud."""
    last = [f"{_words(key)} {digits(_column(rows, key)[-1])}" for key in (*losses, *metrics)]
    after = f"After {counted(len(rows), 'epoch')}: " + ", ".join(last)
    for key in losses:
        bad = numpy.flatnonzero(~numpy.isfinite(_column(rows, key)))
        if len(bad):
            return sentence(after, f"training diverged in epoch {bad[0] + 1}, so lower the rate")
    if len(rows) == 1 or "valid_loss" not in losses:
        return sentence(after)
    valid = _column(rows, "valid_loss")
    best = int(valid.argmin())
    if best == len(rows) - 1:
        return sentence(after, "the valid loss is lowest in the last epoch")
    train = _column(rows, "train_loss")
    falls = ", while the train loss fell on: overfitting begins" if train[-1] < train[best] else ""
    lowest = f"the valid loss was lowest in epoch {best + 1} ({digits(valid[best])})"
    return sentence(after, f"{lowest} and has risen since{falls}")


@use_style()
def show_histories(histories, value="valid_loss", *, axes=None):
    """Draw one value of several runs by epoch, so that they can be compared.

    The scale is logarithmic where the values span more than two decades; infinite values and NaN
    stand at the top, marked as diverged.

    Args:
        histories: {"name of the run": history}.
        value: which column of the histories.
        axes: the Axes to draw on; None for a new figure.

    Raises:
        CourseError: a run has no epoch, or not this value.
    """
    runs = {name: _rows(history) for name, history in histories.items()}
    if not runs:
        raise CourseError("There is no run to compare; give {'name': history, ...}.")
    for name, rows in runs.items():
        if value not in rows[0]:
            raise CourseError(
                f"The run {name!r} has no {value!r}; it has {', '.join(rows[0])}."
                + nearest(value, rows[0])
            )
    axis = panels(size=(8.0, 3.8), axes=axes)[0, 0]
    columns = {name: _column(rows, value) for name, rows in runs.items()}
    for place, (name, values) in enumerate(columns.items()):
        _curve(axis, values, place=place, label=fit_text(name, 2.2))
    _finish_epochs(axis, max(map(len, columns.values())), _words(value))
    everything = numpy.concatenate(list(columns.values()))
    finite = everything[numpy.isfinite(everything)]
    if len(finite) and finite.min() > 0 and finite.max() > 100 * finite.min():
        axis.set_yscale("log")
        axis.set_ylabel(f"{_words(value)} (log scale)")
    legend_beside(axis)
    ends = [f"{name} ends at {_end(values)}" for name, values in columns.items()]
    say(sentence(f"{_words(value)}: {ends[0]}", *ends[1:]))
    return axis


def _end(values):
    """Return the last value in words, or since when there is none."""
    bad = numpy.flatnonzero(~numpy.isfinite(values))
    if len(bad):
        return f"{digits(values[-1])} (diverged in epoch {bad[0] + 1})"
    return f"{digits(values[-1])} after {counted(len(values), 'epoch')}"


@use_style()
def show_sweep(sweep, *, axes=None):
    """Draw a sweep of learning rates: rate by mini-batch, and train loss by rate.

    Args:
        sweep: what ``learn.find_lr()`` returned: rates, losses and smoothed (one a mini-batch),
            suggestion (or None) and reason.
        axes: two Axes to draw on; None for a new figure.
    """
    rates, losses, smoothed = map(numpy.array, (sweep.rates, sweep.losses, sweep.smoothed))
    left, right = panels(1, 2, size=(10.0, 3.9), widths=[1, 1.5], axes=axes)[0]
    left.plot(numpy.arange(1, len(rates) + 1), rates)
    left.set(xlabel="mini-batch", ylabel="learning rate (log scale)", yscale="log")
    right.plot(rates, losses, color=COLORS["sky"], linewidth=1, label="each mini-batch")
    right.plot(rates, smoothed, color=COLORS["blue"], label="smoothed")
    right.set(xlabel="learning rate (log scale)", ylabel="train loss", xscale="log")
    low, high = (smoothed.min(), smoothed.max()) if len(smoothed) else (0.0, 1.0)
    finite = losses[numpy.isfinite(losses)]
    low = min(low, numpy.quantile(finite, 0.02)) if len(finite) else low
    if len(smoothed):  # what matters is how far it fell, not how high it flew at the end
        start = smoothed[:5].max()
        high = min(high, start + max(0.6 * (start - low), 0.1 * abs(start)))
    room = 0.1 * (high - low) or 0.1
    right.set_ylim(low - room, high + room)  # single mini-batches may shoot out of it
    if sweep.suggestion is not None:
        looks = {"color": COLORS["red"], "linestyle": "--"}
        left.axhline(sweep.suggestion, **looks)
        right.axvline(sweep.suggestion, label=f"suggestion {digits(sweep.suggestion)}", **looks)
    reason = str(sweep.reason).strip().rstrip(".")
    right.set_title(fit_text(reason, width_of(right) - 0.6, lines=3), loc="left", fontsize=10)
    right.legend(loc="best")
    say(_sweep_sentence(rates, smoothed, sweep.suggestion, reason))
    return numpy.array([left, right])


def _sweep_sentence(rates, smoothed, suggestion, reason):
    """Return the sentence that names the lowest point and the suggested rate."""
    swept = f"Over {len(rates)} mini-batches"
    if not len(rates):
        return f"{swept} no loss was a number; {reason}."
    best = int(smoothed.argmin())
    fell = (
        f"{swept} from a rate of {digits(rates[0])} to {digits(rates[-1])} the smoothed loss went "
        f"from {digits(smoothed[0])} down to {digits(smoothed[best])} at {digits(rates[best])}"
    )
    advice = f"suggested is {digits(suggestion)}" if suggestion is not None else "none is suggested"
    return sentence(fell, f"{advice} ({reason})")


@use_style()
def show_schedules(schedules, epochs, lr, *, axes=None):
    """Draw the learning rate over the epochs for several schedules.

    Args:
        schedules: {"one cycle": ck.one_cycle, ...}, functions of progress in 0..1 to a factor.
        epochs: how many epochs the training takes.
        lr: the rate that the factor multiplies.
        axes: the Axes to draw on; None for a new figure.
    """
    axis = panels(size=(8.0, 3.6), axes=axes)[0, 0]
    progress = numpy.linspace(0, 1, 1001)
    told = []
    for place, (name, schedule) in enumerate(schedules.items()):
        rates = lr * numpy.array([schedule(float(part)) for part in progress])
        looks = {"color": CYCLE[place % len(CYCLE)], "linestyle": DASHES[place % len(DASHES)]}
        axis.plot(progress * epochs, rates, label=fit_text(name, 2.2), **looks)
        told.append(f"{name} {_course(progress * epochs, rates)}")
    axis.set(xlabel="epoch", ylabel="learning rate", xlim=(0, epochs))
    legend_beside(axis)
    say(sentence(*told))
    return axis


def _course(epochs, rates):
    """Return in words how a rate goes over the epochs."""
    low, high = rates.min(), rates.max()
    if low == high:
        return f"stays at {digits(high)}"
    words = f"goes from {digits(rates[0])} to {digits(rates[-1])}"
    if rates.argmax() > 0:
        words += f" with its top of {digits(high)} at epoch {digits(epochs[rates.argmax()])}"
    jumps = int((numpy.diff(rates) > 0.5 * (high - low)).sum())
    return words + (f", jumping back up {counted(jumps, 'time')}" if jumps else "")
