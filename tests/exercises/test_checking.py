"""Checking: kinds of answers, hints and solutions."""

import pytest
import torch

import coursekit as ck
from coursekit import CourseError
from coursekit.exercises import checking
from coursekit.exercises.checking import UnansweredError, exercise


@exercise("9.1", tolerance=1e-3, mistakes={"The sign.": -2.0})
def two():
    """How much is 1 + 1?

    - More than
      one.
    - Count.
    """
    return 2.0


@exercise(
    "9.2",
    cases=[(torch.tensor([1.0, 3.0]),), (torch.tensor([2.0]),)],
    edges=[([],)],
    mistakes={
        "It stops.": lambda x: x + 1 + x[0] * 0,
        "That doubles.": lambda x: x * 2,
        "Nothing is nothing.": lambda x: x + 1 if len(x) else 1,
    },
)
def increased(x):
    """Add one."""
    return x + 1 if len(x) else 0


@exercise("9.3", mistakes={"Word.": "higher", "Other.": "blue", "Third.": "green"})
def word():
    """Which way?"""
    return "lower"


@exercise("9.4", mistakes={"First.": (8, 2), "Second.": (1, 8), "Exchanged.": (2, 1)})
def pair():
    """Which two?"""
    return 1, 2


def test_a_number_is_told_by_its_mistake():
    """'Wrong' alone, after which the learner guesses."""
    assert two.judge(2.0005) is None
    assert two.judge(torch.tensor(2.0)) is None
    assert two.judge(-2) == "The sign."
    for wrong in (7, float("nan"), "two words", [1, 2], torch.ones(2)):
        assert two.judge(wrong) not in (None, "The sign.")


def test_text_and_hints_come_from_the_description():
    """A hint in the text of the exercise, or half a hint."""
    assert two.text == "How much is 1 + 1?"
    assert two.hints == ["More than one.", "Count."]
    assert two.code == "answer = 2.0"
    assert two.open_cell == 'answer = ...\nck.check("9.1", answer)'
    assert increased.code == "def increased(x):\n    return x + 1 if len(x) else 0"
    assert increased.open_cell.endswith('    return ...\n\n\nck.check("9.2", increased)')


def test_a_word_does_not_stumble_over_capitals():
    """'Lower' refused where 'lower' is right."""
    assert word.judge(" LOWER ") is None
    assert word.judge("higher") == "Word."
    assert "int" in word.judge(3)


def test_each_part_of_a_tuple_has_its_mistakes():
    """(8, 9) told the mistake of the second number, or none at all."""
    assert pair.judge([1, 2]) is None
    assert pair.judge((8, 9)) == "First."
    assert pair.judge((1, 8)) == "Second."
    assert pair.judge((2, 1)) == "Exchanged."
    assert "Number 2" in pair.judge((1, 5))
    assert "int" in pair.judge(8)
    with pytest.raises(UnansweredError):
        pair.judge((1, ...))


def test_a_function_is_compared_with_known_mistakes():
    """A function that changes what it is given and spoils the next check."""

    def in_place(x):
        x += 1 if len(x) else []
        return x if len(x) else 0

    assert increased.judge(in_place) is None
    assert increased.judge(in_place) is None, "the cases are as they were"
    assert increased.judge(lambda x: x * 2) == "That doubles."
    assert "[5.0, 7.0], and should give [2.0, 4.0]" in increased.judge(lambda x: x * 1 + 4)
    assert "int" in increased.judge(3)


def test_edges_are_tried_last():
    """A mistake in an ordinary case that is told as one of the edge, where both are wrong."""
    assert "stops with TypeError" in increased.judge(lambda x: x + 1)
    assert increased.judge(lambda x: x + 1 if len(x) else 1) == "Nothing is nothing."
    assert increased.judge(lambda x: x * 2 if len(x) else 1) == "That doubles."


def test_a_function_that_never_ends_is_stopped(monkeypatch):
    """A kernel that hangs in ``while True``, and the learner who restarts it and loses all."""
    monkeypatch.setattr(checking, "SECONDS", 1)

    def forever(x):
        while True:
            pass

    assert "1 seconds" in increased.judge(forever)
    assert increased.judge(increased.solution) is None, "the alarm is switched off again"


def test_hints_come_in_turn_and_lead_to_the_solution(capsys):
    """The third hint at once, or the first one for ever."""
    hints = checking.exercises(1)["1.1"].hints
    for hint in hints:
        ck.hint("1.1")
        assert hint in capsys.readouterr().out
    ck.hint("1.1")
    assert f"hint {len(hints)} of" in capsys.readouterr().out, "the last one stays"
    ck.solution("1.1")
    assert capsys.readouterr().out == "answer = -np.log(0.25)\n"


def test_an_unknown_number_is_told_the_nearest():
    """A KeyError for a typo."""
    for number in ("1.11", "9.9", 1.1):
        with pytest.raises(CourseError, match=str(number)):
            ck.hint(number)
