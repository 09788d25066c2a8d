"""One look for every figure: colours, fonts, panels, short numbers and the sentence below."""

import contextlib
import contextvars
import math
import textwrap
import threading
import unicodedata

import numpy

from coursekit.console import CourseError

# Okabe and Ito's colours, told apart by colour-blind readers too (jfly.uni-koeln.de/color).
COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#000000",
    "grey": "#767676",
}
CYCLE = [COLOURS[name] for name in ("blue", "orange", "green", "red", "purple", "sky", "black")]
DASHES = ["-", "--", "-.", ":"]  # so that lines differ without colour as well
WIDTH = 10.0  # inches; the widest figure that a notebook shows unshrunk


# Matplotlib has one set of settings, and JupyterLab may move a slider in a thread of its own.
DRAWING = threading.RLock()


@contextlib.contextmanager
def use_style():
    """Draw in the course's style inside this context, or inside a function decorated with it."""
    import matplotlib

    with (
        DRAWING,
        matplotlib.rc_context(
            {
                # White on purpose: a figure without ground is unreadable on a dark page.
                "figure.facecolor": "white",
                "axes.facecolor": "white",
                "axes.edgecolor": "#444444",
                "axes.labelcolor": "black",
                "text.color": "black",
                "xtick.color": "black",
                "ytick.color": "black",
                "figure.dpi": 100,
                "font.size": 11,
                "axes.titlesize": 11,
                "xtick.labelsize": 10,
                "ytick.labelsize": 10,
                "legend.fontsize": 10,
                "legend.frameon": False,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "axes.axisbelow": True,
                "grid.color": "#dddddd",
                "lines.linewidth": 2,
                "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
                "image.cmap": "gray",
            }
        ),
    ):
        yield


_LISTENER = contextvars.ContextVar("listener", default=None)


def say(sentence):
    """Print the one sentence that says in words and numbers what a figure shows."""
    heard = _LISTENER.get()
    if heard is None:
        print(sentence, flush=True)
    else:
        heard.append(str(sentence))


@contextlib.contextmanager
def listen():
    """Return a list that gets what is said inside this context, in place of the page.

    Sliders are moved while cells run, in another thread: what those print is left alone.
    """
    heard = []
    before = _LISTENER.set(heard)
    try:
        yield heard
    finally:
        _LISTENER.reset(before)


def digits(value):
    """Return a number as short text, three digits long at most where they tell anything."""
    value = float(value)
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def counted(count, noun):
    """Return ``"1 picture"`` or ``"2,000 pictures"``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def fit(text, inches, *, size=10, lines=2):
    """Return ``text`` broken into at most ``lines`` lines that are no wider than ``inches``.

    Args:
        text: one or more lines; each of them is broken by itself.
        inches: the width that is free.
        size: size of the letters in points.
        lines: at most so many lines for each line of ``text``; what is left over becomes "…".
    """

    def broken(line):
        # 0.62 em is the mean width of a Latin letter in matplotlib's own font; a kana fills its em.
        ems = sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.62 for c in line)
        letters = max(4, int(inches * 72 / size * len(line) / max(ems, 1e-9)))
        parts = textwrap.wrap(line, letters)
        if len(parts) > lines:
            parts[lines - 1 :] = [parts[lines - 1][: letters - 1] + "…"]
        return parts

    return "\n".join(part for line in str(text).split("\n") for part in broken(line))


def width_of(axes):
    """Return the inches that text above a panel may fill without touching the panel beside it."""
    figure, place = axes.figure, axes.get_subplotspec()
    if place is None or figure.get_layout_engine() is None:
        return axes.get_position(original=True).width * figure.get_figwidth()
    ratios = numpy.array(place.get_gridspec().get_width_ratios(), float)
    return figure.get_figwidth() * ratios[place.colspan.start] / ratios.sum() - 0.1


def panels(rows=1, columns=1, *, size=(6.0, 3.6), widths=None, heights=None, axes=None):
    """Return an array (rows, columns) of Axes: those of a new figure, or those given, emptied.

    Args:
        rows, columns: how many panels.
        size: width and height of a new figure in inches; wider than a notebook is shrunk.
        widths, heights: relative widths of the columns and heights of the rows.
        axes: one Axes or several to draw on instead; a slider hands the same ones in again.

    Raises:
        CourseError: the number of Axes given is not rows times columns.
    """
    if axes is None:
        import matplotlib.pyplot as plt

        made = plt.subplots(
            rows,
            columns,
            figsize=(min(size[0], WIDTH), size[1]),
            width_ratios=widths,
            height_ratios=heights,
            layout="constrained",
            squeeze=False,
        )
        return made[1]
    given = numpy.array(axes, dtype=object).reshape(-1)
    if len(given) != rows * columns:
        raise CourseError(
            f"This figure has {counted(rows * columns, 'panel')} and {len(given)} Axes were given; "
            f"give {rows * columns}, or none for a new figure."
        )
    for one in given:
        one.clear()
    return given.reshape(rows, columns)


def labelled_rows(labels, columns, *, cell, heights, label=1.5):
    """Return Axes (len(labels), columns) of a new figure, with each label written left of its row.

    Args:
        labels: one text a row.
        columns: panels in a row.
        cell: width and height of a panel in inches.
        heights: factor of each row's height.
        label: width of the column of labels in inches.
    """
    scale = min(1.0, (WIDTH - label) / (columns * cell[0]))
    size = (label + columns * cell[0] * scale, sum(heights) * cell[1] * scale)
    widths = [label] + [cell[0] * scale] * columns
    grid = panels(len(labels), columns + 1, size=size, widths=widths, heights=heights)
    for axis in grid.flat:
        axis.axis("off")
    for axis, text in zip(grid[:, 0], labels, strict=True):
        lines = fit(text, label - 0.1, size=11, lines=4)
        axis.text(0, 0.5, lines, weight="bold", va="center", transform=axis.transAxes)
    return grid[:, 1:]


def legend_beside(axes):
    """Put the legend right of the panel, where it can cover nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def sentence(*parts):
    """Return parts joined by semicolons as one sentence, with a capital and a full stop."""
    joined = "; ".join(parts)
    return f"{joined[:1].upper()}{joined[1:]}."
