"""A model that writes: what may follow a text, a text that streams, one unit over a passage."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from coursekit.console import CourseError
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, Drawn, counted, digits, sentence
from coursekit.visuals.text import show_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Model = Callable[[list[int]], Any]  # numbers of the tokens so far -> (V,) numbers
BARS, SEED = 10, 42
REACH = 500  # tokens; a model without memory between two calls reads so many again for each
STRIDE = 3  # tokens between two pictures of a text that streams


class _Writer(Explorer):
    """A text that grows by tokens drawn from a model, and bars of what may come next.

    ``choose`` is a function of what the model returns, and of the settings, that returns
    probabilities (V,); ``plain`` are the settings that change nothing; ``count`` tokens are written
    where no widgets run.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        vocabulary: Any,
        choose: Callable[..., Any],
        controls: dict[str, Control],
        *,
        plain: dict[str, Any],
        buttons: dict[str, Any],
        count: int = 0,
    ) -> None:
        buttons = buttons | {"Begin again": lambda shown: (shown.begin(), shown.redraw())}
        panels = {"size": (8.5, 3.6)}
        super().__init__(name, self.draw, controls, panels=panels, buttons=buttons)
        self.model, self.vocabulary, self.choose = model, vocabulary, choose
        self.plain, self.count = plain, count
        self._read: tuple[Any, Any] = None, None
        self.begin()

    def begin(self) -> None:
        """Go back to the text of the field."""
        self.stop()
        self.start, self.rng = self.settings["text"], numpy.random.default_rng(SEED)
        self.numbers = list(self.vocabulary.encode(self.start))

    def probabilities(self, **settings: Any) -> numpy.ndarray:
        """Ask what may follow: the model once for each text, its filter for each setting."""
        if self._read[0] != self.numbers:
            self._read = list(self.numbers), self.model(self.numbers[-REACH:])
        found = self.choose(self._read[1], **settings)
        found = found.detach().cpu() if hasattr(found, "detach") else found
        found = numpy.asarray(found, float)
        if found.shape != (len(self.vocabulary.itos),) or not abs(found.sum() - 1) < 1e-3:
            raise CourseError(
                f"The function returned numbers of shape {found.shape} that add up to "
                f"{digits(found.sum())}; return a probability for each of the "
                f"{len(self.vocabulary.itos)} tokens."
            )
        return found / found.sum()

    def add(self, count: int = 1, *, best: bool = False) -> None:
        """Append tokens: drawn by their probability, or the most probable ones."""
        if self.settings["text"] != self.start:  # typed, and not drawn yet
            self.begin()
        for _ in range(count):
            p = self.probabilities(**self._filters())
            self.numbers.append(int(p.argmax() if best else self.rng.choice(len(p), p=p)))

    def write(self) -> None:
        """Stream tokens with the settings of each moment."""

        def steps() -> Iterator[None]:
            for _ in range(0, self.count, STRIDE):
                self.add(STRIDE)
                self.redraw()
                yield

        self.play(steps(), pause=0.02)

    def text(self) -> str:
        """Write the tokens as text, with marks such as <cap> that still wait for a word."""
        marks: list[str] = []
        for number in reversed(self.numbers):
            if not re.fullmatch(r"<\w+>", token := self.vocabulary.itos[number]):
                break
            marks.insert(0, token)
        return " ".join([self.vocabulary.decode(self.numbers), *marks])

    def _filters(self) -> dict[str, Any]:
        return {name: value for name, value in self.settings.items() if name != "text"}

    def draw(self, axes: Axes, text: str, **settings: Any) -> Drawn:
        """Draw the probabilities of the next token, before and after the filter."""
        if text != self.start:
            self.begin()
        itos, page = self.vocabulary.itos, self.text()
        before, after = self.probabilities(**self.plain), self.probabilities(**settings)
        order = [n for n in numpy.argsort(-before, kind="stable")[:BARS] if before[n] > 0]
        names = [itos[n] if itos[n].strip() else repr(itos[n]) for n in order]
        axes.barh(range(len(order)), after[order], color=COLORS["blue"], label="after the settings")
        line = {"fill": False, "edgecolor": COLORS["black"], "linewidth": 1.2}
        axes.barh(range(len(order)), before[order], label="what the model says", **line)
        for row, n in enumerate(order):
            short = f" {after[n]:.2f}" if after[n] >= 0.01 else f" {after[n]:.1g}"
            axes.text(max(after[n], before[n]), row, short, va="center")
        axes.set_yticks(range(len(order)), names, family="monospace", parse_math=False)
        high = 1.15 * max(after[order].max(), before[order].max(), 0.1)
        axes.set(xlim=(0, high), ylim=(len(order) - 0.4, -0.6), xlabel="probability")
        axes.grid(False, axis="y")
        axes.legend(loc="lower right")
        end = page if len(page) <= 60 else f"… {page[-60:]}"
        axes.set_title(f"after: {' '.join(end.split())}", loc="left", parse_math=False)
        caption = sentence(
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


def next_words(
    model: Model,
    vocabulary: Any,
    sharpen: Callable[..., Any],
    *,
    text: str = "The acting",
    temperature: float = 1.0,
) -> Explorer:
    """Type a beginning and see which words a language model expects; take one, and go on.

    Args:
        model: function of the numbers of the tokens so far that returns probabilities (V,).
        vocabulary: the ``ck.Vocabulary`` of the model.
        sharpen: function (probabilities, temperature=) that returns those to draw from.
        text: the beginning.
        temperature: 0.2 to 2; below 1 likely words become likelier still.
    """
    controls = {
        "text": Control(text, label="beginning", lines=3, width="760px"),
        "temperature": Control(float(temperature), (0.2, 2.0, 0.1)),
    }
    buttons = {
        "Take the most probable": lambda shown: (shown.add(best=True), shown.redraw()),
        "Draw one": lambda shown: (shown.add(), shown.redraw()),
        "Draw ten": lambda shown: (shown.add(10), shown.redraw()),
    }
    how: Any = {"plain": {"temperature": 1.0}, "buttons": buttons}
    return _Writer("next_words", model, vocabulary, sharpen, controls, **how)


def generate(
    model: Model,
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
        model: function of the numbers of the tokens so far that returns scores (V,).
        vocabulary: the ``ck.Vocabulary`` of the model.
        filtered: function (scores, temperature=, top_k=, nucleus=) that returns the probabilities
            (V,) to draw from; top_k=0 and nucleus=1.0 leave all tokens in.
        text: the beginning.
        temperature: 0.1 to 2.
        top_k: how many of the most probable may be drawn, up to 30; 0 for all.
        nucleus: probability that those to draw from reach together, 0.05 to 1.
        count: tokens that are written at a time.
    """
    plain = {"temperature": 1.0, "top_k": 0, "nucleus": 1.0}
    controls = {
        "text": Control(text, label="beginning", lines=3, width="760px"),
        "temperature": Control(float(temperature), (0.1, 2.0, 0.05)),
        "top_k": Control(top_k, (0, 30), label="top-k (0: all)"),
        "nucleus": Control(float(nucleus), (0.05, 1.0, 0.05), label="nucleus (1: all)"),
    }
    how: Any = {"plain": plain, "buttons": {"Write": _Writer.write, "Stop": Explorer.stop}}
    return _Writer("generate", model, vocabulary, filtered, controls, **how, count=count)


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

    Raises:
        CourseError: there is not one row of states for each character.
    """
    states = numpy.asarray(states, float)
    if states.ndim != 2 or len(states) != len(text):
        raise CourseError(
            f"{counted(len(text), 'character')} and states of shape {states.shape} do not fit; "
            "give one row of states for each character."
        )

    def draw(axes: Axes, unit: int, place: int) -> Drawn:
        part = slice(place, place + length)
        drawn = show_text.draw(axes, text[part], states[part, unit], title=f"unit {unit}")
        known = {name: float(each[unit]) for name, each in (correlations or {}).items()}
        best = max(known, key=lambda name: abs(known[name]), default=None)
        told = (
            f" It goes most closely with: {best} (correlation {known[best]:.2f})." if best else ""
        )
        return Drawn(drawn.caption + told, drawn.hover)

    controls = {
        "unit": Control(int(unit), (0, states.shape[1] - 1)),
        "place": Control(int(place), (0, max(len(text) - length, 0)), label="place in the text"),
    }
    return Explorer("hidden_unit", draw, controls, panels=show_text.panels)
