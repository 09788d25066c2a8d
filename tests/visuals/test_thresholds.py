"""The threshold of a network that gives several labels."""

from types import SimpleNamespace

import numpy
import pytest
import torch
from sklearn.metrics import fbeta_score, precision_recall_fscore_support

from coursekit.visuals import explore
from coursekit.visuals.results import GRID, STARTS
from tests.visuals.explorers.lesson_2 import f2
from tests.visuals.figures import refused


def some_predictions(seed=0, rows=50, labels=6):
    """Make probabilities, some of them equal to a threshold, and targets."""
    rng = numpy.random.default_rng(seed)
    wanted = rng.random((rows, labels)) < rng.random(labels)
    p = numpy.round((rng.random((rows, labels)) + wanted) / 2, 2)
    return SimpleNamespace(probabilities=torch.tensor(p), targets=torch.tensor(wanted).float())


@pytest.mark.parametrize("at", [0, 30, 60, 98])
def test_bars_are_the_numbers_of_scikit_learn(at):
    """Precision and recall exchanged, ">=" for ">", or a bar in the row of another label."""
    made = some_predictions()
    explorer = explore.threshold(made, list("abcdef"), f2, threshold=float(GRID[at]))
    explorer.redraw()
    wanted, chosen = made.targets.numpy() > 0.5, made.probabilities.numpy() > GRID[at]
    theirs = precision_recall_fscore_support(wanted, chosen, beta=2, zero_division=0)[:3]
    order = numpy.argsort(wanted.sum(0), kind="stable")
    bars = explorer.axes[0].collections
    for lines, start, values in zip(bars, STARTS, theirs, strict=True):
        lengths = [end[0] - start for _, end in lines.get_segments()]
        assert lengths == pytest.approx(values[order], abs=1e-6)
    mean = fbeta_score(wanted, chosen, beta=2, average="samples", zero_division=0)
    assert f"the mean f2 is {mean:.4f}" in explorer.caption
    never = numpy.flatnonzero(chosen.sum(0)[order] == 0)
    assert explorer.axes[0].lines[-1].get_ydata() == pytest.approx(never)


def test_the_best_threshold_is_named_and_reached():
    """A button that leads elsewhere, and a caption that names another threshold."""
    made = some_predictions()
    explorer = explore.threshold(made, list("abcdef"), f2, threshold=0.9)
    explorer.widget()
    means = [f2(made.probabilities > at, made.targets > 0.5) for at in GRID]
    best = int(numpy.argmax(means))
    assert f"is {max(means):.4f} at {GRID[best]:.2f}" in explorer.caption
    assert "tuned here" in explorer.caption
    explorer.presses["the best one here"].click()
    assert explorer.settings["threshold"] == pytest.approx(GRID[best])
    assert f"At {GRID[best]:.2f} the mean f2 is {max(means):.4f}" in explorer.caption


def test_a_label_on_no_example_is_drawn():
    """A division by zero for a label that nobody wanted."""
    made = SimpleNamespace(probabilities=[[0.9, 0.1]], targets=[[1, 0]])
    explorer = explore.threshold(made, ["there", "nowhere"], f2)
    explorer.redraw()
    assert "1 label never chosen" in explorer.caption


def wrong(**parts):
    return lambda: explore.threshold(
        SimpleNamespace(**vars(some_predictions()) | parts), list("abcdef"), f2
    )


test_what_does_not_fit_is_told = refused(
    (wrong(targets=None), "targets"),
    (wrong(targets=torch.zeros(49, 6)), r"targets .*\(50, 6\)"),
    (wrong(probabilities=torch.zeros(50)), r"probabilities .*\(any, 6\)"),
)
