"""A text and its numbers on a page."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import coursekit as ck
from coursekit.visuals.letters import letter_grid


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_each_number_stands_under_its_character():
    """Colours shifted by one against the letters, at the end of a line or where it is broken."""
    text = "ab\ncdefg\n\nh"
    characters, numbers = letter_grid(text, range(len(text)), columns=4)
    rows = ["".join(row) for row in characters]
    assert rows == ["ab↵", "cdef", "g↵", "↵", "h"]
    seen = [(c, int(n)) for c, n in zip(characters.flat, numbers.flat, strict=True) if c]
    assert seen == [(c.replace("\n", "↵"), n) for n, c in enumerate(text)]
    assert np.isnan(numbers[characters == ""]).all()


@pytest.mark.parametrize("values", [[1, 2], [[1, 2, 3]], []])
def test_numbers_that_do_not_fit_are_refused(values):
    """A figure that silently leaves the end of the text out."""
    with pytest.raises(ck.CourseError, match="one number for each character"):
        ck.show_letters("abc", values)


def test_the_figure_says_what_it_shows(capsys):
    """A colour that only those see who see colours; dollars read as a formula."""
    axis = ck.show_letters('a "$x$"\nb', [0, 0, 1, 1, 2, 1, 1, 0, -1], label="in quotes")
    axis.figure.canvas.draw()
    said = capsys.readouterr().out
    assert said == "In quotes of 9 characters; highest of 2 at 'a \"$' > 'x'; lowest of -1 at " + (
        "'a \"$x$\"\\n' > 'b'.\n"
    )
    low, high = axis.images[0].get_clim()
    assert (low, high) == (-1, 2)


def test_a_flat_line_can_be_drawn():
    """A division by the reach of numbers that are all alike; numbers that come as a tensor."""
    axis = ck.show_letters("same", torch.full((4,), 3.0), middle=3)
    axis.figure.canvas.draw()
    low, high = axis.images[0].get_clim()
    assert low == 3 < high


def test_nothing_below_the_middle_leaves_no_half_of_the_colours_unused():
    """Surprise, never negative, on a scale that is half blue."""
    axis = ck.show_letters("ab", [0, 4], middle=0)
    assert axis.images[0].get_clim() == (0, 4)
    assert axis.images[0].get_cmap()(0.0)[:3] == (1, 1, 1)
