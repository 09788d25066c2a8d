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
from typing import Any

import numpy

from coursekit import runtime
from coursekit.console import CourseError, nearest, reason
from coursekit.visuals.style import Drawn, unpacked, use_style
from coursekit.visuals.style import panels as make_panels


@dataclass(frozen=True)
class Control:
    """A setting that can be moved, written as in ``ipywidgets.interact``.

    Attributes:
        value: at the beginning.
        choices: (low, high) or (low, high, step) for a slider, of whole numbers where all are; a
            list or {text: value} for a dropdown; None where the value decides: a bool is a
            checkbox, a str a field for text, a number a field with arrows, None or bytes an upload.
        label: written beside it; None for the setting's name.
        log: True for a slider whose steps are factors.
        on_release: True draws when a slider is let go of, for what takes longer than 100 ms.
        lines: of a field for text.
        names: completed by a field for text, which takes any other text as well.
        width: of the control, in CSS.
    """

    value: Any
    choices: Any = None
    label: str | None = None
    log: bool = False
    on_release: bool = False
    lines: int = 1
    names: Sequence[str] = ()
    width: str = "480px"

    @property
    def is_upload(self) -> bool:
        """True where a file is chosen."""
        return self.choices is None and (self.value is None or isinstance(self.value, bytes))

    @property
    def step(self) -> float:
        """Distance between two places of a slider; in powers of ten where it is logarithmic."""
        low, high, *step = self.choices
        if self.log:
            return math.log10(high / low) / 60
        return step[0] if step else 1 if self._whole else (high - low) / 100

    @property
    def _whole(self) -> bool:
        return not self.log and all(isinstance(number, int) for number in self.choices)

    def check(self, value: Any) -> Any:
        """Return the value, or raise a CourseError where the control cannot take it."""
        if isinstance(self.choices, tuple):
            (low, high), whole = self.choices[:2], self._whole
            number = isinstance(value, numbers.Real) and low <= value <= high
            if not number or (whole and value != int(value)):
                kind = "a whole number" if whole else "a number"
                raise CourseError(f"{self.label} is {value!r}; choose {kind} from {low} to {high}.")
            return int(value) if whole else value
        known = self.choices.values() if isinstance(self.choices, dict) else self.choices
        if known is not None and value not in known:
            first = ", ".join(map(str, list(known)[:8]))
            raise CourseError(
                f"{self.label} cannot be {value!r}; choose one of {first}." + nearest(value, known)
            )
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

        if self.is_upload:
            layout = {"width": "300px"}
            options = {"accept": "image/*", "multiple": False, "layout": layout}
            return ipywidgets.FileUpload(description=self.label, **options)
        if self.log:
            low, high = map(math.log10, self.choices[:2])
            made = ipywidgets.FloatLogSlider(min=low, max=high, step=self.step, value=value)
        elif isinstance(self.choices, tuple):
            made = ipywidgets.interactive.widget_from_abbrev((*self.choices[:2], self.step), value)
        elif self.names:  # a name is whole only when it is chosen, not while it is typed
            made = ipywidgets.Combobox(options=tuple(self.names), continuous_update=False)
        elif self.lines > 1:
            made = ipywidgets.Textarea(rows=self.lines)
        elif self.choices is None and type(value) in (int, float):
            made = ipywidgets.FloatText(step=0.5)
        else:
            abbreviation = value if self.choices is None else self.choices
            made = ipywidgets.interactive.widget_from_abbrev(abbreviation, value)
        if isinstance(self.choices, tuple):
            made.continuous_update = not self.on_release
            plain = ",.0f" if self.choices[1] >= 1000 else ".3g"
            made.readout_format = "d" if self._whole else plain
        made.value, made.description = value, self.label
        made.layout.width, made.layout.max_width = self.width, "100%"
        made.style.description_width = "170px" if self.width == "480px" else "initial"
        return made


def uploaded(value: Any) -> bytes | None:
    """Find the bytes of the last file of a FileUpload: a dict in ipywidgets 7, a tuple in 8."""
    files = list(value.values()) if isinstance(value, dict) else list(value or ())
    return bytes(files[-1]["content"]) if files else None


class Explorer:
    """A picture that follows its controls; it shows itself as the last line of a cell.

    Args:
        name: as in ``ck.explore.name``.
        draw: function (axes, **settings) that draws and returns a caption, or ``Drawn``. ``axes``
            are empty each time: one Axes, an array of them, or None without ``panels``.
        controls: {setting: Control}.
        panels: rows, columns, size, widths, heights, as ``style.panels`` takes them.
        rows: names of controls that stand side by side; all others have a row of their own.
        buttons: {label: function of this explorer}.
        live: function (**settings) that returns (HTML, caption), in place of ``draw`` where widgets
            run: for what must follow faster than a picture is drawn.
    """

    def __init__(
        self,
        name: str,
        draw: Callable[..., str | Drawn],
        controls: Mapping[str, Control],
        *,
        panels: Mapping[str, Any] | None = None,
        rows: Sequence[Sequence[str]] = (),
        buttons: Mapping[str, Callable[[Any], Any]] | None = None,
        live: Callable[..., tuple[str, str]] | None = None,
    ) -> None:
        self.name, self.buttons = name, dict(buttons or {})
        self.controls = {key: replace(c, label=c.label or key) for key, c in controls.items()}
        self.settings = {key: c.check(c.value) for key, c in self.controls.items()}
        self.axes: Any = None
        self.caption, self.page, self.markup = "", "", ""
        self.png: bytes | None = None
        self.widgets: dict[str, Any] = {}
        self.presses: dict[str, Any] = {}  # the widgets of the buttons, by their labels
        self._draw, self._live, self._panels, self._rows = draw, live, panels, rows
        self.view: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task | None = None
        self._quiet = False

    def __repr__(self) -> str:
        return f"explore.{self.name}: {self.caption or 'not drawn yet'}"

    def set(self, **settings: Any) -> Explorer:
        """Change settings by code, as the controls would, and draw; where that fails, none changes.

        Raises:
            CourseError: there is no such setting, or it cannot have this value.
        """
        for name in settings:
            if name not in self.controls:
                raise CourseError(
                    f"explore.{self.name} has no setting {name!r}; it has "
                    f"{', '.join(self.controls)}." + nearest(name, list(self.controls))
                )
        before = self.settings
        checked = {name: self.controls[name].check(value) for name, value in settings.items()}
        self.settings = before | self.follow(checked)
        try:
            self.redraw()
        except Exception:
            self.settings = before
            raise
        self._move_widgets()
        return self

    def follow(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Add to some changes those that follow from them; a subclass may, here none do."""
        return changes

    def redraw(self) -> None:
        """Draw the picture of the present settings."""
        if self._live is not None and self.view is not None:
            self.markup, self.caption = self._live(**self.settings)
        else:
            with use_style():
                self._redraw()
        if self.view is not None:
            self.view.picture.value = self.markup
            self._tell(self.caption)

    def _redraw(self) -> None:
        import matplotlib.pyplot as plt

        if self._panels is not None and self.axes is None:
            axes = make_panels(**self._panels)
            plt.close(axes[0, 0].figure)  # or the notebook would show it a second time
            self.axes = unpacked(axes)
        panels = [] if self.axes is None else list(numpy.ravel(self.axes))
        for axis in panels:
            axis.clear()
        drawn = self._draw(self.axes, **self.settings)
        drawn = drawn if isinstance(drawn, Drawn) else Drawn(drawn)
        self.png = _paint(panels[0].figure) if panels else None
        self.caption, self.page = " ".join(drawn.caption.split()), drawn.page
        self.markup = _picture(self.png, panels[0], drawn) if panels else ""
        if drawn.page:
            self.markup += f'<pre style="white-space: pre-wrap">{html.escape(drawn.page)}</pre>'

    # In a notebook ------------------------------------------------------------------------

    def widget(self) -> Any:
        """Make, once, the ipywidget that holds controls, buttons, picture and caption."""
        import ipywidgets

        if self.view is None:
            for name, control in self.controls.items():
                one = self.widgets[name] = control.widget(self.settings[name])
                one.observe(lambda change, name=name: self._moved(name, change["new"]), "value")
            for label, action in self.buttons.items():
                button = ipywidgets.Button(description=label, layout={"width": "auto"})
                button.on_click(lambda _, action=action: self._guarded(lambda: action(self)))
                self.presses[label] = button
            side_by_side = {"layout": {"flex_flow": "row wrap"}}
            shared = {names[0]: names for names in self._rows}
            moved = {name for names in self._rows for name in names[1:]}
            parts = [
                ipywidgets.HBox([self.widgets[n] for n in shared[name]], **side_by_side)
                if name in shared
                else one
                for name, one in self.widgets.items()
                if name not in moved
            ]
            if self.presses:
                parts.append(ipywidgets.HBox(list(self.presses.values()), **side_by_side))
            picture, caption = (ipywidgets.HTML(layout={"width": "100%"}) for _ in range(2))
            root = ipywidgets.VBox([*parts, picture, caption])
            for kind in ("coursekit-explorer", f"coursekit-explore-{self.name}"):
                root.add_class(kind)
            self.view = SimpleNamespace(root=root, picture=picture, caption=caption)
            self._guarded(self.redraw)
        return self.view.root

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if runtime.widgets():
            display(self.widget())
            return
        self.redraw()
        if self.png is not None:
            png = base64.b64encode(self.png).decode()
            display({"image/png": png, "text/plain": self.caption}, raw=True)
        print(*filter(None, (self.page, self.caption)), sep="\n", flush=True)

    def _tell(self, words: str) -> None:
        self.view.caption.value = (
            f'<p role="status" style="max-width: 800px">{html.escape(words)}</p>'
        )

    def _guarded(self, action: Callable[[], Any], what: str = "This could not be drawn") -> bool:
        """Do something; an error is told below the picture, which stays. True where it worked."""
        try:
            action()
        except Exception as error:  # a learner's own model may raise anything
            if self.view is None:
                raise
            told = isinstance(error, CourseError)
            self._tell(str(error) if told else f"{what} ({type(error).__name__}: {reason(error)}).")
            return False
        return True

    def _moved(self, name: str, value: Any) -> None:
        if self._quiet:
            return
        if self.controls[name].is_upload:  # a file that is no picture leaves the one before
            self._guarded(lambda: self.set(**{name: uploaded(value)}))
            return
        changes = self.follow({name: value})
        self.settings = self.settings | changes
        if len(changes) > 1:
            self._move_widgets()
        typed = self.controls[name].choices is None and isinstance(value, str)
        self.later(0.3 if typed else 0.0, self.redraw)

    def _move_widgets(self) -> None:
        """Set the controls to the settings, which is not another change."""
        self._quiet = True
        try:
            for name, one in self.widgets.items():
                if not self.controls[name].is_upload:
                    one.value = self.settings[name]
        finally:
            self._quiet = False

    def later(self, seconds: float, action: Callable[[], Any]) -> None:
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

    def play(self, steps: Iterator[Any], pause: float = 0.0) -> None:
        """Take one step of an iterator after another; the controls stay alive between them.

        Outside a notebook all steps are taken at once.
        """
        self.stop()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._guarded(lambda: list(steps))
            return
        ended = object()

        async def run() -> None:
            taken: list[Any] = [None]
            while taken[-1] is not ended:
                if not self._guarded(lambda: taken.append(next(steps, ended)), "It stopped"):
                    return
                await asyncio.sleep(pause)

        self._task = loop.create_task(run())

    def stop(self) -> None:
        """End what ``play`` began."""
        if self._task is not None:
            self._task.cancel()
            self._task = None


def _paint(figure: Any) -> bytes:
    """Draw a figure as a PNG; its panels keep their places from then on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas, written = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()
    figure.set_layout_engine("none")  # saves half of the time of the next drawings
    pixels = numpy.asarray(canvas.buffer_rgba())[..., :3]
    Image.fromarray(pixels).save(written, "png", compress_level=1)
    return written.getvalue()


def _picture(png: bytes, axes: Any, drawn: Drawn) -> str:
    """Write a PNG as HTML, with its caption for screen readers and its texts for the mouse."""
    wide, tall = (axes.figure.get_size_inches() * axes.figure.dpi).round().astype(int)
    spots = ""
    for x, y, text in drawn.hover:
        left, up = axes.transData.transform((x, y))
        spots += (
            f'<circle cx="{left:.1f}" cy="{tall - up:.1f}" r="7" fill="transparent" '
            f'pointer-events="all"><title>{html.escape(str(text))}</title></circle>'
        )
    over = f'<svg viewBox="0 0 {wide} {tall}" style="{_OVER}">{spots}</svg>' if spots else ""
    source = base64.b64encode(png).decode()
    alternative = html.escape(" ".join(drawn.caption.split()), quote=True)
    return (
        f'<div style="position: relative; width: 100%; max-width: {wide}px">'
        f'<img alt="{alternative}" src="data:image/png;base64,{source}" '
        f'style="width: 100%; display: block">{over}</div>'
    )


_OVER = "position: absolute; left: 0; top: 0; width: 100%; height: 100%"
