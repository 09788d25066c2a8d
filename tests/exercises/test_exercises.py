"""Exercises and quizzes: what is right, what is off, what is kept."""

import json

import pytest
import torch

import coursekit as ck
from coursekit import runtime
from coursekit.exercises import checking, record, texts
from coursekit.exercises.quiz import LETTERS
from notebooks.source import build
from tests.sentences import refuses

LESSONS = {int(source.name[:2]): source for source in build.lessons(build.ROOT)}
lessons = pytest.mark.parametrize("lesson", LESSONS)
EVERY = [(lesson, number) for lesson in LESSONS for number in texts.lesson(lesson)["exercises"]]


@lessons
def test_a_lesson_has_exercises_and_a_quiz(lesson):
    """A lesson that is only read."""
    known = texts.lesson(lesson)
    assert 3 <= len(known["exercises"]) <= 6
    assert 6 <= len(known["quiz"]) <= 10
    assert all(1 <= len(one["hints"]) <= 3 for one in known["exercises"].values())
    assert all(3 <= len(one["answers"]) <= len(LETTERS) for one in known["quiz"])
    places = {[answer["right"] for answer in one["answers"]].index(True) for one in known["quiz"]}
    assert len(places) > 1, "the right answer stands always in the same place"


def test_every_exercise_has_its_check():
    """ck.check("3.4", ...) that knows of no 3.4, or a check that no lesson asks for."""
    assert set(checking._exercises()) == {number for _, number in EVERY}


@pytest.mark.parametrize(("lesson", "number"), EVERY)
def test_an_open_exercise_is_no_mistake(lesson, number, capsys):
    """A lesson run from the top that scolds for what nobody has answered yet."""
    (cell,) = [c for c in build.read(LESSONS[lesson]) if c.metadata.get("exercise") == number]
    shown = build.open_exercises([cell])[0].source
    assert "..." in shown
    assert f'ck.check("{number}", ' in shown.splitlines()[-1]
    ck.check(number, ...)
    said = capsys.readouterr().out
    assert said.startswith(f"{number} is open")
    assert record.read()["exercises"] == []


def test_hints_come_in_turn_and_lead_to_the_solution(capsys):
    """The third hint at once, or the first one for ever."""
    hints = texts.lesson(1)["exercises"]["1.1"]["hints"]
    for hint in hints:
        ck.hint("1.1")
        assert hint in capsys.readouterr().out
    ck.hint("1.1")
    assert f"hint {len(hints)} of" in capsys.readouterr().out, "the last one stays"
    ck.solution("1.1")
    shown = capsys.readouterr().out
    assert "ck.check" not in shown
    assert "# end" not in shown
    with refuses("no exercise '1.11'", "Did you mean"):
        ck.hint("1.11")


def test_a_number_is_told_by_its_mistake():
    """'Wrong' alone, after which the learner guesses."""
    check = checking.number(2.0, {-2.0: "The sign."}, otherwise="Count again.")
    assert check(2.0001) is None
    assert check(torch.tensor(2.0)) is None
    assert check(-2) == "The sign."
    assert check(7) == "Count again."
    assert check(float("nan")) == "Count again."
    assert "is a number" in check("two words")


def test_a_word_does_not_stumble_over_capitals():
    """'Lower' refused where 'lower' is right."""
    check = checking.word(("lower", "it is lower"), {"higher": "The other way."})
    assert check(" LOWER ") is None
    assert check("higher") == "The other way."
    assert check("blue") == "That is not it."
    assert "word in quotes" in check(3)


def test_a_function_is_compared_with_known_mistakes():
    """A function that stops, gives nothing back, or changes what it was given."""
    cases = [(torch.tensor([1.0, 3.0]),), (torch.tensor([2.0]),)]
    mistakes = [(lambda x: x * 2, "That doubles.")]
    check = checking.function(lambda x: x + 1, cases, mistakes, otherwise="Add one.")

    def in_place(x):
        x += 1
        return x

    assert check(in_place) is None
    assert check(in_place) is None, "the cases are as they were"
    assert check(lambda x: ...) is checking.OPEN
    assert check(lambda x: x * 2) == "That doubles."
    assert "stops with ZeroDivisionError" in check(lambda x: 1 / 0)
    assert "needs a return" in check(lambda x: None)
    assert "[5.0, 7.0], and should give [2.0, 4.0]. Add one." in check(lambda x: x * 1 + 4)
    assert "is a function" in check(3)


def test_what_is_done_outlives_the_kernel(capsys):
    """A page full of filled marks, empty on the next day."""
    solved = {"1.1"}
    record.exercise_done("1.1")
    record.exercise_done("1.1")
    record.question_right(1, 2)
    assert set(record.read()["exercises"]) == solved
    assert record.read()["quiz"] == {"1": [2]}
    ck.progress()
    assert capsys.readouterr().out.startswith(f"1 of {len(EVERY)} exercises and 1 of ")


@pytest.mark.parametrize("content", ["", "[]", '{"exercises": 3}', "\0"])
def test_a_damaged_record_is_an_empty_one(content):
    """A lesson that cannot be run since a file of ticks was cut short."""
    record.exercise_done("1.1")
    runtime.progress_file().write_text(content)
    assert record.read() == {"exercises": [], "hints": {}, "quiz": {}}
    record.exercise_done("1.2")
    assert json.loads(runtime.progress_file().read_text())["exercises"] == ["1.2"]


def test_where_nothing_can_be_kept_the_answer_counts(tmp_path, monkeypatch, capsys):
    """A full disk that turns a right answer into a traceback."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", str(tmp_path / "file" / "below"))
    ck.quiz(1).answer(1, _right(1, 1))
    said = capsys.readouterr().out
    assert "Note: your progress could not be kept" in said
    assert "Right: " in said


def _right(lesson, question):
    answers = texts.lesson(lesson)["quiz"][question - 1]["answers"]
    return LETTERS[[answer["right"] for answer in answers].index(True)]


@lessons
def test_a_quiz_says_why(lesson, capsys):
    """'Wrong', without a word."""
    quiz = ck.quiz(lesson)
    for number, one in enumerate(quiz.questions, 1):
        for letter, answer in zip(LETTERS, one["answers"], strict=False):
            quiz.answer(number, letter)
            said = capsys.readouterr().out.strip()
            assert said == f"{'Right' if answer['right'] else 'Not quite'}: {answer['why']}"
    assert len(record.read()["quiz"][str(lesson)]) == len(quiz.questions)


def test_a_quiz_refuses_what_is_not_there():
    """A typo that counts as an answer."""
    with refuses("no question 99"):
        ck.quiz(1).answer(99, "a")
    with refuses("no answer 'ab'"):
        ck.quiz(1).answer(1, "ab")
    with refuses("no lesson 8"):
        ck.quiz(8)


def test_buttons_and_code_give_the_same_answer(monkeypatch):
    """The widget of a quiz whose letters have slipped by one."""
    quiz = ck.quiz(1)
    parts = quiz.widget().children
    for number in range(1, len(quiz.questions) + 1):
        _, choice, verdict = parts[3 * number - 3 : 3 * number]
        for letter, option in zip(LETTERS, choice.options, strict=False):
            choice.value = option
            right, said = quiz._judge(number, letter)
            assert ("✓" if right else "✗") in verdict.value
            assert option.startswith(f"{letter}. ")
            assert said[:20].split("'")[0].split('"')[0] in verdict.value
    assert f"{len(quiz.questions)} of {len(quiz.questions)} right" in parts[-1].value
