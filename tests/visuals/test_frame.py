"""The frame: settings are checked, errors told below the picture, widgets of both versions fit."""

import asyncio
import itertools

import matplotlib.pyplot as plt
import pytest

from coursekit.console import CourseError
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import Drawn

PANEL = {"size": (2.0, 1.0)}
KINDS = {
    "whole": (Control(3, (1, 9)), "IntSlider", 5),
    "number": (Control(0.3, (0.0, 1.0)), "FloatSlider", 0.7),
    "power": (Control(0.1, (0.001, 10.0), log=True), "FloatLogSlider", 1.0),
    "one of": (Control("u", ["u", "v"]), "Dropdown", "v"),
    "named": (Control(1, {"one": 1, "two": 2}), "Dropdown", 2),
    "switch": (Control(True, bool), "Checkbox", False),
    "words": (Control("a", str), "Text", "b"),
    "lines": (Control("a", str, lines=3), "Textarea", "b\nc"),
    "names": (Control("a", str, names=["a", "b"]), "Combobox", "neither"),
    "typed": (Control(0.5, float), "FloatText", 2.5),
}


def made(draw, controls, **options):
    """Make an explorer of one small panel."""
    return Explorer("x", draw, controls, panels=PANEL, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_control_becomes_a_widget_that_moves_its_setting(kind):
    """A slider of whole numbers that gives fractions; a list whose texts are taken for values."""
    control, widget, value = KINDS[kind]
    explorer = made(lambda axes, n: f"{n!r}", {"n": control})
    explorer.set(n=value).widget()
    assert explorer.widgets["n"].value == value, "set by code before it is shown"
    explorer.set(n=control.value)
    assert type(explorer.widgets["n"]).__name__ == widget
    assert explorer.widgets["n"].value == control.value
    explorer.widgets["n"].value = value
    assert explorer.caption == repr(value)
    assert type(explorer.settings["n"]) is type(control.value)


@pytest.mark.parametrize(
    ("kind", "value", "named"),
    [
        ("whole", 10, "10; choose a whole number from 1 to 9"),
        ("whole", 2.5, "2.5; choose a whole number"),
        ("number", "0.5", "'0.5'; choose a number"),
        ("number", float("nan"), "nan"),
        ("power", 0.0, "0.0"),
        ("one of", "w", "'w'; choose one of 'u', 'v'"),
        ("named", "one", "'one'; choose one of 1, 2"),
        ("switch", "yes", "'yes'; give True or False"),
        ("switch", 7, "7; give True or False"),
        ("words", 5, "5; give a text"),
        ("typed", "0.5", "'0.5'; give a number"),
    ],
)
def test_a_wrong_value_is_named_and_changes_nothing(kind, value, named):
    """A typo that is swallowed, and a slider that stays where it was."""
    control = KINDS[kind][0]
    explorer = made(lambda axes, n: "fine", {"n": control})
    with pytest.raises(CourseError, match=named):
        explorer.set(n=value)
    with pytest.raises(CourseError, match=r"no setting 'm'; choose one of 'n'"):
        explorer.set(n=control.value, m=1)
    assert explorer.settings == {"n": control.value}
    with pytest.raises(CourseError, match=named):
        made(lambda axes, n: "fine", {"n": Control(value, control.choices, log=control.log)})


def test_what_fails_is_told_and_the_picture_stays():
    """A traceback in place of the picture, after which no slider works any more."""

    def draw(axes, n):
        if n > 2:
            raise ValueError("too many")
        return f"drawn {n}"

    explorer = made(draw, {"n": Control(1, (1, 5))})
    with pytest.raises(ValueError, match="too many"):
        explorer.set(n=3)
    assert explorer.settings == {"n": 1}
    explorer.widget()
    picture = explorer.view.picture.value
    assert "drawn 1" in picture
    explorer.widgets["n"].value = 4
    assert "could not be drawn (ValueError: too many)" in explorer.view.caption.value
    assert explorer.view.picture.value == picture
    explorer.widgets["n"].value = 2
    assert "drawn 2" in explorer.view.caption.value


def test_words_of_a_drawing_stand_in_alternative_text_hover_and_page(capsys, monkeypatch):
    """A quotation mark in a caption that ends the HTML, or a page that is left out in print."""

    def draw(axes):
        axes.set(xlim=(0, 1), ylim=(0, 1), position=(0, 0, 1, 1))
        return Drawn('says "<b>"', hover=[(0.5, 0.25, "a & b")], page="one\n<two>")

    explorer = made(draw, {})
    explorer.widget()
    markup = explorer.view.picture.value
    assert 'alt="says &quot;&lt;b&gt;&quot;"' in markup
    assert "a &amp; b" in markup
    assert "one\n&lt;two&gt;" in markup
    assert 'cx="100.0" cy="75.0"' in markup  # of 200 x 100 pixels, counted from above
    monkeypatch.setenv("COURSEKIT_WIDGETS", "off")
    monkeypatch.setattr("IPython.display.display", lambda data, raw: None)
    explorer._ipython_display_()
    assert 'one\n<two>\nsays "<b>"' in capsys.readouterr().out


def test_buttons_and_rows_stand_where_they_were_asked_for():
    """Nine numbers of a kernel below each other, and a button that does nothing."""
    controls = {name: Control(1, (1, 5)) for name in "abc"}
    buttons = {"more": lambda shown: shown.set(a=5)}
    explorer = made(lambda axes, **n: str(n), controls, rows=[["b", "c"]], buttons=buttons)
    first, row, press, *_ = explorer.widget().children
    assert list(first.children) == [explorer.widgets["a"]]
    assert list(row.children) == [explorer.widgets["b"], explorer.widgets["c"]]
    assert list(press.children) == [explorer.presses["more"]]
    explorer.presses["more"].click()
    assert explorer.settings["a"] == explorer.widgets["a"].value == 5


def test_only_the_last_explorers_of_a_name_are_kept_alive():
    """A cell that is run fifty times: fifty figures that nothing lets go of."""
    shown = [made(lambda axes, n: f"drawn {n}", {"n": Control(1, (1, 5))}) for _ in range(5)]
    roots = [explorer.widget() for explorer in shown]
    first = shown[0]
    assert first.axes is None
    assert [explorer.axes is not None for explorer in shown] == [False, False, True, True, True]
    picture, caption = roots[0].children  # it stands as it was
    assert "drawn 1" in picture.value
    assert "run its cell again" in caption.value
    first.widget()
    first.widgets["n"].value = 4
    assert first.caption == "drawn 4"
    assert shown[2].axes is None


def test_names_are_no_html_in_any_ipywidgets(monkeypatch):
    """A column named <img onerror=...> that runs as a script: version 7 writes names as HTML."""
    monkeypatch.setattr("ipywidgets.__version__", "7.7.1")
    explorer = made(lambda axes, **n: "fine", {"<img>": Control(1, (1, 5))})
    explorer.widget()
    assert explorer.widgets["<img>"].description == "&lt;img&gt;"
    monkeypatch.undo()
    explorer = made(lambda axes, **n: "fine", {"a<b\udce9": Control("x\udce9", ["x\udce9", "y"])})
    explorer.widget()
    (widget,) = explorer.widgets.values()
    assert widget.description == r"a<b\udce9"
    assert widget.value == "x\udce9"
    assert [text for text, _ in widget.options] == [r"x\udce9", "y"]


def test_typed_text_is_drawn_when_the_typing_pauses():
    """A model that runs at every letter."""
    drawn = []
    explorer = made(lambda axes, text: drawn.append(text) or text, {"text": Control("a", str)})

    async def type_fast():
        explorer.widget()
        for text in ("ab", "abc", "abcd"):
            explorer.widgets["text"].value = text
            await asyncio.sleep(0.01)
        assert drawn == ["a"]
        await asyncio.sleep(0.5)

    asyncio.run(type_fast())
    assert drawn == ["a", "abcd"]


def test_one_figure_is_drawn_on_again_and_never_shown_twice():
    """Each move of a slider leaves a figure behind: a warning after twenty, then no memory."""
    before = plt.get_fignums()
    explorer = made(lambda axes, n: str(axes.plot([1] * n)), {"n": Control(2, (1, 5))})
    explorer.redraw()
    axes = explorer.axes
    for n in (3, 4):
        explorer.set(n=n)
    assert explorer.axes is axes
    assert len(axes.lines) == 1
    assert plt.get_fignums() == before


def test_steps_are_played_until_they_end_fail_or_are_stopped():
    """A text that goes on after Stop, or an error that nobody sees."""
    seen = []
    explorer = made(lambda axes: "fine", {})
    explorer.play(iter(seen.append(n) for n in range(3)))  # outside a notebook at once
    assert seen == [0, 1, 2]

    def failing():
        yield
        raise ValueError("out of letters")

    async def play():
        explorer.widget()
        explorer.play(seen.append(n) for n in itertools.count())
        await asyncio.sleep(0.05)
        explorer.stop()
        stopped = len(seen)
        explorer.play(failing())
        await asyncio.sleep(0.05)
        assert 3 < len(seen) == stopped

    asyncio.run(play())
    assert "It stopped (ValueError: out of letters)" in explorer.view.caption.value
