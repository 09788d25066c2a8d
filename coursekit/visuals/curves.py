"""Curves of training: loss and metrics by epoch, runs compared, schedules, the rate sweep."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy

from coursekit.arguments import checked
from coursekit.console import CourseError, no_such
from coursekit.visuals import style
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, Drawn, counted, digits, figure, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

History = Iterable[Mapping[str, Any]]
LOSSES = ("train_loss", "valid_loss")
NOT_METRICS = {"epoch", "seconds", "lr", *LOSSES}
MARKED = 20  # markers on longer runs would hide the dashes of the line


# Runs by epoch --------------------------------------------------------------------------------


@figure()
def show_history(history: History) -> Drawn:
    """Draw train and valid loss by epoch, and each metric in a panel of its own.

    ``history`` is what ``learn.fit`` returns: rows such as {"epoch": 1, "train_loss": 0.2, ...}.
    """
    frame = _frame(history)
    losses = [key for key in LOSSES if key in frame]
    if not losses:
        raise no_such("value", LOSSES[0], frame)
    metrics = [key for key in frame if key not in NOT_METRICS]
    count = 1 + len(metrics)
    axes = numpy.ravel(style.panels(columns=count, size=(4.2 * count + 0.8, 3.4)))
    _draw_runs(axes[0], {key: frame[key] for key in losses}, "loss")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)  # above: it covers nothing
    for axis, key in zip(axes[1:], metrics, strict=True):
        _draw_runs(axis, {key: frame[key]}, key)
    last = [f"{_words(key)} {digits(frame[key].iloc[-1])}" for key in (*losses, *metrics)]
    told = f"After {counted(len(frame), 'epoch')}: {', '.join(last)}"
    return Drawn(sentence(told, *_verdict(frame)), axes=axes)


@figure(size=(8.0, 3.8))
def show_histories(axes: Axes, histories: Mapping[str, History], value: str = "valid_loss") -> str:
    """Draw one value of several runs, {name: history}, by epoch, so that they can be compared.

    The scale is logarithmic where the values span more than two decades; infinite values and NaN
    are marked at the top edge as diverged.
    """
    if not histories:
        raise CourseError("There is no run to compare; give {'name': history, ...}.")
    runs, ends = {}, []
    for name, history in histories.items():
        frame = _frame(history)
        if value not in frame:
            raise no_such(f"value in the run {name!r},", value, frame)
        runs[name] = values = frame[value].to_numpy()
        bad = _diverged(values)
        when = f"diverged in epoch {bad}" if bad else f"after {counted(len(values), 'epoch')}"
        ends.append(f"{name} ends at {digits(values[-1])} ({when})")
    every = numpy.concatenate(list(runs.values()))
    finite = every[numpy.isfinite(every)]
    log = bool(len(finite) and 0 < 100 * finite.min() < finite.max())
    _draw_runs(axes, runs, value, log=log)
    style.legend_beside(axes)
    return sentence(f"{_words(value)}: {ends[0]}", *ends[1:])


def _frame(history: Any) -> DataFrame:
    """Read a history, or that of a learner; one line an epoch."""
    import pandas

    frame = pandas.DataFrame(getattr(history, "history", history)).astype(float)
    if frame.empty:
        raise CourseError("No epoch was trained yet; call learn.fit(...) first, then draw.")
    if not all(isinstance(key, str) for key in frame):
        raise CourseError(f"{history!r:.60} is no history; give what learn.fit returned.")
    return frame


def _words(key: str) -> str:
    return str(key).replace("_", " ")


def _diverged(values: Any) -> int | None:
    """Find the first epoch, from 1, whose value is infinite or NaN."""
    bad = numpy.flatnonzero(~numpy.isfinite(values))
    return int(bad[0]) + 1 if len(bad) else None


def _looks(place: int) -> dict[str, Any]:
    """Color and dashes of one of several lines."""
    return {"color": style.CYCLE[place % 7], "linestyle": style.DASHES[place % 4]}


def _draw_runs(axes: Axes, runs: Mapping[str, Any], label: str, *, log: bool = False) -> None:
    """Draw values by epoch, a line for each run; what is not finite is marked at the top edge."""
    from matplotlib.ticker import MaxNLocator

    count = max(map(len, runs.values()))
    for place, (name, values) in enumerate(runs.items()):
        epochs, finite = numpy.arange(1, len(values) + 1), numpy.isfinite(values)
        line = _looks(place) | {"marker": "o" if count <= MARKED else "", "markersize": 5}
        axes.plot(epochs[finite], values[finite], label=style.fit_text(_words(name), 2.2), **line)
        bad = epochs[~finite] + 0.06 * place  # marks of several runs stand side by side
        mark = {"color": line["color"], "markersize": 9, "transform": axes.get_xaxis_transform()}
        axes.plot(bad, [0.98] * len(bad), "^", **mark)
    if any(map(_diverged, runs.values())):
        axes.plot([], [], "^", color=COLORS["grey"], markersize=9, label="diverged")
    axes.set(xlabel="epoch", xlim=(0.5, count + 0.5))
    axes.set_ylabel(_words(label) + " (log scale)" * log)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda y, _: digits(y))  # its own are formulas
        axes.yaxis.set_minor_formatter("")
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.margins(y=0.15)


def _verdict(frame: DataFrame) -> list[str]:
    """Say where a training diverged, or where its valid loss was lowest."""
    for key in (key for key in LOSSES if key in frame):
        if bad := _diverged(frame[key]):
            return [f"training diverged in epoch {bad}, so lower the rate"]
    if len(frame) == 1 or "valid_loss" not in frame:
        return []
    last = len(frame) - 1
    best = last - int(frame.valid_loss[::-1].argmin())  # the last one of several
    if best == last:
        return ["the valid loss is lowest in the last epoch"]
    told = f"the valid loss was lowest in epoch {best + 1} ({digits(frame.valid_loss[best])}) and "
    if "train_loss" in frame and frame.train_loss[last] < frame.train_loss[best]:
        return [f"{told}has risen since, while the train loss fell on: overfitting begins"]
    return [f"{told}has risen since"]


# Schedules ------------------------------------------------------------------------------------


@figure(size=(8.0, 3.6))
def show_schedules(
    axes: Axes, schedules: Mapping[str, Callable[[float], float]], epochs: float, lr: float
) -> str:
    """Draw the learning rate over the epochs for several schedules.

    Args:
        schedules: {name: function of the progress in 0..1 that returns a factor of ``lr``}, such as
            {"one cycle": ck.one_cycle}.
        epochs: of the training.
        lr: the rate that the factors are of.
    """
    captions, parts = [], numpy.linspace(0, 1, 1001)
    for place, (name, schedule) in enumerate(schedules.items()):
        factors = style.array_of(f"The schedule {name!r}", list(map(schedule, parts)), 1001)
        rates = lr * factors
        axes.plot(epochs * parts, rates, label=style.fit_text(name, 2.2), **_looks(place))
        top = f"at most {digits(rates.max())} at epoch {digits(epochs * parts[rates.argmax()])}"
        captions.append(f"{name} goes from {digits(rates[0])} to {digits(rates[-1])}, {top}")
    axes.set(xlabel="epoch", ylabel="learning rate", xlim=(0, epochs))
    style.legend_beside(axes)
    return sentence(*captions)


# The sweep of the learning rate ---------------------------------------------------------------


@figure(size=(8.0, 3.9))
def show_sweep(axes: Axes, swept: Any, rate: float | None = None) -> str:
    """Draw the training loss by learning rate, and the rate that is suggested.

    ``swept`` is what ``learn.find_lr()`` returned; with a ``rate``, the loss there is marked.
    """
    if not hasattr(swept, "smoothed"):
        raise CourseError(f"{swept!r:.60} is no sweep; give what learn.find_lr() returned.")
    rates, losses, smoothed = map(numpy.array, (swept.rates, swept.losses, swept.smoothed))
    suggestion, reason = swept.suggestion, swept.reason
    axes.set(xlabel="learning rate (log scale)", ylabel="train loss", xscale="log")
    if not len(rates):
        return f"No loss of the sweep was a number; {reason}."
    axes.plot(rates, losses, color=COLORS["sky"], linewidth=1, label="each mini-batch")
    axes.plot(rates, smoothed, color=COLORS["blue"], label="smoothed")
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda x, _: digits(x))  # formulas take half of the time
    # Room for the fall: a loss that explodes at the end would press it flat.
    low, start, best = numpy.quantile(losses, 0.02), smoothed[:5].max(), int(smoothed.argmin())
    low = min(low, smoothed[best])
    high = min(smoothed.max(), start + max(0.6 * (start - low), 0.1 * abs(start)))
    room = 0.1 * (high - low) or 0.1
    axes.set(ylim=(low - room, high + room))
    advice = "none is suggested"
    if suggestion is not None:
        advice = f"suggested is {digits(suggestion)}"
        axes.axvline(suggestion, color=COLORS["red"], linestyle="--", label=advice)
    axes.legend(loc="lower left")
    if rate is None:
        axes.set_title(style.fit_text(reason, 7.0), loc="left", fontsize=10)
        fell = f"{digits(smoothed[0])} at a rate of {digits(rates[0])} down to "
        fell += f"{digits(smoothed[best])} at {digits(rates[best])}"
        whole = f"over {len(rates)} mini-batches the smoothed loss went from {fell}"
        return sentence(whole, f"{advice} ({reason})")
    loss, course = float(numpy.interp(rate, rates, smoothed)), _course(rates, smoothed, rate)
    axes.axvline(rate, color=COLORS["black"], linewidth=1)
    axes.plot(rate, loss, "o", color=COLORS["black"], markersize=9)
    axes.set_title(f"lr {digits(rate)}: the loss {course}")
    here = f"at a rate of {digits(rate)} the smoothed loss is {digits(loss)} and {course}"
    if suggestion is not None and digits(rate) != digits(suggestion):
        advice = f"that is {digits(rate / suggestion)} times the suggestion, {digits(suggestion)}"
    return sentence(here, advice)


def _course(rates: numpy.ndarray, smoothed: numpy.ndarray, rate: float) -> str:
    """Say whether the loss falls at a rate: over half a decade, beside the fall of the sweep."""
    low, high = numpy.interp([rate / 10**0.25, rate * 10**0.25], rates, smoothed)
    change = (high - low) / max(smoothed[0] - smoothed.min(), 1e-9)
    return "hardly moves" if abs(change) < 0.015 else "climbs" if change > 0 else "falls"


@checked
def sweep(swept: Any, *, rate: float | None = None) -> Explorer:
    """Move along a learning-rate sweep: does the loss fall at this rate, and is it suggested?

    ``swept`` is what ``learn.find_lr()`` returned; ``rate`` is the learning rate to begin with,
    None for the suggestion.
    """
    rates: Any = getattr(swept, "rates", ())
    if len(rates) < 2:
        raise CourseError("This is no sweep with losses; give learn.find_lr(), or lower its rates.")
    first, last = rates[0], rates[-1]
    rate = rate or swept.suggestion or (first * last) ** 0.5
    control = Control(rate, (first, last), label="learning rate", log=True)
    draw = functools.partial(show_sweep.draw, swept=swept)
    return Explorer("sweep", draw, {"rate": control}, panels=show_sweep.panels)
