"""The learning-rate sweep, to be clicked on."""

import base64
import html
from dataclasses import dataclass

import numpy

from coursekit.console import CourseError
from coursekit.visuals.explore.frame import Explorer, Picture, Slider, heading
from coursekit.visuals.style import COLORS, digits, panels, say, sentence, use_style

STRIPS = 40  # places that can be clicked
NEAR = 0.25  # decades to either side over which the slope is taken


@dataclass(frozen=True)
class Pick:
    """A learning rate chosen from a sweep.

    Attributes:
        rate: the learning rate.
        loss: the smoothed loss there.
        slope: how much the smoothed loss changes over a tenfold rate, as a share of its fall.
    """

    rate: float
    loss: float
    slope: float

    def course(self):
        """Return in words what the loss does there."""
        if self.slope < -0.03:
            return "falls"
        return "climbs" if self.slope > 0.03 else "hardly moves"


def pick(sweep, rate):
    """Return the ``Pick`` of a rate on a sweep.

    Args:
        sweep: what ``learn.find_lr()`` returned.
        rate: a learning rate within it.
    """
    decades, smoothed = numpy.log10(sweep.rates), numpy.asarray(sweep.smoothed, float)
    place = numpy.log10(rate)
    ends = numpy.clip([place - NEAR, place + NEAR], decades[0], decades[-1])
    low, high = numpy.interp(ends, decades, smoothed)
    fall = max(smoothed[0] - smoothed.min(), 1e-9)
    slope = (high - low) / max(ends[1] - ends[0], 1e-9) / fall
    return Pick(float(rate), float(numpy.interp(place, decades, smoothed)), float(slope))


def _advice(sweep, rate):
    """Return in words where a rate lies beside the suggestion."""
    if sweep.suggestion is None:
        return "none is suggested"
    times = rate / sweep.suggestion
    if 0.8 < times < 1.25:
        return f"that is the suggestion, {digits(sweep.suggestion)}"
    how = f"{digits(times)} times" if times > 1 else f"1/{digits(1 / times)} of"
    return f"that is {how} the suggestion, {digits(sweep.suggestion)}"


class _Sweep(Explorer):
    """A row of see-through buttons lies over the curve: a click picks the rate below it."""

    def html(self):
        """Return the picture at its own size and not lifted up, so that the buttons lie on it."""
        if self.png is None:
            return ""
        source = base64.b64encode(self.png).decode()
        alternative = html.escape(self.sentence, quote=True)
        return (
            f'<img alt="{alternative}" src="data:image/png;base64,{source}" '
            f'style="display: block; width: {self.size[0]}px; max-width: none">'
        )

    def widget(self):
        """Return the ipywidget, the buttons laid over its picture."""
        if self._view is not None:
            return self._view.root
        import ipywidgets

        root = super().widget()
        wide, tall = self.size
        box = self._axes.get_window_extent()
        left, right, top, bottom = box.x0, box.x1, tall - box.y1, tall - box.y0
        strip = (right - left) / STRIPS
        layout = {"width": f"{strip:.2f}px", "height": f"{bottom - top:.0f}px", "margin": "0"}
        layout |= {"padding": "0", "min_width": "0", "flex": "0 0 auto"}
        self.strips = [self._strip(rate, layout) for rate in self.places()]
        row = ipywidgets.HBox(
            self.strips,
            layout={
                "margin": f"-{tall - top:.0f}px 0 {tall - bottom:.0f}px {left:.0f}px",
                "width": f"{right - left + 2:.0f}px",
                "flex": "0 0 auto",
                "overflow": "hidden",
            },
        )
        self._view.picture.layout = {"margin": "0", "width": f"{wide}px", "height": f"{tall}px"}
        parts = list(root.children)
        parts.insert(parts.index(self._view.picture) + 1, row)
        root.children = parts
        return root

    def _strip(self, rate, layout):
        """Return one see-through button: a place on the picture."""
        import ipywidgets

        found = pick(self.swept, rate)
        button = ipywidgets.Button(
            tooltip=f"lr {digits(rate)}, loss {digits(found.loss)}", layout=layout
        )
        button.style.button_color = "transparent"
        if "tabbable" in button.traits():  # the keyboard has the slider
            button.tabbable = False
        button.on_click(lambda _: self._pressed(lambda one: one.set(rate=rate)))
        return button

    def places(self):
        """Return the rates of the places that can be clicked, from left to right."""
        first, last = numpy.log10([self.swept.rates[0], self.swept.rates[-1]])
        shares = (numpy.arange(STRIPS) + 0.5) / STRIPS
        return [float(f"{rate:.2g}") for rate in 10 ** (first + shares * (last - first))]


def sweep(swept, *, rate=None):
    """Click on a learning-rate sweep: which rate is it, does the loss fall there, is it suggested?

    Args:
        swept: what ``learn.find_lr()`` returned.
        rate: the learning rate to begin with; None for the suggestion.

    Raises:
        CourseError: the sweep is empty.
    """
    if len(swept.rates) < 2:
        raise CourseError("This sweep has no losses; lower the rates, then run find_lr again.")
    first, last = swept.rates[0], swept.rates[-1]
    if rate is None:
        rate = swept.suggestion or (first * last) ** 0.5

    @use_style()
    def draw(axis, rate):
        if axis is None:
            axis = panels(size=(8.0, 3.8))[0, 0]
            _draw_curve(axis, swept)
        found = pick(swept, rate)
        marks = [axis.axvline(rate, color=COLORS["black"], linewidth=1)]
        marks += axis.plot(rate, found.loss, "o", color=COLORS["black"], markersize=9)
        marks.append(heading(axis, f"lr {digits(rate)}: the loss {found.course()}"))
        where = f"at a rate of {digits(rate)} the smoothed loss is {digits(found.loss)}"
        say(sentence(f"{where} and {found.course()}", _advice(swept, rate)))
        return Picture(axis, moving=tuple(marks))

    # fine steps, for the browser moves a rate that was clicked to the nearest one
    slider = Slider("learning rate", rate, low=first, high=last, log=True, step=0.02)
    explorer = _Sweep("sweep", draw, {"rate": slider})
    explorer.swept = swept
    return explorer


def _draw_curve(axis, sweep):
    """Draw what stays: the losses, their running mean and the suggestion."""
    smoothed = numpy.asarray(sweep.smoothed, float)
    axis.plot(sweep.rates, sweep.losses, color=COLORS["sky"], linewidth=1, label="each mini-batch")
    axis.plot(sweep.rates, smoothed, color=COLORS["blue"], label="smoothed")
    if sweep.suggestion is not None:
        label = f"suggestion {digits(sweep.suggestion)}"
        axis.axvline(sweep.suggestion, color=COLORS["red"], linestyle="--", label=label)
    room = 0.1 * numpy.ptp(smoothed) or 0.1
    limits = smoothed.min() - 2 * room, smoothed.max() + room
    axis.set(xscale="log", xlim=(sweep.rates[0], sweep.rates[-1]), ylim=limits)
    axis.set(xlabel="learning rate (log scale)", ylabel="train loss")
    axis.minorticks_off()  # they would take half of the time of a click
    axis.legend(loc="lower left")
