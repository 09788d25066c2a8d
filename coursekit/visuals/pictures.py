"""Pictures as they are: grids, colour planes, numbers, mini-batches and augmented versions."""

import math
from collections import Counter

import numpy

from coursekit.console import CourseError
from coursekit.data.picture import read_picture
from coursekit.visuals.style import (
    COLORS,
    WIDTH,
    counted,
    fit_text,
    panels,
    say,
    use_style,
    width_of,
)


def as_array(picture):
    """Return a picture as a uint8 array (H, W, 3), from anything that ``ck.read_picture`` takes.

    Raises:
        CourseError: the file cannot be read, or the shape is not that of a picture.
    """
    return numpy.asarray(read_picture(picture))


def draw_picture(axes, picture, title="", *, size=10, frame=None, lines=2):
    """Draw one picture without ticks, its title broken to the panel's width.

    Args:
        axes: the Axes to draw on.
        picture: anything that ``as_array`` takes.
        title: the text above it.
        size: size of the title in points.
        frame: colour of a frame around it; None for none.
        lines: into how many lines each line of the title may be broken.
    """
    axes.set_axis_on()
    axes.imshow(as_array(picture))
    bare(axes)
    if frame:
        for spine in axes.spines.values():
            spine.set(visible=True, color=frame, linewidth=3)
    if title:
        axes.set_title(fit_text(title, width_of(axes), size=size, lines=lines), fontsize=size)


def bare(axes):
    """Take ticks, grid and frame away from a panel that holds a picture."""
    axes.set_anchor("N")  # so that the titles of a row stand at one height
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _span(values):
    """Return ``"224"`` or ``"180 to 500"``."""
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


@use_style()
def show_pictures(pictures, titles=None, *, columns=None, height=2.0, axes=None):
    """Draw pictures in a grid.

    Args:
        pictures: list of file paths, PIL images, uint8 arrays (H, W, 3) or float tensors (3, H, W).
        titles: one short text a picture, or None.
        columns: pictures in a row; None for as many as fit.
        height: height of a row in inches.
        axes: Axes to draw on, one a picture; None for a new figure.

    Raises:
        CourseError: there is no picture, one cannot be read, or titles do not match.
    """
    arrays = [as_array(picture) for picture in pictures]
    drawn = _grid(arrays, titles, columns=columns, height=height, axes=axes)
    tall, wide = zip(*(array.shape[:2] for array in arrays), strict=True)
    verb = "is" if len(arrays) == 1 else "are"
    say(
        f"{counted(len(arrays), 'picture')}, {_span(wide)} pixels wide and {_span(tall)} high, "
        f"{verb} shown."
    )
    return drawn


def _grid(arrays, titles, *, columns=None, height=2.0, axes=None):
    """Draw arrays (H, W, 3) in a grid and return their Axes, without a word."""
    if not len(arrays):
        raise CourseError("There is no picture to show; give a list with at least one.")
    titles = [""] * len(arrays) if titles is None else list(titles)
    if len(titles) != len(arrays):
        raise CourseError(
            f"There are {counted(len(arrays), 'picture')} but {counted(len(titles), 'title')}; "
            "give one title for each picture."
        )
    shape = numpy.median([array.shape[1] / array.shape[0] for array in arrays])
    width = height * float(numpy.clip(shape, 0.6, 1.8))
    if columns is None:
        rows = math.ceil(len(arrays) / max(1, int(WIDTH / width)))
        columns = math.ceil(len(arrays) / rows)  # rows of equal length where that can be
    rows = math.ceil(len(arrays) / columns)
    if axes is None:
        scale = min(1.0, WIDTH / (columns * width))
        lines = 0.22 * any(titles)
        size = (columns * width * scale, rows * (height * scale + lines))
        drawn = panels(rows, columns, size=size).reshape(-1)
    else:
        drawn = panels(1, len(arrays), axes=axes).reshape(-1)
    for axis, array, title in zip(drawn, arrays, titles, strict=False):
        draw_picture(axis, array, title, lines=4)
    for axis in drawn[len(arrays) :]:
        axis.axis("off")
    return drawn[: len(arrays)]


@use_style()
def show_planes(picture, *, axes=None):
    """Draw a picture and its red, green and blue planes, bright where there is much of a colour.

    Args:
        picture: anything that ``show_pictures`` takes.
        axes: four Axes to draw on; None for a new figure.
    """
    array = as_array(picture)
    means = dict(zip(("red", "green", "blue"), array.reshape(-1, 3).mean(0), strict=True))
    titles = ["picture", *(f"{name}, mean {mean:.0f}" for name, mean in means.items())]
    planes = [array, *numpy.moveaxis(array, 2, 0)]
    drawn = _grid([as_array(plane) for plane in planes], titles, columns=4, height=2.4, axes=axes)
    most, least = max(means, key=means.get), min(means, key=means.get)
    say(
        f"The planes' means are red {means['red']:.0f}, green {means['green']:.0f} and blue "
        f"{means['blue']:.0f} of 255: this picture holds most {most} and least {least}."
    )
    return drawn


@use_style()
def show_corner(picture, size=4, *, axes=None):
    """Draw a picture, and its upper left corner enlarged with the numbers 0..255 on the cells.

    Args:
        picture: anything that ``show_pictures`` takes.
        size: rows and columns of the corner, in pixels.
        axes: two Axes to draw on; None for a new figure.
    """
    array = as_array(picture)
    corner = array[:size, :size]
    rows, columns = corner.shape[:2]
    # The corner stands left of the picture, so that the lines to it cross nothing.
    near, whole = panels(1, 2, size=(9.0, 4.3), axes=axes)[0]
    draw_picture(near, corner, f"its corner: {rows} x {columns} pixels, red, green, blue")
    draw_picture(whole, array, f"{array.shape[0]} rows, {array.shape[1]} columns")
    whole.indicate_inset(
        (-0.5, -0.5, columns, rows), near, edgecolor=COLORS["red"], alpha=1, linewidth=1.5
    )
    for row, column in numpy.ndindex(rows, columns):
        cell = corner[row, column]
        write_on(near, column, row, "\n".join(map(str, cell)), cell / 255, size=min(11, 40 / size))
    red, green, blue = corner[0, 0]
    say(
        f"The first pixel is red {red}, green {green}, blue {blue}; the {rows} x "
        f"{columns} corner is {corner.size} numbers from {corner.min()} to {corner.max()}, "
        f"the whole picture {array.size:,}."
    )
    return numpy.array([near, whole])


def write_on(axes, x, y, text, colour, *, size=10):
    """Write text on a cell of ``colour`` (3 numbers in 0..1), in black or white as can be read."""
    bright = numpy.dot(colour, (0.299, 0.587, 0.114)) > 0.5
    axes.text(x, y, text, color="black" if bright else "white", size=size, ha="center", va="center")


@use_style()
def show_batch(batches, classes, count=12, *, axes=None):
    """Draw the first pictures of one mini-batch with their classes, as the network gets them.

    Args:
        batches: iterable of (x, y) with x float (B, 3, H, W) in 0..1 and y class numbers (B,), or
            0 and 1 (B, classes) where a picture may have several.
        classes: names of the classes; of no use where there is no y, as in a test set.
        count: how many pictures at most.
        axes: Axes to draw on, one a picture; None for a new figure.
    """
    x, y = next(iter(batches))
    size = len(x)
    x, y = x[:count], None if y is None else y[:count].cpu().numpy()
    names = [["no label"]] * len(x) if y is None else [_names(row, classes) for row in y]
    titles = [", ".join(row) for row in names]
    height = 1.7 if max(map(len, names)) == 1 else 2.4  # several names need room
    drawn = _grid([as_array(one) for one in x], titles, height=height, axes=axes)
    tally = Counter(name for row in names for name in row)
    tally = ", ".join(f"{count} {name}" for name, count in tally.items())
    sizes = " x ".join(map(str, x.shape[1:]))
    say(
        f"{counted(len(names), 'picture')} of a mini-batch of {size}, each {sizes} numbers: "
        f"{tally}."
    )
    return drawn


def _names(target, classes):
    """Return the name of class number ``target``, or the names that a row of 0 and 1 marks."""
    if target.ndim == 0:
        return [str(classes[int(target)])]
    return [str(classes[place]) for place in numpy.flatnonzero(target)] or ["no class"]


@use_style()
def show_versions(augment, picture, count=7, *, axes=None):
    """Draw one picture and augmented versions of it, each a fresh draw.

    Args:
        augment: function of a float batch (B, 3, H, W) in 0..1 to one of the same shape.
        picture: anything that ``show_pictures`` takes.
        count: how many versions.
        axes: count + 1 Axes to draw on; None for a new figure.
    """
    import torch

    array = as_array(picture)
    x = torch.tensor(array).permute(2, 0, 1).float() / 255  # (3, H, W)
    versions = [as_array(version) for version in augment(x.repeat(count, 1, 1, 1))]
    titles = ["as it is", *(f"version {number}" for number in range(1, count + 1))]
    drawn = _grid([array, *versions], titles, columns=math.ceil((count + 1) / 2), axes=axes)
    moved = numpy.abs(numpy.stack(versions).astype(float) - array).mean()
    say(
        f"One picture and {counted(count, 'augmented version')}: a pixel's colours differ from the "
        f"original's by {moved:.0f} of 255 on average, and what it shows is the same."
    )
    return drawn
