"""Explorers of language: a review that is judged while you type, and the words that may follow."""

import re
from dataclasses import dataclass

import numpy

from coursekit.console import CourseError
from coursekit.visuals.explore.frame import Explorer, Slider, Words
from coursekit.visuals.style import (
    COLORS,
    WIDTH,
    counted,
    digits,
    panels,
    say,
    sentence,
    use_style,
)
from coursekit.visuals.text import draw_tokens, height

UNSURE = 0.1  # so near to a half the verdict is a shrug
_VERBS = "was|were|is|are|am|did|does|do|has|have|had|can|could|will|would|should|must"
_FIRST = re.compile(rf"\b({_VERBS})(n't|'t| not|not)?\b", re.IGNORECASE)


# A review that is judged --------------------------------------------------------------------------


def negate(text):
    """Return the text with its first verb negated: "was" becomes "was not", and the other way.

    Where there is none of the verbs that it knows, "It is not true that" comes first.
    """
    text = text.replace("’", "'")
    if not text.strip() or _FIRST.search(text):
        return _FIRST.sub(lambda m: m[1] if m[2] else f"{m[1]} not", text, count=1)
    return f"It is not true that {text[0].lower()}{text[1:]}"


@dataclass(frozen=True)
class Judged:
    """What a model says of a text.

    Args:
        text: what was read.
        share: probability of the second of two classes.
        tokens: tuple of N tokens.
        values: (N,), how much each speaks for the second class.
    """

    text: str
    share: float
    tokens: tuple
    values: numpy.ndarray

    def verdict(self, names):
        """Return the verdict in words; ``names`` are those of the two classes."""
        if abs(self.share - 0.5) < UNSURE:
            return "unsure"
        return names[int(self.share > 0.5)]


class Judging:
    """The verdicts of a model; a text that was judged before is not judged again.

    Args:
        judge: function of a text that returns (probability, tokens, attributions).
    """

    def __init__(self, judge):
        self._judge, self._known = judge, {}

    def __call__(self, text):
        """Return the ``Judged`` text."""
        if text not in self._known:
            if not text.strip():
                raise CourseError("There is nothing to judge; type a sentence.")
            share, tokens, values = self._judge(text)
            values = values.detach().cpu().numpy() if hasattr(values, "detach") else values
            values = numpy.asarray(values, float)
            if len(tokens) != len(values) or not 0 <= float(share) <= 1:
                raise CourseError(
                    f"The function gave a probability of {digits(share)} and {len(values)} values "
                    f"for {counted(len(tokens), 'token')}; give one from 0 to 1, and a value each."
                )
            if len(self._known) > 50:
                self._known.clear()
            self._known[text] = Judged(text, float(share), tuple(map(str, tokens)), values)
        return self._known[text]


def compare(one, other, names):
    """Return in words what a model says of two texts, and whether its verdict turns."""
    first, second = one.verdict(names), other.verdict(names)
    if "unsure" in (first, second):
        turned = "near a half a verdict says nothing"
    else:
        turned = "the verdict turns round" if first != second else "the verdict stays"
    return sentence(
        f"the review: {first}, {digits(one.share)}",
        f"beside it: {second}, {digits(other.share)}",
        turned,
    )


@use_style()
def _draw_judged(axes, one, other, names):
    both = (one, other)
    drawn = _placed(axes, [1.3, *(height(text.tokens) for text in both)])
    shares = [text.share for text in both]
    colours = [COLORS["blue" if share > 0.5 else "orange"] for share in shares]
    drawn[0].barh([0, 1], shares, color=colours, height=0.6)
    for place, text in enumerate(both):
        words = f" {digits(text.share)}  {text.verdict(names)}"
        drawn[0].text(max(text.share, 0.004), place, words, va="center", parse_math=False)
    drawn[0].axvline(0.5, color=COLORS["grey"], linewidth=1)
    drawn[0].set_yticks([0, 1], ["the review", "beside it"])
    drawn[0].set(xlim=(0, 1.25), ylim=(1.6, -0.6))
    drawn[0].set_xticks([0, 0.25, 0.5, 0.75, 1])
    drawn[0].set_title(f"probability: {names[1]}", loc="left", parse_math=False)
    drawn[0].grid(False, axis="y")
    for axes, text, title in zip(drawn[1:], both, ("the review", "beside it"), strict=True):
        draw_tokens(axes, text.tokens, text.values)
        axes.set_title(title, loc="left")
    return drawn


def _placed(axes, heights):
    """Return three Axes below each other, of these inches; placed by hand, which saves time."""
    drawn = panels(3, 1, size=(WIDTH, sum(heights)), axes=axes)[:, 0]
    figure, whole = drawn[0].figure, sum(heights)
    figure.set_layout_engine("none")
    figure.set_size_inches(WIDTH, whole)
    bottom = whole
    for axis, tall, left, below in zip(
        drawn, heights, (0.95, 0.15, 0.15), (0.3, 0, 0), strict=True
    ):
        bottom -= tall
        room = tall - below - 0.3  # for the title
        place = (left, bottom + below, WIDTH - 0.15 - left, room)
        axis.set_position([place[0] / WIDTH, place[1] / whole, place[2] / WIDTH, place[3] / whole])
    return drawn


def review(
    judge,
    *,
    text="The acting was superb.",
    beside=None,
    names=("a bad film", "a good film"),
):
    """Type a review and see its verdict, the words that moved it, and another version beside it.

    Blue words speak for the second class, orange and underlined ones against it.

    Args:
        judge: function of a text that returns (probability of the second class, list of N tokens,
            N numbers: how much each token speaks for it).
        text: the review.
        beside: the other version; None: the review with its first verb negated.
        names: of the two classes.
    """
    judging = Judging(judge)

    def draw(axes, text, beside):
        one, other = judging(text), judging(beside)
        say(compare(one, other, names))
        return _draw_judged(axes, one, other, names)

    controls = {
        "text": Words("the review", text, rows=3),
        "beside": Words("beside it", negate(text) if beside is None else beside, rows=3),
    }
    buttons = {
        "Negate the review beside it": lambda shown: shown.set(
            beside=negate(shown.settings["text"])
        )
    }
    return Explorer("review", draw, controls, buttons=buttons)


# The words that may follow ------------------------------------------------------------------------

NEVER = ("<unk>", "<pad>", "<start>")  # an unknown word, padding, another text
SHOWN = 10


class Continuation:
    """A text and the tokens that may follow it; it keeps numbers, so that no mark is lost.

    Args:
        shares: function of a list of numbers that returns a probability for each token (N,).
        vocabulary: has ``encode``, ``decode`` and ``itos``, as a ``ck.Vocabulary``.
        text: the beginning.
        seed: of the draws.
    """

    def __init__(self, shares, vocabulary, text, *, seed=42):
        self._shares, self.vocabulary = shares, vocabulary
        self._dice = numpy.random.default_rng(seed)
        self._last = None, None
        self._wrong = [n for n, token in enumerate(vocabulary.itos) if token in NEVER]
        self.type(text)

    def type(self, text):
        """Begin anew with a text."""
        self.text, self.numbers = text, self.vocabulary.encode(text)

    def odds(self, temperature=1.0):
        """Return the probability of each token (N,); below 1 likely ones become likelier still."""
        if self._last[0] != self.numbers:
            found = self._shares(list(self.numbers))
            found = found.detach().cpu().numpy() if hasattr(found, "detach") else found
            found = numpy.array(found, float)
            if found.shape != (len(self.vocabulary.itos),):
                raise CourseError(
                    f"The probabilities have shape {found.shape}; give one for each of the "
                    f"{len(self.vocabulary.itos)} tokens."
                )
            found[self._wrong] = 0
            self._last = list(self.numbers), found
        powers = self._last[1] ** (1 / temperature)
        return powers / powers.sum()

    def best(self, temperature=1.0):
        """Return [(token, probability)] of the most probable ones."""
        odds = self.odds(temperature)
        order = numpy.argsort(-odds, kind="stable")[:SHOWN]
        return [(self.vocabulary.itos[number], odds[number]) for number in order]

    def go_on(self, temperature=1.0, *, drawn=True, count=1):
        """Add tokens to the text: drawn by their probability, or the most probable ones."""
        for _ in range(count):
            odds = self.odds(temperature)
            number = self._dice.choice(len(odds), p=odds) if drawn else odds.argmax()
            self.numbers = [*self.numbers, int(number)]
        self.text = self.vocabulary.decode(self.numbers)

    def ending(self, letters=60):
        """Return the end of the text, with the marks that wait for a word."""
        itos, marks = self.vocabulary.itos, []
        for number in reversed(self.numbers):
            if itos[number] in NEVER or not re.fullmatch(r"<\w+>", itos[number]):
                break
            marks.insert(0, itos[number])
        end = self.text if len(self.text) <= letters else f"… {self.text[-letters:]}"
        return " ".join([end, *marks])


def _short(share):
    """Return a share as text: two decimals, or its first digit where that would be nothing."""
    return f"{share:.2f}" if share >= 0.01 else f"{share:.1g}"


@use_style()
def _draw_next(axes, continuation, temperature):
    best = continuation.best(temperature)
    drawn = panels(size=(8.5, 3.6), axes=axes)[0, 0]
    places = range(len(best))
    drawn.barh(places, [share for _, share in best], color=COLORS["blue"], height=0.7)
    for place, (_, share) in zip(places, best, strict=True):
        drawn.text(share, place, f" {_short(share)}", va="center")
    drawn.set_yticks(places, [token for token, _ in best], family="monospace", parse_math=False)
    drawn.set(
        xlim=(0, 1.15 * max(best[0][1], 0.1)), ylim=(len(best) - 0.4, -0.6), xlabel="probability"
    )
    drawn.grid(False, axis="y")
    drawn.set_title(f"after: {continuation.ending()}", loc="left", parse_math=False)
    token, highest = best[0][0], _short(best[0][1])
    together = _short(sum(share for _, share in best))
    say(
        sentence(
            f"after “{continuation.ending(30)}” the most probable is “{token}” with {highest}",
            f"{counted(len(best), 'token')} of {len(continuation.vocabulary.itos):,} share "
            f"{together}",
        )
    )
    return drawn


class _NextWords(Explorer):
    """The bars of what may follow, and buttons that take one of them."""

    def __init__(self, continuation, controls):
        buttons = {
            "Take the most probable": lambda shown: shown.take(drawn=False),
            "Draw one": lambda shown: shown.take(),
            "Draw ten": lambda shown: shown.take(count=10),
        }
        super().__init__("next_words", self._follow, controls, buttons=buttons)
        self.continuation = continuation

    def _follow(self, axes, text, temperature):
        self._read(text)
        return _draw_next(axes, self.continuation, temperature)

    def _read(self, text):
        if text != self.continuation.text:
            self.continuation.type(text)

    def take(self, **how):
        """Add words to the text and show what may come after them."""
        self._read(self.settings["text"])  # it may be typed and not drawn yet
        self.continuation.go_on(self.settings["temperature"], **how)
        self.set(text=self.continuation.text)


def next_words(shares, vocabulary, *, text="The acting", temperature=1.0, seed=42):
    """Type a beginning and see which words a language model expects; take one, and go on.

    Args:
        shares: function of the numbers of the tokens so far (list of int) that returns the
            probability of each of the N tokens to come next.
        vocabulary: the ``ck.Vocabulary`` of the model, or anything with ``encode``, ``decode`` and
            ``itos``.
        text: the beginning.
        temperature: 0.2 to 2; below 1 likely words become likelier still.
        seed: of the draws.
    """
    controls = {
        "text": Words("beginning", text, rows=3),
        "temperature": Slider("temperature", float(temperature), low=0.2, high=2.0, step=0.1),
    }
    continuation = Continuation(shares, vocabulary, text, seed=seed)
    return _NextWords(continuation, controls)
