"""Explorers of named vectors: find one on their map, and see which others point the same way."""

import numpy

from coursekit.console import nearest as similar_name
from coursekit.visuals.embeddings import draw_map, most_similar
from coursekit.visuals.explore.frame import Choice, Explorer, Picture, Words
from coursekit.visuals.style import COLORS, fit_text, panels, say, use_style

BESIDE = 5  # nearest vectors that the map rings


def look_up(names, text):
    """Return the name that a typed text means, or None.

    It is the name itself, or else, whatever its capitals, the one that begins with the text or, if
    there is none, holds it; the first of several.

    Args:
        names: list of texts.
        text: what was typed.
    """
    if text in names:
        return text
    wanted = text.strip().lower()
    lower = [name.lower() for name in names]
    for fits in (str.startswith, str.__contains__):
        found = [
            name for name, low in zip(names, lower, strict=True) if wanted and fits(low, wanted)
        ]
        if found:
            return found[0]
    return None


def rank(places, row):
    """Return which share of the points lies below ``row`` in each direction, two numbers 0 to 1.

    Args:
        places: (N, 2) array.
        row: number of the point.
    """
    return (places < places[row]).mean(0)


# A map ----------------------------------------------------------------------------------------


def embedding_map(vectors, names=None, *, counts=None, labels=25, which=None, find=""):
    """Find a name on a map of vectors; the names of all points are shown where the mouse rests.

    The map shows the two widest directions; the five vectors nearest by cosine, which takes all
    directions into account, are ringed.

    Args:
        vectors: (N, D) array or tensor; or several maps to choose from, {label: (vectors, names)}
            or {label: (vectors, names, counts)}.
        names: N names, where there is one map.
        counts: (N,) how busy each one is: the busiest are named first; None keeps the order.
        labels: names written at most.
        which: the label of the map to begin with, where there are several.
        find: a name, or how it begins.
    """
    maps = dict(vectors) if isinstance(vectors, dict) else {"map": (vectors, names, counts)}
    maps = {label: _as_map(*one) for label, one in maps.items()}
    first = next(iter(maps)) if which is None else which
    drawn = {}  # what stays while only the name changes

    @use_style()
    def draw(axes, find, which=first):
        long, named, busy = maps[which]
        if which not in drawn:
            drawn[which] = draw_map(long, named, counts=busy, labels=labels)
        (axis, places, said), marks = drawn[which], []
        if find.strip():
            said = f"{_found(axis, places, long, named, find, marks)} {said}"
        say(said)
        spots = [(*place, name) for place, name in zip(places, named, strict=True)]
        return Picture(axis, spots, tuple(marks))

    every = tuple(dict.fromkeys(name for one in maps.values() for name in one[1]))
    controls = {"find": Words("find", find, options=every)}
    if len(maps) > 1:
        controls = {"which": Choice("map", first, options=list(maps))} | controls
    return Explorer("embedding_map", draw, controls)


def _as_map(vectors, names, counts=None):
    return vectors, [str(name) for name in names], counts


def _found(axis, places, vectors, names, text, marks):
    """Mark a name on a map and return the sentence about it."""
    name = look_up(names, text)
    if name is None:
        return f"{text!r} is not on this map.{similar_name(text, names)}"
    row = names.index(name)
    near = [names.index(other) for other, _ in most_similar(vectors, names, name, count=BESIDE)]
    red, orange = COLORS["red"], COLORS["orange"]
    rings = {"s": 90, "facecolors": "none", "edgecolors": orange, "linewidths": 2}
    marks.append(axis.scatter(*places[near].T, **rings))
    marks.append(axis.scatter(*places[row], s=110, color=red))
    left, bottom = rank(places, row)
    box = {"facecolor": "white", "edgecolor": red, "boxstyle": "round,pad=0.2"}
    marks.append(
        axis.annotate(
            fit_text(name, 4, size=11, lines=1),
            places[row],
            (10 if left < 0.5 else -10, 10 if bottom < 0.5 else -10),
            textcoords="offset points",
            ha="left" if left < 0.5 else "right",
            va="bottom" if bottom < 0.5 else "top",
            size=11,
            color=red,
            weight="bold",
            bbox=box,
        )
    )
    others = ", ".join(names[other] for other in near)
    return (
        f"{name!r} lies further than {left:.0%} of the points along the first direction and than "
        f"{bottom:.0%} along the second; nearest by cosine, ringed: {others}."
    )


# The nearest ----------------------------------------------------------------------------------


def nearest(vectors, names, *, name=None, count=10):
    """Choose a name and see, as bars, which other vectors point most nearly the same way.

    Args:
        vectors: (N, D) array or tensor.
        names: N names.
        name: the one to begin with; None for the first.
        count: how many others are drawn.
    """
    names = [str(one) for one in names]

    @use_style()
    def draw(axes, name):
        chosen = look_up(names, name) or name
        near = most_similar(vectors, names, chosen, count=count)  # tells an unknown name
        axis = panels(size=(8.5, 0.6 + 0.33 * count), axes=axes)[0, 0]
        rows = numpy.arange(len(near))[::-1]
        cosines = [cosine for _, cosine in near]
        colours = [COLORS["blue"] if cosine > 0 else COLORS["grey"] for cosine in cosines]
        axis.barh(rows, cosines, color=colours, height=0.7)
        axis.set_yticks(rows, [fit_text(other, 3.6, lines=1) for other, _ in near])
        axis.set(xlim=(min(0, *cosines), 1.1), xlabel=f"cosine with {fit_text(chosen, 4, lines=1)}")
        for row, cosine in zip(rows, cosines, strict=True):
            axis.text(max(cosine, 0) + 0.01, row, f"{cosine:.2f}", va="center", size=9)
        axis.grid(axis="y", visible=False)
        told = ", ".join(f"{other} ({cosine:.2f})" for other, cosine in near[:3])
        say(f"Nearest to {chosen}: {told}; the last of the {len(near)} has {cosines[-1]:.2f}.")
        return axis

    controls = {"name": Words("name", names[0] if name is None else name, options=tuple(names))}
    return Explorer("nearest", draw, controls)
