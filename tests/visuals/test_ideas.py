"""Descent, kernel and ReLUs: the learner's own functions, drawn and told as they are."""

import numpy
import pytest
import torch

from coursekit.console import CourseError
from coursekit.visuals import explore, ideas
from coursekit.visuals.style import digits
from tests.visuals.explorers.lesson_1 import convolve, descend, follow, picture, png
from tests.visuals.figures import noise, readable, refused

SOBEL = numpy.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
X = numpy.linspace(-1, 1, 50)


def parabola(x):
    return x**2


def paths(*rates):
    return {f"rate {rate}": descend(lambda x: 2 * x, -3.0, rate, 10) for rate in rates}


test_figures_are_readable = readable(
    lambda: ideas.show_descent(parabola, paths(0.01, 0.1, 0.9, 1.1)),
    lambda: ideas.show_descent(parabola, paths(0.1)["rate 0.1"]),
    lambda: ideas.show_kernel(noise(), SOBEL, convolve(noise()[..., 0], SOBEL)),
    lambda: ideas.show_kernel_step(noise(), SOBEL / 8, 3, 5),
    lambda: ideas.show_relus(X, [numpy.maximum(0, X - k) for k in (-1, 0)], X**2, X),
)


test_what_cannot_be_drawn_is_named_in_a_sentence = refused(
    (lambda: ideas.show_descent(parabola, "abc"), "paths='abc'"),
    (lambda: ideas.show_descent(parabola, {}), "no path to draw"),
    (lambda: ideas.show_descent(3, [1, 2]), "function=3"),
    (lambda: ideas.show_descent(lambda w: 3, [1, 2]), "The loss"),
    (lambda: ideas.show_kernel(noise(), [1, 2], SOBEL), r"kernel has shape \(2,\)"),
    (lambda: ideas.show_kernel(noise(), SOBEL, None), "result is None"),
    (lambda: ideas.show_kernel(noise(), SOBEL * numpy.nan, SOBEL), "infinite values or NaN"),
    (lambda: ideas.show_kernel_step(noise(), SOBEL, "a", 0), "row='a'"),
    (lambda: ideas.show_relus(X, [X[1:]], X), r"pieces has shape \(1, 49\)"),
    (lambda: explore.kernel(noise(), convolve, values=numpy.ones((4, 4))), r"shape \(3, 3\)"),
    (lambda: explore.kernel(noise(), 5).redraw(), "convolve=5"),
    (lambda: explore.relus(lambda *_: None).redraw(), "follow returned None"),
    (lambda: explore.descent(lambda *_: ["a"]).redraw(), "What descend returned is"),
)


def test_a_path_that_overflows_is_drawn_until_there(capsys):
    """Axes that reach to infinity, and a traceback."""
    with numpy.errstate(all="ignore"):
        ideas.show_descent(parabola, [1.0, -3.0, 9.0, numpy.inf, numpy.nan])
    assert "climbs from 1 to 81 in 2 steps" in capsys.readouterr().out


# Descent --------------------------------------------------------------------------------------


@pytest.mark.parametrize("landscape", ideas.LANDSCAPES)
def test_gradients_are_those_of_the_landscapes(landscape):
    """A path that climbs where the picture shows a slope down."""
    height, gradient, dimensions, _ = ideas.LANDSCAPES[landscape]
    point = numpy.array([0.7, -0.4][:dimensions])
    numeric = [
        (height(point + 1e-6 * step) - height(point - 1e-6 * step)) / 2e-6
        for step in numpy.eye(dimensions)
    ]
    numpy.testing.assert_allclose(gradient(point), numeric, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "flies"),
    [
        ({"rate": 0.3}, False),
        ({"rate": 0.99}, False),
        ({"rate": 1.05}, True),
        ({"rate": 1.5, "landscape": "two valleys"}, True),
        ({"rate": 0.6, "start": -1.3, "landscape": "two valleys"}, False),
        ({"rate": 0.24, "landscape": "a long bowl"}, False),
        ({"rate": 0.3, "landscape": "a long bowl"}, True),
    ],
)
def test_what_flies_away_is_seen_to_fly(settings, flies):
    """A path far outside of the picture that is drawn as if it had arrived, or the other way."""
    explorer = explore.descent(descend, **settings)
    explorer.redraw()
    left, right = explorer.axes
    assert ("flies away" in explorer.caption) == flies
    assert (right.lines[0].get_ydata().max() > right.get_ylim()[1]) == flies
    low, high = left.get_ylim()
    path = left.lines[-2].get_ydata()
    assert bool((path > high).any() or (path < low).any()) == flies


def test_the_path_is_the_learners_own():
    """A sentence about the package's steps under the points of another function."""
    explorer = explore.descent(lambda g, w, rate, steps, momentum: [w] * (steps + 1), start=2.0)
    explorer.redraw()
    assert "the loss falls from 4 to 4 in 30 steps" in explorer.caption
    with pytest.raises(CourseError, match=r"\(30, 1\).*\(31, 1\)"):
        explore.descent(lambda g, w, rate, steps, momentum: [w] * steps).redraw()
    explorer = explore.descent(descend, landscape="a long bowl", rate=0.05, momentum=0.8)
    explorer.redraw()
    weights = torch.tensor([-2.0, 1.2], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.05, momentum=0.8)
    for point in explorer.axes[0].lines[1].get_xydata():
        numpy.testing.assert_allclose(point, weights.detach().numpy())
        optimizer.zero_grad()
        (0.5 * (weights[0] ** 2 + 8 * weights[1] ** 2)).backward()
        optimizer.step()


# A kernel -------------------------------------------------------------------------------------


def test_one_step_is_a_number_of_the_convolution(capsys):
    """A flipped kernel, and a window that is off by one."""
    grey = noise()[..., 0].astype(float)
    expected = convolve(grey, SOBEL)
    ideas.show_kernel(grey, SOBEL, expected)
    assert "40 x 60 pixels into 38 x 58 numbers" in capsys.readouterr().out
    drawn = ideas.show_kernel_step(grey, SOBEL, 37, 57)
    assert f"add up to {digits(expected[37, 57])}." in capsys.readouterr().out
    assert drawn[1].texts[0].get_text() == digits(grey[37, 57])
    for row, column, words in ((38, 0, "from 0 to 37"), (0, 58, "from 0 to 57"), (-1, 0, "-1")):
        with pytest.raises(CourseError, match=words):
            ideas.show_kernel_step(grey, SOBEL, row, column)


def test_an_uploaded_picture_takes_the_place_of_the_given_one():
    """A picture of 0 to 255 under a kernel whose caption spoke of 0 to 1."""
    explorer = explore.kernel(numpy.ones((8, 8)), convolve)
    explorer.widget()
    explorer._moved("file", ({"name": "a.png", "content": memoryview(png(1))},))
    grey = picture(1).mean(2).round() / 255
    result = convolve(grey, numpy.array([[-1, 0, 1]] * 3))
    assert "turns 48 x 48 pixels into 46 x 46" in explorer.caption
    assert f"from {digits(result.min())} to {digits(result.max())}" in explorer.caption
    explorer._moved("file", ({"name": "a.png", "content": memoryview(b"none")},))
    assert "cannot be read as a picture" in explorer.view.caption.value
    explorer.widgets["b2"].value = 3
    assert "turns 48 x 48 pixels" in explorer.caption, "the last picture stays"
    explorer.presses["leave as it is"].click()
    assert explorer.widgets["b2"].value == 1
    assert f"from {digits(grey[1:-1, 1:-1].min())} to" in explorer.caption


def test_the_explorer_of_relus_draws_the_learners_pieces():
    """A slider that draws the package's own sum."""
    explorer = explore.relus(follow, bends=6)
    explorer.redraw()
    x = numpy.linspace(-3, 3, 300)
    pieces, total = follow(numpy.sin, x, 6)
    lines = [line.get_ydata() for line in explorer.axes.lines]
    numpy.testing.assert_allclose(lines[:6], pieces)
    numpy.testing.assert_allclose(lines[-1], total)
    off = numpy.abs(total - numpy.sin(x))
    told = f"6 ReLUs is off the curve by {digits(off.mean())} on average, {digits(off.max())} at"
    assert told in explorer.caption
