"""Checks of what a learner reads when something cannot be done."""

import contextlib
import re

import pytest

from coursekit.console import CourseError


@contextlib.contextmanager
def refuses(*words):
    """Check that the block raises a CourseError: one sentence, a remedy, and ``words`` in it."""
    with pytest.raises(CourseError) as caught:
        yield caught
    text = str(caught.value)
    sentence = re.sub(r" Did you mean '.*'\?$", "", text)
    assert sentence.endswith("."), text
    assert ". " not in sentence, f"more than one sentence: {text}"
    assert "\n" not in sentence, text
    assert re.search("[;:,]", sentence), f"there is no remedy: {text}"
    for word in words:
        assert word in text, f"{word!r} is not in: {text}"
