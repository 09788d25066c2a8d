"""The models behind the explorers of lesson 2: the threshold, and the augmentation mixer."""

from types import SimpleNamespace

import numpy
import pytest
import torch
from sklearn.metrics import fbeta_score, precision_recall_fscore_support

from coursekit.data.augment import Augment
from coursekit.visuals import explore
from coursekit.visuals.explore import thresholds, versions

PLAIN = {"flip": False, "symmetries": False, "rotate": 0.0, "zoom": 1.0, "light": 0.0}


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


# The mixer --------------------------------------------------------------------------------------


def test_a_draw_can_be_seen_again_and_disturbs_nothing():
    """Pictures that jump at each move, and a training that depends on who played before."""
    picture = numpy.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=numpy.uint8)
    before = torch.random.get_rng_state()
    one, same, other = (versions.versions(picture, Augment(), draw=d) for d in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert (one == same).all()
    assert (one != other).any()
    assert one.shape == (6, 16, 16, 3)
    unchanged = versions.versions(picture, Augment(**PLAIN))
    assert (unchanged == picture).all()


@pytest.mark.parametrize(
    ("taken", "settings", "words"),
    [
        ("from above", {"symmetries": True}, None),
        ("from above", {"flip": True, "rotate": 10.0, "zoom": 1.1, "light": 0.1}, None),
        ("from the side", {"flip": True, "rotate": 10.0, "zoom": 1.1, "light": 0.1}, None),
        ("from the side", {"symmetries": True}, "on their head"),
        ("from the side", {"rotate": 90.0}, "askew"),
        ("from above", {"rotate": 90.0}, "corners"),
        ("from above", {"zoom": 2.0}, "houses"),
        ("from the side", {"zoom": 2.0}, "outside"),
        ("from above", {"light": 0.3}, "haze"),
        ("from the side", {"light": 0.3}, None),
        ("from the side", {"light": 0.8}, "lamp"),
    ],
)
def test_what_could_not_occur_is_named(taken, settings, words):
    """The same verdict for a cat and for a satellite's tile."""
    found = versions.doubts(taken, **PLAIN | settings)
    assert bool(found) == bool(words)
    assert not words or words in found[0]


def test_the_sentence_says_what_is_mixed():
    """A mixer that praises settings under which nothing happens."""
    picture = numpy.zeros((8, 8, 3), numpy.uint8)
    shown = explore.augmentation(picture, Augment, **PLAIN)
    shown.redraw()
    assert shown.sentence.startswith("Nothing is changed")
    shown.set(rotate=45.0)
    assert "turned by up to 45 degrees" in shown.sentence
    assert "could not occur" in shown.sentence


def test_a_picture_that_is_no_square_is_told_so_and_the_next_move_works():
    """A picture that stays away for good after the switch for symmetries."""
    shown = explore.augmentation(numpy.zeros((8, 12, 3), numpy.uint8), Augment)
    shown.widget()
    shown.widgets["symmetries"].value = True
    assert "no eight symmetries" in shown._view.sentence.value
    shown.widgets["symmetries"].value = False
    assert "could have been taken" in shown._view.sentence.value
