"""What a learner reads while code runs: one-sentence errors, notes and progress."""

import difflib
import os
import sys


class CourseError(Exception):
    """A failure that a learner can mend: one sentence that says what is wrong and what to do.

    In a notebook only the sentence is shown, without the traceback.
    """

    def _render_traceback_(self):
        """Return what IPython prints instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


def nearest(word, choices):
    """Return ``" Did you mean 'x'?"`` with the choice nearest to ``word``, or an empty string."""
    by_lower = {str(choice).lower(): str(choice) for choice in choices}
    match = difflib.get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[match[0]]!r}?" if match else ""


def reason(error):
    """Return why an ``error`` came, fit to stand within a sentence: one line, no full stop."""
    text = str(getattr(error, "strerror", None) or error).strip()
    return text.splitlines()[0].rstrip(".:").replace(". ", ", ") if text else type(error).__name__


def note(sentence):
    """Print one visible sentence about something that did not go as asked, but went on."""
    print(f"Note: {sentence}", flush=True)


def progress(iterable=None, *, total=None, label="", unit="", unit_scale=False):
    """Return a tqdm bar in plain text, at most two updates a second, gone when it is done.

    ``COURSEKIT_PROGRESS=off`` silences it (tests and stored notebooks do that).

    Args:
        iterable: what to walk through; None for a bar that is moved by ``.update(n)``.
        total: how many steps there are, where ``iterable`` cannot tell.
        label: a word or two in front of the bar.
        unit: what is counted, such as ``" pictures"``.
        unit_scale: True writes thousands and millions as k and M; bytes, say.
    """
    from tqdm import tqdm

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
