"""A text with a number for each of its characters: what a unit does, how surprised a model is."""

import html

import numpy

from coursekit.console import CourseError
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


def letter_grid(text, values, *, columns=72):
    """Return a text and its numbers as they stand on a page.

    Args:
        text: str; a line longer than ``columns`` goes on in the next row.
        values: one number a character, the end of a line included.
        columns: of the page.

    Returns:
        (characters, numbers): arrays (rows, columns) of str and float; "" and NaN where nothing
        stands; the end of a line is "↵".
    """
    values = numpy.asarray(values, float)
    if not text or values.shape != (len(text),):
        raise CourseError(
            f"{counted(len(text), 'character')} and numbers of shape {values.shape} do not fit; "
            "give one number for each character."
        )
    places, row, column = [], 0, 0
    for character in text:
        if column == columns:
            row, column = row + 1, 0
        places.append((row, column))
        row, column = (row + 1, 0) if character == "\n" else (row, column + 1)
    characters = numpy.full((places[-1][0] + 1, columns), "", dtype="<U1")
    numbers = numpy.full(characters.shape, numpy.nan)
    for place, character, value in zip(places, text, values, strict=True):
        characters[place], numbers[place] = "↵" if character == "\n" else character, value
    return characters, numbers


def letter_scale(values, middle=None):
    """Return (colour map, lowest, highest number): white in the middle, blue below, orange above.

    Args:
        values: numbers; where none is below the middle, the map begins with white.
        middle: the number that stays white; by default half-way between lowest and highest.
    """
    from matplotlib.colors import LinearSegmentedColormap

    values = numpy.asarray(values, float)
    low, high = values.min(), values.max()
    middle = (low + high) / 2 if middle is None else middle
    reach = max(high - middle, middle - low, 1e-9)
    colours = [COLORS["sky"], "#ffffff", COLORS["orange"]]
    lowest, colours = (middle, colours[1:]) if low >= middle else (middle - reach, colours)
    return LinearSegmentedColormap.from_list("letters", colours), lowest, middle + reach


def letter_sentence(text, values, label=""):
    """Return in words where a text has its highest and its lowest number."""
    values = numpy.asarray(values, float)
    around = [
        f"{what} of {digits(values[at])} at {text[max(0, at - 12) : at]!r} > {text[at]!r}"
        for what, at in (("highest", values.argmax()), ("lowest", values.argmin()))
    ]
    return sentence(f"{label or 'value'} of {counted(len(text), 'character')}", *around)


def letters_html(text, values, *, label="", middle=None):
    """Return the same as ``show_letters`` as HTML, made in milliseconds; for what moves.

    The number of each character is shown where the mouse rests on it.

    Args:
        text, values, label, middle: as in ``show_letters``.
    """
    from matplotlib.colors import to_hex

    values = numpy.asarray(values, float)
    letter_grid(text, values)  # refuses numbers that do not fit
    colours, lowest, highest = letter_scale(values, middle)
    table = [to_hex(one) for one in colours(numpy.linspace(0, 1, 65))]
    places = ((values - lowest) / (highest - lowest) * 64).round().astype(int)
    letters = "".join(
        f'<span style="background:{table[place]}" title="{digits(value)}">'
        f"{html.escape(character.replace(chr(10), '↵' + chr(10)))}</span>"
        for character, value, place in zip(text, values, places, strict=True)
    )
    bar = (
        f'{html.escape(label)} {digits(lowest)} <span style="display: inline-block; width: 160px;'
        f' height: 0.8em; background: linear-gradient(to right, {", ".join(table[::16])})">'
        f"</span> {digits(highest)}"
    )
    how = "white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.5; color: black"
    return f'<pre style="{how}; background: white">{letters}</pre><p>{bar}</p>'


@use_style()
def show_letters(text, values, *, label="", columns=72, middle=None, axes=None):
    """Draw a text, each character on a ground coloured by its number: blue low, orange high.

    Args:
        text: str, some hundred characters.
        values: one number a character.
        label: what the number is, for the colour bar and the sentence.
        columns: characters in a row, at most.
        middle: the number that stays white; by default half-way between lowest and highest.
        axes: one Axes; None for a new figure.
    """
    characters, numbers = letter_grid(text, values, columns=columns)
    colours, lowest, highest = letter_scale(values, middle)
    rows = len(characters)
    axis = panels(size=(WIDTH, 0.22 * rows + 0.9), axes=axes)[0, 0]
    limits = {"vmin": lowest, "vmax": highest}
    image = axis.imshow(numbers, cmap=colours, aspect="auto", **limits)
    for (row, column), character in numpy.ndenumerate(characters):
        how = {"ha": "center", "va": "center", "size": 9, "family": "monospace"}
        axis.text(column, row, character, parse_math=False, **how)
    axis.axis("off")
    bar = {"orientation": "horizontal", "shrink": 0.4, "aspect": 40, "pad": 0.03}
    axis.figure.colorbar(image, ax=axis, label=label, **bar)
    say(letter_sentence(text, values, label))
    return axis
