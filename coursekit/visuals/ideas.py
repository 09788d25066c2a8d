"""Why learning works: descent on a curve, a kernel moved over a picture, sums of ReLUs."""

import numpy

from coursekit.console import CourseError
from coursekit.visuals.pictures import as_array, bare, write_on
from coursekit.visuals.style import (
    COLORS,
    counted,
    digits,
    fit_text,
    legend_beside,
    panels,
    say,
    sentence,
    use_style,
    width_of,
)

FAR = 1e6  # a point so far away has left every picture


def walk(gradient, start, *, rate, steps, momentum=0.0):
    """Return the points (steps + 1, ...) of gradient descent with momentum, the start included.

    It ends early where a point is further than a million away.

    Args:
        gradient: function of a point.
        start: the first point, a number or an array.
        rate: a step is -rate times the gradient, plus momentum times the step before.
        steps: how many.
        momentum: from 0 to below 1.
    """
    point, step = numpy.asarray(start, float), 0.0
    points = [point]
    for _ in range(steps):
        step = momentum * step - rate * gradient(point)
        point = point + step
        if not numpy.abs(point).max() < FAR:
            break
        points.append(point)
    return numpy.array(points)


def descent(function, gradient, start, rate, steps):
    """Return the points (x, y) of gradient descent, the start included.

    It ends early where a point runs away further than a million.

    Args:
        function: y of x.
        gradient: slope of x.
        start: the first x.
        rate: the learning rate; a step is -rate * slope.
        steps: how many steps.
    """
    points = walk(gradient, start, rate=rate, steps=steps)
    return [(float(x), float(function(x))) for x in points]


@use_style()
def show_descent(function, paths, *, axes=None):
    """Draw a curve and the points of one descent, or of several side by side.

    Args:
        function: y of x, for arrays too.
        paths: list of points (x, y) such as ``descent`` returns, or {"rate 0.1": points, ...}.
        axes: one Axes a path; None for a new figure.
    """
    paths = paths if isinstance(paths, dict) else {"descent": paths}
    drawn = panels(1, len(paths), size=(max(5, 3.3 * len(paths)), 3.5), axes=axes)[0]
    best, radius = _window(paths.values())
    x = numpy.linspace(best - radius, best + radius, 200)
    y = function(x)
    room = 0.1 * (y.max() - y.min())
    for axis, (label, points) in zip(drawn, paths.items(), strict=True):
        axis.plot(x, y, color=COLORS["grey"], linewidth=1.5)
        axis.plot(*zip(*points, strict=True), "o-", color=COLORS["blue"], linewidth=1)
        axis.plot(*points[0], "s", color=COLORS["red"], markersize=9, label="start")
        axis.set(xlim=(x[0], x[-1]), ylim=(y.min() - room, y.max() + room), xlabel="x")
        axis.set_title(fit_text(label, width_of(axis) - 0.3))
    drawn[0].set_ylabel("y")
    drawn[0].legend(loc="upper center")
    say(sentence(*(f"{label}: {_fate(points)}" for label, points in paths.items())))
    return drawn


def _window(paths):
    """Return the middle and half width of a window that shows every start and some flight."""
    best = min((point for points in paths for point in points), key=lambda point: point[1])[0]
    starts = max(abs(points[0][0] - best) for points in paths) or 1.0
    flies = any(points[-1][1] > points[0][1] for points in paths)
    return best, starts * (1.8 if flies else 1.2)


def _fate(points):
    """Return in words where a descent went."""
    (first, high), (last, low) = points[0], points[-1]
    steps = counted(len(points) - 1, "step")
    if low > high:
        return f"away from the valley, y from {digits(high)} up to {digits(low)} in {steps}"
    return f"x from {digits(first)} to {digits(last)}, y down to {digits(low)} in {steps}"


def convolve(picture, kernel):
    """Return the sum of products at every place where the kernel lies wholly on the picture.

    Args:
        picture: array (H, W).
        kernel: array (k, k).

    Returns:
        array (H - k + 1, W - k + 1).
    """
    kernel = numpy.asarray(kernel)
    windows = numpy.lib.stride_tricks.sliding_window_view(numpy.asarray(picture), kernel.shape)
    return (windows * kernel).sum((-2, -1))


def as_grey(picture):
    """Return a picture as a grey array (H, W); numbers (H, W) stay as they are."""
    if getattr(picture, "ndim", 3) == 2:
        return numpy.asarray(picture)
    return as_array(picture).mean(2).round()


@use_style()
def show_kernel(picture, kernel, result=None, *, axes=None):
    """Draw a picture, the numbers of a kernel, and the picture that their convolution makes.

    Args:
        picture: array (H, W), or anything that ``show_pictures`` takes, made grey.
        kernel: array (k, k).
        result: array (H', W') computed by hand; None to have it computed.
        axes: three Axes to draw on; None for a new figure.
    """
    grey, kernel = as_grey(picture), numpy.asarray(kernel)
    result = convolve(grey, kernel) if result is None else numpy.asarray(result)
    drawn = panels(1, 3, size=(10.0, 3.7), axes=axes)[0]
    drawn[0].imshow(grey)
    _numbers(drawn[1], kernel)
    # Where results may be negative, zero is the middle grey, so that both signs can be seen.
    reach = numpy.percentile(numpy.abs(result), 99) or 1
    drawn[2].imshow(result, vmin=-reach if result.min() < 0 else 0, vmax=reach)
    titles = ["picture", "kernel", f"result, {digits(result.min())} to {digits(result.max())}"]
    for axis, title in zip(drawn, titles, strict=True):
        bare(axis)
        axis.set_title(title)
    row, column = numpy.unravel_index(numpy.abs(result).argmax(), result.shape)
    say(
        f"A {kernel.shape[0]} x {kernel.shape[1]} kernel turns {grey.shape[0]} x {grey.shape[1]} "
        f"pixels into {result.shape[0]} x {result.shape[1]} numbers from {digits(result.min())} to "
        f"{digits(result.max())}; it answers most strongly at row {row}, column {column}."
    )
    return drawn


def _numbers(axis, values, *, grey=None):
    """Draw an array as cells with its numbers on them, shaded by value."""
    values = numpy.asarray(values)
    reach = 1.5 * numpy.abs(values).max() or 1  # the darkest shades are kept back
    low, high = grey or (-reach, reach)
    image = axis.imshow(values, vmin=low, vmax=high, cmap="gray" if grey else "PuOr")
    for row, column in numpy.ndindex(values.shape):
        colour = image.cmap(image.norm(values[row, column]))[:3]
        size = min(12, 50 / max(values.shape))
        write_on(axis, column, row, digits(values[row, column]), colour, size=size)


@use_style()
def show_kernel_step(picture, kernel, row, column, *, axes=None):
    """Draw one step of a convolution: the window, the kernel, their products and the sum.

    Args:
        picture: array (H, W), or anything that ``show_pictures`` takes, made grey.
        kernel: array (k, k).
        row, column: the window's upper left pixel.
        axes: four Axes to draw on; None for a new figure.

    Raises:
        CourseError: the window would leave the picture.
    """
    from matplotlib.patches import Rectangle

    grey, kernel = as_grey(picture), numpy.asarray(kernel)
    tall, wide = kernel.shape
    window = grey[row : row + tall, column : column + wide]
    if min(row, column) < 0 or window.shape != kernel.shape:
        raise CourseError(
            f"A window at row {row}, column {column} leaves the picture; choose a row from 0 to "
            f"{grey.shape[0] - tall} and a column from 0 to {grey.shape[1] - wide}."
        )
    products = window * kernel
    drawn = panels(1, 4, size=(10.0, 3.1), axes=axes)[0]
    drawn[0].imshow(grey)
    corner = (column - 0.5, row - 0.5)
    box = Rectangle(corner, wide, tall, fill=False, edgecolor=COLORS["red"], linewidth=2)
    drawn[0].add_patch(box)
    _numbers(drawn[1], window, grey=(grey.min(), grey.max()))
    _numbers(drawn[2], kernel)
    _numbers(drawn[3], products)
    total = digits(products.sum())
    titles = [f"row {row}, column {column}", "window  ×", "kernel  =", f"products, sum {total}"]
    for axis, title in zip(drawn, titles, strict=True):
        bare(axis)
        axis.set_title(title)
    say(f"At row {row}, column {column} the {products.size} products add up to {total}.")
    return drawn


@use_style()
def show_relus(x, pieces, total, target=None, *, axes=None):
    """Draw weighted ReLUs, their sum, and the curve that the sum shall follow.

    Args:
        x: array (N,).
        pieces: array (K, N), one weighted ReLU a row.
        total: array (N,), the sum, with a constant where there is one.
        target: array (N,), the curve to follow, or None.
        axes: the Axes to draw on; None for a new figure.
    """
    x, pieces, total = (numpy.asarray(values, float) for values in (x, pieces, total))
    axis = panels(size=(8.0, 3.8), axes=axes)[0, 0]
    for place, piece in enumerate(pieces):
        label = counted(len(pieces), "ReLU") if place == 0 else None
        axis.plot(x, piece, color=COLORS["grey"], linewidth=0.8, alpha=0.7, label=label)
    if target is not None:
        axis.plot(x, target, color=COLORS["orange"], linewidth=4, label="curve to follow")
    axis.plot(x, total, color=COLORS["blue"], label="their sum")
    shown = numpy.concatenate([total] if target is None else [total, numpy.asarray(target)])
    room = 0.5 * (numpy.ptp(shown) or 1)
    axis.set(xlabel="x", ylabel="y", ylim=(shown.min() - room, shown.max() + room))
    legend_beside(axis)
    words = f"The sum of {counted(len(pieces), 'ReLU')} runs from {digits(total.min())} to "
    words += digits(total.max())
    if target is not None:
        off = numpy.abs(total - numpy.asarray(target))
        words += f"; it is off the curve by {digits(off.mean())} on average, {digits(off.max())} "
        words += "at most"
    say(sentence(words))
    return axis
