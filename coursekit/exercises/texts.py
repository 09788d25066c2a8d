"""The words of exercises and quizzes: hints, solutions and questions, taken from the lessons.

``notebooks/build.py`` writes ``texts/lesson_N.json`` from the source of each lesson, the one place
where they are written.
"""

import functools
import json
from pathlib import Path

from coursekit.console import CourseError

FOLDER = Path(__file__).parent / "texts"


@functools.cache
def lessons():
    """Return the numbers of the lessons that have exercises."""
    return sorted(int(file.stem.split("_")[1]) for file in FOLDER.glob("lesson_*.json"))


@functools.cache
def lesson(number):
    """Return {"exercises": {number: {"hints": [...], "solution": code}}, "quiz": [questions]}.

    A question is {"question": text, "answers": [{"text": ..., "right": bool, "why": ...}]}.

    Raises:
        CourseError: there is no such lesson.
    """
    if number not in lessons():
        raise CourseError(
            f"There is no lesson {number!r}; the lessons are {', '.join(map(str, lessons()))}."
        )
    return json.loads((FOLDER / f"lesson_{number}.json").read_text("utf-8"))
