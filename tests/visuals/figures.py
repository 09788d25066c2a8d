"""What every figure must be: Axes, one caption, the course's style, texts that can be read."""

import itertools

import matplotlib.pyplot as plt
import numpy


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


def assert_readable(draw, capsys):
    """Draw a figure, and hold it against overlapping texts, a missing caption, leaked settings.

    Args:
        draw: function that draws and returns Axes, one or an array.
        capsys: pytest's.
    """
    before = dict(plt.rcParams)
    with plt.style.context("dark_background"):  # a learner's own style must not win
        drawn = draw()
        caption = capsys.readouterr().out
        figure = numpy.array(drawn).flat[0].figure
        figure.canvas.draw()
    assert dict(plt.rcParams) == before
    assert all(isinstance(axes, plt.Axes) for axes in numpy.array(drawn, dtype=object).flat)
    assert caption.count("\n") == 1
    assert caption[0].isupper() or caption[0].isdigit()
    assert caption.endswith(".\n")
    assert figure.get_figwidth() <= 10
    assert figure.get_facecolor() == (1, 1, 1, 1)
    found = [text for axes in figure.axes for text in texts(axes)]
    boxes = [text.get_window_extent().padded(-1) for text in found]
    for (one, a), (two, b) in itertools.combinations(zip(found, boxes, strict=True), 2):
        assert not a.overlaps(b), (one.get_text(), two.get_text())
    cells = {text for axes in figure.axes for text in axes.texts}  # black or white, as can be read
    assert {text.get_color() for text in found if text not in cells} <= {"black", "#000000"}
    plt.close(figure)
