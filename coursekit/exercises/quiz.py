"""Quizzes: a question, a few answers, and for each of them why it is right or wrong."""

import html
from dataclasses import dataclass

from coursekit import runtime
from coursekit.console import CourseError
from coursekit.exercises import record, texts
from coursekit.visuals.style import counted, say

LETTERS = "abcdef"
# ipywidgets gives an answer one line of height, and the next one would cover its second.
_STYLE = """<style>
.coursekit-quiz .widget-radio-box label { display: flex; align-items: flex-start; height: auto; }
.coursekit-quiz .widget-radio-box label input { flex: none; order: -1; }
</style>"""


@dataclass(frozen=True)
class Quiz:
    """The questions of a lesson; it shows itself as the last line of a cell."""

    lesson: int

    @property
    def questions(self):
        """Return the list of {"question": text, "answers": [{"text", "right", "why"}]}."""
        return texts.lesson(self.lesson)["quiz"]

    def __repr__(self):
        return (
            f"Quiz of lesson {self.lesson}: {counted(len(self.questions), 'question')}; by code, "
            f'ck.quiz({self.lesson}).answer(1, "b").'
        )

    def answer(self, question, letter):
        """Say whether the answer to a question is right, and why.

        Args:
            question: number of the question, from 1.
            letter: "a", "b" and so on.

        Raises:
            CourseError: there is no such question or answer.
        """
        print(self._judge(question, letter)[1])

    def _judge(self, question, letter):
        """Return (right or not, the sentence about it), and write down what is right."""
        if question not in range(1, len(self.questions) + 1):
            raise CourseError(
                f"There is no question {question!r}; choose one from 1 to {len(self.questions)}."
            )
        answers = self.questions[question - 1]["answers"]
        letters = LETTERS[: len(answers)]
        if not isinstance(letter, str) or len(letter) != 1 or letter not in letters:
            raise CourseError(f"There is no answer {letter!r}; choose one of {', '.join(letters)}.")
        chosen = answers[letters.index(letter)]
        if chosen["right"]:
            record.question_right(self.lesson, question)
        return chosen["right"], f"{'Right' if chosen['right'] else 'Not quite'}: {chosen['why']}"

    def widget(self):
        """Return the ipywidget: each question with a button for every answer."""
        import ipywidgets

        score = ipywidgets.HTML(_STYLE + self._score())
        parts = [
            part
            for number in range(1, len(self.questions) + 1)
            for part in self._one(number, score)
        ]
        root = ipywidgets.VBox([*parts, score])
        root.add_class("coursekit-quiz")
        return root

    def _one(self, number, score):
        """Return the widgets of one question."""
        import ipywidgets

        question = self.questions[number - 1]
        text = f"<p><b>{number}.</b> {html.escape(question['question'])}</p>"
        wide = {"width": "auto", "max_width": "760px"}
        answers = {
            f"{letter}. {answer['text']}": letter
            for letter, answer in zip(LETTERS, question["answers"], strict=False)
        }
        choice = ipywidgets.RadioButtons(options=list(answers), value=None, layout=wide)
        verdict = ipywidgets.HTML(layout=wide)

        def chosen(change):
            if change["new"] is None:
                return
            right, said = self._judge(number, answers[change["new"]])
            mark = "✓" if right else "✗"
            verdict.value = f'<p role="status">{mark} {html.escape(said)}</p>'
            score.value = _STYLE + self._score()

        choice.observe(chosen, names="value")
        return ipywidgets.HTML(text, layout=wide), choice, verdict

    def _score(self):
        right = len(record.read()["quiz"].get(str(self.lesson), []))
        return f'<p role="status"><b>{right} of {len(self.questions)} right so far.</b></p>'

    def _ipython_display_(self):
        from IPython.display import display

        if runtime.widgets():
            display(self.widget())
        else:
            say(repr(self))


def quiz(lesson):
    """Return the quiz of a lesson, to be answered by mouse, keyboard or code.

    Args:
        lesson: number of the lesson, 1 to 7.

    Raises:
        CourseError: there is no such lesson.
    """
    texts.lesson(lesson)
    return Quiz(lesson)
