"""What a learner reads while code runs: errors without a traceback, notes and progress."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Collection, Iterable
from typing import Any

from tqdm import tqdm


class CourseError(Exception):
    """A failure that a learner can mend: what is wrong, with which value, and what to do.

    In a notebook only the message is shown, without the traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython prints instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


def nearest(word: object, choices: Iterable[object]) -> str:
    """Suggest the choice spelled most like ``word``, as ``" Did you mean 'x'?"``, or nothing."""
    by_lower = {str(choice).lower(): str(choice) for choice in choices}
    match = difflib.get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[match[0]]!r}?" if match else ""


def no_such(what: str, word: object, names: Collection[object]) -> CourseError:
    """Make the error for an unknown name: the known ones, and that spelled most alike."""
    some = ", ".join(map(repr, [*names][:8]))
    return CourseError(f"There is no {what} {word!r}; choose one of {some}.{nearest(word, names)}")


def reason(error: BaseException) -> str:
    """First line of an error's message, without a full stop, to stand within a sentence."""
    text = str(getattr(error, "strerror", None) or error).strip()
    return text.splitlines()[0].rstrip(".:") if text else type(error).__name__


def note(sentence: str) -> None:
    """Print one visible sentence about something that did not go as asked, but went on."""
    print(f"Note: {sentence}", flush=True)


def progress(
    iterable: Iterable[Any] | None = None,
    *,
    total: int | None = None,
    label: str = "",
    unit: str = "",
    unit_scale: bool = False,
) -> tqdm:
    """Progress bar in plain text, with at most two updates a second, gone when it is done.

    ``COURSEKIT_PROGRESS=off`` silences it (tests and stored notebooks do that).

    Args:
        iterable: what to walk through; None for a bar that is moved by ``.update(n)``.
        total: number of steps, where ``iterable`` cannot tell.
        label: a word or two in front of the bar.
        unit: what is counted, such as ``" pictures"``.
        unit_scale: True writes thousands and millions as k and M; bytes, say.
    """
    return tqdm(
        iterable,
        total=total,
        desc=label,
        unit=unit,
        unit_scale=unit_scale,
        mininterval=0.5,
        leave=False,
        file=sys.stdout,
        disable=os.environ.get("COURSEKIT_PROGRESS", "") == "off",
    )
