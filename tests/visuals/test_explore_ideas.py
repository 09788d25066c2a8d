"""The explorers of why learning works: the walks and sums behind the pictures."""

import numpy
import pytest
import torch

from coursekit.visuals import explore
from coursekit.visuals.explore import ideas
from coursekit.visuals.ideas import convolve, walk
from coursekit.visuals.style import digits
from tests.visuals.explorers import lesson_1 as small


def test_a_walk_is_that_of_torch():
    """A sign, or a momentum that is added before it is multiplied."""
    _, gradient, _ = ideas.LANDSCAPES["a long bowl"]
    points = walk(gradient, [-2.0, 1.2], rate=0.05, momentum=0.8, steps=12)
    weights = torch.tensor([-2.0, 1.2], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.05, momentum=0.8)
    for point in points:
        numpy.testing.assert_allclose(point, weights.detach().numpy())
        optimizer.zero_grad()
        (0.5 * (weights[0] ** 2 + 8 * weights[1] ** 2)).backward()
        optimizer.step()


@pytest.mark.parametrize("landscape", ideas.LANDSCAPES)
def test_gradients_are_those_of_the_landscapes(landscape):
    """A path that climbs where the picture shows a slope down."""
    height, gradient, _ = ideas.LANDSCAPES[landscape]
    point = numpy.array([0.7] if landscape != "a long bowl" else [0.7, -0.4])
    numeric = [
        (height(point + 1e-6 * step) - height(point - 1e-6 * step)) / 2e-6
        for step in numpy.eye(len(point))
    ]
    numpy.testing.assert_allclose(gradient(point), numeric, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "flies"),
    [
        ({"rate": 0.3}, False),
        ({"rate": 0.99}, False),
        ({"rate": 1.05}, True),
        ({"rate": 1.5, "landscape": "two valleys"}, True),
        ({"rate": 0.24, "landscape": "a long bowl"}, False),
        ({"rate": 0.3, "landscape": "a long bowl"}, True),
    ],
)
def test_what_flies_away_is_seen_to_fly(settings, flies):
    """A path far outside of the picture that is drawn as if it had arrived."""
    explorer = explore.descent(**settings)
    explorer.redraw()
    assert ("flies away" in explorer.sentence) == flies
    left, right = explorer._axes
    assert ("flies away" in right.get_title()) == flies
    assert (right.lines[0].get_ydata().max() > right.get_ylim()[1]) == flies
    low, high = left.get_ylim()
    path = left.lines[-2].get_ydata()
    assert bool((path > high).any() or (path < low).any()) == flies


def test_another_landscape_leaves_nothing_of_the_last():
    """Artists kept between the moves: the bowl's rings under the parabola."""
    explorer = explore.descent(landscape="a long bowl")
    explorer.redraw()
    explorer.set(landscape="a curve", rate=0.3)
    fresh = explore.descent(landscape="a curve", rate=0.3)
    fresh.redraw()
    assert [len(axis.lines) for axis in explorer._axes] == [len(axis.lines) for axis in fresh._axes]


def test_a_sum_of_relus_meets_the_curve_at_its_bends():
    """A slope that is changed one bend too early."""
    x = numpy.linspace(-3, 3, 301)
    pieces, total = ideas.follow(numpy.sin, x, 6)
    assert pieces.shape == (6, 301)
    numpy.testing.assert_allclose(total[::50], numpy.sin(x[::50]), atol=1e-12)


def test_an_uploaded_picture_takes_the_place_of_the_given_one():
    """A picture of 0 to 255 under a kernel whose sentence spoke of 0 to 1."""
    explorer = explore.kernel(numpy.ones((8, 8)))
    explorer.widget()
    explorer._moved("file", {"new": ({"name": "a.png", "content": memoryview(small.png(1))},)})
    grey = small.picture(1).mean(2).round() / 255
    made = convolve(grey, numpy.array([[-1, 0, 1]] * 3))
    assert "turns 48 x 48 pixels into 46 x 46" in explorer.sentence
    assert f"from {digits(made.min())} to {digits(made.max())}" in explorer.sentence
    explorer._moved("file", {"new": ({"name": "a.png", "content": memoryview(b"none")},)})
    assert "cannot be read as a picture" in explorer._view.sentence.value
    explorer.widgets["b2"].value = 3
    assert "turns 48 x 48 pixels" in explorer.sentence, "the last picture stays"
