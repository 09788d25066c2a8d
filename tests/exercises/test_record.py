"""The record of what is done, and quizzes that write it."""

import json

import pytest

import coursekit as ck
from coursekit import CourseError, runtime
from coursekit.exercises import record
from coursekit.exercises.checking import LESSONS
from coursekit.exercises.quiz import LETTERS

EMPTY = {"exercises": [], "hints": {}, "quiz": {}}


def test_what_is_done_outlives_the_kernel(capsys):
    """A page full of filled marks, empty on the next day."""
    record.exercise_done("1.1")
    record.exercise_done("1.1")
    record.question_right(1, 2)
    assert record.read() == {"exercises": ["1.1"], "hints": {}, "quiz": {"1": [2]}}
    ck.progress()
    assert capsys.readouterr().out.startswith("1 of 42 exercises and 1 of 61 questions")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"exercises": 3}', b"\0", b"\xff"])
def test_a_damaged_record_is_set_aside(content, capsys):
    """A year of exercises, overwritten since a byte of the file was lost."""
    file = runtime.progress_file()
    for number in (1, 2):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        assert record.read() == EMPTY
        record.exercise_done("1.2")
        aside = file.with_name(f"progress.unreadable-{number}.json")
        assert aside.read_bytes() == content
        assert aside.name in capsys.readouterr().out
        assert json.loads(file.read_text())["exercises"] == ["1.2"]


def test_where_nothing_can_be_kept_the_answer_counts(tmp_path, monkeypatch, capsys):
    """A full disk that turns a right answer into a traceback."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", str(tmp_path / "file" / "below"))
    ck.check("1.3", 96)
    said = capsys.readouterr().out
    assert "Note: your progress could not be kept" in said
    assert "1.3: right." in said


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_quiz_says_why(lesson, capsys):
    """'Wrong', without a word."""
    quiz = ck.quiz(lesson)
    for number, question in enumerate(quiz.questions, 1):
        for letter, answer in zip(LETTERS, question.answers, strict=False):
            quiz.answer(number, letter)
            said = capsys.readouterr().out.strip()
            assert said == f"{'Right' if answer.right else 'Not quite'}: {answer.why}"
    assert len(record.read()["quiz"][str(lesson)]) == len(quiz.questions)


def test_a_quiz_refuses_what_is_not_there():
    """A typo that counts as an answer."""
    for wrong in ((99, "a"), (0, "a"), (1, "ab"), (1, 2), (1, "f")):
        with pytest.raises(CourseError):
            ck.quiz(1).answer(*wrong)
    with pytest.raises(CourseError, match="8"):
        ck.quiz(8)


def test_buttons_and_code_give_the_same_answer():
    """The widget of a quiz whose letters have slipped by one."""
    quiz = ck.quiz(1)
    parts = quiz.widget().children
    for number, question in enumerate(quiz.questions, 1):
        _, choice, verdict = parts[3 * number - 3 : 3 * number]
        for letter, option, answer in zip(LETTERS, choice.options, question.answers, strict=False):
            choice.value = option
            assert ("✓" if answer.right else "✗") in verdict.value
            assert option == f"{letter}. {answer.text}"
            assert answer.why[:20].split("'")[0].split('"')[0] in verdict.value
    assert f"{len(quiz.questions)} of {len(quiz.questions)} right" in parts[-1].value
