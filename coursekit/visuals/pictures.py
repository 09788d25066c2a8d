"""Pictures as they are: grids, color planes, numbers, mini-batches and augmented versions."""

from __future__ import annotations

import contextlib
import dataclasses
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy
import torch

from coursekit.arguments import checked
from coursekit.console import CourseError
from coursekit.data.picture import read_picture
from coursekit.visuals import style
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, Drawn, counted, figure


@figure()
def show_pictures(
    pictures: Any,
    titles: str | Sequence[Any] | None = None,
    *,
    columns: int | None = None,
    height: float = 2.0,
) -> Drawn:
    """Draw pictures in a grid.

    Args:
        pictures: list of file paths, PIL images, uint8 arrays (H, W, 3) or float tensors (3, H, W);
            or one of them.
        titles: one short text for each picture, or None.
        columns: pictures in a row; None for as many as fit.
        height: height of a row in inches.
    """
    shown = style.read_pictures(pictures)
    wide, tall = (
        " to ".join(f"{side:,}" for side in sorted({min(sides), max(sides)}))
        for sides in zip(*(picture.size for picture in shown), strict=True)
    )
    caption = f"{counted(len(shown), 'picture')}, {wide} pixels wide and {tall} high."
    return Drawn(caption, axes=style.draw_grid(shown, titles, columns=columns, height=height))


@figure()
def show_planes(picture: Any) -> Drawn:
    """Draw a picture and its red, green and blue planes, bright where there is much of a color."""
    array = numpy.asarray(read_picture(picture))
    means = dict(zip(("red", "green", "blue"), array.reshape(-1, 3).mean(0), strict=True))
    planes = [array, *numpy.moveaxis(array, 2, 0)]
    told = ", ".join(f"{name} {mean:.0f}" for name, mean in means.items())
    drawn = style.draw_grid(planes, ["picture", *means], columns=4, height=2.4)
    return Drawn(f"The means of the planes are {told} of 255.", axes=drawn)


@figure(columns=2, size=(9.0, 4.3))
def show_corner(axes: Any, picture: Any) -> str:
    """Draw a picture, and its upper left 4 x 4 pixels with the numbers 0..255 on the cells."""
    array = numpy.asarray(read_picture(picture))
    corner = array[:4, :4]
    rows, columns = corner.shape[:2]
    near, all_of_it = axes  # the corner stands left, so that the lines to it cross nothing
    style.draw_picture(near, corner, f"its corner: {rows} x {columns} pixels, red, green, blue")
    style.draw_picture(all_of_it, array, f"{array.shape[0]} rows, {array.shape[1]} columns")
    all_of_it.indicate_inset(
        (-0.5, -0.5, columns, rows), near, edgecolor=COLORS["red"], alpha=1, linewidth=1.5
    )
    for row, column in numpy.ndindex(rows, columns):
        cell = corner[row, column]
        style.write_on(near, column, row, "\n".join(map(str, cell)), cell / 255)
    red, green, blue = corner[0, 0]
    return (
        f"The first pixel is red {red}, green {green}, blue {blue}; the corner is {corner.size} "
        f"numbers, the whole picture {array.size:,}."
    )


@figure()
def show_batch(batches: Iterable, classes: Sequence[str], count: int = 12) -> Drawn:
    """Draw the first pictures of one mini-batch with their classes, as the network gets them.

    Args:
        batches: iterable of (x, y), or one (x, y), with x float (B, 3, H, W) in 0..1 and y class
            numbers (B,), or 0 and 1 (B, classes) where a picture may have several.
        classes: names of the classes; of no use where there is no y, as in a test set.
        count: how many pictures at most.
    """
    count, (x, y) = style.whole_number("count", count), style.first_batch(batches)
    classes = list(classes)
    y = numpy.asarray([] if y is None else y.cpu() if hasattr(y, "cpu") else y)[:count]
    several = y.ndim == 2 and y.shape[1] == len(classes)
    if not several and (y.ndim != 1 or not set(y.tolist()) <= set(range(len(classes)))):
        raise CourseError(
            f"Targets such as {y[0].tolist()!r} do not fit {counted(len(classes), 'class name')}; "
            "give one name for each class, such as data.classes."
        )
    rows = [row.nonzero()[0].tolist() if several else [int(row)] for row in y]
    labels = [[style.plain(classes[number]) for number in row] or ["no class"] for row in rows]
    labels = labels or [["no label"]] * len(x[:count])
    height = 1.7 if max(map(len, labels)) == 1 else 2.4  # several names need room
    drawn = style.draw_grid(x[:count], list(map(", ".join, labels)), height=height)
    tally = Counter(name for row in labels for name in row)
    return Drawn(
        f"{counted(len(labels), 'picture')} of a mini-batch of {len(x)}, each "
        f"{' x '.join(map(str, x.shape[1:]))} numbers: "
        f"{', '.join(f'{number} {name}' for name, number in tally.items())}.",
        axes=drawn,
    )


# Augmentation ---------------------------------------------------------------------------------

COUNT, DRAWS = 6, 99
SETTINGS: dict[str, tuple[Any, str]] = {  # of ck.Augment: the range of a slider, and its label
    "flip": (bool, "mirror left and right"),
    "dihedral": (bool, "eight symmetries instead"),
    "rotate": ((0.0, 180.0, 5.0), "turn by up to, degrees"),
    "zoom": ((1.0, 2.5, 0.05), "magnify up to"),
    "brightness_contrast": ((0.0, 1.0, 0.05), "brightness, contrast"),
}


def augmented(
    augment: Callable, picture: numpy.ndarray, count: int, draw: int | None = None
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Make versions (count, H, W, 3) of a picture, uint8, and tell how far their pixels are off.

    The number of a ``draw`` gives the same versions each time and leaves torch's random numbers as
    they are; None draws afresh.
    """
    x = (torch.tensor(picture).permute(2, 0, 1).float() / 255).repeat(count, 1, 1, 1)
    with contextlib.nullcontext() if draw is None else torch.random.fork_rng(devices=[]):
        if draw is not None:
            torch.default_generator.manual_seed(draw)  # torch.manual_seed would reseed a GPU too
        changed = augment(x)
    if getattr(changed, "shape", None) != x.shape:
        raise CourseError(
            f"The augmentation made {reprlib.repr(getattr(changed, 'shape', changed))} of a batch "
            f"{tuple(x.shape)}; return a batch of the same shape."
        )
    changed = (changed.float().nan_to_num().clamp(0, 1) * 255).round().byte()
    versions = changed.permute(0, 2, 3, 1).cpu().numpy()
    return versions, numpy.abs(versions.astype(float) - picture).mean((1, 2, 3))


@figure()
def show_augmentations(augment: Callable, picture: Any) -> Drawn:
    """Draw one picture and seven augmented versions of it, each a fresh draw.

    Args:
        augment: function of a float batch (B, 3, H, W) in 0..1 to one of the same shape.
        picture: anything that ``show_pictures`` takes.
    """
    array = numpy.asarray(read_picture(picture))
    versions, moved = augmented(augment, array, 7)
    titles = ["as it is", *(f"version {number}" for number in range(1, 8))]
    drawn = style.draw_grid([array, *versions], titles, columns=4)
    told = "7 augmented versions: a pixel differs from the original's by"
    return Drawn(f"{told} {moved.mean():.0f} of 255 on average.", axes=drawn)


@checked
def augmentation(picture: Any, augment: Any, *, draw: int = 1) -> Explorer:
    """Mix an augmentation and look at six draws of it: which pictures could not occur?

    Args:
        picture: anything that ``ck.show_pictures`` takes; square where there are symmetries.
        augment: a ``ck.Augment`` to begin with; each of its settings can be moved.
        draw: number of the draw, 1 to 99.
    """
    array = numpy.asarray(read_picture(picture))
    if not all(hasattr(augment, name) for name in SETTINGS):
        raise CourseError(f"{augment!r} has no settings; give a ck.Augment, such as ck.side_on.")

    def drawing(axes: Any, draw: int, **settings: Any) -> str:
        versions, moved = augmented(dataclasses.replace(augment, **settings), array, COUNT, draw)
        for place, (axis, version) in enumerate(zip(axes, [array, *versions], strict=True)):
            style.draw_picture(axis, version, f"version {place}" if place else "as it is")
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
