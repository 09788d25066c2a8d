"""Tests of what a learner reads: errors in one sentence, nearest names, notes, progress."""

import io

import pytest

from coursekit import console
from coursekit.console import nearest, progress, reason


@pytest.mark.parametrize(
    ("word", "choices", "offered"),
    [
        ("resnet43", ["resnet34", "vgg11"], " Did you mean 'resnet34'?"),
        ("DOGSCATS", ["dogscats"], " Did you mean 'dogscats'?"),
        ("zebra", ["resnet34", "vgg11"], ""),
        ("cats", [], ""),
        (7, [6, 7], " Did you mean '7'?"),
    ],
)
def test_the_nearest_word(word, choices, offered):
    """A typo would get no help, or any word at all would be offered."""
    assert nearest(word, choices) == offered


@pytest.mark.parametrize(
    ("word", "yes"),
    [("1", True), ("On", True), (" true ", True), ("", False)]
    + [(word, False) for word in ("0", "false", "No", "off")],
)
def test_a_switch_takes_words(word, yes, monkeypatch):
    """COURSEKIT_QUICK=false would switch the quick profile on, being a text that is not empty."""
    monkeypatch.setenv("COURSEKIT_QUICK", word)
    assert console.switch("COURSEKIT_QUICK", "off") is yes


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (FileNotFoundError(2, "No such file or directory", "/x"), "No such file or directory"),
        (ValueError("Error tokenizing data. C error: EOF."), "Error tokenizing data. C error: EOF"),
        (
            RuntimeError("CUDA error: no kernel image.\nFor debugging"),
            "CUDA error: no kernel image",
        ),
        (RuntimeError("  "), "RuntimeError"),
        (EOFError(), "EOFError"),
    ],
)
def test_a_reason_fits_into_a_sentence(error, words):
    """Pages of a driver's or a parser's words would stand in the middle of ours."""
    assert reason(error) == words


def test_progress_is_silent_where_asked(capsys):
    """Stored notebooks would hold a hundred half-drawn bars."""
    assert list(progress(range(3), label="walking")) == [0, 1, 2]
    with progress(total=5) as bar:
        bar.update(5)
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""


def test_progress_shows_a_bar_in_text(monkeypatch):
    """The bar would go to stderr, or need a widget."""
    stream = io.StringIO()
    monkeypatch.setenv("COURSEKIT_PROGRESS", "")
    monkeypatch.setattr(console.sys, "stdout", stream)
    assert list(progress(range(3), label="walking", unit=" steps")) == [0, 1, 2]
    assert "walking" in stream.getvalue()
    assert stream.getvalue().split("\r")[-1].strip() == ""
