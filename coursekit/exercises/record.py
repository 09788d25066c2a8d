"""What the learner has done: a small file that outlives the kernel."""

from __future__ import annotations

import itertools
import json
from typing import TypedDict

from coursekit import runtime
from coursekit.console import note, reason
from coursekit.data.cache import write_whole


class Record(TypedDict):
    """The exercises done, {exercise: hints taken}, {lesson: questions answered rightly}."""

    exercises: list[str]
    hints: dict[str, int]
    quiz: dict[str, list[int]]


def read() -> Record:
    """Read what is done; a file that is not there or cannot be read counts as empty."""
    return _read() or {"exercises": [], "hints": {}, "quiz": {}}


def _read() -> Record | None:
    try:
        kept = json.loads(runtime.progress_file().read_text("utf-8"))
        return {
            "exercises": [str(number) for number in kept["exercises"]],
            "hints": {str(number): int(count) for number, count in kept["hints"].items()},
            "quiz": {str(n): [int(one) for one in right] for n, right in kept["quiz"].items()},
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _write(kept: Record) -> None:
    """Write the file whole or not at all; one that cannot be read is moved aside before."""
    file = runtime.progress_file()
    try:
        if file.exists() and _read() is None:
            asides = (file.with_suffix(f".unreadable-{n}.json") for n in itertools.count(1))
            aside = next(name for name in asides if not name.exists())
            file.rename(aside)
            note(f"your record of exercises could not be read; it is kept as {aside.name}.")
        write_whole(file, json.dumps(kept, indent=1))
    except OSError as error:
        note(f"your progress could not be kept ({reason(error)}); everything else goes on.")


def exercise_done(number: str) -> None:
    """Write down that an exercise was answered rightly."""
    kept = read()
    if number not in kept["exercises"]:
        kept["exercises"].append(number)
        _write(kept)


def next_hint(number: str, count: int) -> int:
    """Choose which of ``count`` hints comes next, from 0, and write it down; the last one stays."""
    kept = read()
    place = min(kept["hints"].get(number, 0), count - 1)
    kept["hints"][number] = place + 1
    _write(kept)
    return place


def question_right(lesson: int, question: int) -> None:
    """Write down that a question of a quiz was answered rightly."""
    kept = read()
    right = kept["quiz"].setdefault(str(lesson), [])
    if question not in right:
        right.append(question)
        _write(kept)
