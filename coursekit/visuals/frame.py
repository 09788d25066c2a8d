"""The frame around an explorer: controls, the picture that follows them, its caption.

An explorer is a drawing ``draw(axes, **settings) -> caption`` with a control for each setting.
Where no widgets run, picture and caption stand still, and the arguments of the call take the place
of the controls.
"""

from __future__ import annotations

import asyncio
import base64
import html
import io
import math
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy

from coursekit import runtime
from coursekit.arguments import checked
from coursekit.console import CourseError, no_such, reason
from coursekit.visuals.style import Drawn, plain, use_style
from coursekit.visuals.style import panels as make_panels

OPEN = 3  # explorers of one name whose controls stay alive; ipywidgets lets go of none by itself


@dataclass(frozen=True)
class Control:
    """A setting that can be moved, written as in ``ipywidgets.interact``.

    ``choices`` are (low, high) or (low, high, step) for a slider, of whole numbers where all are; a
    list or {text: value} for a dropdown; the type ``bool`` for a checkbox, ``str`` for a field for
    text, ``float`` for one with arrows; None for an upload.
    """

    value: Any  # at the beginning
    choices: Any = None
    label: str | None = None  # written beside it; None for the setting's name
    log: bool = False  # a slider whose steps are factors
    on_release: bool = False  # drawn when a slider is let go of, for what takes more than 100 ms
    lines: int = 1  # of a field for text
    names: Sequence[str] = ()  # completed by a field for text, which takes any other text as well
    width: str = "480px"

    @property
    def is_whole(self) -> bool:
        """True for a slider of whole numbers."""
        return not self.log and all(isinstance(number, int) for number in self.choices)

    @property
    def step(self) -> float:
        """Distance between two places of a slider; in powers of ten where it is logarithmic."""
        low, high, *step = self.choices
        if self.log:
            return math.log10(high / low) / 60
        return step[0] if step else 1 if self.is_whole else (high - low) / 100

    def check(self, value: Any) -> Any:
        """Return the value, or raise a CourseError where the control cannot take it."""
        if isinstance(self.choices, tuple):
            (low, high), whole = self.choices[:2], self.is_whole
            number = isinstance(value, numbers.Real) and low <= value <= high
            if not number or (whole and value != int(value)):
                kind = "a whole number" if whole else "a number"
                raise CourseError(f"{self.label} is {value!r}; choose {kind} from {low} to {high}.")
            return int(value) if whole else value
        if isinstance(self.choices, type):
            number = isinstance(value, (numbers.Real, numpy.bool_))
            fits = {str: isinstance(value, str), float: number, bool: number and value in (0, 1)}
            if not fits[self.choices]:
                words = {str: "a text", float: "a number", bool: "True or False"}[self.choices]
                raise CourseError(f"{self.label} is {value!r}; give {words}.")
            return self.choices(value)
        known = self.choices.values() if isinstance(self.choices, dict) else self.choices
        if known is not None and value not in known:
            raise no_such(str(self.label), value, known)
        return value

    def same(self, value: Any, other: Any) -> bool:
        """True where two values are equal, or less than a step of the slider apart."""
        if not isinstance(self.choices, tuple):
            return value == other
        if self.log:
            value, other = math.log10(value), math.log10(other)
        return abs(value - other) <= 0.5001 * self.step

    def widget(self, value: Any) -> Any:
        """Make the ipywidget, standing at a value."""
        import ipywidgets

        label = plain(self.label)
        if int(ipywidgets.__version__.split(".")[0]) < 8:  # which takes it for HTML
            label = html.escape(label)
        if self.choices is None:
            layout = {"width": "300px"}
            return ipywidgets.FileUpload(accept="image/*", layout=layout, description=label)
        if self.log:
            low, high = map(math.log10, self.choices)
            made = ipywidgets.FloatLogSlider(min=low, max=high, step=self.step, value=value)
        elif self.names:  # a name is whole only when it is chosen, not while it is typed
            made = ipywidgets.Combobox(options=tuple(self.names), continuous_update=False)
        elif self.lines > 1:
            made = ipywidgets.Textarea(rows=self.lines)
        elif self.choices is float:
            made = ipywidgets.FloatText(step=0.5)
        else:
            choices = value if isinstance(self.choices, type) else self.choices
            if isinstance(choices, tuple):
                choices = (*choices[:2], self.step)
            elif isinstance(choices, (list, dict)):
                known = choices if isinstance(choices, dict) else {one: one for one in choices}
                choices = [(plain(text), one) for text, one in known.items()]
            made = ipywidgets.interactive.widget_from_abbrev(choices, value)
        if isinstance(self.choices, tuple):
            made.continuous_update = not self.on_release
            readout = ",.0f" if self.choices[1] >= 1000 else ".3g"
            made.readout_format = "d" if self.is_whole else readout
        made.value, made.description = value, label
        made.layout.width, made.layout.max_width = self.width, "100%"
        made.style.description_width = "170px" if self.width == "480px" else "initial"
        return made


def uploaded(value: Any) -> bytes | None:
    """Find the bytes of the last file of a FileUpload: a dict in ipywidgets 7, a tuple in 8."""
    files = list(value.values()) if isinstance(value, dict) else list(value or ())
    return bytes(files[-1]["content"]) if files else None


class Explorer:
    """A picture that follows its controls; it shows itself as the last line of a cell.

    ``draw`` is a function (axes, **settings) -> caption, or ``Drawn``, on one Axes or an array of
    them, emptied before, of the shape ``panels`` (as ``style.panels`` takes it). ``rows`` are names
    of controls that stand side by side; ``buttons`` are {label: function of this explorer};
    ``follow`` adds to changed settings those that follow from them.
    """

    _alive: ClassVar[dict[str, list[Explorer]]] = {}

    def __init__(
        self,
        name: str,
        draw: Callable[..., str | Drawn],
        controls: Mapping[str, Control],
        *,
        panels: Mapping[str, Any],
        rows: Sequence[Sequence[str]] = (),
        buttons: Mapping[str, Callable[[Any], Any]] | None = None,
        follow: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    ) -> None:
        self.name, self.buttons = name, buttons or {}
        self.controls = {key: replace(c, label=c.label or key) for key, c in controls.items()}
        self.settings = {key: c.check(c.value) for key, c in self.controls.items()}
        self.caption, self.page, self.markup, self.png = "", "", "", b""
        self.axes: Any = None
        self.view: Any = None  # widgets: root, picture, caption
        self.widgets: dict[str, Any] = {}
        self.presses: dict[str, Any] = {}  # widgets of the buttons
        self._draw, self._panels, self._rows, self._follow = draw, panels, rows, follow
        self._timer: asyncio.TimerHandle | None = None
        self._playing: Iterator | None = None
        self._quiet = False

    def __repr__(self) -> str:
        return f"explore.{self.name}: {self.caption or 'not drawn yet'}"

    @checked
    def set(self, **settings: Any) -> Explorer:
        """Change settings by code, as controls would, and draw; where that fails, none changes."""
        for name in settings:
            if name not in self.controls:
                raise no_such("setting", name, self.controls)
        before = self.settings
        taken = {name: self.controls[name].check(value) for name, value in settings.items()}
        self.settings = before | self._follow(taken)
        if any(self.controls[name].choices is None for name in settings):
            self.axes = None  # another picture may have another shape
        try:
            self.redraw()
        except Exception:
            self.settings = before
            raise
        self._move_widgets()
        return self

    @checked
    def redraw(self) -> None:
        """Draw with the present settings."""
        import matplotlib.pyplot as plt

        with use_style(formulas=False):
            if self.axes is None:
                self.axes = make_panels(**self._panels)
                plt.close()  # or the notebook would show it a second time
            panels = numpy.ravel(self.axes)
            for axes in panels:
                axes.clear()
            drawn = self._draw(self.axes, **self.settings)
            drawn = drawn if isinstance(drawn, Drawn) else Drawn(drawn)
            self.png = _png(panels[0].figure)
        self.caption, self.page = plain(" ".join(drawn.caption.split())), plain(drawn.page)
        self.markup = _html(self.png, self.caption, self.page, drawn.hover, panels[0])
        if self.view is not None:
            self.view.picture.value = self.markup
            self._tell(self.caption)

    def widget(self) -> Any:
        """Make, once, the ipywidget that holds controls, buttons, picture and caption."""
        import ipywidgets

        if self.view is not None:
            return self.view.root
        for name, control in self.controls.items():
            made = self.widgets[name] = control.widget(self.settings[name])
            made.observe(lambda change, name=name: self._moved(name, change["new"]), "value")
        for label, action in self.buttons.items():
            made = ipywidgets.Button(description=label, layout={"width": "auto"})
            made.on_click(lambda _, action=action: self._guarded(lambda: action(self)))
            self.presses[label] = made
        shared = {name: names for names in self._rows for name in names}
        rows = dict.fromkeys(tuple(shared.get(name, [name])) for name in self.widgets)
        boxes = [*([self.widgets[name] for name in row] for row in rows), self.presses.values()]
        wrap = {"flex_flow": "row wrap"}
        parts = [ipywidgets.HBox(list(box), layout=wrap) for box in boxes if box]
        picture, caption = (ipywidgets.HTML(layout={"width": "100%"}) for _ in range(2))
        root = ipywidgets.VBox([*parts, picture, caption])
        root.add_class("coursekit-explorer").add_class(f"coursekit-explore-{self.name}")
        self.view = SimpleNamespace(root=root, picture=picture, caption=caption)
        self._guarded(self.redraw)
        alive = self._alive.setdefault(self.name, [])
        alive.append(self)
        if len(alive) > OPEN:
            alive.pop(0).rest()
        return root

    def rest(self) -> None:
        """Let go of controls and figure; the picture stays, and comes to life when shown again."""
        self.stop()
        boxes = [box for box in self.view.root.children if hasattr(box, "children")]
        self.view.caption.value += "<p>To move it again, run its cell again.</p>"
        self.view.root.children = self.view.picture, self.view.caption
        for widget in (*boxes, *self.widgets.values(), *self.presses.values()):
            widget.unobserve_all()
            widget.close()
        self.axes, self.view, self.widgets, self.presses = None, None, {}, {}

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if runtime.widgets():
            display(self.widget())
            return
        self.redraw()
        png = base64.b64encode(self.png).decode()
        display({"image/png": png, "text/plain": self.caption}, raw=True)
        print(*filter(None, (self.page, self.caption)), sep="\n", flush=True)

    def _tell(self, words: str) -> None:
        words = f'<p role="status" style="max-width: 800px">{html.escape(words)}</p>'
        self.view.caption.value = words

    def _guarded(self, action: Callable[[], Any], what: str = "This could not be drawn") -> None:
        """Do something; an error is told below the picture, which stays."""
        try:
            action()
        except Exception as error:  # a learner's own model may raise anything
            if self.view is None:
                raise
            told = isinstance(error, CourseError)
            self._tell(str(error) if told else f"{what} ({type(error).__name__}: {reason(error)}).")

    def _moved(self, name: str, value: Any) -> None:
        """Follow a control; typed text is drawn when the typing pauses."""
        if self._quiet:
            return
        if self.controls[name].choices is None:  # a file that is no picture leaves the one before
            return self._guarded(lambda: self.set(**{name: uploaded(value)}))
        changes = self._follow({name: value})
        self.settings = self.settings | changes
        if len(changes) > 1:
            self._move_widgets()
        if self._timer is not None:
            self._timer.cancel()
        loop = _loop()
        if loop is None or self.controls[name].choices is not str:
            self._guarded(self.redraw)
        else:
            self._timer = loop.call_later(0.3, self._guarded, self.redraw)

    def _move_widgets(self) -> None:
        """Set the controls to the settings, which is not another change."""
        self._quiet = True
        try:
            for name, widget in self.widgets.items():
                if self.controls[name].choices is not None:
                    widget.value = self.settings[name]
        finally:
            self._quiet = False

    def play(self, steps: Iterator[Any], pause: float = 0.0) -> None:
        """Take one step of an iterator after another; the controls stay alive between them.

        Outside a notebook all steps are taken at once.
        """
        self._playing, loop, ended = steps, _loop(), object()

        def step() -> None:
            if self._playing is steps and next(steps, ended) is not ended:
                loop.call_later(pause, self._guarded, step, "It stopped")

        self._guarded(step if loop else lambda: list(steps), "It stopped")

    def stop(self) -> None:
        """End what ``play`` began."""
        self._playing = None


def _loop() -> Any:
    """Return the running event loop of a notebook, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _png(figure: Any) -> bytes:
    """Draw a figure; its panels keep their places from then on, which saves half of the time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas, written = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()
    figure.set_layout_engine("none")
    pixels = numpy.asarray(canvas.buffer_rgba())[..., :3]
    Image.fromarray(pixels).save(written, "png", compress_level=1)
    return written.getvalue()


def _html(png: bytes, caption: str, page: str, hover: Any, axes: Any) -> str:
    """Write a picture with its caption for screen readers, its hover texts and its page."""
    wide, tall = axes.figure.canvas.get_width_height()
    cover = "position: absolute; left: 0; top: 0; width: 100%; height: 100%"
    spots = ""
    for x, y, text in hover:
        left, up = axes.transData.transform((x, y))
        spots += (
            f'<circle cx="{left:.1f}" cy="{tall - up:.1f}" r="7" fill="transparent" '
            f'pointer-events="all"><title>{html.escape(plain(text))}</title></circle>'
        )
    return (
        f'<div style="position: relative; width: 100%; max-width: {wide}px">'
        f'<img alt="{html.escape(caption)}" style="width: 100%; display: block" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        + (f'<svg viewBox="0 0 {wide} {tall}" style="{cover}">{spots}</svg>' if spots else "")
        + "</div>"
        + (f'<pre style="white-space: pre-wrap">{html.escape(page)}</pre>' if page else "")
    )
