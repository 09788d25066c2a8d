"""What every figure must be: Axes, one caption, the course's style, texts that can be read."""

import itertools
import re

import matplotlib.pyplot as plt
import numpy
import pytest

from coursekit.console import CourseError


def noise(height=40, width=60, seed=0):
    """Make a uint8 picture (height, width, 3)."""
    return numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), numpy.uint8)


def texts(axes):
    """List every text that a panel really shows."""
    shown = [axes.title, axes._left_title, *axes.texts]
    if axes.get_legend():
        shown += axes.get_legend().get_texts()
    if axes.axison:
        shown += [axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
            shown += [label for place, label in ticks if low <= place <= high]
    return [text for text in shown if text.get_visible() and text.get_text().strip()]


def readable(*draws):
    """Return a test: figures have one caption, no texts that overlap, and settings do not leak."""

    @pytest.mark.parametrize("draw", draws)
    def test(draw, capsys):
        before = dict(plt.rcParams)
        with plt.style.context("dark_background"):  # a learner's own style must not win
            drawn = numpy.array(draw(), dtype=object)
            caption = capsys.readouterr().out
            figure = drawn.flat[0].figure
            figure.canvas.draw()
        assert dict(plt.rcParams) == before
        assert all(isinstance(axes, plt.Axes) for axes in drawn.flat)
        assert re.fullmatch(r"[A-Z0-9].*\.\n", caption)
        assert figure.get_figwidth() <= 10
        assert figure.get_facecolor() == (1, 1, 1, 1)
        found = [text for axes in figure.axes for text in texts(axes)]
        boxes = [text.get_window_extent().padded(-1) for text in found]
        for (one, a), (two, b) in itertools.combinations(zip(found, boxes, strict=True), 2):
            assert not a.overlaps(b), (one.get_text(), two.get_text())
        cells = {text for axes in figure.axes for text in axes.texts}  # as can be read on its color
        colors = {text.get_color() for text in found if text not in cells}
        assert colors <= {"black", "#000000"}

    return test


def refused(*rows):
    """Return a test of (call, words): a sentence with these words, not a traceback of torch."""

    @pytest.mark.parametrize(("call", "words"), rows)
    def test(call, words):
        with pytest.raises(CourseError, match=words):
            call()

    return test
