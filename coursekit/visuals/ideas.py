"""Why learning works: gradient descent, a kernel moved over a picture, sums of ReLUs.

The algorithms are the learner's own: what lesson 1 writes by hand is drawn here, and moved.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from coursekit.arguments import checked
from coursekit.console import CourseError
from coursekit.data.picture import read_picture
from coursekit.visuals import style
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, Drawn, counted, digits, figure, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

Function = Callable[[Any], Any]

# Gradient descent -----------------------------------------------------------------------------

STEPS = 30
FAR = 12  # a point outside of this has left every picture of the explorer
# name: height and gradient of points (..., D), D, how far the picture reaches
LANDSCAPES: dict[str, tuple[Function, Function, int, float]] = {
    "a curve": (lambda p: p[..., 0] ** 2, lambda p: 2 * p, 1, 3.0),
    "two valleys": (
        lambda p: 0.25 * p[..., 0] ** 4 - p[..., 0] ** 2 + 0.3 * p[..., 0],
        lambda p: p**3 - 2 * p + 0.3,
        1,
        2.4,
    ),
    "a long bowl": (
        lambda p: 0.5 * (p[..., 0] ** 2 + 8 * p[..., 1] ** 2),
        lambda p: p * numpy.array([1.0, 8.0]),
        2,
        3.0,
    ),
}


def _draw_steps(axes: Axes, height: Function, points: numpy.ndarray, left: float, right: float):
    """Draw the loss over one weight, or over two from above, and a descent (steps + 1, D) on it."""
    weight = numpy.linspace(left, right, 120)
    if points.shape[1] == 1:
        axes.plot(weight, height(weight[:, None]), color=COLORS["grey"], linewidth=1.5)
        axes.set(ylim=axes.get_ylim(), xlabel="weight", ylabel="loss")  # of the curve alone
        path = numpy.stack([points[:, 0], height(points)])
    else:
        grid = numpy.stack(numpy.meshgrid(weight, weight[::2] * 2 / 3), -1)
        rings: Any = {"levels": numpy.geomspace(0.1, 25, 9), "colors": COLORS["grey"]}
        axes.contour(*numpy.moveaxis(grid, -1, 0), height(grid), linewidths=0.8, **rings)
        axes.plot(0, 0, "+", color="black", markersize=11)
        axes.set(ylim=(-2, 2), xlabel="first weight", ylabel="second weight")
        path = points.T
    axes.plot(*path, "o-", color=COLORS["blue"], linewidth=1, markersize=5)
    axes.plot(*path[:, 0], "s", color=COLORS["red"], markersize=9, label="start")
    axes.set_xlim(left, right)


def course(losses: numpy.ndarray) -> str:
    """Say where the loss of a descent went."""
    verb = "climbs" if losses[-1] > losses[0] else "falls"
    steps = counted(len(losses) - 1, "step")
    return f"the loss {verb} from {digits(losses[0])} to {digits(losses[-1])} in {steps}"


@figure()
def show_descent(
    function: Callable[[Any], Any], paths: Sequence[float] | Mapping[str, Sequence[float]]
) -> Drawn:
    """Draw a loss and the points of one gradient descent, or of several side by side.

    Args:
        function: the loss of a weight, for arrays too.
        paths: the weights from the start on, or {"rate 0.1": weights, ...}.
    """
    paths = paths if isinstance(paths, Mapping) else {"descent": paths}
    points = [style.array_of(repr(label), paths[label], None, finite=False) for label in paths]
    points = [path[numpy.isfinite(path).cumprod() > 0] for path in points]  # until it overflows
    if not points or not all(map(len, points)):
        raise CourseError("There is no path to draw; give the weights of at least one step.")
    losses = [function(path) for path in points]
    losses = [style.array_of("The loss", loss, None, finite=False) for loss in losses]
    lowest = numpy.nan_to_num(numpy.concatenate(losses), nan=numpy.inf).argmin()
    best = numpy.concatenate(points)[lowest]
    climbs = any(loss[-1] > loss[0] for loss in losses)
    reach = (1.8 if climbs else 1.2) * (max(abs(path[0] - best) for path in points) or 1.0)
    wide = max(5, 3.3 * len(points))
    drawn = numpy.ravel(style.panels(columns=len(points), size=(wide, 3.5)))
    for axis, label, path in zip(drawn, paths, points, strict=True):
        _draw_steps(axis, lambda p: function(p[..., 0]), path[:, None], best - reach, best + reach)
        axis.set(title=style.fit_text(label, min(wide, 10) / len(points) - 0.4), ylabel="")
    drawn[0].set_ylabel("loss")
    drawn[0].legend(loc="upper center")
    told = [f"{label}: {course(loss)}" for label, loss in zip(paths, losses, strict=True)]
    return Drawn(sentence(*told), axes=drawn)


@checked
def descent(
    descend: Callable[..., Sequence],
    *,
    landscape: str = "a curve",
    rate: float = 0.3,
    momentum: float = 0.0,
    start: float = -2.0,
) -> Explorer:
    """Walk downhill: choose the learning rate, the momentum and the start, and watch the path.

    Args:
        descend: function (gradient, start, rate, steps, momentum) that returns steps + 1 points,
            the start first; a point is an array of one or two weights.
        landscape: "a curve", "two valleys" or "a long bowl".
        rate, momentum, start: 0.01 to 1.5, 0 to 0.95, and -2.2 to 2.2.
    """

    def draw(axes: Any, landscape: str, rate: float, momentum: float, start: float) -> str:
        height, gradient, dimensions, reach = LANDSCAPES[landscape]
        begin = numpy.array([start, 1.2][:dimensions])
        with numpy.errstate(all="ignore"):  # far too large a rate overflows
            given = descend(gradient, begin, rate, STEPS, momentum)
        shape = STEPS + 1, dimensions
        points = style.array_of("What descend returned", given, *shape, finite=False)
        far = numpy.flatnonzero(~(numpy.abs(points).max(1) < FAR))
        points = points[: far[0] + 1] if len(far) else points  # it does not come back from there
        loss, (left, right) = height(points), axes
        _draw_steps(left, height, points, -reach, reach)
        left.set_title(f"{landscape}; the red square is the start")
        right.plot(loss, "o-", color=COLORS["blue"], linewidth=1, markersize=5)
        low, usual = min(0.0, loss.min()), max(loss[0], 0.3 * height(numpy.full(dimensions, reach)))
        high = 3 * usual if len(far) else max(usual, loss.max())
        right.set(xlabel="step", xlim=(-0.5, STEPS + 0.5), title="loss")
        right.set(ylim=(low - 0.1 * high, 1.1 * high), ylabel=" ")  # room for longer numbers
        for axis in axes:
            axis.locator_params(nbins=5)
        setting = f"rate {digits(rate)}, momentum {digits(momentum)}"
        return sentence(setting, course(loss) + ", it flies away" * bool(len(far)))

    controls = {
        "landscape": Control(landscape, list(LANDSCAPES)),
        "rate": Control(rate, (0.01, 1.5, 0.01), "learning rate"),
        "momentum": Control(momentum, (0.0, 0.95, 0.05)),
        "start": Control(start, (-2.2, 2.2, 0.1)),
    }
    shape = {"columns": 2, "size": (9.0, 3.4), "widths": [3, 2]}
    return Explorer("descent", draw, controls, panels=shape)


# A kernel -------------------------------------------------------------------------------------

KERNELS: dict[str, list[list[float]]] = {
    "upright edges": [[-1, 0, 1]] * 3,
    "level edges": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "blur": [[1 / 9] * 3] * 3,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "leave as it is": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
}
SIDE = 64  # pixels of an uploaded picture
CELLS = [f"{row}{column}" for row in "abc" for column in "123"]


def as_grey(picture: Any) -> numpy.ndarray:
    """Turn a picture into grey numbers (H, W) 0..255; numbers (H, W) stay as they are."""
    if getattr(picture, "ndim", 3) == 2:
        return style.array_of("picture", picture, None, None)
    return numpy.asarray(read_picture(picture)).mean(2).round()


@figure(columns=3, size=(10.0, 3.7))
def show_kernel(axes: Any, picture: Any, kernel: ArrayLike, result: ArrayLike) -> str:
    """Draw a picture, the numbers of a kernel, and the picture that their convolution makes.

    Args:
        picture: array (H, W), or anything that ``show_pictures`` takes, made grey.
        kernel: array (k, k).
        result: array (H - k + 1, W - k + 1), their convolution.
    """
    grey, kernel = as_grey(picture), style.array_of("kernel", kernel, None, None)
    result = style.array_of("result", result, None, None)
    axes[0].imshow(grey)
    _numbers(axes[1], kernel)
    # Where results may be negative, zero is the middle grey, so that both signs can be seen.
    reach = numpy.percentile(numpy.abs(result), 99) or 1
    axes[2].imshow(result, vmin=-reach if result.min() < 0 else 0, vmax=reach)
    for axis, title in zip(axes, ("picture", "kernel", "result"), strict=True):
        style.bare(axis)
        axis.set_title(title)
    return (
        f"A {kernel.shape[0]} x {kernel.shape[1]} kernel turns {grey.shape[0]} x {grey.shape[1]} "
        f"pixels into {result.shape[0]} x {result.shape[1]} numbers from {digits(result.min())} to "
        f"{digits(result.max())}."
    )


def _numbers(axis: Axes, values: numpy.ndarray, grey: tuple[float, float] | None = None) -> None:
    """Draw an array as cells shaded by value, with their numbers on them."""
    reach = 1.5 * numpy.abs(values).max() or 1  # the darkest shades are kept back
    low, high = grey or (-reach, reach)
    image = axis.imshow(values, vmin=low, vmax=high, cmap="gray" if grey else "PuOr")
    for row, column in numpy.ndindex(values.shape):
        color = image.cmap(image.norm(values[row, column]))[:3]
        size = min(12, 50 / max(values.shape))
        style.write_on(axis, column, row, digits(float(values[row, column])), color, size=size)


@figure(columns=4, size=(10.0, 3.1))
def show_kernel_step(axes: Any, picture: Any, kernel: ArrayLike, row: int, column: int) -> str:
    """Draw one step of a convolution: the window, the kernel, their products and the sum.

    Args:
        picture: array (H, W), or anything that ``show_pictures`` takes, made grey.
        kernel: array (k, k).
        row, column: the window's upper left pixel.
    """
    from matplotlib.patches import Rectangle

    grey, kernel = as_grey(picture), style.array_of("kernel", kernel, None, None)
    tall, wide = kernel.shape
    row = style.whole_number("row", row, 0, grey.shape[0] - tall)
    column = style.whole_number("column", column, 0, grey.shape[1] - wide)
    window = grey[row : row + tall, column : column + wide]
    products = window * kernel
    axes[0].imshow(grey)
    box: Any = {"fill": False, "edgecolor": COLORS["red"], "linewidth": 2}
    axes[0].add_patch(Rectangle((column - 0.5, row - 0.5), wide, tall, **box))
    _numbers(axes[1], window, (grey.min(), grey.max()))
    _numbers(axes[2], kernel)
    _numbers(axes[3], products)
    for axis, title in zip(axes, ("picture", "window  ×", "kernel  =", "products"), strict=True):
        style.bare(axis)
        axis.set_title(title)
    total = digits(products.sum())
    return f"At row {row}, column {column} the {products.size} products add up to {total}."


@checked
def kernel(
    picture: Any,
    convolve: Callable[[numpy.ndarray, numpy.ndarray], numpy.ndarray],
    *,
    values: ArrayLike = KERNELS["upright edges"],
) -> Explorer:
    """Change the nine numbers of a 3x3 kernel and watch what it makes of a picture of yours.

    Args:
        picture: the one to begin with: anything that ``ck.show_pictures`` takes, or numbers (H, W).
            An uploaded one becomes grey and small, and its numbers get the same range.
        convolve: function (picture (H, W), kernel (3, 3)) that returns their convolution.
        values: the 3x3 numbers to begin with.
    """
    given = as_grey(picture)

    def cells(square: ArrayLike) -> dict[str, float]:
        numbers = style.array_of("values", square, 3, 3).round(3).ravel().tolist()
        return dict(zip(CELLS, numbers, strict=True))

    def draw(axes: Any, file: bytes | None, **numbers: float) -> str:
        square = numpy.array(list(numbers.values())).reshape(3, 3)
        grey = given
        if file is not None:
            read = read_picture(file)
            read.thumbnail((SIDE, SIDE))
            grey = as_grey(read) / (255 if given.max() <= 1 else 1)
        return show_kernel.draw(axes, grey, square, convolve(grey, square))

    controls = {"file": Control(None, label="a picture of yours")}
    controls |= {one: Control(x, float, width="112px") for one, x in cells(values).items()}
    buttons = {
        label: lambda shown, square=square: shown.set(**cells(square))
        for label, square in KERNELS.items()
    }
    rows, shape = [CELLS[:3], CELLS[3:6], CELLS[6:]], show_kernel.panels
    return Explorer("kernel", draw, controls, panels=shape, rows=rows, buttons=buttons)


# Sums of ReLUs --------------------------------------------------------------------------------

CURVES: dict[str, Function] = {
    "sine": numpy.sin,
    "step": lambda x: numpy.tanh(6 * x),
    "valley": lambda x: numpy.abs(x) - 1,
    "wiggle": lambda x: numpy.sin(3 * x) * numpy.exp(-(x**2) / 4),
}


@figure(size=(8.0, 3.8))
def show_relus(
    axes: Axes, x: ArrayLike, pieces: ArrayLike, total: ArrayLike, target: ArrayLike | None = None
) -> str:
    """Draw weighted ReLUs, their sum, and the curve that the sum should follow.

    Args:
        x: array (N,).
        pieces: array (K, N), one weighted ReLU in each row.
        total: array (N,), the sum, with a constant where there is one.
        target: array (N,), the curve to follow, or None.
    """
    x = style.array_of("x", x, None)
    total = style.array_of("total", total, len(x))
    pieces = style.array_of("pieces", pieces, None, len(x))
    for place, piece in enumerate(pieces):
        label = counted(len(pieces), "ReLU") if place == 0 else None
        axes.plot(x, piece, color=COLORS["grey"], linewidth=0.8, alpha=0.7, label=label)
    shown, told = total, f"the sum of {counted(len(pieces), 'ReLU')} is drawn"
    if target is not None:
        target = style.array_of("target", target, len(x))
        axes.plot(x, target, color=COLORS["orange"], linewidth=4, label="curve to follow")
        shown, off = numpy.append(total, target), numpy.abs(total - target)
        how_far = f"{digits(off.mean())} on average, {digits(off.max())} at most"
        told = f"the sum of {counted(len(pieces), 'ReLU')} is off the curve by {how_far}"
    axes.plot(x, total, color=COLORS["blue"], label="their sum")
    room = 0.5 * (numpy.ptp(shown) or 1)
    axes.set(xlabel="x", ylabel="y", ylim=(shown.min() - room, shown.max() + room))
    style.legend_beside(axes)
    return sentence(told)


@checked
def relus(
    follow: Callable[[Function, numpy.ndarray, int], tuple], *, curve: str = "sine", bends: int = 4
) -> Explorer:
    """Follow a curve by a sum of ReLUs: choose the curve and how many bends the sum may have.

    Args:
        follow: function (curve, x (N,), bends) that returns the weighted ReLUs (bends, N) and their
            sum (N,).
        curve: "sine", "step", "valley" or "wiggle".
        bends: 1 to 40.
    """
    x = numpy.linspace(-3, 3, 300)

    def draw(axes: Axes, curve: str, bends: int) -> str:
        found = follow(CURVES[curve], x, bends)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise CourseError(f"follow returned {reprlib.repr(found)}; return ReLUs and their sum.")
        return show_relus.draw(axes, x, *found, CURVES[curve](x))

    controls = {
        "curve": Control(curve, list(CURVES)),
        "bends": Control(bends, (1, 40), "ReLUs"),
    }
    return Explorer("relus", draw, controls, panels=show_relus.panels)
