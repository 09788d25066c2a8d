"""Pictures as they are: grids, color planes, numbers, mini-batches and augmented versions."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy
import torch

from coursekit.console import CourseError
from coursekit.data.picture import read_picture
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import (
    COLORS,
    WIDTH,
    counted,
    figure,
    fit_text,
    panels,
    use_style,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def bare(axes: Axes) -> None:
    """Take ticks, grid and spines away from a panel that holds a picture."""
    axes.set_anchor("N")  # so that the titles of a row stand at one height
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def draw_picture(
    axes: Axes, picture: Any, title: str = "", *, size: float = 10, wrong: bool = False
) -> None:
    """Draw anything that ``read_picture`` takes, with a title of ``size`` points as wide at most.

    ``wrong`` puts a red frame around it.
    """
    axes.set_axis_on()
    axes.imshow(numpy.asarray(read_picture(picture)))
    bare(axes)
    if wrong:
        axes.spines[:].set(visible=True, color=COLORS["red"], linewidth=3)
    axes.set_title(fit_text(title, width_of(axes), size=size, lines=4), fontsize=size)


def write_on(axes: Axes, x: float, y: float, text: str, color: Any, *, size: float = 10) -> None:
    """Write text on a cell of ``color`` (3 numbers in 0..1), in black or white as can be read."""
    bright = numpy.dot(color, (0.299, 0.587, 0.114)) > 0.5
    axes.text(x, y, text, color="black" if bright else "white", size=size, ha="center", va="center")


def draw_grid(
    pictures: Sequence[Any],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    height: float = 2.0,
    wrong: Sequence[bool] | None = None,
) -> numpy.ndarray:
    """Draw pictures in a grid, as ``show_pictures`` does, and frame those that are ``wrong``."""
    count = len(pictures)
    titles = [""] * count if titles is None else list(titles)
    if not count or len(titles) != count:
        raise CourseError(
            f"There are {counted(count, 'picture')} and {counted(len(titles), 'title')}; give at "
            "least one picture, and one title for each or none."
        )
    shown = [read_picture(picture) for picture in pictures]
    width = height * float(numpy.clip(numpy.median([p.width / p.height for p in shown]), 0.6, 1.8))
    rows = math.ceil(count / max(1, columns or int(WIDTH / width)))
    columns = columns or math.ceil(count / rows)  # rows of equal length where that can be
    scale = min(1.0, WIDTH / (columns * width))
    lines = max(1 + title.count("\n") for title in titles) * any(titles)
    size = (columns * width * scale, rows * (height * scale + 0.22 * lines))
    drawn = numpy.ravel(panels(rows, columns, size=size))
    for axis in drawn[count:]:
        axis.axis("off")
    marks = [False] * count if wrong is None else wrong
    for axis, picture, title, mark in zip(drawn, shown, titles, marks, strict=False):
        draw_picture(axis, picture, title, wrong=mark)
    return drawn[:count]


@use_style()
def show_pictures(
    pictures: Sequence[Any],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    height: float = 2.0,
) -> numpy.ndarray:
    """Draw pictures in a grid.

    Args:
        pictures: list of file paths, PIL images, uint8 arrays (H, W, 3) or float tensors (3, H, W).
        titles: one short text for each picture, or None.
        columns: pictures in a row; None for as many as fit.
        height: height of a row in inches.

    Raises:
        CourseError: there is no picture, one cannot be read, or titles do not match.
    """
    shown = [read_picture(picture) for picture in pictures]
    drawn = draw_grid(shown, titles, columns=columns, height=height)
    wide, tall = (
        " to ".join(f"{side:,}" for side in sorted({min(sides), max(sides)}))
        for sides in zip(*(picture.size for picture in shown), strict=True)
    )
    print(f"{counted(len(shown), 'picture')}, {wide} pixels wide and {tall} high.")
    return drawn


@use_style()
def show_planes(picture: Any) -> numpy.ndarray:
    """Draw a picture and its red, green and blue planes, bright where there is much of a color.

    Args:
        picture: anything that ``show_pictures`` takes.
    """
    array = numpy.asarray(read_picture(picture))
    means = dict(zip(("red", "green", "blue"), array.reshape(-1, 3).mean(0), strict=True))
    planes = [array, *numpy.moveaxis(array, 2, 0)]
    drawn = draw_grid(planes, ["picture", *means], columns=4, height=2.4)
    told = ", ".join(f"{name} {mean:.0f}" for name, mean in means.items())
    print(f"The means of the planes are {told} of 255.")
    return drawn


@figure(columns=2, size=(9.0, 4.3))
def show_corner(axes: Any, picture: Any, size: int = 4) -> str:
    """Draw a picture, and its upper left corner enlarged with the numbers 0..255 on the cells.

    Args:
        picture: anything that ``show_pictures`` takes.
        size: rows and columns of the corner, in pixels.
    """
    array = numpy.asarray(read_picture(picture))
    corner = array[:size, :size]
    rows, columns = corner.shape[:2]
    near, whole = axes  # the corner stands left, so that the lines to it cross nothing
    draw_picture(near, corner, f"its corner: {rows} x {columns} pixels, red, green, blue")
    draw_picture(whole, array, f"{array.shape[0]} rows, {array.shape[1]} columns")
    whole.indicate_inset(
        (-0.5, -0.5, columns, rows), near, edgecolor=COLORS["red"], alpha=1, linewidth=1.5
    )
    for row, column in numpy.ndindex(rows, columns):
        cell = corner[row, column]
        write_on(near, column, row, "\n".join(map(str, cell)), cell / 255, size=min(11, 40 / size))
    red, green, blue = corner[0, 0]
    return (
        f"The first pixel is red {red}, green {green}, blue {blue}; the corner is {corner.size} "
        f"numbers, the whole picture {array.size:,}."
    )


@use_style()
def show_batch(batches: Iterable, classes: Sequence[str], count: int = 12) -> numpy.ndarray:
    """Draw the first pictures of one mini-batch with their classes, as the network gets them.

    Args:
        batches: iterable of (x, y) with x float (B, 3, H, W) in 0..1 and y class numbers (B,), or
            0 and 1 (B, classes) where a picture may have several.
        classes: names of the classes; of no use where there is no y, as in a test set.
        count: how many pictures at most.
    """

    def names(target: numpy.ndarray) -> list[str]:
        if target.ndim == 0:
            return [str(classes[int(target)])]
        return [str(classes[place]) for place in target.nonzero()[0].tolist()] or ["no class"]

    x, y = next(iter(batches))
    labels = [["no label"]] * len(x) if y is None else [names(row) for row in y.cpu().numpy()]
    labels = labels[:count]
    height = 1.7 if max(map(len, labels)) == 1 else 2.4  # several names need room
    drawn = draw_grid(x[:count], list(map(", ".join, labels)), height=height)
    tally = Counter(name for row in labels for name in row)
    print(
        f"{counted(len(labels), 'picture')} of a mini-batch of {len(x)}, each "
        f"{' x '.join(map(str, x.shape[1:]))} numbers: "
        f"{', '.join(f'{number} {name}' for name, number in tally.items())}."
    )
    return drawn


# Augmentation ---------------------------------------------------------------------------------

COUNT, DRAWS = 6, 99
SETTINGS: dict[str, tuple[Any, str]] = {  # of ck.Augment: the range of a slider, and its label
    "flip": (None, "mirror left and right"),
    "dihedral": (None, "eight symmetries instead"),
    "rotate": ((0.0, 180.0, 5.0), "turn by up to, degrees"),
    "zoom": ((1.0, 2.5, 0.05), "magnify up to"),
    "brightness_contrast": ((0.0, 1.0, 0.05), "brightness, contrast"),
}


def augmented(
    augment: Callable, picture: numpy.ndarray, count: int, draw: int | None = None
) -> numpy.ndarray:
    """Augment a picture (H, W, 3) several times: (count, H, W, 3) uint8.

    Args:
        augment: function of a float batch (B, 3, H, W) in 0..1 to one of the same shape.
        picture: uint8.
        count: how many versions.
        draw: a number that gives the same versions each time and leaves torch's random numbers as
            they are; None for a fresh draw.
    """
    x = torch.tensor(picture).permute(2, 0, 1).float() / 255  # (3, H, W)
    with contextlib.nullcontext() if draw is None else torch.random.fork_rng(devices=[]):
        if draw is not None:
            torch.default_generator.manual_seed(draw)  # torch.manual_seed would reseed a GPU too
        changed = augment(x.repeat(count, 1, 1, 1))
    return (changed.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).cpu().numpy()


@use_style()
def show_augmentations(augment: Callable, picture: Any, count: int = 7) -> numpy.ndarray:
    """Draw one picture and augmented versions of it, each a fresh draw.

    Args:
        augment: function of a float batch (B, 3, H, W) in 0..1 to one of the same shape.
        picture: anything that ``show_pictures`` takes.
        count: how many versions.
    """
    array = numpy.asarray(read_picture(picture))
    versions = augmented(augment, array, count)
    titles = ["as it is", *(f"version {number}" for number in range(1, count + 1))]
    drawn = draw_grid([array, *versions], titles, columns=math.ceil((count + 1) / 2))
    moved = numpy.abs(versions.astype(float) - array).mean()
    told = counted(count, "augmented version")
    print(f"{told}: a pixel differs from the original's by {moved:.0f} of 255 on average.")
    return drawn


def augmentation(picture: Any, augment: Any, *, draw: int = 1) -> Explorer:
    """Mix an augmentation and look at six draws of it: which pictures could not occur?

    Args:
        picture: anything that ``ck.show_pictures`` takes; square where there are symmetries.
        augment: a ``ck.Augment`` to begin with; each of its settings can be moved.
        draw: number of the draw, 1 to 99.
    """
    array = numpy.asarray(read_picture(picture))

    def drawing(axes: Any, draw: int, **settings: Any) -> str:
        versions = augmented(dataclasses.replace(augment, **settings), array, COUNT, draw)
        for place, (axis, version) in enumerate(zip(axes, [array, *versions], strict=True)):
            draw_picture(axis, version, f"version {place}" if place else "as it is")
        moved = numpy.abs(versions.astype(float) - array).mean((1, 2, 3))
        return (
            f"Draw {draw}: a pixel differs from the original's by {moved.min():.0f} to "
            f"{moved.max():.0f} of 255 on average."
        )

    controls = {name: Control(getattr(augment, name), *how) for name, how in SETTINGS.items()}
    controls |= {"draw": Control(draw, (1, DRAWS), "number of the draw")}
    another = {"another draw": lambda shown: shown.set(draw=shown.settings["draw"] % DRAWS + 1)}
    tall = 10.0 * array.shape[0] / array.shape[1] / (COUNT + 1) + 0.3
    shape = {"columns": COUNT + 1, "size": (10.0, tall)}
    return Explorer("augmentation", drawing, controls, panels=shape, buttons=another)
