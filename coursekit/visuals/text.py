"""Texts with a number for each letter or token, and a review that is judged while it is typed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy
from PIL import Image, ImageColor, ImageDraw, ImageFont

from coursekit.console import CourseError
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, WIDTH, Drawn, counted, digits, figure, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELL = (18, 42)  # pixels of a letter's cell, twice those of the screen
COLUMNS = 105
FULL = 0.9  # quantile of the strengths that gets the full color, so that no outlier pales the rest
UNSURE = 0.1  # a probability within this distance of 0.5 counts as undecided


# Colored text ---------------------------------------------------------------------------------


@figure(size=(WIDTH, 2.0))
def show_text(axes: Axes, pieces: str | Sequence[str], values: Any, *, title: str = "") -> Drawn:
    """Draw a text on grounds colored by numbers: blue above zero, orange and underlined below.

    The color is full for the strongest tenth of the numbers.

    Args:
        pieces: a text, for a number each character, or N tokens.
        values: (N,) numbers.
        title: what they are.

    Raises:
        CourseError: there is not one number for each piece.
    """
    values = values.detach().cpu() if hasattr(values, "detach") else values
    values, gap = numpy.asarray(values, float), 0 if isinstance(pieces, str) else 1
    pieces = [str(piece) for piece in pieces]
    if not pieces or values.shape != (len(pieces),):
        raise CourseError(
            f"{counted(len(pieces), 'piece')} of text and numbers of shape {values.shape} do not "
            "fit; give one number for each."
        )
    strengths = numpy.abs(values)
    full = numpy.quantile(strengths, FULL, method="higher") or strengths.max() or 1.0
    page, places = _page(pieces, numpy.clip(values / full, -1, 1), gap)
    rows = page.height / CELL[1]
    stack([axes], [_inches(rows)])
    axes.imshow(page, extent=(0, COLUMNS, rows, 0), aspect=CELL[1] / CELL[0])
    axes.set_anchor("NW")
    axes.axis("off")
    scale = f"{title} (full color: {digits(full)})" if title else ""
    axes.set_title(scale, loc="left", parse_math=False)
    join, ends = " " * gap, []
    for name, at in (("highest", values.argmax()), ("lowest", values.argmin())):
        before = join.join(pieces[max(0, at - (3 if gap else 12)) : at])
        ends.append(f"{name} {digits(values[at])} at {before!r} > {pieces[at]!r}")
    hover = [
        (column + len(piece) / 2, row + 0.5, f"{piece}: {digits(value)}")
        for piece, value, (row, column) in zip(pieces, values, places, strict=True)
    ]
    count = counted(len(pieces), "token" if gap else "character")
    return Drawn(sentence(f"{title or 'values'} of {count}", *ends), hover)


def _page(
    pieces: list[str], strengths: numpy.ndarray, gap: int
) -> tuple[Image.Image, list[tuple[int, int]]]:
    """Paint pieces of text, ``gap`` letters apart; return also the (row, column) of each."""
    places, row, column = [], 0, 0
    for piece in pieces:
        if column and column + len(piece) > COLUMNS:
            row, column = row + 1, 0
        places.append((row, column))
        row, column = (row + 1, 0) if piece == "\n" else (row, column + len(piece) + gap)
    wide, tall = CELL
    page = Image.new("RGB", (COLUMNS * wide, (places[-1][0] + 1) * tall), "white")
    pen = ImageDraw.Draw(page)
    for piece, strength, (row, column) in zip(pieces, strengths, places, strict=True):
        color = numpy.array(ImageColor.getrgb(COLORS["blue" if strength > 0 else "orange"]))
        ground = 255 + 0.7 * abs(strength) * (color - 255)
        left, right, top = column * wide, (column + len(piece)) * wide - 1, row * tall
        pen.rectangle((left, top + 3, right, top + tall - 4), tuple(ground.astype(int).tolist()))
        if strength < -0.3:  # for eyes that do not tell the colors apart
            pen.rectangle((left, top + tall - 6, right, top + tall - 3), "#7a4f00")
        pen.text((left, top + tall / 2), piece.replace("\n", "↵"), "black", _font(), anchor="lm")
    return page, places


@functools.cache
def _font() -> Any:
    from matplotlib.font_manager import findfont

    return ImageFont.truetype(findfont("monospace"), 29)


def _inches(rows: float) -> float:
    """Measure the height of a page with its title."""
    return rows * WIDTH * CELL[1] / CELL[0] / COLUMNS + 0.3


def stack(
    axes: Sequence[Axes], heights: Sequence[float], margin: tuple[float, float] = (0.0, 0.0)
) -> None:
    """Place panels below each other, of these inches: texts of any length keep their letters.

    The first one leaves a ``margin`` for its labels, left of it and below, in inches.
    """
    canvas, whole = axes[0].figure, sum(heights)
    canvas.set_layout_engine("none")
    canvas.set_size_inches(WIDTH, whole)
    for number, (axis, tall) in enumerate(zip(axes, heights, strict=True)):
        left, below = margin if number == 0 else (0.0, 0.0)
        bottom = whole - sum(heights[: number + 1]) + below
        size = (WIDTH - left) / WIDTH, (tall - 0.3 - below) / whole
        axis.set_position([left / WIDTH, bottom / whole, *size])


# A review that is judged ----------------------------------------------------------------------

_VERBS = "was|were|is|are|am|did|does|do|has|have|had|can|could|will|would|should|must"
_FIRST = re.compile(rf"\b({_VERBS})(n't|'t| not|not)?\b", re.IGNORECASE)


def negate(text: str) -> str:
    """Negate the first verb: "was" becomes "was not", and the other way.

    Where there is none of the verbs that it knows, "It is not true that" comes first.
    """
    text = text.replace("’", "'")
    if not text.strip() or _FIRST.search(text):
        return _FIRST.sub(lambda m: m[1] if m[2] else f"{m[1]} not", text, count=1)
    return f"It is not true that {text[0].lower()}{text[1:]}"


def review(
    judge: Callable[[str], tuple[float, Sequence[str], Any]],
    *,
    text: str = "The acting was superb.",
    beside: str | None = None,
    names: tuple[str, str] = ("a bad film", "a good film"),
) -> Explorer:
    """Type a review and see its verdict, the words that moved it, and another version beside it.

    Args:
        judge: function of a text that returns (probability of the second class, N tokens, N
            numbers: how much each token speaks for it).
        text: the review.
        beside: the other version; None for the review with its first verb negated.
        names: of the two classes.
    """

    @functools.lru_cache(maxsize=50)  # the text that was not edited is not judged again
    def judged(text: str) -> tuple[float, Sequence[str], Any, str]:
        if not text.strip():
            raise CourseError("There is nothing to judge; type a sentence.")
        probability, tokens, values = judge(text)
        if not 0 <= (p := float(probability)) <= 1:
            raise CourseError(f"The probability is {digits(p)}; return one from 0 to 1.")
        return p, tokens, values, "unsure" if abs(p - 0.5) < UNSURE else names[p > 0.5]

    def draw(axes: numpy.ndarray, text: str, beside: str) -> str:
        both, captions = {"the review": judged(text), "beside it": judged(beside)}, []
        for place, (label, (p, tokens, values, verdict)) in enumerate(both.items()):
            axes[0].barh(place, p, 0.6, color=COLORS["blue" if p > 0.5 else "orange"])
            axes[0].text(p + 0.01, place, f"{digits(p)}, {verdict}", va="center", parse_math=False)
            show_text.draw(axes[place + 1], list(tokens), values, title=label)
            captions.append(f"{label}: {verdict}, {digits(p)}")
        axes[0].axvline(0.5, color=COLORS["grey"], linewidth=1)
        axes[0].set_yticks([0, 1], list(both))
        axes[0].set(xlim=(0, 1.25), ylim=(1.6, -0.6), xticks=[0, 0.25, 0.5, 0.75, 1])
        axes[0].set_title(f"probability: {names[1]}", loc="left", parse_math=False)
        heights = [_inches(axis.get_ylim()[0]) for axis in axes[1:]]
        stack(list(axes), [1.5, *heights], margin=(1.0, 0.3))
        verdicts = {one[-1] for one in both.values()}
        turned = "the verdict stays" if len(verdicts) == 1 else "the verdict turns round"
        turned = "near one half a verdict says nothing" if "unsure" in verdicts else turned
        return sentence(*captions, turned)

    wide: Any = {"lines": 3, "width": "760px"}
    beside = negate(text) if beside is None else beside
    controls = {
        "text": Control(text, label="the review", **wide),
        "beside": Control(beside, label="beside it", **wide),
    }
    buttons = {"Negate the review beside it": lambda e: e.set(beside=negate(e.settings["text"]))}
    return Explorer(
        "review", draw, controls, panels={"rows": 3, "size": (WIDTH, 3)}, buttons=buttons
    )
