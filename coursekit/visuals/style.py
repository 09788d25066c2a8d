"""One look for every figure: colors, panels, pictures in them, short numbers, one caption."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import reprlib
import textwrap
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from PIL import Image

from coursekit.arguments import checked
from coursekit.console import CourseError
from coursekit.data.picture import read_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colors, distinct for color-blind readers too (jfly.uni-koeln.de/color).
COLORS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#000000",
    "grey": "#767676",
}
CYCLE = [COLORS[name] for name in ("blue", "orange", "green", "red", "purple", "sky", "black")]
DASHES = ["-", "--", "-.", ":"]  # so that lines differ without color as well
WIDTH = 10.0  # inches; the widest figure that a notebook shows unshrunk
SETTINGS = {
    "axes.edgecolor": "#444444",
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
    "image.cmap": "gray",
}

# Matplotlib's settings are global, and JupyterLab may run a slider's callback in another thread.
DRAWING = threading.RLock()


@contextlib.contextmanager
def use_style(*, formulas: bool = True) -> Iterator[None]:
    """Draw in the course's style: matplotlib's default, black on white, our settings on top.

    ``formulas=False`` draws dollar signs as they are, as names of files and classes need it.
    """
    from cycler import cycler
    from matplotlib import style

    more = {"axes.prop_cycle": cycler(color=CYCLE), "text.parse_math": formulas}
    with DRAWING, style.context(SETTINGS | more, after_reset=True):
        yield


@dataclass(frozen=True)
class Drawn:
    """What a drawing hands back where there is more than a caption."""

    caption: str  # says in words and numbers what is drawn
    hover: Sequence[tuple[float, float, str]] = ()  # (x, y, text) where the mouse rests
    page: str = ""  # text below the picture
    axes: Any = None  # of a drawing that makes them itself


def figure(**shape: Any) -> Callable[[Callable[..., str | Drawn]], Any]:
    """Turn a drawing into a figure: in the course's style, it prints the caption, returns the Axes.

    Its arguments are ``checked``. With a ``shape``, as ``panels`` takes it, a drawing is a function
    (axes, ...) -> caption, and an explorer calls it by ``show_x.draw`` on ``show_x.panels``; else
    it hands its Axes back.
    """

    def decorate(draw: Callable[..., str | Drawn]) -> Any:
        call = checked(draw)

        @functools.wraps(draw)
        def show(*args: Any, **settings: Any) -> Any:
            with use_style(formulas=False):
                axes = [panels(**shape)] if shape else []
                drawn = call(*axes, *args, **settings)
            drawn = drawn if isinstance(drawn, Drawn) else Drawn(drawn)
            print(plain(drawn.caption), flush=True)
            return axes[0] if shape else drawn.axes

        signature = inspect.signature(draw)
        others = list(signature.parameters.values())[1 if shape else 0 :]
        shown = signature.replace(parameters=others, return_annotation="Axes | numpy.ndarray")
        vars(show).update(__signature__=shown, draw=draw, panels=shape)
        return show

    return decorate


# Words and numbers ----------------------------------------------------------------------------


def plain(text: Any) -> str:
    """Write any text so that it can be drawn and printed: a sign that has no shape is escaped."""
    text = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else str(text)
    return "".join(
        sign
        if sign == "\n" or unicodedata.category(sign) not in ("Cc", "Cs")
        else ascii(sign)[1:-1]
        for sign in text.expandtabs(4)
    )


def digits(value: float) -> str:
    """Write a number in three significant digits: ``"0.0123"``, ``"1,234"``, ``"1.2e+07"``."""
    value = float(value)
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun: ``"1 picture"``, ``"2,000 pictures"``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def sentence(*parts: str) -> str:
    """Join parts by semicolons into one sentence with a capital letter and a full stop."""
    joined = "; ".join(parts)
    return f"{joined[:1].upper()}{joined[1:]}."


def fit_text(text: Any, inches: float, *, size: float = 10, lines: int = 2) -> str:
    """Break ``plain`` text of ``size`` points into lines no wider than ``inches``.

    Each line of it becomes at most so many ``lines``; what exceeds them becomes "…".
    """
    broken = []
    for line in plain(text).split("\n"):
        # 0.62 em is the mean width of a Latin letter in matplotlib's own font; a kana fills its em.
        ems = sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.62 for c in line)
        letters = max(4, int(inches * 72 / size * len(line) / max(ems, 1e-9)))
        parts = textwrap.wrap(line, letters)
        if len(parts) > lines:
            parts[lines - 1 :] = [parts[lines - 1][: letters - 1] + "…"]
        broken += parts
    return "\n".join(broken)


def array_of(name: str, values: Any, *shape: int | None, finite: bool = True) -> numpy.ndarray:
    """Read numbers from a list, a Series, an array or a tensor, of ``shape``; None is any size."""
    try:
        values = values.detach().cpu().double() if hasattr(values, "detach") else values
        array = numpy.asarray(values, float)
    except Exception:  # words, or rows of different lengths; every library refuses in its own way
        array = numpy.empty(0)
    bad = finite and not numpy.isfinite(array).all()
    sizes = zip(array.shape, shape, strict=False)
    fits = array.size and array.ndim == len(shape) and all(b in (a, None) for a, b in sizes)
    if bad or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        found = f"has shape {array.shape}" + " and infinite values or NaN" * bad
        found = found if array.size and array.ndim else f"is {reprlib.repr(values)}"
        raise CourseError(f"{name} {found}; give {'finite ' * finite}numbers of shape ({wanted}).")
    return array


def class_names(classes: Sequence[str], count: int) -> list[str]:
    """Return names of ``count`` classes; a CourseError where there are more or fewer."""
    names = [str(name) for name in classes]
    if len(names) != count:
        raise CourseError(
            f"There are {counted(len(names), 'class name')} for {counted(count, 'score')}; give "
            "one name for each, such as data.classes."
        )
    return names


def whole_number(name: str, value: Any, low: int = 1, high: int = 1000) -> int:
    """Return a value; a CourseError where it is no whole number from low to high."""
    if not isinstance(value, (int, numpy.integer)) or not low <= value <= high:
        raise CourseError(f"{name} is {value!r}; give a whole number from {low} to {high:,}.")
    return int(value)


def panels(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float] = (6.0, 3.6),
    widths: Sequence[float] | None = None,
) -> Any:
    """Make a new figure: one Axes, an array of them, or for several rows and columns a 2-d array.

    ``size`` is width and height in inches, at most ``WIDTH`` wide; ``widths`` are relative.
    """
    import matplotlib.pyplot as plt

    new = plt.figure(figsize=(min(size[0], WIDTH), size[1]), layout="constrained")
    return new.subplots(rows, columns, width_ratios=widths)


def labeled_rows(
    labels: Sequence[str],
    columns: int,
    *,
    cell: tuple[float, float],
    label: float = 1.5,
) -> numpy.ndarray:
    """Make Axes (len(labels), columns) on a new figure, with a label left of each row.

    ``cell`` is width and height of a panel, ``label`` the width of the labels, in inches.
    """
    scale = min(1.0, (WIDTH - label) / (columns * cell[0]))
    size = (label + columns * cell[0] * scale, len(labels) * cell[1] * scale)
    widths = [label] + [cell[0] * scale] * columns
    grid = panels(len(labels), columns + 1, size=size, widths=widths)
    grid = grid.reshape(len(labels), columns + 1)
    for axis in grid.flat:
        axis.axis("off")
    for axis, text in zip(grid[:, 0], labels, strict=True):
        lines = fit_text(text, label - 0.1, size=11, lines=4)
        axis.text(0, 0.5, lines, weight="bold", va="center", transform=axis.transAxes)
    return grid[:, 1:]


def legend_beside(axes: Axes) -> None:
    """Put the legend right of the panel, where it covers nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


# Pictures in panels ---------------------------------------------------------------------------


def read_pictures(pictures: Any) -> list[Image.Image]:
    """Read several pictures, or one that is no list; a CourseError where one cannot be read."""
    shape: Any = getattr(pictures, "shape", ())
    alone = len(shape) == 2 or (len(shape) == 3 and {shape[0], shape[2]} & {1, 3, 4})
    if alone or isinstance(pictures, (str, Path, bytes, Image.Image)):
        pictures = [pictures]
    elif not isinstance(pictures, Iterable):
        raise CourseError(f"{reprlib.repr(pictures)} is no list of pictures; give paths or arrays.")
    found = [read_picture(picture) for picture in pictures]
    if not found:
        raise CourseError("There are 0 pictures; give at least one.")
    return found


def first_batch(batches: Any) -> tuple[Any, Any]:
    """Take the first (x, y) of mini-batches, or of one; a CourseError without x (B, 3, H, W)."""
    first = next(iter(batches), None) if isinstance(batches, Iterable) else None
    first = batches if hasattr(first, "ndim") else first
    x, y = first if isinstance(first, (tuple, list)) and len(first) == 2 else (None, None)
    if getattr(x, "ndim", 0) != 4:
        raise CourseError(
            f"{reprlib.repr(batches)} gives no (x, y) with pictures x (B, 3, H, W); give mini-"
            "batches such as data.train."
        )
    return x, y


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
    place: Any = axes.get_subplotspec()
    ratios = numpy.array(place.get_gridspec().get_width_ratios(), float)
    free = axes.figure.get_figwidth() * ratios[place.colspan.start] / ratios.sum() - 0.1  # inches
    axes.set_title(fit_text(title, free, size=size, lines=4), fontsize=size)


def bare(axes: Axes) -> None:
    """Take ticks, grid and spines away from a panel that holds a picture."""
    axes.set_anchor("N")  # so that the titles of a row stand at one height
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def write_on(axes: Axes, x: float, y: float, text: str, color: Any, *, size: float = 10) -> None:
    """Write text on a cell of ``color`` (3 numbers in 0..1), in black or white as can be read."""
    bright = numpy.dot(color, (0.299, 0.587, 0.114)) > 0.5
    axes.text(x, y, text, color="black" if bright else "white", size=size, ha="center", va="center")


def draw_grid(
    pictures: Any,
    titles: Any = None,
    *,
    columns: int | None = None,
    height: float = 2.0,
    wrong: Sequence[bool] | None = None,
) -> numpy.ndarray:
    """Draw pictures in a grid on a new figure, as ``ck.show_pictures`` does.

    Those that are ``wrong`` get a red frame.
    """
    shown = read_pictures(pictures)
    count = len(shown)
    titles = [titles] if isinstance(titles, str) else titles
    titles = [""] * count if titles is None else list(map(plain, titles))
    if len(titles) != count:
        raise CourseError(
            f"There are {counted(count, 'picture')} and {counted(len(titles), 'title')}; give one "
            "title for each picture, or none."
        )
    if not 0.2 <= height <= 20:
        raise CourseError(f"height is {height!r}; give the inches of a row, from 0.2 to 20.")
    width = height * float(numpy.clip(numpy.median([p.width / p.height for p in shown]), 0.6, 1.8))
    fitting = columns if columns is None else whole_number("columns", columns)
    rows = math.ceil(count / (fitting or max(1, int(WIDTH / width))))
    columns = fitting or math.ceil(count / rows)  # rows of equal length where that can be
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
