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
    digits,
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
    axes: Axes,
    picture: Any,
    title: str = "",
    *,
    size: float = 10,
    frame: str | None = None,
    lines: int = 2,
) -> None:
    """Draw one picture without ticks, its title broken to the panel's width.

    Args:
        axes: the Axes to draw on.
        picture: anything that ``read_picture`` takes.
        title: the text above it.
        size: size of the title in points.
        frame: color of a frame around it; None for none.
        lines: the most lines that one line of the title may become.
    """
    axes.set_axis_on()
    axes.imshow(numpy.asarray(read_picture(picture)))
    bare(axes)
    if frame:
        for spine in axes.spines.values():
            spine.set(visible=True, color=frame, linewidth=3)
    if title:
        axes.set_title(fit_text(title, width_of(axes), size=size, lines=lines), fontsize=size)


def mosaic(tiles: numpy.ndarray, columns: int, gap: int = 1) -> numpy.ndarray:
    """Lay tiles (K, h, w, 3) in 0..1 side by side as one picture with white gaps."""
    count, tall, wide = tiles.shape[:3]
    rows = -(-count // columns)
    sheet = numpy.ones((rows * (tall + gap) - gap, columns * (wide + gap) - gap, 3))
    for place, tile in enumerate(tiles):
        top, left = (place // columns) * (tall + gap), (place % columns) * (wide + gap)
        sheet[top : top + tall, left : left + wide] = tile
    return sheet


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
    frames: Sequence[str | None] | None = None,
) -> numpy.ndarray:
    """Draw pictures in a grid, as ``show_pictures`` does, some with a frame of a color."""
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
    drawn = panels(rows, columns, size=size).reshape(-1)
    for axis in drawn[count:]:
        axis.axis("off")
    for axis, picture, title, frame in zip(
        drawn[:count], shown, titles, frames or [None] * count, strict=True
    ):
        draw_picture(axis, picture, title, frame=frame, lines=4)
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
        f"{min(sides):,}" + (f" to {max(sides):,}" if min(sides) < max(sides) else "")
        for sides in zip(*(picture.size for picture in shown), strict=True)
    )
    verb = "is" if len(shown) == 1 else "are"
    print(f"{counted(len(shown), 'picture')}, {wide} pixels wide and {tall} high, {verb} shown.")
    return drawn


@use_style()
def show_planes(picture: Any) -> numpy.ndarray:
    """Draw a picture and its red, green and blue planes, bright where there is much of a color.

    Args:
        picture: anything that ``show_pictures`` takes.
    """
    array = numpy.asarray(read_picture(picture))
    means = dict(zip(("red", "green", "blue"), array.reshape(-1, 3).mean(0), strict=True))
    titles = ["picture", *(f"{name}, mean {mean:.0f}" for name, mean in means.items())]
    planes = [array, *numpy.moveaxis(array, 2, 0)]
    drawn = draw_grid(planes, titles, columns=4, height=2.4)
    most, least = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    print(
        f"The planes' means are red {means['red']:.0f}, green {means['green']:.0f} and blue "
        f"{means['blue']:.0f} of 255: this picture holds most {most} and least {least}."
    )
    return drawn


@figure(columns=2, size=(9.0, 4.3))
def show_corner(axes: Any, picture: Any, size: int = 4) -> str:
    """Draw a picture, and its upper left corner enlarged with the numbers 0..255 on the cells.

    Args:
        picture: anything that ``show_pictures`` takes.
        size: rows and columns of the corner, in pixels.
        axes: two Axes to draw on; None for a new figure.
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
        f"The first pixel is red {red}, green {green}, blue {blue}; the {rows} x {columns} corner "
        f"is {corner.size} numbers from {corner.min()} to {corner.max()}, the whole picture "
        f"{array.size:,}."
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
ABOVE, SIDE = "from above", "from the side"
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
    print(
        f"One picture and {counted(count, 'augmented version')}: a pixel's colors differ from the "
        f"original's by {moved:.0f} of 255 on average, and what it shows is the same."
    )
    return drawn


def _mix(augment: Any) -> str:
    """Say what an augmentation does; empty where it does nothing."""
    light = augment.brightness_contrast
    parts = {
        "one of the eight symmetries": augment.dihedral,
        "mirrored or not": augment.flip and not augment.dihedral,
        f"turned by up to {digits(augment.rotate)} degrees": augment.rotate > 0,
        f"magnified up to {digits(augment.zoom)} times": augment.zoom > 1,
        f"light changed by up to {digits(100 * light)} %": light > 0,
    }
    return ", ".join(words for words, true in parts.items() if true)


def _doubts(augment: Any, taken: str) -> str:
    """Say why nobody could have taken such pictures; empty where somebody could."""
    side, rotate, light = taken == SIDE, augment.rotate, augment.brightness_contrast
    reasons = {
        "the symmetries put things on their head": side and augment.dihedral,
        "no camera is held so askew": side and rotate > 30,
        "the corners fill with mirrored parts of the picture": 20 < rotate <= (30 if side else 180),
        "what the label names may lie outside the part that is left": side and augment.zoom > 1.5,
        "a satellite keeps its height, so houses do not grow": not side and augment.zoom > 1.5,
        "no lamp makes it so glaring or so dark": side and light > 0.4,
        "so much light looks like haze, and haze is a label": not side and light > 0.2,
    }
    return "; ".join(reason for reason, true in reasons.items() if true)


def augmentation(picture: Any, augment: Any, *, taken: str = ABOVE, draw: int = 1) -> Explorer:
    """Mix an augmentation and look at six draws of it: which pictures could not occur?

    Args:
        picture: anything that ``ck.show_pictures`` takes; square where there are symmetries.
        augment: a ``ck.Augment`` to begin with; each of its settings can be moved.
        taken: "from above" or "from the side".
        draw: number of the draw, 1 to 99.
    """
    array = numpy.asarray(read_picture(picture))

    def drawing(axes: Any, taken: str, draw: int, **settings: Any) -> str:
        mixed = dataclasses.replace(augment, **settings)
        versions = augmented(mixed, array, COUNT, draw)
        titles = ["as it is", *(f"draw {number}" for number in range(1, COUNT + 1))]
        for axis, version, title in zip(axes, [array, *versions], titles, strict=True):
            draw_picture(axis, version, title)
        mix, doubts = _mix(mixed), _doubts(mixed, taken)
        if not mix:
            return "Nothing is changed: the network would see the very same picture in every epoch."
        if doubts:
            return f"Six draws: {mix}. Some of these pictures could not occur: {doubts}."
        return f"Six draws: {mix}. Each of these could have been taken, so the label stays true."

    settings = {name: Control(getattr(augment, name), *how) for name, how in SETTINGS.items()}
    controls = {"taken": Control(taken, [ABOVE, SIDE])} | settings
    controls |= {"draw": Control(draw, (1, DRAWS), "number of the draw")}
    another = {"another draw": lambda shown: shown.set(draw=shown.settings["draw"] % DRAWS + 1)}
    tall = 10.0 * array.shape[0] / array.shape[1] / (COUNT + 1) + 0.3
    shape = {"columns": COUNT + 1, "size": (10.0, tall)}
    return Explorer("augmentation", drawing, controls, panels=shape, buttons=another)
