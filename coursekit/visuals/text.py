"""Texts with coloured tokens: which of them spoke for the verdict, and which against it."""

import numpy

from coursekit.console import CourseError
from coursekit.visuals.style import COLORS, WIDTH, digits, panels, say, sentence, use_style

SIZE = 11  # points of the letters, all of the same width
COLUMNS = int((WIDTH - 0.3) * 72 / (0.602 * SIZE))  # letters in a line
FULL = 0.9  # quantile of the strengths that gets the full colour: one giant would leave all pale


@use_style()
def show_tokens(tokens, values, *, title="", axes=None):
    """Draw a text whose tokens are coloured: blue speaks for the verdict, orange against it.

    The colour grows with the value and is full for the strongest tenth; strong tokens against
    are underlined as well, for eyes that do not tell the colours apart.

    Args:
        tokens: list of N words, or pieces of words.
        values: N numbers, positive for, negative against.
        title: the line above.
        axes: one Axes to draw on instead of a new figure.

    Raises:
        CourseError: there are no tokens, or not as many values.
    """
    tokens, values = [str(token) for token in tokens], numpy.asarray(values, float)
    if not tokens or len(tokens) != len(values):
        raise CourseError(f"{len(tokens)} tokens and {len(values)} values do not go together.")
    drawn = panels(size=(WIDTH, 0.3 + height(tokens)), axes=axes)[0, 0]
    draw_tokens(drawn, tokens, values)
    drawn.set_title(title, loc="left")
    strongest = numpy.argsort(-numpy.abs(values), kind="stable")[:3]
    said = [f"{tokens[row]} {digits(values[row])}" for row in strongest]
    say(sentence(f"the strongest of {len(tokens)} tokens: {', '.join(said)}"))
    return drawn


def height(tokens):
    """Return the inches that a panel as wide as a page needs for these tokens."""
    return 0.3 + 0.3 * _places(tokens)[1]


def draw_tokens(axes, tokens, values):
    """Draw coloured tokens on Axes and say nothing; arguments as in ``show_tokens``."""
    places, lines = _places(tokens)
    axes.set(xlim=(0, COLUMNS), ylim=(lines, 0))
    axes.axis("off")
    strengths = numpy.abs(values)
    full = numpy.quantile(strengths, FULL, method="higher") or strengths.max() or 1.0
    for token, value, (line, column) in zip(tokens, values, places, strict=True):
        share = min(1.0, abs(value) / full)
        _mark(axes, token, share, value < 0, line, column)


def _mark(axes, token, share, against, line, column):
    from matplotlib.patches import Rectangle

    colour = COLORS["orange" if against else "blue"]
    box = {"facecolor": colour, "alpha": 0.75 * share, "linewidth": 0}
    axes.add_patch(Rectangle((column, line + 0.08), len(token), 0.84, **box))
    if against and share > 0.3:
        axes.plot([column, column + len(token)], [line + 0.94] * 2, color=colour, linewidth=2)
    words = {"family": "monospace", "fontsize": SIZE, "va": "center", "parse_math": False}
    axes.text(column, line + 0.5, token, **words)


def _places(tokens):
    """Return ((line, column) of every token, lines)."""
    line = column = 0
    places = []
    for token in tokens:
        if column and column + len(token) > COLUMNS:
            line, column = line + 1, 0
        places.append((line, column))
        column += len(token) + 1
    return places, line + 1
