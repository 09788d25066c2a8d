"""Every explorer with a small model of its own, moved as a hand would move it.

``lesson_N.py`` holds ``EXPLORERS``: {name: (function that makes an explorer, moves)}; a move is
{name of a control: its new value}, after which picture or sentence must be another one. It needs
nothing but the course and ipywidgets, so that it also runs on the stand-in for Colab:
``python -m tests.visuals.explorers``.
"""

import importlib
from pathlib import Path

import numpy


def explorers():
    """Return {name: (function that returns a new explorer, list of moves)} of all lessons."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("lesson_*.py")):
        found |= importlib.import_module(f"tests.visuals.explorers.{file.stem}").EXPLORERS
    return found


def each(axes):
    """List Axes, whether they are one, several, or none."""
    return [] if axes is None else list(numpy.array(axes, dtype=object).reshape(-1))


def drive(explorer, moves):
    """Move an explorer's widgets, then press its buttons.

    Raises:
        AssertionError: a move changed nothing, or something could not be drawn.
    """
    explorer.widget()

    def shown():
        said = explorer.view.caption.value
        for word in ("could not be drawn", "It stopped"):
            assert word not in said, f"{explorer.name}: {said}"
        assert explorer.caption, f"{explorer.name} says nothing"
        return explorer.view.picture.value, said

    last = shown()
    for move in moves:
        for name, value in move.items():
            explorer.widgets[name].value = value
        now = shown()
        assert now != last, f"{explorer.name}: {move} changes nothing"
        last = now
    for button in explorer.buttons:
        explorer.presses[button].click()
        shown()
