"""One look for every figure: colors, fonts, panels, short numbers, sentences below a figure."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import numbers
import reprlib
import textwrap
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy

from coursekit.console import CourseError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Function = TypeVar("Function", bound=Callable[..., Any])
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
def use_style() -> Iterator[None]:
    """Draw in the course's style: matplotlib's default, black on white, our settings on top."""
    from cycler import cycler
    from matplotlib import style

    colors = {"axes.prop_cycle": cycler(color=CYCLE)}
    with DRAWING, style.context(SETTINGS | colors, after_reset=True):
        yield


@dataclass(frozen=True)
class Drawn:
    """What a drawing hands back where there is more than a caption.

    Attributes:
        caption: says in words and numbers what is drawn.
        hover: (x, y, text) in the coordinates of the first Axes, shown where the mouse rests.
        page: text shown below the picture.
    """

    caption: str
    hover: Sequence[tuple[float, float, str]] = ()
    page: str = ""


KINDS: dict[str, Any] = {"None": type(None), "str": str, "int": numbers.Integral}
KINDS |= {"float": numbers.Real, "Mapping": Mapping, "Callable": Callable, "Sequence": Sized}


def checked(function: Function) -> Function:
    """Let a function refuse, by a CourseError, what is no such thing as its annotation says."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        for name, value in signature.bind(*args, **settings).arguments.items():
            wanted = str(signature.parameters[name].annotation)
            kinds = [KINDS.get(word.split("[")[0], object) for word in wanted.split(" | ")]
            odd = isinstance(value, str | set | Mapping) and kinds[0] is Sized
            if odd or not isinstance(value, (*kinds,)):
                raise CourseError(f"{name}= takes {wanted}, not {reprlib.repr(value)}.")
        return function(*args, **settings)

    return cast(Function, call)


def figure(**shape: Any) -> Callable[[Callable[..., str | Drawn]], Any]:
    """Turn a drawing (axes, ...) -> caption into a figure: it makes the Axes, prints the caption.

    An explorer calls the drawing itself, ``show_x.draw``, on panels of the same shape,
    ``show_x.panels``.

    Args:
        shape: as ``panels`` takes it.
    """

    def decorate(draw: Callable[..., str | Drawn]) -> Any:
        @functools.wraps(draw)
        def show(*args: Any, **settings: Any) -> Any:
            with use_style():
                axes = panels(**shape)
                drawn = checked(draw)(axes, *args, **settings)
            print(drawn.caption if isinstance(drawn, Drawn) else drawn, flush=True)
            return axes

        signature = inspect.signature(draw)
        _, *others = signature.parameters.values()
        more = {"__signature__": signature.replace(parameters=others)}
        vars(show).update(more, draw=draw, panels=shape)
        return show

    return decorate


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


def fit_text(text: str, inches: float, *, size: float = 10, lines: int = 2) -> str:
    """Break text into lines that are no wider than ``inches``; what exceeds them becomes "…".

    Args:
        text: one or more lines, each broken by itself.
        inches: the width that is free.
        size: size of the letters in points.
        lines: the most lines that one line of ``text`` may become.
    """

    broken = []
    for line in str(text).split("\n"):
        # 0.62 em is the mean width of a Latin letter in matplotlib's own font; a kana fills its em.
        ems = sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.62 for c in line)
        letters = max(4, int(inches * 72 / size * len(line) / max(ems, 1e-9)))
        parts = textwrap.wrap(line, letters)
        if len(parts) > lines:
            parts[lines - 1 :] = [parts[lines - 1][: letters - 1] + "…"]
        broken += parts
    return "\n".join(broken)


def width_of(axes: Axes) -> float:
    """Measure the inches that a title may fill without touching the panel beside it."""
    place: Any = axes.get_subplotspec()
    ratios = numpy.array(place.get_gridspec().get_width_ratios(), float)
    return axes.figure.get_figwidth() * ratios[place.colspan.start] / ratios.sum() - 0.1


def panels(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float] = (6.0, 3.6),
    widths: Sequence[float] | None = None,
    heights: Sequence[float] | None = None,
) -> Any:
    """Make a new figure: one Axes, an array of them, or for several rows and columns a 2-d array.

    Args:
        rows, columns: how many panels.
        size: width and height in inches, at most ``WIDTH`` wide.
        widths, heights: relative widths of the columns and heights of the rows.
    """
    import matplotlib.pyplot as plt

    new = plt.figure(figsize=(min(size[0], WIDTH), size[1]), layout="constrained")
    return new.subplots(rows, columns, width_ratios=widths, height_ratios=heights)


def labeled_rows(
    labels: Sequence[str],
    columns: int,
    *,
    cell: tuple[float, float],
    heights: Sequence[float],
    label: float = 1.5,
) -> numpy.ndarray:
    """Make Axes (len(labels), columns) on a new figure, with a label left of each row.

    Args:
        labels: one text for each row.
        columns: panels in a row.
        cell: width and height of a panel in inches.
        heights: factor of each row's height.
        label: width of the column of labels in inches.
    """
    scale = min(1.0, (WIDTH - label) / (columns * cell[0]))
    size = (label + columns * cell[0] * scale, sum(heights) * cell[1] * scale)
    widths = [label] + [cell[0] * scale] * columns
    grid = panels(len(labels), columns + 1, size=size, widths=widths, heights=heights)
    grid = grid.reshape(len(labels), columns + 1)
    for axis in grid.flat:
        axis.axis("off")
    for axis, text in zip(grid[:, 0], labels, strict=True):
        lines = fit_text(text, label - 0.1, size=11, lines=4)
        axis.text(0, 0.5, lines, weight="bold", va="center", transform=axis.transAxes)
    return grid[:, 1:]


def array_of(name: str, values: Any, *shape: int | None, finite: bool = True) -> numpy.ndarray:
    """Read numbers from a list, a Series, an array or a tensor, of ``shape``; None is any size.

    Raises:
        CourseError: they are no numbers, not ``finite``, or have another shape; or there are none.
    """
    try:
        values = values.detach().cpu().double() if hasattr(values, "detach") else values
        array = numpy.asarray(values, float)
    except Exception:  # words, or rows of different lengths; every library refuses in its own way
        array = numpy.empty(0)
    bad = finite and not numpy.isfinite(array).all()
    sizes = zip(array.shape, shape, strict=False)
    if bad or array.ndim != len(shape) or not all(b in (a, None) and a for a, b in sizes):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        found = f"has shape {array.shape}" + " and infinite values or NaN" * bad
        found = found if array.size else f"is {reprlib.repr(values)}"
        raise CourseError(f"{name} {found}; give {'finite ' * finite}numbers of shape ({wanted}).")
    return array


def legend_beside(axes: Axes) -> None:
    """Put the legend right of the panel, where it covers nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
