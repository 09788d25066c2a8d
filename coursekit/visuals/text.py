"""Texts: colored by a number for each piece, judged while they are typed, continued by a model."""

from __future__ import annotations

import functools
import inspect
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy
from PIL import Image, ImageColor, ImageDraw, ImageFont

from coursekit.arguments import checked
from coursekit.console import CourseError
from coursekit.visuals import style
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, WIDTH, Drawn, array_of, counted, digits, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELL = (18, 42)  # pixels of a letter's cell, twice those of the screen
COLUMNS = 105
FULL = 0.9  # quantile of the strengths that gets the full color, so that no outlier pales the rest
LABELS, NAMES = ("the review", "beside it"), ("a bad film", "a good film")
UNSURE = 0.1  # a probability within this distance of 0.5 counts as undecided
BARS, SEED = 10, 42
REACH = 500  # tokens; a model without memory between two calls reads so many again for each
STRIDE = 3  # tokens between two pictures of a text that streams
PLAIN = {"temperature": 1.0, "top_k": 0, "nucleus": 1.0}  # settings that change nothing


# Colored text ---------------------------------------------------------------------------------


@figure(size=(WIDTH, 2.0))
def show_text(axes: Axes, pieces: str | Sequence[str], values: Any, *, title: str = "") -> Drawn:
    """Draw a text on grounds colored by numbers: blue above zero, orange and underlined below.

    The color is full for the strongest tenth of the numbers.

    Args:
        pieces: a text of N characters, or a list of N tokens.
        values: (N,) numbers, one for each.
        title: what the numbers are.
    """
    gap = 0 if isinstance(pieces, str) else 1
    pieces = [style.plain(one)[:COLUMNS] for one in pieces]
    if not pieces:
        raise CourseError("There is no text to draw; give a text, or a list of tokens.")
    values = array_of("The list of values", values, len(pieces))
    strengths = numpy.abs(values)
    full = numpy.quantile(strengths, FULL, method="higher") or strengths.max() or 1.0
    page, places = _page(pieces, numpy.clip(values / full, -1, 1), gap)
    rows = page.height / CELL[1]
    stack([axes], [_inches(rows)])
    axes.imshow(page, extent=(0, COLUMNS, rows, 0), aspect=CELL[1] / CELL[0])
    axes.set_anchor("NW")
    axes.axis("off")
    scale = f"{title} (full color: {digits(full)})" if title else ""
    axes.set_title(style.plain(scale), loc="left")
    join, ends = " " * gap, []
    for name, at in (("highest", values.argmax()), ("lowest", values.argmin())):
        before = join.join(pieces[max(0, at - (3 if gap else 12)) : at])
        ends.append(f"{name} {digits(values[at])} at {before!r} > {pieces[at]!r}")
    hover = [
        (column + len(piece) / 2, row + 0.5, f"{piece}: {digits(value)}")
        for piece, value, (row, column) in zip(pieces, values, places, strict=True)
    ]
    count = counted(len(pieces), "token" if gap else "character")
    return Drawn(style.sentence(f"{title or 'values'} of {count}", *ends), hover)


def _page(
    pieces: list[str], strengths: numpy.ndarray, gap: int
) -> tuple[Image.Image, list[tuple[int, int]]]:
    """Paint pieces of text, ``gap`` letters apart; return also the (row, column) of each."""
    from matplotlib.font_manager import findfont

    places, row, column = [], 0, 0
    for piece in pieces:
        if column and column + len(piece) > COLUMNS:
            row, column = row + 1, 0
        places.append((row, column))
        row, column = (row + 1, 0) if piece == "\n" else (row, column + len(piece) + gap)
    wide, tall = CELL
    page = Image.new("RGB", (COLUMNS * wide, (places[-1][0] + 1) * tall), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.truetype(findfont("monospace"), 29)
    for piece, strength, (row, column) in zip(pieces, strengths, places, strict=True):
        color = numpy.array(ImageColor.getrgb(COLORS["blue" if strength > 0 else "orange"]))
        ground = 255 + 0.7 * abs(strength) * (color - 255)
        left, right, top = column * wide, (column + len(piece)) * wide - 1, row * tall
        pen.rectangle((left, top + 3, right, top + tall - 4), tuple(ground.astype(int).tolist()))
        if strength < -0.3:  # for eyes that do not tell the colors apart
            pen.rectangle((left, top + tall - 6, right, top + tall - 3), "#7a4f00")
        pen.text((left, top + tall / 2), piece.replace("\n", "↵"), "black", font, anchor="lm")
    return page, places


def _inches(rows: float) -> float:
    """Measure the height of a page with its title."""
    return rows * WIDTH * CELL[1] / CELL[0] / COLUMNS + 0.3


def stack(axes: Sequence[Axes], heights: Sequence[float]) -> None:
    """Place panels below each other, of these inches: texts of any length keep their letters."""
    canvas, whole, bottom = axes[0].figure, sum(heights), sum(heights)
    canvas.set_layout_engine("none")
    canvas.set_size_inches(WIDTH, whole)
    for axis, tall in zip(axes, heights, strict=True):
        bottom -= tall
        axis.set_position([0, bottom / whole, 1, (tall - 0.3) / whole])


# A review that is judged ----------------------------------------------------------------------


@checked
def review(
    judge: Callable[[str], tuple[float, Sequence[str], Any]],
    *,
    text: str = "The acting was superb.",
    beside: str = "The acting was not superb.",
) -> Explorer:
    """Type a review and see its verdict, the words that moved it, and another version beside it.

    Args:
        judge: function of a text that returns (probability that it praises, N tokens, N numbers:
            how much each token speaks for that).
        text: the review.
        beside: the other version.
    """

    @functools.lru_cache(maxsize=50)  # the text that was not edited is not judged again
    def judged(text: str) -> tuple[float, Sequence[str], Any, str]:
        if not text.strip():
            raise CourseError("There is nothing to judge; type a sentence.")
        probability, tokens, values = judge(text)
        if not 0 <= (p := float(probability)) <= 1:
            raise CourseError(f"The probability is {digits(p)}; return one from 0 to 1.")
        return p, tokens, values, "unsure" if abs(p - 0.5) < UNSURE else NAMES[p > 0.5]

    def draw(axes: numpy.ndarray, text: str, beside: str) -> str:
        captions, verdicts = [], set()
        for axis, label, words in zip(axes, LABELS, (text, beside), strict=True):
            p, tokens, values, verdict = judged(words)
            captions.append(f"{label}: {verdict}, {digits(p)}")
            scale = f"{captions[-1]} (probability of {NAMES[1]})"
            show_text.draw(axis, list(tokens), values, title=scale)
            verdicts.add(verdict)
        stack(list(axes), [_inches(axis.get_ylim()[0]) for axis in axes])
        turned = "the verdict stays" if len(verdicts) == 1 else "the verdict turns round"
        turned = "near one half a verdict says nothing" if "unsure" in verdicts else turned
        return style.sentence(*captions, turned)

    wide: Any = {"lines": 3, "width": "760px"}
    both = zip(("text", "beside"), LABELS, (text, beside), strict=True)
    controls = {name: Control(words, str, label=label, **wide) for name, label, words in both}
    return Explorer("review", draw, controls, panels={"rows": 2, "size": (WIDTH, 3)})


# A model that writes --------------------------------------------------------------------------


class _Writer(Explorer):
    """A text that grows by tokens drawn from a model, and bars of what may come next."""

    def __init__(
        self, model: Any, vocabulary: Any, choose: Any, controls: dict[str, Control], count: int
    ) -> None:
        rounds = range(0, count, STRIDE)
        buttons: dict[str, Any] = {
            "Take the most probable": lambda shown: (shown.add(best=True), shown.redraw()),
            "Draw one": lambda shown: (shown.add(), shown.redraw()),
            "Write": lambda shown: shown.play(
                ((shown.add(STRIDE), shown.redraw()) for _ in rounds), pause=0.02
            ),
            "Stop": Explorer.stop,
            "Begin again": lambda shown: (shown.begin(), shown.redraw()),
        }
        panels = {"size": (8.5, 3.6)}
        super().__init__("generate", self.draw, controls, panels=panels, buttons=buttons)
        self.vocabulary, self.choose, self.count = vocabulary, choose, count
        # The model reads each text once, whatever the settings.
        self.read = functools.lru_cache(maxsize=1)(lambda *numbers: model([*numbers[-REACH:]]))
        self.begin()

    def begin(self) -> None:
        """Go back to the text of the field."""
        self.stop()
        self.start, self.rng = self.settings["text"], numpy.random.default_rng(SEED)
        self.numbers = list(self.vocabulary.encode(self.start))

    def probabilities(self, **settings: Any) -> numpy.ndarray:
        """Ask model and filter what may follow."""
        if not self.numbers:
            raise CourseError("There is nothing to go on from; type a beginning.")
        found = self.choose(self.read(*self.numbers), **settings)
        found = array_of("What the function returns", found, len(self.vocabulary.itos))
        if not abs(found.sum() - 1) < 1e-3 or found.min() < 0:
            told = f"begin at {digits(found.min())} and add up to {digits(found.sum())}"
            raise CourseError(f"The probabilities {told}; none is below 0, together they are 1.")
        return found / found.sum()

    def add(self, count: int = 1, *, best: bool = False) -> None:
        """Append tokens: drawn by their probability, or the most probable ones."""
        if self.settings["text"] != self.start:  # typed, and not drawn yet
            self.begin()
        settings = {name: value for name, value in self.settings.items() if name != "text"}
        for _ in range(count):
            p = self.probabilities(**settings)
            self.numbers.append(int(p.argmax() if best else self.rng.choice(len(p), p=p)))

    def text(self) -> str:
        """Write the tokens as text, with marks such as <cap> that still wait for a word."""
        tokens = (self.vocabulary.itos[number] for number in reversed(self.numbers))
        marks = [*itertools.takewhile(re.compile(r"<\w+>").fullmatch, tokens)]
        return " ".join([self.vocabulary.decode(self.numbers), *marks[::-1]])

    def draw(self, axes: Axes, text: str, **settings: Any) -> Drawn:
        """Draw the probabilities of the next token, before and after the filter."""
        if text != self.start:
            self.begin()
        itos, page = self.vocabulary.itos, self.text()
        before = self.probabilities(**{name: PLAIN[name] for name in settings})
        after = self.probabilities(**settings)
        order = [n for n in numpy.argsort(-before, kind="stable")[:BARS] if before[n] > 0]
        names = [style.plain(itos[n] if itos[n].strip() else repr(itos[n])) for n in order]
        axes.barh(range(len(order)), after[order], color=COLORS["blue"], label="after the settings")
        line = {"fill": False, "edgecolor": COLORS["black"], "linewidth": 1.2}
        axes.barh(range(len(order)), before[order], label="what the model says", **line)
        for row, n in enumerate(order):
            short = f" {after[n]:.2f}" if after[n] >= 0.01 else f" {after[n]:.1g}"
            axes.text(max(after[n], before[n]), row, short, va="center")
        axes.set_yticks(range(len(order)), names, family="monospace")
        high = 1.15 * max(after[order].max(), before[order].max(), 0.1)
        axes.set(xlim=(0, high), ylim=(len(order) - 0.4, -0.6), xlabel="probability")
        axes.grid(False, axis="y")
        axes.legend(loc="lower right")
        end = page if len(page) <= 60 else f"… {page[-60:]}"
        axes.set_title(style.plain(f"after: {' '.join(end.split())}"), loc="left")
        caption = style.sentence(
            f"after {end[-30:]!r} the most probable is {itos[after.argmax()]!r} with "
            f"{digits(after.max())}",
            f"{(after > 0).sum():,} of {counted(len(itos), 'token')} may follow, the "
            f"{len(order)} drawn here with {digits(after[order].sum())} together",
        )
        if self.view is None:
            self.add(self.count)
            page = self.text()
            self.begin()
        return Drawn(caption, page=page)


@checked
def generate(
    model: Callable[[list[int]], Any],
    vocabulary: Any,
    filtered: Callable[..., Any],
    *,
    text: str = "The ",
    temperature: float = 1.0,
    top_k: int = 0,
    nucleus: float = 1.0,
    count: int = 300,
) -> Explorer:
    """Let a net write while you watch: timidly, boldly or wildly, with the odds of what follows.

    Args:
        model: function of the numbers of the tokens so far that returns (V,) scores or
            probabilities.
        vocabulary: the ``ck.Vocabulary`` of the model.
        filtered: function of what ``model`` returned, and of ``temperature``, ``top_k`` and
            ``nucleus``, or those of them that it knows; it returns the probabilities (V,) to draw
            from.
        text: the beginning.
        temperature: 0.1 to 2; below 1 likely tokens become likelier still.
        top_k: how many of the most probable may be drawn, up to 30; 0 for all.
        nucleus: probability that those to draw from reach together, 0.05 to 1.
        count: tokens that are written at a time.
    """
    every = {
        "temperature": Control(temperature, (0.1, 2.0, 0.05)),
        "top_k": Control(top_k, (0, 30), label="top-k (0: all)"),
        "nucleus": Control(nucleus, (0.05, 1.0, 0.05), label="nucleus (1: all)"),
    }
    known = inspect.signature(filtered).parameters
    controls = {"text": Control(text, str, label="beginning", lines=3, width="760px")}
    controls |= {name: control for name, control in every.items() if name in known}
    return _Writer(model, vocabulary, filtered, controls, count)


@checked
def hidden_unit(
    text: str,
    states: Any,
    *,
    unit: int = 0,
    place: int = 0,
    length: int = 600,
    correlations: Mapping[str, Sequence[float]] | None = None,
) -> Explorer:
    """Look at one unit of a recurrent net: its state behind each letter of a passage.

    Args:
        text: T characters.
        states: (T, units), what the layer returned at each character.
        unit, place, length: the unit to begin with, and the passage: its first character and size.
        correlations: {name of a fact: (units,) correlation of each unit with it}; the fact that
            the unit goes with most closely is named.
    """
    states = array_of("The array of states", states, len(text), None)
    known = {}
    for name, each in (correlations or {}).items():
        known[name] = array_of(f"The list of correlations with {name}", each, states.shape[1])

    def draw(axes: Axes, unit: int, place: int) -> Drawn:
        part = slice(place, place + length)
        drawn = show_text.draw(axes, text[part], states[part, unit], title=f"unit {unit}")
        if not known:
            return drawn
        best = max(known, key=lambda name: abs(known[name][unit]))
        told = f" It goes most closely with: {best} (correlation {known[best][unit]:.2f})."
        return Drawn(drawn.caption + told, drawn.hover)

    controls = {
        "unit": Control(unit, (0, states.shape[1] - 1)),
        "place": Control(place, (0, max(len(text) - length, 0)), label="place in the text"),
    }
    return Explorer("hidden_unit", draw, controls, panels=show_text.panels)
