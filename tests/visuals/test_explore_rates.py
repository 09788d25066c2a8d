"""The sweep to be clicked on: the place of the buttons, and what is said of a rate."""

from types import SimpleNamespace

import numpy
import pytest

from coursekit.visuals import explore
from coursekit.visuals.explore import rates
from tests.sentences import refuses
from tests.visuals.explorers import lesson_1 as small


@pytest.mark.parametrize(
    ("rate", "course"), [(1e-6, "hardly moves"), (0.01, "falls"), (0.1, "hardly moves")]
)
def test_the_slope_is_put_into_words(rate, course):
    """A curve that falls from right to left: the sign of the slope."""
    found = rates.pick(small.swept(), rate)
    assert found.course() == course
    smoothed = numpy.interp(numpy.log10(rate), numpy.linspace(-6, 1, 100), small.swept().smoothed)
    assert found.loss == pytest.approx(float(smoothed))
    assert rates.pick(small.swept(), 5.0).course() == "climbs"


def test_a_click_picks_the_rate_below_it():
    """Buttons that lie beside the places whose rates they pick."""
    explorer = explore.sweep(small.swept())
    root = explorer.widget()
    width = float(explorer.strips[0].layout.width.removesuffix("px"))
    row = root.children[list(root.children).index(explorer._view.picture) + 1]
    left = float(row.layout.margin.split()[3].removesuffix("px"))
    for place in (0, 17, 39):
        explorer.strips[place].click()
        picked = explorer.settings["rate"]
        (x, _) = explorer._axes.transData.transform((picked, 0))
        assert abs(x - (left + (place + 0.5) * width)) < 3  # pixels
        assert explorer.widgets["rate"].value == pytest.approx(picked)
        assert f"lr {rates.digits(picked)}" in explorer.strips[place].tooltip
    lifted = -float(row.layout.margin.split()[0].removesuffix("px"))
    assert lifted == pytest.approx(explorer._axes.get_window_extent().y1, abs=1)


def test_it_says_where_the_suggestion_lies():
    """Times and parts the wrong way round."""
    said = {rate: explore.sweep(small.swept(), rate=rate) for rate in (0.01, 0.1, 0.001)}
    for explorer in said.values():
        explorer.redraw()
    assert "that is the suggestion, 0.01" in said[0.01].sentence
    assert "that is 10 times the suggestion" in said[0.1].sentence
    assert "that is 1/10 of the suggestion" in said[0.001].sentence


def test_a_sweep_without_a_suggestion_or_without_losses():
    """A division by None where the loss never fell."""
    flat = small.swept()
    flat.suggestion = None
    explorer = explore.sweep(flat)
    explorer.redraw()
    assert "none is suggested" in explorer.sentence
    with refuses("no losses"):
        explore.sweep(SimpleNamespace(rates=[], losses=[], smoothed=[], suggestion=None))


def test_a_move_leaves_one_mark():
    """A trail of points from all the rates that were tried."""
    explorer = explore.sweep(small.swept())
    explorer.redraw()
    lines = len(explorer._axes.lines)
    for rate in (0.1, 0.2, 0.3):
        explorer.set(rate=rate)
    assert len(explorer._axes.lines) == lines
