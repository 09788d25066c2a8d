"""The explorer of a new rater: its regression, its reasons, and what it says."""

import numpy
import pytest
import torch
from sklearn.linear_model import Ridge

import coursekit as ck
from coursekit.models.ratings import RatingNet
from coursekit.visuals.explore import films
from tests.sentences import refuses
from tests.visuals.explorers.lesson_5 import EXPLORERS, NAMES

NOISE = 0.7


@pytest.fixture
def net():
    ck.seed(0)
    net = RatingNet(30, 41, 3, y_range=(0.5, 5.5), mean=3.4).eval()
    with torch.no_grad():
        for table in (net.user_bias, net.item_bias, net.user_factors, net.item_factors):
            table.weight.mul_(50)
    return net


@pytest.fixture
def world(net):
    """Return (factors, starts, raters) of the 40 films and 29 raters of the net."""
    with torch.no_grad():  # as the lesson does it
        codes = torch.arange(1, 41)
        starts = net(torch.zeros_like(codes), codes)
        raters = torch.cat([net.user_bias.weight[1:], net.user_factors.weight[1:]], 1)
        factors = net.item_factors.weight[1:]
    return [one.detach().double().numpy() for one in (factors, starts, raters)]


def test_the_new_rater_is_that_of_a_ridge_regression(world):
    """A new rater whose numbers come from another formula than the lesson's."""
    factors, starts, raters = world
    rated, stars = [3, 8, 21], numpy.array([5.0, 1.0, 4.0])
    share = (starts - 0.5) / 5
    inputs = numpy.hstack([numpy.ones((40, 1)), factors])
    root = numpy.linalg.cholesky(numpy.cov(raters.T) + 1e-6 * numpy.eye(4))
    ridge = Ridge(alpha=NOISE, fit_intercept=False, solver="svd")
    ridge.fit((5 * share * (1 - share))[rated, None] * inputs[rated] @ root, stars - starts[rated])
    scores = numpy.log(share / (1 - share)) + inputs @ root @ ridge.coef_
    expected = 0.5 + 5 / (1 + numpy.exp(-scores))
    expected[rated] = -1
    advice = films.advise(factors, starts, raters, rated, stars, noise=NOISE, count=37)
    assert advice.films.tolist() == numpy.argsort(-expected, kind="stable")[:37].tolist()
    assert numpy.allclose(advice.stars, expected[advice.films], atol=1e-6)


def test_the_reasons_add_up(world):
    """Reasons that are told beside the forecast and have nothing to do with it."""
    factors, starts, raters = world
    advice = films.advise(factors, starts, raters, [1, 2, 5], [5, 0.5, 3], noise=NOISE)
    share, usual = (advice.stars - 0.5) / 5, (starts[advice.films] - 0.5) / 5
    moved = numpy.log(share / (1 - share)) - numpy.log(usual / (1 - usual))
    assert numpy.allclose(advice.pulls.sum(1), moved)


def test_generosity_is_no_reason(world):
    """Ten reasons that name one film, because it was the one with the most stars."""
    factors, starts, raters = world
    options = {"noise": NOISE, "count": 39}
    advice = films.advise(numpy.zeros_like(factors), starts, raters, [7], [5.0], **options)
    assert (advice.pulls > 0.1).all()
    assert numpy.allclose(advice.favours, 0)


def test_a_film_that_got_what_was_expected_tells_nothing(world):
    """A reason from a rating that surprised nobody."""
    factors, starts, raters = world
    stars = [starts[4], 5.0]
    advice = films.advise(factors, starts, raters, [4, 9], stars, noise=NOISE)
    assert numpy.allclose(advice.pulls[:, 0], 0)


def test_nobody_known_gets_the_mean_raters_list(world):
    """A new rater without a rating for whom nothing is recommended, or nan."""
    factors, starts, raters = world
    advice = films.advise(factors, starts, raters, [], [], noise=NOISE, count=5)
    assert advice.films.tolist() == numpy.argsort(-starts)[:5].tolist()
    assert numpy.allclose(advice.stars, advice.usual)


def test_more_noise_moves_the_list_less(world):
    """A noise that is used as if it were certainty."""
    factors, starts, raters = world
    pulls = [
        numpy.abs(
            films.advise(factors, starts, raters, [0], [5], noise=noise, count=40).pulls
        ).sum()
        for noise in (0.1, 1, 10)
    ]
    assert pulls[0] > pulls[1] > pulls[2]


def test_the_reason_names_the_film_that_pulls_most():
    """A list that says "because you gave 1 to ..." of the film that spoke against it."""
    given = {"One": 5.0, "Two": 0.5}
    assert films._reason(numpy.array([0.1, 0.4]), given) == "because you gave 0.5 to Two"
    assert films._reason(numpy.array([-0.1, -0.4]), given) == "liked by most"
    assert films._reason(numpy.array([]), {}) == "liked by most"


def test_the_opposite_taste_turns_the_stars_and_leaves_the_unseen():
    """A button that asks for six stars, or rates films that were never seen."""
    explorer = EXPLORERS["recommend"][0]()
    explorer.redraw()
    explorer.set(stars2=0.0)
    before = explorer.sentence
    films._turn(explorer)
    assert [explorer.settings[f"stars{n}"] for n in range(1, 6)] == [0.5, 0.0, 1.5, 3.5, 2.5]
    assert "From 4 ratings" in explorer.sentence
    assert explorer.sentence != before
    films._turn(explorer)
    assert explorer.sentence == before


def test_films_that_nobody_knows_are_told():
    """A typing mistake that counts as a film, or as none, without a word."""
    explorer = EXPLORERS["recommend"][0]()
    explorer.redraw()
    explorer.set(film1="The Orchard of Ely 99", film2="", film3="", film4="", film5="")
    assert "There is no film 'The Orchard of Ely 99'." in explorer.sentence
    assert "From 0 ratings" in explorer.sentence
    with refuses("There is no film 'x'"):
        ck.explore.recommend(
            numpy.ones((3, 2)), [3, 3, 3], "abc", numpy.eye(3), noise=1, films=["x"]
        )


def test_no_rated_film_is_recommended():
    """Ten films of which you have just said that you have seen them."""
    explorer = EXPLORERS["recommend"][0]()
    explorer.redraw()
    names = [text.get_text() for text in explorer._axes[0].texts]
    assert len(names) == 10
    assert not set(names) & set(NAMES[:5])
