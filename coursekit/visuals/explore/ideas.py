"""Explorers of why learning works: descent on a curve and in a bowl, a kernel, sums of ReLUs."""

import numpy

from coursekit.data.picture import read_picture
from coursekit.visuals import ideas
from coursekit.visuals.explore.frame import Choice, Explorer, Number, Slider, Upload
from coursekit.visuals.style import (
    COLORS,
    counted,
    digits,
    panels,
    say,
    sentence,
    use_style,
)

STEPS = 30


# Gradient descent -----------------------------------------------------------------------------


def _curve(x):
    return x**2


def _bowl(point):
    return 0.5 * (point[..., 0] ** 2 + 8 * point[..., 1] ** 2)


# name -> (height of points (..., D), gradient, how far the picture reaches)
LANDSCAPES = {
    "a curve": (lambda p: _curve(p[..., 0]), lambda p: 2 * p, 3.0),
    "two valleys": (
        lambda p: 0.25 * p[..., 0] ** 4 - p[..., 0] ** 2 + 0.3 * p[..., 0],
        lambda p: p**3 - 2 * p + 0.3,
        2.4,
    ),
    "a long bowl": (_bowl, lambda p: p * numpy.array([1.0, 8.0]), 3.0),
}


def _flew(heights, reach):
    """Return True where a walk over these heights ended above its start, or far outside."""
    return len(heights) < STEPS + 1 or heights[-1] > max(heights[0], reach)


def _fate(heights, reach):
    """Return in words how a walk over these heights ended."""
    first, last = heights[0], heights[-1]
    if _flew(heights, reach):
        return f"it flies away, the loss goes from {digits(first)} up to {digits(last)}"
    lowest = digits(heights.min())
    return f"the loss goes from {digits(first)} to {digits(last)}, its lowest is {lowest}"


def _rings(levels):
    """Return (x, y) of the ellipses on which the long bowl has these heights, apart by NaN."""
    angle = numpy.linspace(0, 2 * numpy.pi, 80)
    ring = numpy.array([numpy.cos(angle) * 2**0.5, numpy.sin(angle) / 2])
    rings = [numpy.column_stack([ring * level**0.5, [numpy.nan, numpy.nan]]) for level in levels]
    return numpy.concatenate(rings, 1)


def _draw_ground(axis, landscape, start):
    """Draw a landscape, seen from the side or, with two weights, from above; return its top."""
    height, _, reach = LANDSCAPES[landscape]
    if landscape == "a long bowl":
        axis.plot(*_rings(numpy.geomspace(0.1, 25, 9)), color=COLORS["grey"], linewidth=0.8)
        axis.plot(0, 0, "+", color="black", markersize=11)
        axis.set(xlim=(-reach, reach), ylim=(-2, 2), xlabel="first weight", ylabel="second weight")
        return height(numpy.array(start))
    line = numpy.linspace(-reach, reach, 120)
    levels = height(line[:, None])
    axis.plot(line, levels, color=COLORS["grey"], linewidth=2)
    room = 0.1 * numpy.ptp(levels)
    limits = levels.min() - room, levels.max() + room
    axis.set(xlim=(-reach, reach), ylim=limits, xlabel="weight", ylabel="loss")
    return limits[1]


@use_style()
def _draw_descent(axes, landscape, rate, momentum, start):
    height, gradient, _ = LANDSCAPES[landscape]
    flat = landscape != "a long bowl"
    begin = [start] if flat else [start, 1.2]
    points = ideas.walk(gradient, begin, rate=rate, steps=STEPS, momentum=momentum)
    heights = height(points)
    if axes is None:
        axes = panels(1, 2, size=(9.0, 3.4), widths=[3, 2])[0]
        for axis in axes:
            axis.locator_params(nbins=5)
        axes[1].set_ylabel(" ")  # room for longer numbers
    left, right = axes
    for axis in axes:  # emptied by hand: new ticks would take half of the time of a move
        while axis.lines:
            axis.lines[0].remove()
    top = _draw_ground(left, landscape, begin)
    flew = _flew(heights, top)
    path = numpy.array([points[:, 0], heights] if flat else points.T)
    outside = numpy.flatnonzero(numpy.abs(path).max(0) > 12)
    seen = outside[0] + 1 if len(outside) else len(points)  # no line comes back from out there
    looks = {"color": COLORS["blue"], "linewidth": 1, "markersize": 5}
    left.plot(*path[:, :seen], "o-", **looks)
    left.plot(*path[:, 0], "s", color=COLORS["red"], markersize=9)
    right.plot(numpy.clip(heights, None, 1e3), "o-", **looks)
    lowest, highest = min(0.0, heights.min()), max(heights[0], 0.3 * top) * (5 if flew else 1)
    room = 0.1 * (highest - lowest)
    limits = lowest - room, highest + room
    right.set(xlabel="step", xlim=(-0.5, STEPS + 0.5), ylim=limits)
    fate = "it flies away" if flew else f"{digits(heights[-1])} in the end"
    right.set_title(f"loss: {fate}", color=COLORS["red"] if flew else "black")
    left.set_title(f"{landscape}, rate {digits(rate)}; the red square is the start")
    steps = counted(len(points) - 1, "step")
    fate = f"in {steps} {_fate(heights, top)}"
    say(sentence(f"rate {digits(rate)}, momentum {digits(momentum)}", fate))
    return axes


def descent(*, landscape="a curve", rate=0.3, momentum=0.0, start=-2.0):
    """Walk downhill: choose the learning rate, the momentum and the start, and watch the path.

    Args:
        landscape: "a curve", "two valleys" or "a long bowl".
        rate: the learning rate, 0.01 to 1.5.
        momentum: 0 to 0.95.
        start: where to begin, -2.2 to 2.2.
    """
    controls = {
        "landscape": Choice("landscape", landscape, options=list(LANDSCAPES)),
        "rate": Slider("learning rate", rate, low=0.01, high=1.5, step=0.01),
        "momentum": Slider("momentum", momentum, low=0.0, high=0.95, step=0.05),
        "start": Slider("start", start, low=-2.2, high=2.2, step=0.1),
    }
    return Explorer("descent", _draw_descent, controls)


# A kernel -------------------------------------------------------------------------------------

KERNELS = {
    "upright edges": [[-1, 0, 1]] * 3,
    "level edges": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "blur": [[1 / 9] * 3] * 3,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "leave as it is": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
}
SIDE = 96  # pixels of an uploaded picture
CELLS = [f"{row}{column}" for row in "abc" for column in "123"]


class _Kernel(Explorer):
    """A picture, and nine numbers in a square, as they stand in the kernel."""

    def _arranged(self):
        import ipywidgets

        cells = [self.widgets[name] for name in CELLS]
        rows = [ipywidgets.HBox(cells[start : start + 3]) for start in (0, 3, 6)]
        return [self.widgets["file"], ipywidgets.VBox(rows)]


def kernel(picture, *, values=KERNELS["upright edges"]):
    """Change the nine numbers of a 3x3 kernel and watch what it makes of a picture of yours.

    Args:
        picture: the one to begin with, anything that ``ck.show_pictures`` takes, or numbers
            (H, W). An uploaded one becomes grey and small, and its numbers get the same range.
        values: the 3x3 numbers to begin with.
    """
    given = ideas.as_grey(picture)

    def draw(axes, file, **cells):
        numbers = numpy.array([cells[name] for name in CELLS]).reshape(3, 3)
        grey = given if file is None else _small(file, 1 if given.max() <= 1 else 255)
        return ideas.show_kernel(grey, numbers, axes=axes)

    flat = numpy.asarray(values, float).reshape(9)
    controls = {"file": Upload("a picture of yours", None)}
    controls |= {
        name: Number(name, round(float(one), 3), step=0.5)
        for name, one in zip(CELLS, flat, strict=True)
    }
    buttons = {
        label: lambda shown, square=square: shown.set(
            **dict(zip(CELLS, numpy.array(square, float).round(3).reshape(9), strict=True))
        )
        for label, square in KERNELS.items()
    }
    return _Kernel("kernel", draw, controls, buttons=buttons)


def _small(content, white):
    """Return an uploaded picture as a grey array, at most SIDE high and wide, 0 to ``white``."""
    shown = read_picture(content)
    shown.thumbnail((SIDE, SIDE))
    return ideas.as_grey(shown) / 255 * white


# Sums of ReLUs --------------------------------------------------------------------------------

CURVES = {
    "sine": numpy.sin,
    "step": lambda x: numpy.tanh(6 * x),
    "valley": lambda x: numpy.abs(x) - 1,
    "wiggle": lambda x: numpy.sin(3 * x) * numpy.exp(-(x**2) / 4),
}


def follow(curve, x, bends):
    """Return (pieces (bends, N), total (N,)): weighted ReLUs that meet a curve at their bends."""
    knots = numpy.linspace(x[0], x[-1], bends + 1)
    slopes = numpy.diff(curve(knots)) / numpy.diff(knots)
    changes = numpy.diff(slopes, prepend=0)
    pieces = changes[:, None] * numpy.maximum(0, x - knots[:-1, None])
    return pieces, curve(knots[0]) + pieces.sum(0)


def relus(*, curve="sine", bends=4):
    """Follow a curve by a sum of ReLUs: choose the curve and how many bends the sum may have.

    Args:
        curve: "sine", "step", "valley" or "wiggle".
        bends: 1 to 40.
    """

    def draw(axes, curve, bends):
        x = numpy.linspace(-3, 3, 300)
        pieces, total = follow(CURVES[curve], x, bends)
        return ideas.show_relus(x, pieces, total, CURVES[curve](x), axes=axes)

    controls = {
        "curve": Choice("curve", curve, options=list(CURVES)),
        "bends": Slider("ReLUs", bends, low=1, high=40),
    }
    return Explorer("relus", draw, controls)
