"""Texts on colored grounds, and a review that is judged while it is typed."""

import numpy
import pytest
import torch

import coursekit as ck
from coursekit.visuals import explore, text
from tests.visuals.explorers.lesson_4 import judge


def grounds(axes):
    """Read the color of each cell's upper left corner off the page: (rows, columns, 3)."""
    page = numpy.asarray(axes.images[0].get_array())
    return page[4 :: text.CELL[1], :: text.CELL[0], :3].astype(int)


def test_each_number_stands_under_its_character():
    """Colors shifted by one against the letters, at the end of a line or where it is broken."""
    letters = "ab\n" + "c" * (text.COLUMNS + 1) + "\n\nh"
    values = numpy.zeros(len(letters))
    values[[1, 2, text.COLUMNS + 3, len(letters) - 1]] = 1, -1, 1, -1
    seen = grounds(ck.show_text(letters, values))
    colored = {(row, column) for row, column in numpy.argwhere((seen != 255).any(2)).tolist()}
    assert colored == {(0, 1), (0, 2), (2, 0), (4, 0)}
    blue, orange = seen[0, 1], seen[0, 2]
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]


def test_tokens_stand_apart_and_break_whole():
    """A word that is cut in two, or colors that belong to the word beside."""
    tokens = ["word"] * 21 + ["good", "dull"]  # 21 words and their gaps fill a line
    seen = grounds(ck.show_text(tokens, [0.0] * 21 + [1.0, -1.0]))
    assert (seen[0] == 255).all()
    assert [tuple(seen[1, column]) for column in (3, 4, 8)] == [
        tuple(seen[1, 0]), (255, 255, 255), tuple(seen[1, 5 + 3])
    ]  # fmt: skip
    assert tuple(seen[1, 0]) != tuple(seen[1, 5])


def test_one_outlier_leaves_the_others_their_color():
    """A giant beside which all other tokens are pale; all zeros, divided by their reach."""
    seen = grounds(ck.show_text(["a"] * 18 + ["b", "."], [1.0] * 18 + [2.0, 50.0]))
    assert (seen[0, 0] < 200).any()
    assert (grounds(ck.show_text("same", torch.zeros(4))) == 255).all()


@pytest.mark.parametrize("values", [[1, 2], [[1, 2, 3]], []])
def test_numbers_that_do_not_fit_are_refused(values):
    """A figure that silently leaves the end of the text out, or shifts all colors by one."""
    for pieces in ("abc", ["a", "b", "c"]):
        with pytest.raises(ck.CourseError, match="3 pieces"):
            ck.show_text(pieces, values)
    with pytest.raises(ck.CourseError, match="0 pieces"):
        ck.show_text([], [])


def test_the_caption_says_where_the_ends_are(capsys):
    """A color that only those see who see colors; dollars read as a formula."""
    axes = ck.show_text('a "$x$"\nb', [0, 0, 1, 1, 2, 1, 1, 0, -1], title="in $quotes$")
    axes.figure.canvas.draw()
    said = capsys.readouterr().out
    assert "highest 2 at 'a \"$' > 'x'" in said
    assert "lowest -1 at 'a \"$x$\"\\n' > 'b'" in said


@pytest.mark.parametrize(
    ("plain", "negated"),
    [
        ("The plot was dull.", "The plot was not dull."),
        ("The plot was not dull.", "The plot was dull."),
        ("It isn't bad, it is superb.", "It is bad, it is superb."),
        ("It isn’t bad.", "It is bad."),
        ("I cannot say so.", "I can say so."),
        ("A candle wasted!", "It is not true that a candle wasted!"),
        ("Is it good?", "Is not it good?"),
        ("  ", "  "),
    ],
)
def test_negation(plain, negated):
    """A "not" in the middle of a word, put in twice, or an empty field that raises."""
    assert text.negate(plain) == negated


def test_a_text_is_judged_once():
    """A network that runs again for the text that did not change: typing stutters."""
    asked = []
    explorer = explore.review(lambda words: (asked.append(words), judge(words))[1], text="clever")
    explorer.widget()
    explorer.widgets["text"].value = "superb"
    assert asked == ["clever", text.negate("clever"), "superb"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((2.0, ["a"], [1.0]), "probability is 2"),
        ((float("nan"), ["a"], [1.0]), "not a number"),
        ((0.5, ["a"], [1.0, 2.0]), "1 piece .* \\(2,\\)"),
    ],
)
def test_a_function_that_gives_something_else(answer, words):
    """A score instead of a probability, or values that belong to the word beside."""
    with pytest.raises(ck.CourseError, match=words):
        explore.review(lambda text: answer).redraw()


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (0.9, 0.1, "a good film, 0.9; beside it: a bad film, 0.1; the verdict turns round"),
        (0.9, 0.7, "the verdict stays"),
        (0.9, 0.501, "unsure, 0.501; near one half a verdict says nothing"),
    ],
)
def test_two_verdicts_in_words(one, other, words):
    """A verdict of 0.501 that is called good, or a turn that is none."""
    answers = {"one": one, "other": other}
    explorer = explore.review(
        lambda text: (answers[text], ["x"], [0.0]), text="one", beside="other"
    )
    explorer.redraw()
    assert words in explorer.caption


def test_the_button_negates_what_is_typed_and_an_empty_field_is_told():
    """A button that goes on with the text of the call; a traceback of the network."""
    explorer = explore.review(judge)
    explorer.widget()
    explorer.widgets["text"].value = "The cast was clever."
    explorer.presses["Negate the review beside it"].click()
    assert explorer.widgets["beside"].value == "The cast was not clever."
    explorer.widgets["text"].value = " \n"
    assert "nothing to judge" in explorer.view.caption.value


def test_the_long_review_has_room():
    """Lines of a long review that lie on one another, or letters that shrink."""
    explorer = explore.review(judge, text="The plot was clever and the cast was superb. " * 30)
    explorer.redraw()
    long = explorer.axes[1].figure.get_figheight()
    explorer.set(text="Dull.")
    assert long > explorer.axes[1].figure.get_figheight() + 2
