"""Texts on colored grounds, a review that is judged, a model that writes, one unit's state."""

import numpy
import pytest
import torch

import coursekit as ck
from coursekit.visuals import explore, text
from tests.visuals.explorers import lesson_4, lesson_6
from tests.visuals.explorers.lesson_4 import judge
from tests.visuals.explorers.lesson_6 import EXPLORERS, TEXT, filtered, scores, states
from tests.visuals.figures import refused


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


def answered(*answer):
    return lambda: explore.review(lambda text: answer).redraw()


def written(text, *p):
    made = explore.generate(lambda n: torch.tensor(p), lesson_6.VOCABULARY, lambda p: p, text=text)
    return made.redraw


def unit(rows, **options):
    return lambda: explore.hidden_unit("x" * 50, numpy.zeros((rows, 3)), **options)


test_what_does_not_fit_is_refused = refused(
    *(
        (lambda p=pieces, v=values: ck.show_text(p, v), r"shape \(3\)|NaN" if pieces else "no text")
        for pieces in ("abc", ["a", "b", "c"], "")
        for values in ([1, 2], [[1, 2, 3]], [], [1, 2, numpy.nan], "abc", None)
    ),
    (answered(2.0, ["a"], [1.0]), "probability is 2"),
    (answered(float("nan"), ["a"], [1.0]), "not a number"),
    (answered(0.5, ["a"], [1.0, 2.0]), r"\(2,\); .*\(1\)"),
    (lambda: explore.review(judge, text=" \n").redraw(), "nothing to judge"),
    (written("a", 0.3, 0.3, 0.4), r"shape \(3,\)"),
    (written("a", *[1.0] * 7), "add up to 7"),
    (written("a", 2.0, -1.0, 0, 0, 0, 0, 0), "begin at -1"),
    (written("", 1.0, 0, 0, 0, 0, 0, 0), "type a beginning"),
    (unit(49), r"\(49, 3\); .*\(50, any\)"),
    (unit(50, correlations={"x": [1]}), r"correlations with x .*\(3\)"),
)


def test_any_piece_of_text_is_drawn():
    """A token with a line break at which Pillow stops; one that runs out of the page."""
    seen = grounds(ck.show_text(["a\nb", "\0\ud800", "x" * 500, "end"], [0.0, 0.0, 0.0, 1.0]))
    assert tuple(seen[2, 0]) != (255, 255, 255)
    assert len(seen) == 3


def test_the_caption_says_where_the_ends_are(capsys):
    """A color that only those see who see colors; dollars read as a formula."""
    axes = ck.show_text('a "$x$"\nb', [0, 0, 1, 1, 2, 1, 1, 0, -1], title="in $quotes$")
    axes.figure.canvas.draw()
    said = capsys.readouterr().out
    assert "highest 2 at 'a \"$' > 'x'" in said
    assert "lowest -1 at 'a \"$x$\"\\n' > 'b'" in said


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


def test_the_long_review_has_room():
    """Lines of a long review that lie on one another, or letters that shrink."""
    explorer = explore.review(judge, text="The plot was clever and the cast was superb. " * 30)
    explorer.redraw()
    long = explorer.axes[1].figure.get_figheight()
    explorer.set(text="Dull.")
    assert long > explorer.axes[1].figure.get_figheight() + 2


# A model that writes ----------------------------------------------------------------------------


def next_words(model=lesson_4.probabilities, text="The plot"):
    explorer = explore.generate(model, lesson_4.VOCABULARY, lesson_4.sharpen, text=text, count=9)
    explorer.widget()
    return explorer


def test_bars_are_the_probabilities_after_the_learners_filter():
    """Bars in another order than their names, or a filter that is not asked."""
    explorer = EXPLORERS["generate"][0]().set(top_k=3, temperature=0.5)
    p = filtered(scores([4, 5]), 0.5, 3)
    order = (-scores([4, 5])).argsort().tolist()[:6]
    lengths = [bar.get_width() for bar in explorer.axes.patches]
    assert lengths[:6] == pytest.approx(p[order].tolist(), abs=1e-6)
    assert lengths[6:] == pytest.approx(scores([4, 5]).softmax(0)[order].tolist(), abs=1e-6)
    names = [label.get_text().strip("'") for label in explorer.axes.get_yticklabels()]
    itos = [lesson_6.VOCABULARY.itos[number] for number in order]
    assert names == [name.replace("\n", "\\n") for name in itos]
    assert f"3 of {len(p)} tokens may follow" in explorer.caption


def test_the_model_reads_each_text_once_and_not_more_than_it_should():
    """A text that grows slower and slower, or a model that runs again for each slider."""
    read = []

    def model(numbers):
        read.append(len(numbers))
        return torch.zeros(7)

    explorer = explore.generate(model, lesson_6.VOCABULARY, filtered, text="b" * 600, count=6)
    explorer.widget()
    assert read == [500]
    explorer.widgets["temperature"].value = 0.5
    assert read == [500]
    explorer.presses["Write"].click()
    assert len(read) == 1 + 6


def test_standing_still_it_writes_the_same_text_each_time(capsys, monkeypatch):
    """A stored notebook whose text is another one at each build."""
    monkeypatch.setenv("COURSEKIT_WIDGETS", "off")
    monkeypatch.setattr("IPython.display.display", lambda data, raw: None)
    texts = []
    for _ in range(2):
        EXPLORERS["generate"][0]()._ipython_display_()
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert texts[0].startswith("ab")
    assert "After 'ab'" in texts[0]


def test_buttons_add_words_and_typing_begins_anew():
    """Words that are drawn and not shown, or the most probable one that is drawn."""
    explorer = next_words()
    before = list(explorer.numbers)
    likely = int(explorer.probabilities(temperature=1.0).argmax())
    explorer.presses["Take the most probable"].click()
    assert explorer.numbers == [*before, likely]
    explorer.presses["Draw one"].click()
    explorer.presses["Write"].click()
    assert len(explorer.numbers) == len(before) + 2 + 9
    assert set(explorer.settings) == {"text", "temperature"}, "as sharpen knows no other"
    assert explorer.page == lesson_4.VOCABULARY.decode(explorer.numbers)
    explorer.presses["Begin again"].click()
    assert explorer.numbers == before
    explorer.widgets["text"].value = "The cast"
    assert explorer.numbers == lesson_4.VOCABULARY.encode("The cast")
    explorer.settings["text"] = "The plot"  # typed, and not drawn yet
    explorer.presses["Draw one"].click()
    assert explorer.numbers[:-1] == before


def test_a_mark_is_not_lost():
    """A capital that is drawn, forgotten with the next word, and drawn again for ever."""
    stoi = lesson_4.VOCABULARY.stoi

    def always(numbers):
        wanted = "plot" if numbers[-1] == stoi["<cap>"] else "<cap>"
        return torch.eye(len(lesson_4.VOCABULARY))[stoi[wanted]]

    explorer = next_words(always, "The plot.")
    explorer.presses["Draw one"].click()
    assert explorer.page == "The plot. <cap>"
    explorer.add(3)
    explorer.redraw()
    assert explorer.page == "The plot. Plot Plot"


def test_the_unit_is_named_with_the_fact_it_goes_with():
    """A passage under the numbers of another place, or of another unit."""
    explorer = EXPLORERS["hidden_unit"][0]().set(place=4)
    assert "in quotes (correlation 1.00)" in explorer.caption
    drawn = explorer._draw(explorer.axes, unit=0, place=4).hover
    assert "".join(text[0] for _, _, text in drawn) == TEXT[4:44]
    assert [text.endswith(": 1") for _, _, text in drawn] == list(states()[1][4:44] == 1)
