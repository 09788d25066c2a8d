"""The text of lesson 6: one text out of Python's own manual."""

import itertools
import sys

import pytest

from worlds import manual


@pytest.fixture(scope="module")
def text(carried):
    return (carried("nietzsche") / "manual.txt").read_bytes().decode()


def test_the_text_has_its_length_and_plain_line_ends(text):
    """Line ends of the system it was built on, or characters of a broken encoding."""
    assert len(text) == manual.LENGTH
    assert "\r" not in text
    assert 60 < len(set(text)) < 200


def test_the_archive_holds_the_manual(text, tmp_path):
    """An archive of another text; most must agree, as each Python's manual differs a little."""
    manual.build(tmp_path)
    made = (tmp_path / "manual.txt").read_bytes().decode()
    again, kept = (set(part.split("\n\n")) for part in (made, text))
    assert len(again & kept) > 0.6 * len(kept)


def test_about_a_fifth_of_the_manual_are_copies():
    """The lesson's warning, and its number: paragraphs that were read before, word for word."""
    first = itertools.islice(manual._paragraphs(), 2500)
    parts = [part for part in (" ".join(one.split()) for one in first) if part]
    assert 0.15 < 1 - len(set(parts)) / len(parts) < 0.3


def test_a_python_without_its_manual_gives_a_text_too(monkeypatch, tmp_path):
    """Systems that leave pydoc_data out."""
    monkeypatch.setitem(sys.modules, "pydoc_data", None)
    manual.build(tmp_path, length=20_000)
    found = (tmp_path / "manual.txt").read_text("utf-8")
    assert len(found) == 20_000
    assert found.count(" ") > 2000
