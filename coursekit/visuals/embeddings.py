"""Embeddings: a map of named vectors, and which of them point the same way."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from coursekit.console import CourseError
from coursekit.console import nearest as similar_name
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, Drawn, counted, figure, fit_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Vectors = Any  # (N, D) array or tensor

RINGED = 5  # nearest vectors that the map marks


def principal_components(vectors: Vectors, count: int = 2) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Project vectors on their widest directions.

    The sign of a direction is arbitrary; here the largest weight of each is positive.

    Args:
        vectors: (N, D) array or tensor.
        count: directions, at most D.

    Returns:
        the places (N, count), and the fraction of the variance along each direction (count,).
    """
    centered = _array(vectors) - _array(vectors).mean(0)
    _, sizes, directions = numpy.linalg.svd(centered, full_matrices=False)
    largest = numpy.abs(directions).argmax(1)
    directions = directions * numpy.sign(directions[numpy.arange(len(largest)), largest])[:, None]
    explained = sizes**2 / max((sizes**2).sum(), 1e-30)
    return centered @ directions[:count].T, explained[:count]


def most_similar(
    vectors: Vectors, names: Sequence[Any], name: Any, *, count: int = 10
) -> list[tuple[Any, float]]:
    """Find the nearest neighbors of a name by cosine similarity: [(name, cosine)], best first.

    Args:
        vectors: (N, D) array or tensor.
        names: N names.
        name: one of them; it is left out of the answer.
        count: neighbors wanted.

    Raises:
        CourseError: there is no such name.
    """
    names = list(names)
    if name not in names:
        known = [other for other in names if isinstance(other, str)]
        raise CourseError(
            f"There is no {name!r} among the names; take one of them." + similar_name(name, known)
        )
    vectors, row = _array(vectors), names.index(name)
    units = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    cosines = units @ units[row]
    order = [other for other in numpy.argsort(-cosines, kind="stable") if other != row]
    return [(names[other], float(cosines[other])) for other in order[:count]]


def look_up(names: Sequence[str], text: str) -> str | None:
    """Find the name that a typed text means: itself, or the first that begins with it or holds it.

    Capitals do not count; None where no name fits.
    """
    if text in names:
        return text
    typed = text.strip().lower()
    for fits in (str.startswith, str.__contains__):
        for name in names:
            if typed and fits(name.lower(), typed):
                return name
    return None


def _array(vectors: Vectors) -> numpy.ndarray:
    return numpy.asarray(vectors.detach().cpu() if hasattr(vectors, "detach") else vectors)


# A map ----------------------------------------------------------------------------------------

SPOTS = ((5, 3), (-5, 3), (5, -3), (-5, -3))  # where a name may stand beside its point, in points


@figure(size=(10.0, 7.0))
def show_embedding_map(
    axes: Axes,
    vectors: Vectors,
    names: Sequence[Any],
    *,
    counts: Any = None,
    labels: int = 40,
    find: str = "",
    memo: dict[str, Any] | None = None,
) -> Drawn:
    """Draw vectors on the plane of their two widest directions, with names that do not overlap.

    Args:
        vectors: (N, D) array or tensor.
        names: N names, drawn short.
        counts: (N,) how often each one occurs: the most frequent are named first; None keeps the
            order.
        labels: names written at most.
        find: a name to mark, or how it begins; its five nearest neighbors by cosine are ringed.
        memo: a dict that keeps places and names from one drawing of a map to the next.

    Raises:
        CourseError: there are fewer than two vectors of two numbers.
    """
    if min(vectors.shape) < 2:
        raise CourseError(
            f"Vectors of shape {tuple(vectors.shape)} make no map; it takes at least two vectors "
            "of two numbers."
        )
    memo, names = {} if memo is None else memo, [str(name) for name in names]
    if not memo:
        memo["places"], memo["explained"] = principal_components(vectors)
    places, explained = memo["places"], memo["explained"]
    axes.scatter(*places.T, s=14, color=COLORS["sky"], alpha=0.7, linewidth=0)
    axes.set_xlabel(f"first direction ({explained[0]:.0%} of the variance)")
    axes.set_ylabel(f"second direction ({explained[1]:.0%})")
    if "spots" not in memo:
        ranks = numpy.arange(len(names)) if counts is None else -numpy.asarray(counts)
        memo["spots"] = _find_spots(axes, places, names, numpy.argsort(ranks), labels)
    for row, spot in memo["spots"].items():
        _write(axes, names[row], places[row], spot)
    named = list(memo["spots"])
    axes.scatter(*places[named].T, s=22, color=COLORS["blue"])
    caption = f"{counted(len(places), 'point')}, {len(named)} of them named"
    if named:
        ends = [named[pick(places[named, 0])] for pick in (numpy.argmin, numpy.argmax)]
        left, right = (repr(names[row]) for row in ends)
        caption += f"; along the first direction they go from {left} to {right}"
    found = f"{_mark(axes, vectors, places, names, find)} " if find.strip() else ""
    hover = [(x, y, name) for (x, y), name in zip(places, names, strict=True)]
    return Drawn(f"{found}{caption}.", hover)


def _write(axes: Axes, name: str, place: Any, spot: tuple[int, int], **looks: Any) -> Any:
    x, y = spot
    how = {"ha": "right" if x < 0 else "left", "va": "top" if y < 0 else "bottom", "size": 8}
    short = fit_text(name, 2.4, size=8, lines=1)
    return axes.annotate(short, place, spot, textcoords="offset points", **how | looks)


def _find_spots(
    axes: Axes, places: numpy.ndarray, names: list[str], order: numpy.ndarray, labels: int
) -> dict[int, tuple[int, int]]:
    """Choose where names can be written, {row: spot}; first those that cover no other point."""
    axes.figure.draw_without_rendering()  # the layout has to stand before anything is measured
    taken: list[Any] = []
    frame, points = axes.bbox, axes.transData.transform(places)
    spots: dict[int, tuple[int, int]] = {}
    for covered in (0, 1):
        for row, spot in itertools.product(order[: 10 * labels].tolist(), SPOTS):
            if row in spots or len(spots) >= labels:
                continue
            text = _write(axes, names[row], places[row], spot)
            box = text.get_window_extent()
            text.remove()
            under = ((points > box.min - 2) & (points < box.max + 2)).all(1).sum()
            inside = frame.contains(*box.min) and frame.contains(*box.max)
            if inside and under <= covered and not any(map(box.padded(5).overlaps, taken)):
                taken.append(box)
                spots[row] = spot
    return spots


def _mark(axes: Axes, vectors: Vectors, places: numpy.ndarray, names: list[str], text: str) -> str:
    """Mark the name that a text means, ring its neighbors, and say where it lies."""
    name = look_up(names, text)
    if name is None:
        return f"{text!r} is not on this map.{similar_name(text, names)}"
    row, near = names.index(name), most_similar(vectors, names, name, count=RINGED)
    ring = {"s": 90, "facecolors": "none", "edgecolors": COLORS["orange"], "linewidths": 2}
    axes.scatter(*places[[names.index(other) for other, _ in near]].T, **ring)
    axes.scatter(*places[row], s=110, color=COLORS["red"])
    left, below = (places < places[row]).mean(0)
    spot = (10 if left < 0.5 else -10, 10 if below < 0.5 else -10)
    box = {"facecolor": "white", "edgecolor": COLORS["red"], "boxstyle": "round,pad=0.2"}
    _write(axes, name, places[row], spot, size=11, color=COLORS["red"], weight="bold", bbox=box)
    return (
        f"{name!r} lies further than {left:.0%} of the points along the first direction and than "
        f"{below:.0%} along the second; nearest by cosine, ringed: "
        f"{', '.join(other for other, _ in near)}."
    )


def embedding_map(
    vectors: Vectors | Mapping[str, Sequence[Any]],
    names: Sequence[Any] | None = None,
    *,
    counts: Any = None,
    labels: int = 25,
    which: str | None = None,
    find: str = "",
) -> Explorer:
    """Find a name on a map of vectors; the mouse shows the name of every point.

    The map has the two widest directions; the five neighbors by cosine, over all directions, are
    ringed.

    Args:
        vectors: (N, D) array or tensor; or several maps to choose from, {label: (vectors, names)}
            or {label: (vectors, names, counts)}.
        names, counts, labels: as for ``ck.show_embedding_map``, where there is one map.
        which: label of the map to begin with.
        find: a name, or how it begins.
    """
    given = vectors if isinstance(vectors, Mapping) else {"map": (vectors, names, counts)}
    maps = {label: (*one, None)[:3] for label, one in given.items()}
    first = which or next(iter(maps))
    memos: dict[str, dict] = {label: {} for label in maps}
    every = tuple(dict.fromkeys(str(name) for _, known, _ in maps.values() for name in known))
    controls = {"find": Control(find, names=every, width="760px")}
    if len(maps) > 1:
        controls = {"which": Control(first, list(maps), label="map")} | controls

    def draw(axes: Axes, find: str, which: str = first) -> Drawn:
        long, known, busy = maps[which]
        more = {"counts": busy, "labels": labels, "find": find, "memo": memos[which]}
        return show_embedding_map.draw(axes, long, known, **more)

    return Explorer("embedding_map", draw, controls, panels=show_embedding_map.panels)


# The nearest ----------------------------------------------------------------------------------


def nearest(
    vectors: Vectors, names: Sequence[Any], *, name: Any = None, count: int = 10
) -> Explorer:
    """Choose a name and see, as bars, which other vectors point most nearly the same way.

    Args:
        vectors: (N, D) array or tensor.
        names: N names.
        name: the one to begin with; None for the first.
        count: neighbors drawn.
    """
    names = [str(one) for one in names]

    def draw(axes: Axes, name: str) -> str:
        chosen = look_up(names, name) or name
        near, cosines = zip(*most_similar(vectors, names, chosen, count=count), strict=True)
        rows = numpy.arange(len(near))[::-1]
        colors = [COLORS["blue" if cosine > 0 else "grey"] for cosine in cosines]
        axes.barh(rows, cosines, color=colors, height=0.7)
        axes.set_yticks(rows, [fit_text(other, 3.6, lines=1) for other in near])
        axes.set(xlim=(min(0, *cosines), 1.1), xlabel=f"cosine with {fit_text(chosen, 4, lines=1)}")
        for row, cosine in zip(rows, cosines, strict=True):
            axes.text(max(cosine, 0) + 0.01, row, f"{cosine:.2f}", va="center", size=9)
        axes.grid(axis="y", visible=False)
        best = ", ".join(f"{o} ({c:.2f})" for o, c in [*zip(near, cosines, strict=True)][:3])
        return f"Nearest to {chosen}: {best}; the last of the {len(near)} has {cosines[-1]:.2f}."

    control = Control(names[0] if name is None else str(name), names=tuple(names), width="760px")
    size = {"size": (8.5, 0.6 + 0.33 * count)}
    return Explorer("nearest", draw, {"name": control}, panels=size)
