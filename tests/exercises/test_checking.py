"""Checking: kinds of answers, hints and solutions."""

import re

import pandas
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


@pytest.mark.parametrize(
    ("one", "answer", "told"),
    [
        (two, 2.0005, None),
        (two, 7, "That is not it."),
        (two, float("nan"), "That is not it."),
        (two, "two words", "a number, and this is 'two words'"),
        (two, [1, 2], "a number, and this is [1, 2]"),
        (two, torch.ones(2), "a number, and this is [1.0, 1.0]"),
        (two, 10**400, "a number, and this is 1000"),
        (word, 3, "a word in quotes, and this is 3"),
        (pair, (8, 9), "First."),
        (pair, (1, 8), "Second."),
        (pair, (2, 1), "Exchanged."),
        (pair, (1, 5), "Number 2"),
        (pair, (1, 2, 3), "2 numbers in brackets, and this is (1, 2, 3)"),
        (pair, 8, "2 numbers in brackets, and this is 8"),
        (increased, lambda x: x * 1 + 4, "[5.0, 7.0], and should give [2.0, 4.0]"),
        (increased, lambda x: pandas.Series(x), "[1.0, 3.0], and should give [2.0, 4.0]"),
        (increased, lambda x: "text", "gives 'text', and should give"),
        (increased, lambda: 1, "stops with TypeError"),
        (increased, 3, "a function, and this is 3"),
        (increased, lambda x: x + 1, "stops with TypeError"),
        (increased, lambda x: x * 2 if len(x) else 1, "That doubles."),  # not the mistake of edges
    ],
)
def test_an_answer_is_told_by_its_mistake(one, answer, told):
    """'Wrong' alone, after which the learner guesses; another mistake's word; a raw traceback."""
    said = one.judge(answer)
    assert said is None if told is None else told in said


def test_text_and_hints_come_from_the_description():
    """A hint in the text of the exercise, or half a hint."""
    assert two.text == "How much is 1 + 1?"
    assert two.hints == ["More than one.", "Count."]
    assert two.code == "answer = 2.0"
    assert two.open_cell == 'answer = ...\nck.check("9.1", answer)'
    assert increased.code == "def increased(x):\n    return x + 1 if len(x) else 0"
    assert increased.open_cell.endswith('    return ...\n\n\nck.check("9.2", increased)')


def test_the_cases_are_as_they_were():
    """A function that changes what it is given and spoils the next check."""

    def in_place(x):
        x += 1 if len(x) else []
        return x if len(x) else 0

    assert increased.judge(in_place) is None
    assert increased.judge(in_place) is None
    with pytest.raises(UnansweredError):
        pair.judge((1, ...))


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
    for number in ("1.1", 1.1, " 1.1"):
        ck.hint(number)
    assert re.findall("(?m)^1.1, hint . of .: (.*)$", capsys.readouterr().out) == hints
    ck.hint("1.1")
    assert f"hint {len(hints)} of" in capsys.readouterr().out, "the last one stays"
    ck.solution("1.1")
    assert capsys.readouterr().out == "answer = -np.log(0.25)\n"


@pytest.mark.parametrize("number", ["1.11", "9.9", 11, ["1.1"]])
def test_an_unknown_number_is_told(number):
    """A KeyError for a typo."""
    with pytest.raises(CourseError, match=re.escape(repr(number))):
        ck.hint(number)
