"""What a learner reads while code runs: errors without a traceback, notes, progress; settings."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Collection, Iterable
from typing import Any

from tqdm import tqdm

YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


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


def choose(what: str, word: object, names: Collection[str]) -> str:
    """Return ``word``, which must be one of the ``names`` of ``what``."""
    if isinstance(word, str) and word in names:
        return word
    raise no_such(what, word, names)


def setting(variable: str, names: Collection[str], otherwise: str) -> str:
    """Value of an environment variable, in small letters; ``otherwise`` where it is not set."""
    return choose(variable, os.environ.get(variable, "").strip().lower() or otherwise, names)


def switch(variable: str, otherwise: str) -> bool:
    """Whether an environment variable says yes; ``otherwise`` is "on" or "off"."""
    return setting(variable, (*YES, *NO), otherwise) in YES


def reason(error: BaseException) -> str:
    """First line of an error's message, without a full stop, to stand within a sentence."""
    text = str(getattr(error, "strerror", None) or error).strip()
    return text.splitlines()[0].rstrip(".:") if text else type(error).__name__


def size(count: float) -> str:
    """A number of bytes as a learner reads it: ``2.4 MB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def note(sentence: str) -> None:
    """Print one visible sentence about something that did not go as asked, but went on."""
    print(f"Note: {sentence}", flush=True)


def progress(
    iterable: Iterable[Any] | None = None,
    *,
    label: str = "",
    unit: str = "",
    **more: Any,
) -> tqdm:
    """Progress bar in plain text, with at most two updates a second, gone when it is done.

    ``COURSEKIT_PROGRESS=off`` silences it (tests and stored notebooks do that). Without an
    ``iterable`` it is moved by ``.update(n)``. ``more`` is of tqdm, such as ``total``.
    """
    return tqdm(
        iterable,
        desc=label,
        unit=unit,
        mininterval=0.5,
        leave=False,
        file=sys.stdout,
        disable=not switch("COURSEKIT_PROGRESS", "on"),
        **more,
    )
