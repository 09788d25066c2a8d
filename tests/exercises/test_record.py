"""The record of what is done, and quizzes that write it."""

import multiprocessing
from pathlib import Path

import pytest

import coursekit as ck
from coursekit import CourseError, runtime
from coursekit.exercises import record
from coursekit.exercises.checking import LESSONS


def some(marker):
    """Write a hundred lines, as one of two notebooks that run at once."""
    for number in range(100):
        record.add(f"exercise {marker}.{number}")


def kept(*lines):
    """Make the record of these lines."""
    file = runtime.checkpoints() / "progress.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\n".join(lines))
    return file


def test_what_is_done_outlives_the_kernel_and_counts_once(capsys):
    """A page full of filled marks, empty on the next day; a second right answer that counts."""
    for _ in range(2):
        ck.check("1.3", 96)
        ck.quiz(1).answer(2, "a")
        ck.quiz(1).answer(2, "b")
        ck.quiz(1).answer(2, "c")
    capsys.readouterr()
    ck.progress()
    assert capsys.readouterr().out.startswith("1 of 42 exercises and 1 of 61 questions")
    assert max(record.read().values()) == 1


def test_two_notebooks_lose_nothing_of_each_other():
    """A record that is read, changed and written back, over what another kernel wrote meanwhile."""
    both = [multiprocessing.get_context("fork").Process(target=some, args=(n,)) for n in (1, 2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len([line for line in record.read() if line]) == 200


@pytest.mark.parametrize(
    "damaged", [b"exercise 1.1\nexerc", b"\0\xff", b"[" * 100_000, b"badge 9\nquestion 1.99"]
)
def test_a_damaged_record_loses_nothing_and_stops_nothing(damaged, capsys):
    """A year of exercises, overwritten since a byte was lost, or dropped by an older version."""
    file = kept(b"exercise 1.2", b"question 1.1", damaged)
    ck.check("1.3", 96)
    ck.hint("1.1")
    ck.progress()
    assert ck.quiz(1)._score().count("1 of ")
    assert file.read_bytes().startswith(b"exercise 1.2\nquestion 1.1\n" + damaged + b"\n")
    assert {"exercise 1.2", "exercise 1.3", "hint 1.1"} <= record.read().keys()


def test_a_record_that_cannot_be_read_once_is_added_to(monkeypatch, capsys):
    """A hiccup of Drive that is taken for an empty record, and then written over it."""
    kept(b"exercise 1.1")

    def hiccup(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as once:
        once.setattr(Path, "read_text", hiccup)
        ck.check("1.3", 96)
    assert "could not be read" in capsys.readouterr().out
    assert {"exercise 1.1", "exercise 1.3"} <= record.read().keys()


def test_where_nothing_can_be_kept_the_answer_counts(tmp_path, monkeypatch, capsys):
    """A full disk that turns a right answer into a traceback."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", str(tmp_path / "file" / "below"))
    ck.check("1.3", 96)
    said = capsys.readouterr().out
    assert "Note: your progress could not be kept" in said
    assert "1.3: right. 1 of 6" in said


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_quiz_says_why_by_button_and_by_code(lesson, capsys):
    """'Wrong', without a word; a widget whose letters have slipped by one; a stray answer kept."""
    quiz = ck.quiz(lesson)
    parts = quiz.widget().children
    for number, question in enumerate(quiz.questions, 1):
        _, choice, verdict = parts[3 * number - 3 : 3 * number]
        for option, (letter, answer) in zip(choice.options, question.answers.items(), strict=True):
            quiz.answer(number, letter)
            said = capsys.readouterr().out.strip()
            assert said == f"{'Right' if answer.right else 'Not quite'}: {answer.why}"
            choice.value = option
            assert ("✓" if answer.right else "✗") in verdict.value
            assert option == f"{letter}. {answer.text}"
    count = len(quiz.questions)
    assert f"{count} of {count} right" in parts[-1].value
    assert len(record.read()) == count + 1


@pytest.mark.parametrize("wrong", [(99, "a"), (0, "a"), ([1], "a"), (1, "ab"), (1, 2), (1, ["a"])])
def test_a_quiz_refuses_what_is_not_there(wrong, capsys):
    """A typo that counts as an answer, or stops with a TypeError; a capital that is refused."""
    with pytest.raises(CourseError, match="There is no"):
        ck.quiz(1).answer(*wrong)
    ck.quiz("1").answer("1", "A")


@pytest.mark.parametrize("wrong", [8, "../1", [1], True])
def test_there_is_no_such_lesson(wrong):
    """A file of another folder, or the TypeError of a cache."""
    with pytest.raises(CourseError, match="lesson"):
        ck.quiz(wrong)
