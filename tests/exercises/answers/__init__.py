"""What learners may answer to the exercises: ``lesson_N.py`` holds ``RIGHT`` and ``WRONG``.

RIGHT is a list of (number, an answer that is right), in other words than the solution; WRONG one of
(number, an answer, a word of the sentence that tells its mistake).
"""

import importlib
from pathlib import Path


def answers():
    """Return the lists (RIGHT, WRONG) of all lessons together."""
    files = sorted(Path(__file__).parent.glob("lesson_*.py"))
    known = [importlib.import_module(f"tests.exercises.answers.{file.stem}") for file in files]
    right = [one for lesson in known for one in lesson.RIGHT]
    return right, [one for lesson in known for one in lesson.WRONG]
