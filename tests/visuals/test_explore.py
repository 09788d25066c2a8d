"""Every explorer: it follows its controls, and stands still where no widgets run."""

import base64

import pytest

from coursekit.visuals import explore
from tests.visuals import explorers

ALL = explorers.explorers()


@pytest.mark.parametrize("name", ALL)
def test_a_moved_control_changes_the_picture(name):
    """A slider that is connected to nothing, or dies halfway along."""
    make, moves = ALL[name]
    assert moves
    explorers.drive(make(), moves)


@pytest.mark.parametrize("name", ALL)
def test_there_and_back_says_the_same(name):
    """What moves leaves traces on what stays: artists that pile up, settings that stick."""
    make, moves = ALL[name]
    explorer = make()
    explorer.redraw()
    first, start = explorer.caption, dict(explorer.settings)
    counts = [len(axes.get_children()) for axes in explorers.each(explorer.axes)]
    for move in moves:
        known = {key: value for key, value in move.items() if not isinstance(value, tuple | dict)}
        explorer.set(**known)
    explorer.set(**start)
    assert explorer.caption == first
    assert counts == [len(axes.get_children()) for axes in explorers.each(explorer.axes)]


def test_every_explorer_is_driven_and_described():
    """An explorer that no test ever opens, or on which Shift+Tab shows nothing."""
    assert set(ALL) == {name for name in vars(explore) if not name.startswith("_")}
    assert all(len(getattr(explore, name).__doc__) > 60 for name in ALL)


@pytest.mark.parametrize("name", ALL)
def test_without_widgets_a_picture_and_a_caption_are_left(name, capsys, monkeypatch):
    """A reader on a page without a kernel finds an empty space."""
    monkeypatch.setenv("COURSEKIT_WIDGETS", "off")
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    explorer = ALL[name][0]()
    explorer._ipython_display_()
    assert explorer.caption in capsys.readouterr().out
    (data,) = shown
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == explorer.caption
