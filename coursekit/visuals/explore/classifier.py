"""A classifier of pictures: what its layers answer to, its mistakes cleaned, an own picture."""

import numpy
import torch

from coursekit.console import CourseError
from coursekit.visuals.explore.frame import Choice, Explorer, Slider, Upload
from coursekit.visuals.heatmaps import heat_map, overlay
from coursekit.visuals.layers import look, mosaic, resting
from coursekit.visuals.pictures import as_array, bare
from coursekit.visuals.style import (
    COLORS,
    counted,
    digits,
    fit_text,
    panels,
    say,
    sentence,
    use_style,
)

# What the layers answer to --------------------------------------------------------------------

PATCHES = 6
SIDE = 128  # pixels of a picture as it is drawn


def _shrunk(picture, side):
    """Return a picture (H, W, 3) as a square of ``side`` pixels, numbers in 0..1."""
    from PIL import Image

    return numpy.asarray(Image.fromarray(as_array(picture)).resize((side, side))) / 255


def _square(top, left, side):
    """Return (x, y) of the outline of a square, ended by NaN."""
    corners = numpy.array([[0, 1, 1, 0, 0, numpy.nan], [0, 0, 1, 1, 0, numpy.nan]])
    return corners * side + [[left], [top]]


def layers(model, batches, *, stage=None, rank=1, pictures=256):
    """Ask a network what excites it: choose a stage and a channel, see the pictures that do.

    Above stand the patches that excite the channel most, below the pictures that they were cut
    from. The channels are ordered: the first ones answer to few pictures, and strongly.

    Args:
        model: a picture network; where it has a ``body``, stages are looked for in there.
        batches: iterable of (x, y) with x float (B, 3, H, W) in 0..1, such as ``data.valid``.
        stage: name of the stage to begin with; None for the first.
        rank: which channel to begin with, from 1, the most selective.
        pictures: how many pictures are looked through at most; this is done once.
    """
    seen, looked = look(model, batches, pictures=pictures)
    stages = {one.name: one for one in looked}
    patches = min(PATCHES, len(seen))
    orders = {name: one.selective(patches) for name, one in stages.items()}

    @use_style()
    def draw(axes, stage, rank):
        axis = panels(size=(9.0, 3.3), axes=axes)[0, 0]
        chosen = stages[stage]
        channel = orders[stage][min(rank, len(orders[stage])) - 1]
        rows = chosen.best(channel, patches)
        tiles = [chosen.patch(seen, row, channel) for row in rows]
        tiles = [_shrunk((tile * 255).astype(numpy.uint8), SIDE) for tile in tiles]
        wholes = [_shrunk(seen[row].permute(1, 2, 0), SIDE) for row in rows]
        axis.imshow(mosaic(numpy.stack(tiles + wholes), patches, gap=6))
        tall, wide = seen.shape[2:]
        frames = []
        for place, row in enumerate(rows):
            top, left = chosen.corner(seen[row], row, channel)
            corner = numpy.array([[place * (SIDE + 6)], [SIDE + 6]]) - 0.5
            frames.append(corner + _square(top / tall, left / wide, chosen.side / tall) * SIDE)
        axis.plot(*numpy.concatenate(frames, 1), color=COLORS["red"], linewidth=1.5)
        bare(axis)
        view = f"a unit sees {chosen.side} of {tall} pixels"
        axis.set_title(f"{stage}, channel {channel}: {view}")
        values = chosen.values[:, channel]
        least = digits(values[rows].min())
        say(
            f"Channel {channel} of {stage} answers to these {patches} of "
            f"{counted(len(seen), 'picture')} with {least} or more, and with "
            f"{digits(values.mean())} on average; {view}."
        )
        return axis

    first = stage or looked[0].name
    most = max(len(order) for order in orders.values())
    controls = {
        "stage": Choice("stage", first, options=list(stages)),
        "rank": Slider("channel, by selectivity", rank, low=1, high=min(32, most)),
    }
    return Explorer("layers", draw, controls)


# The cleaner ----------------------------------------------------------------------------------


class _Cleaner(Explorer):
    """Walks through the hardest pictures; every decision is one change of the corrections."""

    def __init__(self, results, corrections, count):
        if results.names is None:
            raise CourseError(
                "These results know no names of files, so nothing can be written down; make them "
                "by ck.results(learn)."
            )
        self.results, self.corrections = results, corrections
        self.rows = results.top_losses(count).tolist()
        self._presses = []
        self.decided = []  # "kept", "dropped" or a class, one a picture
        controls = {"label": Choice("new label", self._other(0), options=results.classes)}
        buttons = {
            "Keep it as it is": _Cleaner.keep,
            "Give it the new label": _Cleaner.relabel,
            "Drop it": _Cleaner.drop,
            "Undo": _Cleaner.undo,
        }
        super().__init__("cleaner", self._drawn, controls, buttons=buttons)

    def widget(self):
        """Return the ipywidget; buttons that can do nothing are grey."""
        import ipywidgets

        if self._view is None:
            root = super().widget()
            rows = [part for part in root.children if isinstance(part, ipywidgets.HBox)]
            self._presses = [press for row in rows for press in row.children]
            self._allow()
        return self._view.root

    def _update_view(self):
        super()._update_view()
        self._allow()

    def _allow(self):
        for press in self._presses:
            possible = self.decided if press.description == "Undo" else self.name_now
            press.disabled = not possible

    def _other(self, place):
        """Return the label that the network proposes for a picture, or the one after its own."""
        row = self.rows[min(place, len(self.rows) - 1)]
        truth, guess = self.results.truth[row], self.results.predicted[row]
        other = guess if guess != truth else (truth + 1) % len(self.results.classes)
        return self.results.classes[other]

    @property
    def name_now(self):
        """Return the name of the picture that is to be decided, or None at the end."""
        place = len(self.decided)
        return self.results.names[self.rows[place]] if place < len(self.rows) else None

    def keep(self):
        """Leave the picture as it is and go to the next one."""
        self._decide("kept", self.corrections.keep)

    def drop(self):
        """Leave the picture out of training and validation; its file stays."""
        self._decide("dropped", self.corrections.drop)

    def relabel(self, label=None):
        """Give the picture another label: the one chosen, or ``label``."""
        label = label or self.settings["label"]
        self._decide(label, lambda name: self.corrections.relabel(name, label))

    def undo(self):
        """Go back to the picture before, and take what was decided about it back."""
        if self.decided:
            self.corrections.undo()
            self.decided.pop()
        self._go_on()

    def _decide(self, what, write):
        if self.name_now is not None:
            write(self.name_now)  # first: what cannot be written is not decided
            self.decided.append(what)
        self._go_on()

    def _go_on(self):
        self.set(label=self._other(len(self.decided)))

    @use_style()
    def _drawn(self, axes, label):
        near, queue = panels(1, 2, size=(9.5, 3.7), widths=[2, 3], axes=axes)[0]
        place = len(self.decided)
        if self.name_now is None:
            near.text(0.5, 0.5, "all looked at", ha="center", va="center", fontsize=14)
            near.axis("off")
        else:
            row = self.rows[place]
            near.imshow(as_array(self.results.picture(row)))
            bare(near)
            truth = self.results.classes[self.results.truth[row]]
            loss = digits(self.results.losses[row])
            said = (
                f"the label says {truth}\nthe network says {self.results.guess(row)}, loss {loss}"
            )
            near.set_title(fit_text(said, 3.7, lines=1))
        self._draw_queue(queue)
        say(self._where())
        return numpy.array([near, queue])

    def _draw_queue(self, axis):
        """Draw all pictures small, the present one framed, what was decided written on them."""
        columns = max(1, round((1.5 * len(self.rows)) ** 0.5))
        tiles = [_shrunk(self.results.picture(row), 72) for row in self.rows]
        axis.imshow(mosaic(numpy.stack(tiles), columns, gap=8))
        for place in range(len(self.rows)):
            top, left = place // columns * 80 - 0.5, place % columns * 80 - 0.5
            if place == len(self.decided):
                axis.plot(*_square(top, left, 72), color=COLORS["blue"], linewidth=4)
            elif place < len(self.decided):
                word = fit_text(self.decided[place], 0.75, size=9, lines=1)
                ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
                axis.text(left + 36, top + 62, word, ha="center", va="center", size=9, bbox=ground)
        bare(axis)
        axis.set_title(f"{len(self.decided)} of {len(self.rows)} decided")

    def _where(self):
        """Return what is to be done, or at the end what was done and how to train with it."""
        relabelled = sum(one in self.results.classes for one in self.decided)
        dropped, kept = self.decided.count("dropped"), self.decided.count("kept")
        done = f"{relabelled} relabelled, {dropped} dropped, {kept} kept"
        file = self.corrections.file.name
        if self.name_now is None:
            return (
                f"All {counted(len(self.rows), 'picture')} looked at: {done}; written to {file}, "
                "and ck.images(..., corrections=corrections.file) makes the data that heeds it."
            )
        row = self.rows[len(self.decided)]
        truth = self.results.classes[self.results.truth[row]]
        share = self.results.probabilities[row, self.results.truth[row]]
        return sentence(
            f"picture {len(self.decided) + 1} of {len(self.rows)}, {self.name_now}: the label says "
            f"{truth}, to which the network gives {share:.1%}",
            f"the new label would be {self.settings['label']}",
            f"so far {done}",
        )


def cleaner(results, corrections, *, count=12):
    """Walk through the pictures with the highest loss: keep, relabel or drop each; undo goes back.

    Every decision is written to the file of the corrections at once; no picture is ever deleted.
    By code the same: ``.keep()``, ``.relabel("cats")``, ``.drop()`` and ``.undo()``.

    Args:
        results: what ``ck.results(learn)`` returned.
        corrections: a ``ck.Corrections``, which knows the CSV file.
        count: how many pictures.

    Raises:
        CourseError: the results know no names of files.
    """
    return _Cleaner(results, corrections, count)


# An own picture -------------------------------------------------------------------------------

BEST = "what it says"


def classified(classifier, picture, klass=None, *, layer="body"):
    """Return ({class: probability}, pixels (1, 3, H, W), heat (h, w) or None) of one picture.

    Args:
        classifier: ``learn.classifier()``, or what ``ck.load_model`` returned.
        picture: a ``PIL.Image``.
        klass: the class whose heat map is wanted; None for the most probable one.
        layer: where the heat map is taken; None of it where that layer gives no maps.
    """
    shares, x = classifier(picture), classifier.pixels(picture)
    target = classifier.classes.index(klass or next(iter(shares)))
    try:
        heat = heat_map(classifier.model, x, target, layer=layer)[0].cpu()
    except CourseError:  # a transformer on a list of patches has no maps
        heat = None
    return shares, x, heat


def classify(learn, picture=None, *, layer="body"):
    """Show a trained classifier a picture of your own: what does it say, and where does it look?

    Args:
        learn: a trained ``ck.image_learner``, or what ``ck.load_model`` returned.
        picture: the picture to begin with, anything that ``ck.show_pictures`` takes; None for none.
        layer: name of the layer in which the heat map is taken.

    Raises:
        CourseError: it is no classifier of pictures.
    """
    classifier = learn.classifier() if hasattr(learn, "classifier") else learn
    if not hasattr(classifier, "pixels"):
        raise CourseError(
            "This is no classifier of pictures; give a learner of ck.image_learner, or what "
            "ck.load_model returns."
        )

    @use_style()
    def draw(axes, file, klass):
        if file is None and picture is None:
            names = ", ".join(classifier.classes[:8])
            return f"Choose a picture from your computer; the network knows these classes: {names}."
        with resting(classifier.model):
            shown = picture if file is None else file
            wanted = None if klass == BEST else klass
            shares, x, heat = classified(classifier, shown, wanted, layer=layer)
        return _draw_shares(axes, shares, x[0], heat, wanted)

    controls = {
        "file": Upload("your picture", None),
        "klass": Choice("heat map of", BEST, options=[BEST, *classifier.classes]),
    }
    return Explorer("classify", draw, controls)


def _draw_shares(axes, shares, x, heat, wanted):
    """Draw a picture as the network gets it, its heat map, and the probabilities as bars."""
    left, middle, right = panels(1, 3, size=(9.5, 3.2), widths=[1, 1, 1.3], axes=axes)[0]
    best, share = next(iter(shares.items()))
    left.imshow(as_array(x))
    left.set_title("as the network gets it")
    middle.imshow(as_array(x) if heat is None else overlay(x, heat))
    middle.set_title(
        "this network has no maps"
        if heat is None
        else fit_text(f"what speaks for {wanted or best}", 2.6, lines=1)
    )
    bare(left)
    bare(middle)
    shown = list(shares.items())[:6]
    names = [fit_text(name, 1.3, lines=1) for name, _ in shown]
    colours = [COLORS["blue"]] + [COLORS["grey"]] * (len(shown) - 1)
    right.barh(range(len(shown)), [value for _, value in shown], color=colours, height=0.6)
    for place, (_, value) in enumerate(shown):
        right.text(value + 0.02, place, f"{value:.1%}", va="center")
    right.set_yticks(range(len(shown)), names)
    right.set(xlim=(0, 1.25), ylim=(len(shown) - 0.4, -0.6), title="probability")
    right.set_xticks([0, 0.5, 1])
    more = "" if len(shares) == 1 else f"; next comes {list(shares)[1]}"
    looked = ""
    if heat is not None and heat.max() > 0:
        row, column = divmod(int(torch.argmax(heat)), heat.shape[1])
        down = ("upper", "middle", "lower")[3 * row // heat.shape[0]]
        along = ("left", "middle", "right")[3 * column // heat.shape[1]]
        where = "middle" if down == along else f"{down} {along}"
        looked = f"; most of what speaks for {wanted or best} lies in the {where}"
    say(f"The network says {best} ({share:.1%}){more}{looked}.")
    return numpy.array([left, middle, right])
