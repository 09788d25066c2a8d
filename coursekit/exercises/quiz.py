"""Quizzes, and the picture of what is done.

``quiz_N.md`` holds the questions of a lesson, each with a few answers below it: ``- [x] answer ::
why`` is the right one, ``- [ ] answer :: why`` another.
"""

from __future__ import annotations

import functools
import html
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from coursekit import runtime
from coursekit.arguments import checked
from coursekit.console import CourseError, no_such
from coursekit.exercises import record
from coursekit.exercises.checking import LESSONS, exercises
from coursekit.visuals.style import COLORS, counted, figure

if TYPE_CHECKING:
    import ipywidgets

# ipywidgets gives an answer one line of height, and the next one would cover its second.
_STYLE = """<style>
.coursekit-quiz .widget-radio-box label { display: flex; align-items: flex-start; height: auto; }
.coursekit-quiz .widget-radio-box label input { flex: none; order: -1; }
</style>"""


class Answer(NamedTuple):  # noqa: D101
    text: str
    right: bool
    why: str


class Question(NamedTuple):
    """A question and its answers by their letters, "a", "b" and so on."""

    text: str
    answers: dict[str, Answer]


@functools.cache
def questions(lesson: int) -> list[Question]:
    """Read the questions of a lesson."""
    _, *blocks = Path(__file__).with_name(f"quiz_{lesson}.md").read_text("utf-8").split("\n\n")
    found = []
    for text, _, lines in (block.strip().partition("\n") for block in blocks):
        answers = re.findall(r"(?m)^- \[([ x])\] (.*) :: (.*)$", lines)
        each = (Answer(said, mark == "x", why) for mark, said, why in answers)
        found.append(Question(text, dict(zip("abcdef", each, strict=False))))
    return found


class Quiz:
    """The questions of a lesson; it shows itself as the last line of a cell."""

    def __init__(self, lesson: int) -> None:
        self.lesson, self.questions = lesson, questions(lesson)

    def __repr__(self) -> str:
        return (
            f"Quiz of lesson {self.lesson}: {len(self.questions)} questions; by code, "
            f'ck.quiz({self.lesson}).answer(1, "b").'
        )

    def answer(self, question: int, letter: str) -> None:
        """Say whether an answer is right, and why; question from 1, letter "a", "b" and so on."""
        print(self._judge(question, letter)[1])

    def _judge(self, question: int, letter: str) -> tuple[bool, str]:
        """Whether an answer is right, and the sentence about it; writes down what is right."""
        known = {str(number): one for number, one in enumerate(self.questions, 1)}
        if (number := str(question).strip()) not in known:
            raise no_such("question", question, known)
        answers = known[number].answers
        if (chosen := str(letter).strip().lower()) not in answers:
            raise no_such("answer", letter, answers)
        _, right, why = answers[chosen]
        if right and (line := f"question {self.lesson}.{number}") not in record.read():
            record.add(line)
        return right, f"{'Right' if right else 'Not quite'}: {why}"

    def widget(self) -> ipywidgets.VBox:
        """Make the ipywidget: each question with a button for every answer."""
        import ipywidgets

        wide = {"width": "auto", "max_width": "760px"}
        score = ipywidgets.HTML(self._score())
        parts = []
        for number, question in enumerate(self.questions, 1):
            text = f"<p><b>{number}.</b> {html.escape(question.text)}</p>"
            options = [f"{letter}. {answer.text}" for letter, answer in question.answers.items()]
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
        kept, count = record.read(), len(self.questions)
        right = sum(f"question {self.lesson}.{number + 1}" in kept for number in range(count))
        return f'{_STYLE}<p role="status"><b>{right} of {count} right so far.</b></p>'

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget()) if runtime.widgets() else print(self)


@checked
def quiz(lesson: int | str) -> Quiz:
    """Open the quiz of a lesson, 1 to 7, to be answered by mouse, keyboard or code."""
    if (asked := str(lesson).strip()) not in map(str, LESSONS):
        raise CourseError(f"There is no lesson {lesson!r}; the lessons are 1 to {LESSONS[-1]}.")
    return Quiz(int(asked))


@figure(size=(8.5, 0.45 * len(LESSONS) + 0.9))
def progress(axes: Any) -> str:
    """Draw which exercises and questions are done, a row for each lesson; a new kernel knows it."""
    kept, told = record.read(), []
    kinds: Any = ("exercise", "s", 2, exercises), ("question", "o", 11, questions)
    for kind, marker, left, of in kinds:
        marks = {
            (left + place, row): f"{kind} {lesson}.{place + 1}" in kept
            for row, lesson in enumerate(LESSONS)
            for place in range(len(of(lesson)))
        }
        colors = [COLORS["blue"] if done else "white" for done in marks.values()]
        axes.scatter(*zip(*marks, strict=True), 120, colors, marker=marker, edgecolors="#666666")
        told.append(f"{sum(marks.values())} of {counted(len(marks), kind)}")
    axes.set(xlim=(1, 21.5), ylim=(len(LESSONS) - 0.5, -0.6))
    axes.set_yticks(range(len(LESSONS)), [f"lesson {lesson}" for lesson in LESSONS])
    axes.set_xticks([2, 11], ["exercises", "quiz"], ha="left")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return f"{' and '.join(told)} are done; filled marks are done ones."
