"""Checks of what a learner reads when something cannot be done."""

import contextlib

import pytest

from coursekit.console import CourseError


@contextlib.contextmanager
def refuses(*words):
    """Check that the block raises a CourseError with ``words`` in it."""
    with pytest.raises(CourseError) as caught:
        yield caught
    text = str(caught.value)
    for word in words:
        assert word in text, f"{word!r} is not in: {text}"
