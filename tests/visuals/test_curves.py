"""Curves of training, schedules and the sweep of the learning rate."""

import math
from types import SimpleNamespace

import numpy
import pandas
import pytest

from coursekit.console import CourseError
from coursekit.learners import schedules
from coursekit.visuals import curves, explore
from tests.visuals.explorers.lesson_1 import swept
from tests.visuals.figures import readable, refused


def history(valid, train=None, **metrics):
    """Make rows as ``learn.fit`` returns them; the train loss falls unless it is given."""
    train = train or [1 / (epoch + 1) for epoch in range(len(valid))]
    return [
        {"epoch": number + 1, "train_loss": one, "valid_loss": other, "seconds": 1.0}
        | {name: values[number] for name, values in metrics.items()}
        for number, (one, other) in enumerate(zip(train, valid, strict=True))
    ]


DIVERGED = history([5.0, math.nan, math.inf], [3.0, math.nan, math.nan], accuracy=[0.5] * 3)


WAYS = {"one cycle": schedules.one_cycle, "constant": schedules.constant}
test_every_figure_can_be_read = readable(
    lambda: curves.show_history(history([0.5, 0.4, 0.45], accuracy=[0.8, 0.9, 0.9])),
    lambda: curves.show_history(history([0.5] * 40, a=[0] * 40, b=[1] * 40)),
    lambda: curves.show_history(DIVERGED),
    lambda: curves.show_histories({"rate 1": DIVERGED, "0.01": history([0.5, 0.1])}),
    lambda: curves.show_histories({"rate 9": history([math.nan])}),
    lambda: curves.show_sweep(swept()),
    lambda: curves.show_schedules(WAYS, 7, 0.01),
)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (history([0.5, 0.4, 0.45]), "epoch 2 (0.4) and has risen since, while the train loss fell"),
        (history([0.5, 0.4, 0.45], [1, 2, 3]), "epoch 2 (0.4) and has risen since."),
        (
            history([0.5, 0.4, 0.3], accuracy=[0.1, 0.2, 0.9932]),
            "accuracy 0.993; the valid loss is",
        ),
        (history([0.5, 0.5]), "valid loss is lowest in the last epoch"),
        (history([0.5]), "After 1 epoch: train loss 1, valid loss 0.5."),
        (DIVERGED, "training diverged in epoch 2"),
    ],
)
def test_a_history_is_read_aloud(rows, words, capsys):
    """A caption that does not follow from the rows."""
    axes = curves.show_history(rows)
    assert words in capsys.readouterr().out
    drawn = [row["epoch"] for row in rows if math.isfinite(row["valid_loss"])]
    lines = {line.get_label(): line for line in axes[0].lines}
    assert list(lines["valid loss"].get_xdata()) == drawn


@pytest.mark.parametrize(
    ("count", "ticks"), [(1, [1]), (10, [*range(1, 11)]), (12, [2, 4, 6, 8, 10, 12]), (60, None)]
)
def test_many_epochs_stay_readable(count, ticks):
    """Ticks at 1, 7, 13, and marks that cover the dashes of a long run."""
    axis = curves.show_history(history([0.5] * count))[0]
    shown = [tick for tick in axis.get_xticks() if 0.5 <= tick <= count + 0.5]
    assert shown == (ticks or [10, 20, 30, 40, 50, 60])
    assert axis.lines[0].get_marker() == ("" if count > 20 else "o")


test_what_cannot_be_drawn_is_told = refused(
    (lambda: curves.show_history([]), "No epoch"),
    (lambda: curves.show_history([1, 2]), "is no history"),
    (lambda: curves.show_history([{"epoch": 1, "train_loss": "low"}]), "cannot use .*'low'"),
    (lambda: curves.show_history([{"epoch": 1}]), "'train_loss'"),
    (lambda: curves.show_histories({}), "no run"),
    (lambda: curves.show_histories(DIVERGED), "histories=.*a dict"),
    (lambda: curves.show_histories({"a": DIVERGED}, "valid_los"), "'valid_los'.*'valid_loss'"),
    (lambda: curves.show_schedules(schedules.one_cycle, 7, 0.1), "schedules=.*a dict"),
    (lambda: curves.show_schedules({"a": lambda part: None}, 7, 0.1), "The schedule 'a'"),
    (lambda: curves.show_sweep(DIVERGED), "is no sweep"),
    (lambda: explore.sweep(DIVERGED), "no sweep with losses"),
)


def test_a_learner_or_a_frame_stands_for_its_history(capsys):
    """The raw TypeError for what can mean one thing only."""
    rows = history([0.5, 0.4])
    for same in (SimpleNamespace(history=rows), pandas.DataFrame(rows), iter(rows)):
        curves.show_history(same)
        assert "valid loss 0.4" in capsys.readouterr().out


def test_compared_runs_mark_divergence_and_choose_the_scale(capsys):
    """Diverged runs that vanish, and a huge loss that flattens the others."""
    axis = curves.show_histories({"wild": DIVERGED, "tame": history([0.5, 0.04])})
    said = capsys.readouterr().out
    assert "wild ends at infinite (diverged in epoch 2)" in said
    assert "tame ends at 0.04 (after 2 epochs)" in said
    assert axis.get_yscale() == "log"
    marks = [line for line in axis.lines if line.get_marker() == "^"]
    assert marks[0].get_xdata().tolist() == [2, 3]
    assert curves.show_histories({"a": history([0.5, 0.1])}).get_yscale() == "linear"


def test_schedules_are_multiplied_and_told(capsys):
    """A curve drawn over progress instead of epochs."""
    axis = curves.show_schedules(WAYS, 10, 0.5)
    said = capsys.readouterr().out
    assert "One cycle goes from 0.02 to 2e-06, at most 0.5 at epoch 3" in said
    x, y = axis.lines[0].get_data()
    assert (x[-1], round(max(y), 9)) == (10, 0.5)


def test_a_sweep_names_rate_and_reason(capsys):
    """A suggestion drawn or said other than the sweep's own; a sweep in which nothing fell."""
    found = swept()
    axis = curves.show_sweep(found)
    assert "suggested is 0.01 (a tenth of the rate at the lowest point)" in capsys.readouterr().out
    marks = [line for line in axis.lines if line.get_label() == "suggested is 0.01"]
    assert list(marks[0].get_xdata()) == [0.01, 0.01]
    found.suggestion = None
    curves.show_sweep(found)
    assert "none is suggested" in capsys.readouterr().out
    found.rates, found.losses, found.smoothed = [], [], []
    curves.show_sweep(found)
    assert "No loss" in capsys.readouterr().out
    with pytest.raises(CourseError, match="no sweep with losses"):
        explore.sweep(found)


def test_the_fall_of_a_sweep_is_not_squeezed_by_its_end():
    """A loss that explodes at the end, and above it a flat line that was the whole point."""
    found = swept()
    found.smoothed[-3:] = [5.0, 20.0, 90.0]
    low, high = curves.show_sweep(found).get_ylim()
    fall = max(found.smoothed[:5]) - min(found.smoothed)
    assert low < min(found.smoothed)
    assert fall > 0.45 * (high - low)
    found.smoothed = found.losses = [1.0] * len(found.rates)
    low, high = curves.show_sweep(found).get_ylim()
    assert low < 1 < high


@pytest.mark.parametrize(
    ("rate", "course", "times"),
    [
        (1e-6, "hardly moves", "0.0001 times"),
        (0.01, "falls", "suggested is 0.01"),
        (0.1, "hardly moves", "10 times"),
        (5.0, "climbs", "500 times"),
    ],
)
def test_a_rate_of_the_sweep_is_put_into_words(rate, course, times):
    """The sign of the gradient, or times and parts, the wrong way round; a trail of marks."""
    found = swept()
    explorer = explore.sweep(found, rate=0.3).set(rate=rate)
    assert course in explorer.caption
    assert times in explorer.caption
    marked = explorer.axes.lines[-1].get_xydata().ravel()
    wanted = numpy.interp(rate, found.rates, found.smoothed)
    assert marked == pytest.approx([rate, wanted])
