"""The explorer of a new rater: what is recommended, and why."""

import numpy

from coursekit.visuals import explore
from tests.visuals.explorers.lesson_5 import NAMES, expected
from tests.visuals.figures import refused


def rows(explorer):
    """Read the recommended names and the reasons off the figure."""
    names = [label.get_text() for label in explorer.axes.get_yticklabels()]
    return names, [text.get_text() for text in explorer.axes.texts]


def test_the_ten_are_the_best_that_were_not_rated():
    """A film that was just rated, or another order than the function's."""
    explorer = explore.recommend(expected, NAMES)
    explorer.redraw()
    stars = expected([0, 1, 2, 3, 4], [5.0, 1.0, 4.0, 2.0, 3.0])
    best = [row for row in numpy.argsort(-stars, kind="stable") if row > 4][:10]
    names, reasons = rows(explorer)
    assert names == [NAMES[row] for row in best]
    assert [reason[:4] for reason in reasons] == [f"{stars[row]:.2f}" for row in best]


def test_the_reason_is_the_rating_without_which_most_is_lost():
    """A reason that has nothing to do with the forecast, or generosity taken for one."""

    def two(rated, stars):
        """Films 2 and 3 follow films 0 and 1; all follow the mean of the stars."""
        given = dict(zip(rated, stars, strict=True))
        mean = numpy.mean(stars) if stars else 3.0
        return mean + numpy.array([0, 0, given.get(0, 3.0) - 3, given.get(1, 3.0) - 3, 0, 0]) / 9

    explorer = explore.recommend(two, list("abcdef"), films=["a", "b"], stars=[5.0, 4.0])
    explorer.redraw()
    names, reasons = rows(explorer)
    why = dict(zip(names, (reason[6:] for reason in reasons), strict=True))
    assert why["c"] == "because you gave 5 to a"
    assert why["d"] == "because you gave 4 to b"
    assert why["e"] == why["f"] == "liked by most"


def test_nobody_known_gets_the_mean_raters_list():
    """A new rater without a rating for whom nothing is recommended; None taken for a film."""
    explorer = explore.recommend(
        lambda rated, stars: numpy.array([9.0, *expected([row - 1 for row in rated], stars)]),
        [None, *NAMES],
        films=NAMES[:1],
        stars=[0.0],
    )
    explorer.redraw()
    assert rows(explorer)[0] == NAMES[:10]
    assert "From 0 ratings" in explorer.caption
    assert explorer.caption.endswith("10.")


def test_the_opposite_taste_turns_the_stars_and_leaves_the_unseen():
    """A button that asks for six stars, or rates films that were never seen."""
    explorer = explore.recommend(expected, NAMES)
    explorer.widget()
    explorer.set(stars2=0.0)
    before = explorer.caption
    press = explorer.presses["the opposite taste"]
    press.click()
    assert [explorer.settings[f"stars{n}"] for n in range(1, 6)] == [0.5, 0.0, 1.5, 3.5, 2.5]
    assert "From 4 ratings" in explorer.caption
    press.click()
    assert explorer.caption == before


def test_films_that_nobody_knows_are_told():
    """A typing mistake that counts as a film, or as none, without a word."""
    explorer = explore.recommend(expected, NAMES)
    explorer.set(film1="The Orchard of Ely 99", film2="")
    assert "There is no film 'The Orchard of Ely 99'." in explorer.caption
    assert "From 3 ratings" in explorer.caption


test_what_does_not_fit_is_told = refused(
    (lambda: explore.recommend(expected, NAMES, films=["x"]), "'x'"),
    (lambda: explore.recommend(expected, NAMES, films="x"), "'x'"),
    (lambda: explore.recommend(expected, NAMES, films=NAMES[:6], stars=[1.0] * 6), "at most 5"),
    (lambda: explore.recommend(expected, NAMES, films=NAMES[:2], stars=[1.0]), "by 1 stars"),
    (lambda: explore.recommend(expected, NAMES, counts=[1, 2]), r"counts= .*\(40\)"),
    (lambda: explore.recommend(expected, NAMES[:3]), "more than 5 films"),
    (lambda: explore.recommend(expected, NAMES[:7]), r"the function returns .*\(7\)"),
)


def test_the_busiest_films_are_offered_first():
    """A list that ends at the letter C."""
    explorer = explore.recommend(expected, NAMES, counts=range(len(NAMES)))
    assert explorer.controls["film1"].names[0] == NAMES[-1]
    assert explorer.settings["film1"] == NAMES[-1]
