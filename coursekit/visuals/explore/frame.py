"""What every explorer is made of: controls, a picture, and a sentence that says the same.

An explorer is a view over a pure function. Where no widget can run, the same picture and sentence
stand still; the arguments of the call then take the place of the controls.
"""

import asyncio
import base64
import contextlib
import html
import io
import math
from dataclasses import KW_ONLY, dataclass, replace
from types import SimpleNamespace

import numpy

from coursekit import runtime
from coursekit.console import CourseError, nearest, reason
from coursekit.visuals.style import DRAWING, listen, say, use_style

WIDE = {"description_width": "170px"}


# The controls ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Control:
    """Something that can be moved: a ``label`` and the ``value`` that it starts with.

    Args:
        wait: seconds without a further change after which the picture is drawn, for typing.
    """

    label: str
    value: object
    _: KW_ONLY
    wait: float = 0.0

    def _common(self, width="480px"):
        from ipywidgets import Layout

        layout = Layout(width=width, max_width="100%")
        return {"description": self.label, "style": WIDE, "layout": layout}

    def check(self, value):
        """Return the value, or raise a CourseError where the control cannot have it."""
        return value

    def same(self, value, other):
        """Return whether two values are one and the same to whoever moves the control."""
        return value == other


@dataclass(frozen=True)
class Slider(Control):
    """A number from ``low`` to ``high``; a whole one where these and ``step`` are.

    Args:
        log: True where a step is a factor.
        heavy: True where a new picture takes longer than 100 ms: it is drawn when the slider is
            let go of, not on the way.
    """

    low: float = 0.0
    high: float = 1.0
    step: float | None = None
    log: bool = False
    heavy: bool = False

    @property
    def whole(self):
        """True where there are whole numbers only."""
        steps = (self.low, self.high, self.step or 1)
        return not self.log and all(isinstance(number, int) for number in steps)

    def check(self, value):
        """Return the value, or raise a CourseError where the slider cannot stand there."""
        try:
            fits = self.low <= value <= self.high and (not self.whole or value == int(value))
        except (TypeError, ValueError):
            fits = False
        if not fits:
            kind = "a whole number" if self.whole else "a number"
            raise CourseError(
                f"{self.label} is {value!r}; choose {kind} from {self.low} to {self.high}."
            )
        return int(value) if self.whole else value

    def same(self, value, other):
        """Return whether two values lie less than a step apart; a browser knows whole steps."""
        if self.log:
            value, other = math.log10(value), math.log10(other)
        return abs(value - other) <= 0.5001 * self._steps()[2]

    def _steps(self):
        """Return the lowest and highest value and the step, as powers of ten where ``log``."""
        low, high = self.low, self.high
        if self.log:
            low, high = math.log10(low), math.log10(high)
            return low, high, self.step or (high - low) / 60
        if self.whole:
            return low, high, self.step or 1
        return low, high, self.step or (high - low) / 100

    def widget(self):
        """Return the ipywidget."""
        import ipywidgets

        low, high, step = self._steps()
        options = {"min": low, "max": high, "step": step, "value": self.value, **self._common()}
        options["continuous_update"] = not self.heavy
        if self.log:
            shown = ",.0f" if self.high >= 1000 else ".2g"
            return ipywidgets.FloatLogSlider(base=10, readout_format=shown, **options)
        if self.whole:
            return ipywidgets.IntSlider(**options)
        return ipywidgets.FloatSlider(readout_format=".3g", **options)


@dataclass(frozen=True)
class Choice(Control):
    """One of several ``options``: a list, or {text: value}."""

    options: object = ()

    def values(self):
        """Return the values that may be chosen."""
        return list(self.options.values() if isinstance(self.options, dict) else self.options)

    def check(self, value):
        """Return the value, or raise a CourseError where it is none of the options."""
        if value not in self.values():
            known = ", ".join(map(str, self.values()[:8]))
            raise CourseError(
                f"{self.label} cannot be {value!r}; choose one of {known}."
                + nearest(value, self.values())
            )
        return value

    def widget(self):
        """Return the ipywidget."""
        import ipywidgets

        pairs = self.options.items() if isinstance(self.options, dict) else self.options
        return ipywidgets.Dropdown(options=list(pairs), value=self.value, **self._common())


@dataclass(frozen=True)
class Switch(Control):
    """On or off."""

    def widget(self):
        """Return the ipywidget."""
        import ipywidgets

        return ipywidgets.Checkbox(value=self.value, indent=True, **self._common())


@dataclass(frozen=True)
class Number(Control):
    """A number to type, or to move by the arrow keys in steps of ``step``; a small field."""

    step: float = 1.0

    def widget(self):
        """Return the ipywidget."""
        import ipywidgets

        small = {"style": {"description_width": "26px"}, "layout": {"width": "112px"}}
        return ipywidgets.FloatText(
            value=self.value, step=self.step, description=self.label, **small
        )


@dataclass(frozen=True)
class Words(Control):
    """A text to type, in one line or several (``rows``); with ``options``, names to complete."""

    rows: int = 1
    options: tuple = ()
    wait: float = 0.3

    def widget(self):
        """Return the ipywidget."""
        import ipywidgets

        common = self._common("760px") | {"value": self.value, "continuous_update": True}
        if self.options:  # a choice is whole only when it is made, not while it is typed
            common["continuous_update"] = False
            return ipywidgets.Combobox(options=tuple(self.options), **common)
        if self.rows > 1:
            return ipywidgets.Textarea(rows=self.rows, **common)
        return ipywidgets.Text(**common)


@dataclass(frozen=True)
class Upload(Control):
    """A file from the learner's computer; its value is bytes, or None before there is one."""

    accept: str = "image/*"

    def widget(self):
        """Return the ipywidget."""
        import ipywidgets

        return ipywidgets.FileUpload(
            accept=self.accept, multiple=False, description=self.label, layout={"width": "300px"}
        )


def uploaded(value):
    """Return the bytes in a FileUpload's value, or None: ipywidgets 7 gives a dict, 8 a tuple."""
    files = list(value.values()) if isinstance(value, dict) else list(value or ())
    return bytes(files[-1]["content"]) if files else None


# The explorer ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """What an explorer draws: Axes, and what is shown where the mouse rests on them.

    Args:
        axes: one Axes or an array of them, all on one figure.
        hover: list of (x, y, text) in the coordinates of the first of them.
        moving: artists of these Axes that the next picture does without. Where this is given, all
            else stays as it was when these Axes first came, and is painted only once.
    """

    axes: object
    hover: tuple = ()
    moving: tuple | None = None


def heading(axes, text):
    """Write a title that moves above some Axes; return it, for ``Picture``."""
    above = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
    return axes.annotate(text, (0.5, 1), xycoords="axes fraction", **above)


class Explorer:
    """A picture that follows its controls; it shows itself as the last line of a cell.

    Args:
        name: as in ``ck.explore.name``.
        draw: function (axes, **settings) that draws and says one sentence by ``style.say``. It
            gets the Axes that it returned before, or None, and returns Axes, a ``Picture``, or a
            text for a page of letters.
        controls: {name of a setting: Control}.
        buttons: {label: function of this explorer}; what it returns is ignored.
    """

    def __init__(self, name, draw, controls, *, buttons=None):
        self.name, self.controls, self.buttons = name, dict(controls), dict(buttons or {})
        self.settings = {key: one.check(one.value) for key, one in self.controls.items()}
        self.widgets = {}
        self._draw, self._axes = draw, None
        self._ground = None, None  # a figure, and how it looks without what moves
        self._moving = ()
        self._view, self._timer, self._task, self._quiet = None, None, None, False
        self.png, self.page, self.sentence, self.hover, self.size = None, None, "", (), (0, 0)

    def __repr__(self):
        return f"explore.{self.name}: {self.sentence or 'not drawn yet'}"

    def set(self, **settings):
        """Change settings by code, as the controls would, and draw again; return the explorer."""
        checked = {}
        for name, value in settings.items():
            if name not in self.controls:
                raise CourseError(
                    f"explore.{self.name} has no setting {name!r}; it has "
                    f"{', '.join(self.controls)}." + nearest(name, list(self.controls))
                )
            checked[name] = self.controls[name].check(value)
        self._try(checked)
        self._quiet = True  # moving the widgets along is not another change
        try:
            for name, value in checked.items():
                if name in self.widgets and not isinstance(self.controls[name], Upload):
                    self.widgets[name].value = value
        finally:
            self._quiet = False
        return self

    def _try(self, changes):
        """Draw with other settings; where that fails, those before stay."""
        before = dict(self.settings)
        self.settings |= changes
        try:
            self.redraw()
        except Exception:
            self.settings = before
            raise

    def redraw(self):
        """Draw the picture of the present settings."""
        with DRAWING:
            self._redraw()

    def _redraw(self):
        import matplotlib.pyplot as plt

        open_before = plt.get_fignums()
        try:
            with listen() as said:
                drawn = self._draw(self._axes, **self.settings)
        except Exception:
            for number in set(plt.get_fignums()) - set(open_before):
                plt.close(number)  # half drawn
            raise
        self.sentence = " ".join(" ".join(said).split())
        if isinstance(drawn, str):
            self.page, self.png, self.hover = drawn, None, ()
        else:
            picture = drawn if isinstance(drawn, Picture) else Picture(drawn)
            self._axes, self.page = picture.axes, None
            self._photograph(picture)
        self._update_view()

    def _photograph(self, picture):
        """Keep the figure as PNG, and the places of its hover texts in pixels."""
        import matplotlib.pyplot as plt
        from PIL import Image

        first, written = numpy.asarray(picture.axes, dtype=object).reshape(-1)[0], io.BytesIO()
        figure = first.figure
        plt.close(figure)  # or the notebook would show it a second time
        for artist in self._moving:
            artist.remove()
        self._moving = picture.moving or ()
        with use_style():  # ticks are made while they are drawn
            pixels = self._paint(figure, still=picture.moving is not None)
        Image.fromarray(pixels[..., :3]).save(written, "png", compress_level=1)
        self.png = written.getvalue()
        figure.set_layout_engine("none")  # panels stay where they are: half of the time is saved
        wide, tall = (figure.get_size_inches() * figure.dpi).round().astype(int)
        self.size, self.hover = (int(wide), int(tall)), []
        if len(picture.hover):
            x, y, texts = zip(*picture.hover, strict=True)
            places = first.transData.transform(numpy.column_stack([x, y]))
            self.hover = [(a, tall - b, t) for (a, b), t in zip(places, texts, strict=True)]

    def _paint(self, figure, *, still):
        """Return the pixels (H, W, 4) of a figure, with what moves drawn over what is ``still``."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas, (painted, ground) = figure.canvas, self._ground
        for artist in self._moving:
            artist.set_animated(True)  # left out of the ground
        if still and painted is figure:
            canvas.restore_region(ground)
        else:
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            if still:
                self._ground = figure, canvas.copy_from_bbox(figure.bbox)
        for artist in self._moving:
            artist.axes.draw_artist(artist)
        return numpy.asarray(canvas.buffer_rgba())

    def html(self):
        """Return the picture as HTML: its sentence is what a screen reader says of it."""
        if self.page is not None:
            page = html.escape(self.page)
            return f'<pre style="white-space: pre-wrap; line-height: 1.4">{page}</pre>'
        if self.png is None:
            return ""
        wide, tall = self.size
        source = base64.b64encode(self.png).decode()
        alternative = html.escape(self.sentence, quote=True)
        spots = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="transparent" pointer-events="all">'
            f"<title>{html.escape(str(text))}</title></circle>"
            for x, y, text in self.hover
        )
        over = f'<svg viewBox="0 0 {wide} {tall}" style="{_OVER}">{spots}</svg>' if spots else ""
        return (
            f'<div style="position: relative; width: 100%; max-width: {wide}px">'
            f'<img alt="{alternative}" src="data:image/png;base64,{source}" '
            f'style="width: 100%; display: block">{over}</div>'
        )

    # In a notebook ------------------------------------------------------------------------

    def widget(self):
        """Return the ipywidget that holds controls, picture and sentence."""
        import ipywidgets

        if self._view is None:
            now = {n: replace(one, value=self.settings[n]) for n, one in self.controls.items()}
            self.widgets = {name: one.widget() for name, one in now.items()}
            for name, one in self.widgets.items():
                one.observe(lambda change, name=name: self._moved(name, change), names="value")
            presses = []
            for label, action in self.buttons.items():
                button = ipywidgets.Button(description=label, layout={"width": "auto"})
                button.on_click(lambda _, action=action: self._pressed(action))
                presses.append(button)
            wide = {"layout": {"width": "100%"}}
            self._view = SimpleNamespace(
                picture=ipywidgets.HTML(**wide), sentence=ipywidgets.HTML(**wide)
            )
            row = [ipywidgets.HBox(presses, layout={"flex_flow": "row wrap"})] if presses else []
            parts = [*self._arranged(), *row, self._view.picture, self._view.sentence]
            self._view.root = ipywidgets.VBox(parts)
            for kind in ("coursekit-explorer", f"coursekit-explore-{self.name}"):
                self._view.root.add_class(kind)
            self._guarded(self.redraw)
        return self._view.root

    def _arranged(self):
        """Return the rows of controls above the picture; an explorer may lay them out otherwise."""
        return list(self.widgets.values())

    def _ipython_display_(self):
        from IPython.display import display

        if runtime.widgets():
            display(self.widget())
            return
        if self.png is None and self.page is None:
            self.redraw()
        if self.png is not None:
            png = base64.b64encode(self.png).decode()
            display({"image/png": png, "text/plain": self.sentence}, raw=True)
        for text in filter(None, (self.page, self.sentence)):
            say(text)

    def _update_view(self):
        if self._view is not None:
            self._view.picture.value = self.html()
            self._tell(self.sentence)

    def _tell(self, sentence):
        if self._view is None:
            say(sentence)
            return
        words = html.escape(sentence)
        self._view.sentence.value = f'<p role="status" style="max-width: 800px">{words}</p>'

    def _guarded(self, action):
        """Do something; what goes wrong is said below the picture, which stays."""
        try:
            action()
        except Exception as error:  # a learner's own model may raise anything
            self._tell_of(error, "This could not be drawn")

    def _tell_of(self, error, what):
        if isinstance(error, CourseError):
            self._tell(str(error))
        else:
            self._tell(f"{what} ({type(error).__name__}: {reason(error)}).")

    def _moved(self, name, change):
        if self._quiet:
            return
        control, value = self.controls[name], change["new"]
        if isinstance(control, Upload):
            self._guarded(lambda: self._try({name: uploaded(value)}))
        else:
            self.settings[name] = value
            self.later(control.wait, self.redraw)

    def _pressed(self, action):
        self._guarded(lambda: action(self))

    def later(self, seconds, action):
        """Do something after some seconds in which nothing else was asked for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            loop = asyncio.get_running_loop() if seconds else None
        except RuntimeError:  # no notebook: nothing to wait for
            loop = None
        if loop is None:
            self._guarded(action)
        else:
            self._timer = loop.call_later(seconds, self._guarded, action)

    def play(self, steps, pause=0.0):
        """Take one step of an iterator after another; the controls stay alive between them.

        Outside a notebook all steps are taken at once.
        """
        self.stop()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._guarded(lambda: list(steps))
            return

        async def run():
            with contextlib.suppress(StopIteration):
                while True:
                    self._guarded_step(steps)
                    await asyncio.sleep(pause)

        self._task = loop.create_task(run())

    def _guarded_step(self, steps):
        try:
            next(steps)
        except StopIteration:
            raise
        except Exception as error:
            self._tell_of(error, "It stopped")
            self.stop()

    def stop(self):
        """End what ``play`` began."""
        if self._task is not None:
            self._task.cancel()
            self._task = None


_OVER = "position: absolute; left: 0; top: 0; width: 100%; height: 100%"
