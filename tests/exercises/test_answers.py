"""The exercises of all lessons: what is right passes, and each mistake is called by its name."""

import pytest

import coursekit as ck
from coursekit.exercises import checking
from tests.exercises import answers

RIGHT, WRONG = answers.answers()
FUNCTIONS = sorted({number for number, answer in RIGHT if callable(answer)})


def said_of(number, answer, capsys):
    """Return what a learner reads of an answer."""
    ck.check(number, answer)
    return capsys.readouterr().out


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_what_is_right_is_taken(number, answer, capsys):
    """A check that refuses what is right for its form, its rounding, or the road to it."""
    assert said_of(number, answer, capsys).startswith(f"{number}: right.")


@pytest.mark.parametrize(("number", "answer", "word"), WRONG, ids=[f"{n} {w}" for n, _, w in WRONG])
def test_a_mistake_is_called_by_its_name(number, answer, word, capsys):
    """ "Wrong" alone, or the sentence of another mistake: a sign, an axis, one too many."""
    said = said_of(number, answer, capsys)
    assert said.startswith(f"{number}: not yet.")
    assert word in said


def test_every_exercise_is_answered_here_and_has_three_mistakes():
    """An exercise that nobody has ever tried."""
    assert {number for number, _ in RIGHT} == set(checking._exercises())
    for number in checking._exercises():
        assert sum(one == number for one, _, _ in WRONG) >= 3, number


@pytest.mark.parametrize("number", FUNCTIONS)
def test_a_function_that_is_still_dots_is_open(number, capsys):
    """A learner who has not begun is told that the answer is wrong."""
    assert said_of(number, lambda *_: ..., capsys).startswith(f"{number} is open")


@pytest.mark.parametrize("number", FUNCTIONS)
def test_a_function_may_stop_and_is_told_why(number, capsys):
    """A traceback out of the check, in place of a word on the learner's own line."""
    said = said_of(number, lambda *_: [][1], capsys)
    assert "stops with IndexError" in said


def test_dots_in_a_kernel_are_open(capsys):
    """Nine dots in brackets, and a TypeError."""
    assert said_of("1.5", [[...] * 3] * 3, capsys).startswith("1.5 is open")


def test_the_tokens_are_those_of_the_library():
    """A number of tokens that the rules of the course do not give."""
    from coursekit.data.text import Vocabulary

    assert len(Vocabulary("words", []).split("WOOOW, it's GREAT!!")) == dict(RIGHT)["4.1"]


def test_the_batches_are_those_of_the_library():
    """A number of batches that the course's own streams do not have."""
    import numpy

    from coursekit.data.text import Streams

    stream = list(Streams(numpy.arange(1001), batch=10, length=30))
    assert (len(stream), stream[-1][0].shape[1]) == dict(RIGHT)["4.2"]


def test_the_best_list_is_no_mistake(capsys):
    """Films behind place k that are left out of the best order."""
    from tests.exercises.answers.lesson_5 import worth

    def of_the_shown_only(hits, k):
        return worth(hits[:k]) / worth([1] * sum(hits[:k]) or [1])

    assert "would be in front" in said_of("5.5", of_the_shown_only, capsys)
