"""The style: figures of drawings, panels, texts that fit, settings that do not leak."""

import inspect
import threading

import matplotlib.pyplot as plt
import numpy
import pytest

from coursekit.console import CourseError
from coursekit.visuals.style import (
    DRAWING,
    Drawn,
    checked,
    draw_picture,
    figure,
    fit_text,
    panels,
    plain,
    use_style,
)


@figure(columns=2, size=(4.0, 2.0))
def show_two(axes, number, *, twice=False):
    """Draw a number on two panels."""
    for axis in axes:
        axis.plot([number, number * (1 + twice)])
    return Drawn(f"It is {number}.") if twice else f"It is {number}."


def test_a_figure_is_its_drawing_called_once(capsys):
    """A caption that is not printed, Axes that are not returned, a signature that misleads."""
    axes = show_two(3)
    assert capsys.readouterr().out == "It is 3.\n"
    assert [len(axis.lines) for axis in axes] == [1, 1]
    assert list(inspect.signature(show_two).parameters) == ["number", "twice"]
    assert show_two.__doc__.startswith("Draw a number")
    show_two(5, twice=True)
    assert capsys.readouterr().out == "It is 5.\n"
    assert show_two.draw(axes, 7) == "It is 7."


def test_the_style_is_set_by_one_thread_at_a_time():
    """A slider moved while a cell draws, after which all figures keep the course's settings."""
    free, before = [], dict(plt.rcParams)

    def look():
        free.append(DRAWING.acquire(blocking=False))
        if free[-1]:
            DRAWING.release()

    with use_style():
        other = threading.Thread(target=look)
        other.start()
        other.join()
        assert dict(plt.rcParams) != before
    look()
    assert free == [False, True]
    assert dict(plt.rcParams) == before


def test_text_keeps_within_the_width_in_both_alphabets():
    """Japanese titles measured as if their letters were narrow."""
    for text in ("herbaceous vegetation", "犬と猫を見分ける画像分類の授業", "a/b/cat.4711.jpg"):
        for line in fit_text(text, 1.0, size=10).split("\n"):
            ems = sum(0.62 if ord(letter) < 0x3000 else 1 for letter in line.rstrip("…"))
            assert ems * 10 <= 72 + 10
    assert fit_text("", 1.0) == ""
    assert fit_text("residential buildings", 1.0, lines=1) == "residentia…"  # never a bare "…"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (r"$\frac{$", r"$\frac{$"),
        ("$0-$50", "$0-$50"),
        ("a\x00\x1b[31m", r"a\x00\x1b[31m"),
        ("caf\udce9", r"caf\udce9"),
        (b"caf\xe9", r"caf\xe9"),
        (b"caf\xc3\xa9", "café"),
        ("犬", "犬"),
        (7, "7"),
    ],
)
@pytest.mark.filterwarnings("ignore:Glyph")  # of a font without kanji
def test_text_that_is_not_ours_is_shown_as_it_is(name, shown, capsys):
    """A price band drawn in italics without its dollars; a name of a file that ends the figure."""

    @figure()
    def show():
        axes = panels(columns=2, size=(6.0, 3.0))
        draw_picture(axes[0], [[0.0, 1.0]], name)
        axes[1].plot([1, 2], label=fit_text(name, 2.0))
        axes[1].legend()
        axes[1].set_xticks([0], [plain(name)])
        return Drawn(f"It is {plain(name)}.", axes=axes)

    axes = show()
    axes[0].figure.canvas.draw()
    texts = [axes[0].title, *axes[1].get_legend().get_texts(), *axes[1].get_xticklabels()]
    assert [text.get_text() for text in texts] == [shown] * 3
    assert not any(text.get_parse_math() for text in texts)
    assert capsys.readouterr().out == f"It is {shown}.\n"


def test_a_lesson_may_draw_formulas():
    """Powers of ten on a logarithmic axis that are written as $10^{-3}$."""
    with use_style():
        axes = panels()
        axes.semilogy([1, 1000])
        axes.figure.canvas.draw()
        assert axes.get_yticklabels()[0].get_parse_math()


@pytest.mark.parametrize(
    ("given", "named"),
    [({"count": 2.5}, "count=2.5"), ({"count": "3"}, "count='3'"),
     ({"names": "abc"}, "names='abc'"), ({"names": 3}, "3"),
     ({"share": None}, "share=None"), ({"made": 3}, "made=3")],
)  # fmt: skip
def test_what_is_of_another_kind_than_its_annotation_is_named(given, named):
    """A TypeError out of the middle of the course for a text in place of a list."""

    def drawn(
        count: "int" = 1,
        share: "float" = 0.5,
        names: "Sequence[str] | None" = None,  # noqa: F821
        made: "Callable[..., int]" = len,  # noqa: F821
        other: "Vectors | None" = None,  # noqa: F821
    ) -> None:
        """Take anything that fits."""

    checked(drawn)(numpy.int64(3), numpy.float32(1), numpy.array(["a"]), print, object())
    with pytest.raises(CourseError, match=named):
        checked(drawn)(**given)
