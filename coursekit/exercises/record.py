"""What the learner has done: a small file that outlives the kernel, and its picture."""

import json
import os

from coursekit import runtime
from coursekit.console import note, reason
from coursekit.exercises import texts
from coursekit.visuals.style import COLORS, counted, panels, say, use_style


def read():
    """Return {"exercises": [numbers], "hints": {number: how many}, "quiz": {lesson: [questions]}}.

    A file that cannot be read counts as empty.
    """
    try:
        kept = json.loads(runtime.progress_file().read_text("utf-8"))
        return {
            "exercises": [str(number) for number in kept["exercises"]],
            "hints": {str(number): int(count) for number, count in kept["hints"].items()},
            "quiz": {str(n): [int(one) for one in right] for n, right in kept["quiz"].items()},
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {"exercises": [], "hints": {}, "quiz": {}}


def _write(kept):
    """Write the file whole or not at all; where that fails, say so and go on."""
    file = runtime.progress_file()
    partial = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(kept, indent=1), "utf-8")
        os.replace(partial, file)
    except OSError as error:
        note(f"your progress could not be kept ({reason(error)}); everything else goes on.")


def exercise_done(number):
    """Write down that an exercise was answered rightly."""
    kept = read()
    if number not in kept["exercises"]:
        kept["exercises"].append(number)
        _write(kept)


def next_hint(number, count):
    """Return which of ``count`` hints comes next, from 0, and write it down; the last one stays."""
    kept = read()
    place = min(kept["hints"].get(number, 0), count - 1)
    kept["hints"][number] = place + 1
    _write(kept)
    return place


def question_right(lesson, question):
    """Write down that a question of a quiz was answered rightly."""
    kept = read()
    right = kept["quiz"].setdefault(str(lesson), [])
    if question not in right:
        right.append(question)
        _write(kept)


@use_style()
def progress(*, axes=None):
    """Draw which exercises and questions are done, a row for each lesson; a new kernel knows it.

    Args:
        axes: the Axes to draw on; None for a new figure.
    """
    kept, lessons = read(), texts.lessons()
    axis = panels(size=(8.5, 0.45 * max(2, len(lessons)) + 0.9), axes=axes)[0, 0]
    done = total = right = questions = 0
    for row, lesson in enumerate(lessons):
        known = texts.lesson(lesson)
        boxes = [(2, number in kept["exercises"]) for number in known["exercises"]]
        answered = kept["quiz"].get(str(lesson), [])
        dots = [(11, place in answered) for place in range(1, len(known["quiz"]) + 1)]
        for marker, marks in (("s", boxes), ("o", dots)):
            for place, (start, full) in enumerate(marks):
                colour = COLORS["blue"] if full else "white"
                axis.plot(
                    start + place,
                    row,
                    marker,
                    color=colour,
                    markeredgecolor="#666666",
                    markersize=11,
                )
        done, total = done + sum(full for _, full in boxes), total + len(boxes)
        right, questions = right + sum(full for _, full in dots), questions + len(dots)
    axis.set(xlim=(1, 21.5), ylim=(len(lessons) - 0.5, -0.6))
    axis.set_yticks(range(len(lessons)), [f"lesson {lesson}" for lesson in lessons])
    axis.set_xticks([2, 11], ["exercises", "quiz"], ha="left")
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.grid(False)
    axis.spines[:].set_visible(False)
    say(
        f"{done} of {counted(total, 'exercise')} and {right} of {counted(questions, 'question')} "
        "are done; filled marks are done ones."
    )
    return axis
