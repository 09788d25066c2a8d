"""Explorers of a net that writes: a text that streams, and one unit's state over a passage."""

import html
import math

import numpy

from coursekit.console import CourseError
from coursekit.visuals.explore.frame import Explorer, Slider, Words
from coursekit.visuals.letters import letter_sentence, letters_html, show_letters
from coursekit.visuals.style import COLORS, counted, digits, panels, say, sentence, use_style

SPOKEN = {" ": "space", "\n": "new line", ",": "comma", ".": "full stop", "\t": "tab", "'": "quote"}
REACH = 500  # characters; a net that has no memory between two calls reads so many again
BARS = 12
_PAGE = "white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.4; max-width: 800px"


class _Live(Explorer):
    """HTML of its own where it must follow at once, the usual picture where it stands still.

    Args:
        live: function (**settings) that returns (HTML, sentence).
    """

    def __init__(self, name, draw, controls, *, live, buttons=None):
        super().__init__(name, draw, controls, buttons=buttons)
        self._live, self._markup = live, ""

    def redraw(self):
        """Draw, in one of the two ways."""
        if self._view is None:
            super().redraw()
            return
        self._markup, self.sentence = self._live(**self.settings)
        self._update_view()

    def html(self):
        """Return what stands below the controls."""
        return self._markup or super().html()


# Writing ----------------------------------------------------------------------------------------


def filtered(scores, *, temperature=1.0, top_k=0, nucleus=1.0):
    """Return the probabilities (N,) from which the next character is drawn.

    Args:
        scores: (N,), as a net gives them before softmax; -inf is never drawn.
        temperature: the scores are divided by it; below 1 timid, above 1 bold.
        top_k: only so many of the most probable stay; 0 for all.
        nucleus: only the most probable that together reach this share stay; 1 for all.
    """
    scores = numpy.asarray(scores, float) / temperature
    powers = numpy.exp(scores - scores.max())
    shares = powers / powers.sum()
    order = numpy.argsort(-shares, kind="stable")
    ranked = shares[order]
    if top_k:
        ranked[top_k:] = 0
    if nucleus < 1:
        ranked[numpy.cumsum(ranked) - ranked >= nucleus] = 0
    kept = numpy.zeros_like(shares)
    kept[order] = ranked / ranked.sum()
    return kept


class Writing:
    """A text that grows by one character at a time.

    Args:
        scores: function of a text that returns the scores (N,) of what may follow.
        names: the N characters; what is longer than one, a sign for unknown ones, is never drawn.
        seed: of the draws.
    """

    def __init__(self, scores, names, *, seed=42):
        self.names, self._scores = list(names), scores
        self._wrong = numpy.array([len(name) != 1 for name in self.names])
        self._random = numpy.random.default_rng(seed)
        self._last = None, None

    def scores(self, text):
        """Return the scores (N,) of what follows a text; asked twice, the net is run once."""
        if self._last[0] != text:
            found = self._scores(text[-REACH:])
            found = found.detach().cpu().numpy() if hasattr(found, "detach") else found
            found = numpy.array(found, float)
            if found.shape != self._wrong.shape:
                raise CourseError(
                    f"The scores have shape {found.shape}; give one for each of the "
                    f"{len(self.names)} characters."
                )
            found[self._wrong] = -math.inf
            self._last = text, found
        return self._last[1]

    def letter(self, text, **filters):
        """Return one character drawn from what may follow; ``filters`` as in ``filtered``."""
        return self.names[self._random.choice(len(self.names), p=self.shares(text, **filters))]

    def shares(self, text, **filters):
        """Return the probabilities (N,) of what follows, after the filters."""
        return filtered(self.scores(text), **filters)

    def bars(self, text, **filters):
        """Return [(name, probability before, after the filters)] of the most probable."""
        before, after = self.shares(text), self.shares(text, **filters)
        order = numpy.argsort(-before, kind="stable")[:BARS]
        return [(self.names[n], before[n], after[n]) for n in order]

    def sentence(self, text, **filters):
        """Return in words what may follow a text."""
        after = self.shares(text, **filters)
        best, many = after.argmax(), int((after > 0).sum())
        return sentence(
            f"after {text[-20:]!r} the most probable is {self.names[best]!r} with "
            f"{digits(after[best])}",
            f"{many} of {counted(len(self.names), 'character')} may be drawn",
        )


def _spoken(name):
    return SPOKEN.get(name, name)


@use_style()
def _draw_bars(axes, bars):
    drawn = panels(size=(8.5, 2.9), axes=axes)[0, 0]
    names, before, after = zip(*bars, strict=True)
    places = numpy.arange(len(bars))
    drawn.bar(places, after, width=0.8, color=COLORS["blue"], label="after the filters")
    plain = {"fill": False, "edgecolor": COLORS["black"], "linewidth": 1.2}
    drawn.bar(places, before, width=0.8, label="what the net says", **plain)
    drawn.set_xticks(places, [_spoken(name) for name in names])
    drawn.set(ylabel="probability", title="the character after the beginning")
    drawn.grid(False, axis="x")
    drawn.legend(loc="upper right")
    return drawn


def _bars_html(bars):
    """Return the same bars as HTML: filled after the filters, a line where the net's own is."""
    most = max(max(before, after) for _, before, after in bars)
    rows = "".join(
        '<div style="display: flex; height: 1.3em; line-height: 1.3em">'
        '<span style="width: 5.5em; text-align: right; padding-right: 0.6em">'
        f"{html.escape(_spoken(name))}</span>"
        f'<span style="position: relative; width: 300px"><span style="position: absolute; top: 15%;'
        f' height: 70%; width: {after / most:.1%}; background: {COLORS["blue"]}"></span>'
        f'<span style="position: absolute; top: 5%; height: 90%; left: {before / most:.1%}; '
        f'border-left: 3px solid {COLORS["orange"]}"></span></span>'
        f'<span style="padding-left: 0.6em">{after:.2f}</span></div>'
        for name, before, after in bars
    )
    return (
        f'<div><p style="margin: 0">The next character: blue after the filters, the orange mark '
        f"what the net says by itself</p>{rows}</div>"
    )


class _Writer(_Live):
    """A text that is written by buttons, and the bars of what may come next."""

    def __init__(self, writing, controls, *, count):
        buttons = {"Write": _Writer._write, "Stop": Explorer.stop, "Begin again": _Writer._clear}
        super().__init__("generate", self._still, controls, live=self._moving, buttons=buttons)
        self.writing, self.count, self.text = writing, count, self.settings["start"]
        self._begun = self.text

    def redraw(self):
        """Draw; where it stands still, the text is shown beside the picture."""
        super().redraw()
        self.page = self.text

    def _still(self, axes, start, **filters):
        """Draw the bars after the beginning, and write the whole text at once."""
        self.text = start
        for _ in range(self.count):
            self.text += self.writing.letter(self.text, **filters)
        say(self.writing.sentence(start, **filters))
        return _draw_bars(axes, self.writing.bars(start, **filters))

    def _moving(self, start, **filters):
        if start != self._begun:
            self.text = self._begun = start
        page = f'<pre style="{_PAGE}">{html.escape(self.text)}▌</pre>'
        return (  # the bars first, for the text grows
            _bars_html(self.writing.bars(self.text, **filters)) + page,
            self.writing.sentence(self.text, **filters),
        )

    def _write(self):
        self.play(self._letters(), pause=0.02)

    def _letters(self):
        """Add one character at each step, with the filters as they stand at that moment."""
        for _ in range(self.count):
            filters = {name: one for name, one in self.settings.items() if name != "start"}
            self.text += self.writing.letter(self.text, **filters)
            self.redraw()
            yield

    def _clear(self):
        self.stop()
        self.text = self.settings["start"]
        self.redraw()


def generate(
    scores, names, *, start="The ", temperature=1.0, top_k=0, nucleus=1.0, count=300, seed=42
):
    """Let a net write while you watch: timidly, boldly or wildly, with the next letter's odds.

    Args:
        scores: function of a text (its last 500 characters at most) that returns the scores (N,)
            of what may follow, before softmax.
        names: the N characters that the scores belong to.
        start: the text to go on from.
        temperature: 0.1 to 2.
        top_k: draw from so many of the most probable, up to 30; 0 for all.
        nucleus: draw from the most probable that reach this share, 0.05 to 1; 1 for all.
        count: characters that are written at a time.
        seed: of the draws.
    """
    controls = {
        "start": Words("beginning", start),
        "temperature": Slider("temperature", float(temperature), low=0.1, high=2.0, step=0.05),
        "top_k": Slider("top-k (0: all)", top_k, low=0, high=30),
        "nucleus": Slider("nucleus (1: all)", float(nucleus), low=0.05, high=1.0, step=0.05),
    }
    return _Writer(Writing(scores, names, seed=seed), controls, count=count)


# One unit ---------------------------------------------------------------------------------------


def correlations(facts, states):
    """Return (facts, units): how closely each unit goes with each fact, from -1 to 1.

    Args:
        facts: (F, T), one row a fact.
        states: (T, units).
    """
    facts = numpy.asarray(facts, float)
    states = numpy.asarray(states, float)
    facts = facts - facts.mean(1, keepdims=True)
    states = states - states.mean(0)
    scale = numpy.linalg.norm(facts, axis=1)[:, None] * numpy.linalg.norm(states, axis=0)
    return facts @ states / numpy.maximum(scale, 1e-9)


def hidden_unit(text, states, *, unit=0, place=0, length=600, facts=None):
    """Look at one unit of a recurrent net: its state over a text, as a colour behind each letter.

    Args:
        text: str of T characters.
        states: (T, units), what the layer gave at each character.
        unit: which one to begin with.
        place: where in the text the passage begins.
        length: characters of the passage.
        facts: {name: T numbers}, what is known of each place; the one that the unit goes with most
            closely over the whole text is named.
    """
    states, facts = numpy.asarray(states, float), dict(facts or {})
    if states.ndim != 2 or len(states) != len(text):
        raise CourseError(
            f"{counted(len(text), 'character')} and states of shape {states.shape} do not fit; "
            "give one row of states for each character."
        )
    close = correlations(list(facts.values()), states) if facts else None

    def passage(unit, place):
        part = slice(place, place + length)
        return text[part], states[part, unit]

    def goes_with(unit):
        if not facts:
            return ""
        best = numpy.abs(close[:, unit]).argmax()
        name, value = list(facts)[best], digits(close[best, unit])
        return f" Over the whole text it goes most closely with: {name} ({value})."

    def still(axes, unit, place):
        drawn = show_letters(*passage(unit, place), label=f"unit {unit}", middle=0)
        if facts:
            say(goes_with(unit))
        return drawn

    def moving(unit, place):
        shown, label = passage(unit, place), f"unit {unit}"
        said = letter_sentence(*shown, label) + goes_with(unit)
        return letters_html(*shown, label=label, middle=0), said

    controls = {
        "unit": Slider("unit", int(unit), low=0, high=states.shape[1] - 1),
        "place": Slider("place in the text", place, low=0, high=max(len(text) - length, 0)),
    }
    return _Live("hidden_unit", still, controls, live=moving)
