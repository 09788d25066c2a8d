"""Quizzes: a question, a few answers, and for each of them why it is right or wrong.

``quiz_N.md`` holds the questions of a lesson: the question, then ``- [x] answer :: why`` for the
right answer and ``- [ ]`` for the others.
"""

from __future__ import annotations

import functools
import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from coursekit import runtime
from coursekit.console import CourseError
from coursekit.exercises import record
from coursekit.visuals.style import counted

if TYPE_CHECKING:
    import ipywidgets

LETTERS = "abcdef"
# ipywidgets gives an answer one line of height, and the next one would cover its second.
_STYLE = """<style>
.coursekit-quiz .widget-radio-box label { display: flex; align-items: flex-start; height: auto; }
.coursekit-quiz .widget-radio-box label input { flex: none; order: -1; }
</style>"""


class Answer(NamedTuple):
    """An answer to a question."""

    text: str
    right: bool
    why: str


class Question(NamedTuple):
    """A question and its answers, lettered from a."""

    text: str
    answers: list[Answer]


@functools.cache
def questions(lesson: int) -> list[Question]:
    """Read the questions of a lesson; raises a CourseError where there is no such lesson."""
    folder = Path(__file__).parent
    file = folder / f"quiz_{lesson}.md"
    if not file.exists():
        known = ", ".join(sorted(found.stem[5:] for found in folder.glob("quiz_*.md")))
        raise CourseError(f"There is no lesson {lesson!r}; the lessons are {known}.")
    _, *blocks = file.read_text("utf-8").strip().split("\n\n")
    answers = re.compile(r"- \[([ x])\] (.*) :: (.*)")
    return [
        Question(text, [Answer(m[2], m[1] == "x", m[3]) for m in map(answers.fullmatch, lines)])
        for text, *lines in map(str.splitlines, blocks)
    ]


@dataclass(frozen=True)
class Quiz:
    """The questions of a lesson; it shows itself as the last line of a cell."""

    lesson: int

    @property
    def questions(self) -> list[Question]:
        """The questions, in order."""
        return questions(self.lesson)

    def __repr__(self) -> str:
        return (
            f"Quiz of lesson {self.lesson}: {counted(len(self.questions), 'question')}; by code, "
            f'ck.quiz({self.lesson}).answer(1, "b").'
        )

    def answer(self, question: int, letter: str) -> None:
        """Say whether the answer to a question is right, and why.

        Args:
            question: number of the question, from 1.
            letter: "a", "b" and so on.

        Raises:
            CourseError: there is no such question or answer.
        """
        print(self._judge(question, letter)[1])

    def _judge(self, question: int, letter: str) -> tuple[bool, str]:
        """Whether an answer is right, and the sentence about it; writes down what is right."""
        if question not in range(1, len(self.questions) + 1):
            raise CourseError(
                f"There is no question {question!r}; choose one from 1 to {len(self.questions)}."
            )
        answers = self.questions[question - 1].answers
        letters = LETTERS[: len(answers)]
        if not isinstance(letter, str) or len(letter) != 1 or letter not in letters:
            raise CourseError(f"There is no answer {letter!r}; choose one of {', '.join(letters)}.")
        chosen = answers[letters.index(letter)]
        if chosen.right:
            record.question_right(self.lesson, question)
        return chosen.right, f"{'Right' if chosen.right else 'Not quite'}: {chosen.why}"

    def widget(self) -> ipywidgets.VBox:
        """Make the ipywidget: each question with a button for every answer."""
        import ipywidgets

        score = ipywidgets.HTML(self._score())
        numbers = range(1, len(self.questions) + 1)
        parts = [part for number in numbers for part in self._parts(number, score)]
        root = ipywidgets.VBox([*parts, score])
        root.add_class("coursekit-quiz")
        return root

    def _parts(self, number: int, score: ipywidgets.HTML) -> list[ipywidgets.Widget]:
        """The widgets of one question: its text, its answers, the verdict."""
        import ipywidgets

        question = self.questions[number - 1]
        text = f"<p><b>{number}.</b> {html.escape(question.text)}</p>"
        wide = {"width": "auto", "max_width": "760px"}
        letters = {f"{a}. {one.text}": a for a, one in zip(LETTERS, question.answers, strict=False)}
        choice = ipywidgets.RadioButtons(options=list(letters), value=None, layout=wide)
        verdict = ipywidgets.HTML(layout=wide)

        def chosen(change: Any) -> None:
            right, sentence = self._judge(number, letters[change["new"]])
            mark = "✓" if right else "✗"
            verdict.value = f'<p role="status">{mark} {html.escape(sentence)}</p>'
            score.value = self._score()

        choice.observe(chosen, names="value")
        return [ipywidgets.HTML(text, layout=wide), choice, verdict]

    def _score(self) -> str:
        right = len(record.read()["quiz"].get(str(self.lesson), []))
        told = f"{right} of {len(self.questions)} right so far."
        return f'{_STYLE}<p role="status"><b>{told}</b></p>'

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if runtime.widgets():
            display(self.widget())
        else:
            print(self)


def quiz(lesson: int) -> Quiz:
    """Open the quiz of a lesson, to be answered by mouse, keyboard or code.

    Args:
        lesson: number of the lesson, 1 to 7.

    Raises:
        CourseError: there is no such lesson.
    """
    questions(lesson)
    return Quiz(lesson)
