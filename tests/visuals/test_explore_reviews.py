"""A review that is judged while it is typed, and the words that may follow a text."""

import numpy
import pytest
import torch

import coursekit as ck
from coursekit.visuals import explore
from coursekit.visuals.explore import reviews
from tests.sentences import refuses
from tests.visuals.explorers.lesson_4 import VOCABULARY, judge, shares

# A review -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "negated"),
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
def test_negation(text, negated):
    """A "not" in the middle of a word, put in twice, or an empty field that raises."""
    assert reviews.negate(text) == negated


def test_a_text_is_judged_once():
    """A network that runs again for the text that did not change: typing stutters."""
    asked = []
    judging = reviews.Judging(lambda text: (asked.append(text), judge(text))[1])
    first = judging("The plot was dull.")
    assert judging("The plot was dull.") is first
    assert asked == ["The plot was dull."]
    assert first.share < 0.5
    assert first.tokens[-2:] == ("dull", ".")
    assert first.values[-2] == -2
    for number in range(60):
        judging(f"plot {number}")
    assert len(judging._known) <= 51, "what was typed is kept for ever"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((2.0, ["a"], [1.0]), "probability of 2"),
        ((float("nan"), ["a"], [1.0]), "not a number"),
        ((0.5, ["a"], [1.0, 2.0]), "2 values for 1 token"),
    ],
)
def test_a_function_that_gives_something_else(answer, words):
    """A score instead of a probability, or values that belong to the word beside."""
    with refuses(words):
        reviews.Judging(lambda text: answer)("x")


def test_nothing_to_judge():
    """An empty field that ends in a traceback of the network."""
    with refuses("type a sentence"):
        reviews.Judging(judge)(" \n")
    explorer = explore.review(judge)
    explorer.widget()
    explorer.widgets["text"].value = ""
    assert "type a sentence" in explorer._view.sentence.value


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (0.9, 0.1, "a good film, 0.9; beside it: a bad film, 0.1; the verdict turns round"),
        (0.9, 0.7, "the verdict stays"),
        (0.9, 0.501, "unsure, 0.501; near a half a verdict says nothing"),
    ],
)
def test_two_verdicts_in_words(one, other, words):
    """A verdict of 0.501 that is called good, or a turn that is none."""
    judged = [reviews.Judged("", share, ("x",), numpy.zeros(1)) for share in (one, other)]
    assert words in reviews.compare(*judged, ("a bad film", "a good film"))


def test_the_button_negates_what_is_typed():
    """A button that goes on with the text of the call."""
    explorer = explore.review(judge)
    explorer.widget()
    explorer.widgets["text"].value = "The cast was clever."
    explorer._pressed(*explorer.buttons.values())
    assert explorer.widgets["beside"].value == "The cast was not clever."
    assert "The cast" not in explorer.sentence
    assert "the verdict" in explorer.sentence or "near a half" in explorer.sentence


def test_the_long_review_has_room():
    """Lines of a long review that lie on one another, and a giant that leaves all others pale."""
    explorer = explore.review(judge, text="The plot was clever and the cast was superb. " * 30)
    explorer.redraw()
    long = explorer.size[1]
    assert long > explorer.set(text="Dull.").size[1] + 200
    axes = ck.show_tokens(["a"] * 18 + ["b", "."], [1.0] * 18 + [2.0, 50.0])
    assert axes.patches[0].get_alpha() >= 0.37, "the full colour is not that of the giant"


# The words that may follow ------------------------------------------------------------------------


def continuation(text="The plot"):
    return reviews.Continuation(shares, VOCABULARY, text)


def test_odds_leave_out_what_is_no_word():
    """Padding, an unknown word or the start of another review in the middle of a text."""
    odds = continuation().odds()
    assert odds[:3].tolist() == [0, 0, 0]
    assert odds.sum() == pytest.approx(1)
    texts = continuation()
    texts.go_on(temperature=2.0, count=200)
    assert min(texts.numbers) >= 3


def test_temperature_sharpens_the_odds():
    """A temperature that works the wrong way round, or not at all."""
    texts = continuation()
    plain = texts.odds()
    assert texts.odds(0.5) == pytest.approx(plain**2 / (plain**2).sum())
    assert texts.odds(0.5).max() > plain.max() > texts.odds(2.0).max()


def test_the_network_reads_a_text_once():
    """A slider that runs the network at every move."""
    asked = []
    texts = reviews.Continuation(
        lambda numbers: (asked.append(numbers), shares(numbers))[1], VOCABULARY, "The plot"
    )
    for temperature in (1.0, 0.5, 2.0):
        texts.best(temperature)
    assert len(asked) == 1


def test_a_mark_is_not_lost():
    """A capital that is drawn, forgotten with the next word, and drawn again for ever."""
    mark = VOCABULARY.stoi["<cap>"]

    def always(numbers):
        found = torch.zeros(len(VOCABULARY))
        found[VOCABULARY.stoi["plot"] if numbers[-1] == mark else mark] = 1
        return found

    texts = reviews.Continuation(always, VOCABULARY, "The plot.")
    texts.go_on()
    assert texts.text == "The plot."
    assert texts.ending() == "The plot. <cap>"
    texts.go_on(count=3)
    assert texts.text == "The plot. Plot Plot"


def test_the_most_probable_is_taken():
    """A button for the most probable word that draws."""
    texts = continuation()
    wanted = texts.best()[0][0]
    texts.go_on(drawn=False)
    assert VOCABULARY.itos[texts.numbers[-1]] == wanted
    assert texts.text.lower().endswith(wanted)


def test_draws_are_repeated_by_their_seed():
    """A lesson whose stored text nobody can get again."""
    one, other = continuation(), continuation()
    one.go_on(count=5)
    other.go_on(count=5)
    assert one.numbers == other.numbers


def test_probabilities_of_another_vocabulary():
    """Bars with the names of other words."""
    with refuses("shape (3,)"):
        reviews.Continuation(lambda numbers: [0.1, 0.2, 0.7], VOCABULARY, "The").odds()


def test_the_buttons_write_into_the_field():
    """Words that are drawn, and a text field that does not know them."""
    explorer = explore.next_words(shares, VOCABULARY, text="The plot")
    explorer.widget()
    for label, action in explorer.buttons.items():
        before = len(explorer.continuation.numbers)
        explorer._pressed(action)
        added = len(explorer.continuation.numbers) - before
        assert added == (10 if "ten" in label else 1)
        assert explorer.widgets["text"].value == explorer.continuation.text
    explorer.widgets["text"].value = "The cast"
    assert explorer.continuation.numbers == VOCABULARY.encode("The cast")
    explorer.settings["text"] = "The plot"  # typed, and not drawn yet
    explorer.take()
    assert explorer.continuation.numbers[:-1] == VOCABULARY.encode("The plot")
