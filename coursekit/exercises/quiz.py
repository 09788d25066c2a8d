"""Quizzes: a question, a few answers, and for each of them why it is right or wrong.

``quiz_N.md`` holds the questions of a lesson, each with its answers below it: ``- [x] answer ::
why`` is the right one, ``- [ ] answer :: why`` another.
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

if TYPE_CHECKING:
    import ipywidgets

LETTERS = "abcdef"
# ipywidgets gives an answer one line of height, and the next one would cover its second.
_STYLE = """<style>
.coursekit-quiz .widget-radio-box label { display: flex; align-items: flex-start; height: auto; }
.coursekit-quiz .widget-radio-box label input { flex: none; order: -1; }
</style>"""


class Answer(NamedTuple):  # noqa: D101
    text: str
    right: bool
    why: str


class Question(NamedTuple):  # noqa: D101
    text: str
    answers: list[Answer]


@functools.cache
def questions(lesson: int) -> list[Question]:
    """Read the questions of a lesson; raises a CourseError where there is no such lesson."""
    file = Path(__file__).with_name(f"quiz_{lesson}.md")
    if not file.exists():
        raise CourseError(f"There is no lesson {lesson!r}; the lessons are 1 to 7.")
    _, *blocks = file.read_text("utf-8").strip().split("\n\n")
    found = []
    for text, *lines in map(str.splitlines, blocks):
        answers = re.findall(r"(?m)^- \[([ x])\] (.*) :: (.*)$", "\n".join(lines))
        found.append(
            Question(text, [Answer(said, right == "x", why) for right, said, why in answers])
        )
    return found


@dataclass(frozen=True)
class Quiz:
    """The questions of a lesson; it shows itself as the last line of a cell."""

    lesson: int
    questions: list[Question]

    def __repr__(self) -> str:
        return (
            f"Quiz of lesson {self.lesson}: {len(self.questions)} questions; by code, "
            f'ck.quiz({self.lesson}).answer(1, "b").'
        )

    def answer(self, question: int, letter: str) -> None:
        """Say whether an answer is right, and why; question from 1, letter "a", "b" and so on.

        Raises:
            CourseError: there is no such question or answer.
        """
        print(self._judge(question, letter)[1])

    def _judge(self, question: int, letter: str) -> tuple[bool, str]:
        """Whether an answer is right, and the sentence about it; writes down what is right."""
        count = len(self.questions)
        if question not in range(1, count + 1):
            raise CourseError(f"There is no question {question!r}; choose one from 1 to {count}.")
        lettered = dict(zip(LETTERS, self.questions[question - 1].answers, strict=False))
        if letter not in lettered:
            raise CourseError(
                f"There is no answer {letter!r}; choose one of {', '.join(lettered)}."
            )
        _, right, why = lettered[letter]
        if right:
            record.question_right(self.lesson, question)
        return right, f"{'Right' if right else 'Not quite'}: {why}"

    def widget(self) -> ipywidgets.VBox:
        """Make the ipywidget: each question with a button for every answer."""
        import ipywidgets

        wide = {"width": "auto", "max_width": "760px"}
        score = ipywidgets.HTML(self._score())
        parts = []
        for number, question in enumerate(self.questions, 1):
            text = f"<p><b>{number}.</b> {html.escape(question.text)}</p>"
            lettered = zip(LETTERS, question.answers, strict=False)
            options = [f"{letter}. {answer.text}" for letter, answer in lettered]
            choice = ipywidgets.RadioButtons(options=options, value=None, layout=wide)
            verdict = ipywidgets.HTML(layout=wide)
            chosen = functools.partial(self._chosen, number, verdict, score)
            choice.observe(chosen, names="value")
            parts += [ipywidgets.HTML(text, layout=wide), choice, verdict]
        root = ipywidgets.VBox([*parts, score])
        root.add_class("coursekit-quiz")
        return root

    def _chosen(self, number: int, verdict: Any, score: Any, change: Any) -> None:
        right, sentence = self._judge(number, change["new"][0])
        told = f"{'✓' if right else '✗'} {html.escape(sentence)}"
        verdict.value, score.value = f'<p role="status">{told}</p>', self._score()

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
    """Open the quiz of a lesson, 1 to 7, to be answered by mouse, keyboard or code.

    Raises:
        CourseError: there is no such lesson.
    """
    return Quiz(lesson, questions(lesson))
