"""The sample of lesson 6: one text out of Python's own manual."""

import itertools
import sys

import pytest

import coursekit as ck
from coursekit.data.samples import manual


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    manual.build(folder)
    return (folder / "manual.txt").read_bytes().decode()


def test_the_text_is_whole_and_the_same_each_time(text, tmp_path):
    """Another order of topics in each process, or line ends of the system it is built on."""
    manual.build(tmp_path, seed=1)
    assert (tmp_path / "manual.txt").read_bytes().decode() == text
    assert len(text) == manual.LENGTH
    assert "\r" not in text
    assert 60 < len(set(text)) < 200


def test_the_end_is_not_in_the_beginning(text):
    """Topics that repeat others: the validation part would have been read in training."""
    cut = len(text) * 9 // 10
    seen = {text[at : at + 40] for at in range(cut)}
    end = text[cut:]
    known = [end[at : at + 40] in seen for at in range(len(end) - 40)]
    assert sum(known) / len(known) < 0.02


def test_about_a_fifth_of_the_manual_are_copies():
    """The lesson's warning, and its number: paragraphs that were read before, word for word."""
    first = itertools.islice(manual._paragraphs(), 2500)
    parts = [part for part in (" ".join(one.split()) for one in first) if part]
    assert 0.15 < 1 - len(set(parts)) / len(parts) < 0.3


def test_nothing_drawn_is_left(text):
    """Underlines and frames of tables: thousands of characters that teach nothing."""
    assert not [line for line in text.split("\n") if manual.DRAWN.fullmatch(line)]
    assert "\n\n\n" not in text


@pytest.mark.parametrize("lacks", ["package", "dictionary"])
def test_a_python_without_its_manual_gives_a_text_too(lacks, monkeypatch, tmp_path):
    """Systems that leave pydoc_data out, and versions that lay it out in another way."""
    if lacks == "package":
        monkeypatch.setitem(sys.modules, "pydoc_data", None)
    else:
        from pydoc_data import topics

        monkeypatch.delattr(topics, "topics")
    assert manual._topics() == {}
    manual.build(tmp_path, length=20_000)
    found = (tmp_path / "manual.txt").read_text("utf-8")
    assert len(found) == 20_000
    assert found.count(" ") > 2000


def test_the_lesson_finds_one_text(capsys):
    """A file name that only one of the two editions has."""
    folder = ck.fetch("nietzsche", edition="sample")
    said = capsys.readouterr().out
    assert "sample edition: 1 file" in said
    assert "PSF licence" in said  # the manual is not the course's own work
    assert [file.name for file in folder.glob("*.txt")] == ["manual.txt"]
