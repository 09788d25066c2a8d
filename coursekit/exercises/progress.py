"""The picture of what the learner has done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coursekit.exercises import record
from coursekit.exercises.checking import LESSONS, exercises
from coursekit.exercises.quiz import questions
from coursekit.visuals.style import COLORS, counted, figure

if TYPE_CHECKING:
    from coursekit.visuals.style import Axes


@figure(size=(8.5, 0.45 * len(LESSONS) + 0.9))
def progress(axes: Axes) -> str:
    """Draw which exercises and questions are done, a row for each lesson; a new kernel knows it."""
    kept, told = record.read(), []
    for kind, marker, left, of in (
        ("exercise", "s", 2, exercises),
        ("question", "o", 11, questions),
    ):
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
