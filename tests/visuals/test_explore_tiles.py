"""The models behind the explorers of lesson 2: the threshold, and the augmentation mixer."""

from types import SimpleNamespace

import numpy
import pytest
import torch
from sklearn.metrics import fbeta_score, precision_recall_fscore_support

from coursekit.visuals import explore
from coursekit.visuals.explore import thresholds


def some_predictions(seed=0, rows=50, labels=6):
    """Return probabilities (N, labels), some of them equal to a threshold, and truths as bool."""
    draw = numpy.random.default_rng(seed)
    wanted = draw.random((rows, labels)) < draw.random(labels)
    p = numpy.round((draw.random((rows, labels)) + wanted) / 2, 2)
    return p, wanted


# The threshold ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("at", [0, 30, 60, 98])
def test_scores_are_those_of_scikit_learn(seed, at):
    """Precision and recall exchanged, F1 for F2, or ">=" for ">"."""
    p, wanted = some_predictions(seed)
    found = thresholds.scores_by_threshold(p, wanted)
    chosen = p > found.grid[at]
    theirs = precision_recall_fscore_support(wanted, chosen, beta=2, zero_division=numpy.nan)
    said = chosen.any(0)
    assert numpy.allclose(found.precision[at][said], theirs[0][said])
    assert numpy.isnan(found.precision[at][~said]).all()
    assert numpy.allclose(found.recall[at], theirs[1], equal_nan=True)
    assert numpy.allclose(found.f2[at], theirs[2], equal_nan=True)
    mean = fbeta_score(wanted, chosen, beta=2, average="samples", zero_division=0)
    assert found.mean[at] == pytest.approx(mean)


def test_a_label_on_no_tile_has_no_recall():
    """A division by zero, or a zero that reads as a miss."""
    found = thresholds.scores_by_threshold([[0.9, 0.1]], [[1, 0]], [0.5])
    assert found.recall[0, 0] == 1
    assert numpy.isnan(found.recall[0, 1])
    assert numpy.isnan(found.f2[0, 1])


def test_the_best_threshold_is_named_and_reached(capsys):
    """A button that leads elsewhere, and a sentence that names another threshold."""
    p, wanted = some_predictions()
    shown = explore.threshold(
        SimpleNamespace(probabilities=torch.tensor(p), targets=torch.tensor(wanted).float()),
        list("abcdef"),
        threshold=0.9,
    )
    shown.redraw()
    scores = thresholds.scores_by_threshold(p, wanted)
    top = f"the best on these tiles is {scores.mean.max():.4f} at {scores.grid[scores.best]:.2f}"
    assert top in shown.sentence
    assert "tuned here" in shown.sentence
    shown.buttons["the best one here"](shown)
    assert f"At {scores.grid[scores.best]:.2f} the mean F2 is {scores.mean.max():.4f}" in (
        shown.sentence
    )


def test_bars_are_as_long_as_the_shares():
    """A bar that stays behind, or stands in the row of another label."""
    p, wanted = some_predictions()
    shown = explore.threshold(SimpleNamespace(probabilities=p, targets=wanted), list("abcdef"))
    shown.set(threshold=0.75)
    scores = thresholds.scores_by_threshold(p, wanted)
    order = numpy.argsort(wanted.sum(0), kind="stable")
    recalls = scores.recall[74, order]
    segments = shown._axes[0].collections[1].get_segments()
    ends = {int(one[1][1]): one[1][0] - thresholds.STARTS[1] for one in segments}
    assert ends == pytest.approx({row: x for row, x in enumerate(recalls) if x > 0})
