"""The explorers: pictures that follow their controls, and stand still where there are none."""

import base64
import threading

import pytest

from coursekit.visuals import explore
from coursekit.visuals.explore import frame
from coursekit.visuals.style import DRAWING, say, use_style
from tests.sentences import refuses
from tests.visuals import explorers

ALL = explorers.explorers()


@pytest.mark.parametrize("name", ALL)
def test_a_moved_control_changes_the_picture(name):
    """A slider that is connected to nothing, or dies halfway along."""
    make, moves = ALL[name]
    assert moves
    explorers.drive(make(), moves)


@pytest.mark.parametrize("name", ALL)
def test_there_and_back_is_the_same_picture(name):
    """What moves leaves traces on what stays, or is drawn on another ground."""
    make, moves = ALL[name]
    explorer = make()
    explorer.redraw()
    first = explorer.png
    start = dict(explorer.settings)
    for move in moves:
        known = {key: value for key, value in move.items() if not isinstance(value, tuple | dict)}
        explorer.set(**known)
    explorer.set(**start)
    assert explorer.png == first


def test_every_explorer_is_driven():
    """An explorer that no test ever opens."""
    assert set(ALL) == set(explore.__all__)


@pytest.mark.parametrize("name", ALL)
def test_without_widgets_a_picture_and_a_sentence_are_left(name, capsys, monkeypatch):
    """A reader on a page without a kernel finds an empty space."""
    monkeypatch.setenv("COURSEKIT_WIDGETS", "off")
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    explorer = ALL[name][0]()
    explorer._ipython_display_()
    assert explorer.sentence in capsys.readouterr().out
    if explorer.page is None:
        (data,) = shown
        assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
        assert data["text/plain"] == explorer.sentence


@pytest.mark.parametrize("name", ALL)
def test_each_says_what_it_is_for(name):
    """Shift+Tab on an explorer shows nothing."""
    assert len(getattr(explore, name).__doc__) > 60


def test_a_wrong_setting_is_named():
    """A typo that is swallowed, and a slider that stays where it was."""
    with refuses("no setting 'rates'", "Did you mean 'rate'?"):
        explore.descent().set(rates=1)
    with refuses("learning rate is 7"):
        explore.descent(rate=7)
    with refuses("landscape cannot be", "a curve"):
        explore.descent(landscape="a curv")
    with refuses("learning rate is '0.1'", "a number from"):
        explore.descent(rate="0.1")
    with refuses("ReLUs is 3.5", "a whole number from 1 to 40"):
        explore.relus(bends=3.5)


def test_what_cannot_be_drawn_changes_nothing():
    """One wrong setting, after which every other one fails as well, or half of them are taken."""

    def draw(axes, n):
        if n == 3:
            raise ValueError("not three")
        return str(n)

    explorer = frame.Explorer("x", draw, {"n": frame.Slider("n", 1, low=1, high=5)})
    with pytest.raises(ValueError, match="not three"):
        explorer.set(n=3)
    assert explorer.settings == {"n": 1}
    with refuses("no setting 'm'"):
        explorer.set(n=2, m=2)
    assert explorer.settings == {"n": 1}


def test_controls_stand_where_the_settings_are():
    """Settings changed by code before the explorer is shown: a picture beside other sliders."""
    explorer = explore.descent().set(rate=1.0)
    explorer.widget()
    assert explorer.widgets["rate"].value == 1.0


def test_what_fails_is_said_and_the_picture_stays():
    """A traceback in place of the picture, after which no slider works any more."""

    def draw(axes, n):
        if n > 2:
            raise ValueError("too many")
        return "fine"

    explorer = frame.Explorer("x", draw, {"n": frame.Slider("n", 1, low=1, high=5)})
    explorer.widget()
    explorer.widgets["n"].value = 4
    assert "could not be drawn (ValueError: too many)" in explorer._view.sentence.value
    explorer.widgets["n"].value = 2
    assert "too many" not in explorer._view.sentence.value


def test_a_file_that_is_no_picture_leaves_the_one_before():
    """After one wrong file every slider only repeats what was wrong with it."""

    def draw(axes, file, n):
        if file == b"bad":
            raise ValueError("no picture")
        return f"{file} {n}"

    controls = {"file": frame.Upload("file", b"good"), "n": frame.Slider("n", 1, low=1, high=5)}
    explorer = frame.Explorer("x", draw, controls)
    explorer.widget()
    wrong = ({"name": "a", "content": memoryview(b"bad")},)
    explorer._moved("file", {"new": wrong})
    assert "no picture" in explorer._view.sentence.value
    explorer.widgets["n"].value = 3
    assert explorer.page == "b'good' 3"


def test_an_uploaded_file_is_found_in_both_ipywidgets():
    """FileUpload.value is a dict in ipywidgets 7 and a tuple in 8."""
    assert frame.uploaded({"cat.jpg": {"metadata": {}, "content": b"x"}}) == b"x"
    assert frame.uploaded(({"name": "cat.jpg", "content": memoryview(b"y")},)) == b"y"
    assert frame.uploaded(()) is None


def test_no_figure_is_left_to_be_shown_twice():
    """Each move of a slider leaves a figure behind: a warning after twenty, then no memory."""
    import matplotlib.pyplot as plt

    before, explorer = plt.get_fignums(), explore.relus()
    for bends in (2, 3, 4):
        explorer.set(bends=bends)
    assert plt.get_fignums() == before

    def draw(axes):
        plt.figure()
        raise ValueError("half drawn")

    with pytest.raises(ValueError, match="half drawn"):
        frame.Explorer("x", draw, {}).redraw()
    assert plt.get_fignums() == before


def test_a_page_takes_the_place_of_a_picture():
    """The last picture above words that speak of something else."""
    import matplotlib.pyplot as plt

    def draw(axes, n):
        return plt.subplots()[1] if n == 1 else "a page"

    explorer = frame.Explorer("x", draw, {"n": frame.Slider("n", 1, low=1, high=2)})
    explorer.redraw()
    assert explorer.png
    explorer.set(n=2)
    assert explorer.png is None
    assert "a page" in explorer.html()


def test_the_style_is_set_by_one_thread_at_a_time():
    """A slider moved while a cell draws, after which all figures keep the course's settings."""
    free = []

    def look():
        free.append(DRAWING.acquire(blocking=False))
        if free[-1]:
            DRAWING.release()

    with use_style():
        other = threading.Thread(target=look)
        other.start()
        other.join()
    look()
    assert free == [False, True]


def test_what_a_cell_prints_meanwhile_stays_on_the_page(capsys):
    """A slider moved while a cell trains, and a row of its table ends below the picture."""
    drawing, printed = threading.Event(), threading.Event()

    def draw(axes):
        drawing.set()
        printed.wait(10)
        say("the sentence")
        return "a page"

    explorer = frame.Explorer("x", draw, {})
    mover = threading.Thread(target=explorer.redraw)
    mover.start()
    drawing.wait(10)
    print("a row of a table")
    printed.set()
    mover.join()
    assert explorer.sentence == "the sentence"
    assert capsys.readouterr().out == "a row of a table\n"
