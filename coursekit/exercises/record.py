"""What the learner has done: lines added to a small file that outlives the kernel.

No line is ever changed or taken away. So two notebooks at once lose nothing of each other, and what
is damaged, or comes from another version of the course, stays and counts as nothing.
"""

from __future__ import annotations

from collections import Counter

from coursekit import runtime
from coursekit.console import note, reason


def read() -> Counter[str]:
    """Count the lines of the record, such as "exercise 1.2", "hint 1.2" or "question 1.3"."""
    file = runtime.checkpoints() / "progress.txt"
    try:
        return Counter(file.read_text("utf-8", "replace").splitlines())
    except OSError as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            note(f"{file} could not be read ({reason(error)}); what you do now is added to it.")
        return Counter()


def add(line: str) -> None:
    """Add a line to the record."""
    file = runtime.checkpoints() / "progress.txt"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            out.write(f"\n{line}")  # the end of a line comes first: a crash may have cut the last
    except OSError as error:
        note(f"your progress could not be kept ({reason(error)}); everything else goes on.")
