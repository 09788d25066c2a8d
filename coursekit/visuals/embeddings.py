"""Embeddings: a map of named vectors, and which of them point the same way."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from coursekit.console import CourseError, checked, nearest, no_such
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, Drawn, array_of, counted, fit_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Vectors = Any  # (N, D) array or tensor

RINGED = 5  # nearest vectors that the map marks


@checked
def principal_components(vectors: Vectors, count: int = 2) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Project vectors on their widest directions.

    The sign of a direction is arbitrary; here the largest weight of each is positive.

    Args:
        vectors: (N, D) array or tensor.
        count: directions, at most N and D.

    Returns:
        the places (N, count), and the fraction of the variance along each direction (count,).

    Raises:
        CourseError: there are fewer vectors or numbers in each than directions.
    """
    vectors = array_of("The array of vectors", vectors, None, None)
    if not 1 <= count <= min(vectors.shape):
        wanted = f"{count} directions; it takes as many vectors, of as many numbers"
        raise CourseError(f"Vectors of shape {vectors.shape} have no {wanted}.")
    centered = vectors - vectors.mean(0)
    _, sizes, directions = numpy.linalg.svd(centered, full_matrices=False)
    largest = numpy.abs(directions).argmax(1)
    directions = directions * numpy.sign(directions[numpy.arange(len(largest)), largest])[:, None]
    explained = sizes**2 / max((sizes**2).sum(), 1e-30)
    return centered @ directions[:count].T, explained[:count]


@checked
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
        CourseError: there is no such name, or not one for each vector.
    """
    vectors, names = _named(vectors, names)
    if name not in names:
        raise no_such("name", name, names)
    return [(names[row], cosine) for row, cosine in _nearest(vectors, names.index(name), count)]


def _named(vectors: Vectors, names: Sequence[Any]) -> tuple[numpy.ndarray, list[Any]]:
    """Read vectors and their names."""
    vectors = array_of("The array of vectors", vectors, None, None)
    names = [] if names is None or isinstance(names, str) else list(names)
    if len(names) != len(vectors):
        raise CourseError(
            f"{counted(len(names), 'name')} and {counted(len(vectors), 'vector')} do not fit; "
            "give a list with one name for each."
        )
    return vectors, names


def _nearest(vectors: numpy.ndarray, row: int, count: int) -> list[tuple[int, float]]:
    """Find the rows of the largest cosine with one row: [(row, cosine)]."""
    units = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    cosines = units @ units[row]
    order = [other for other in numpy.argsort(-cosines, kind="stable") if other != row]
    return [(int(other), float(cosines[other])) for other in order[:count]]


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


# A map ----------------------------------------------------------------------------------------

SPOTS = ((5, 3), (-5, 3), (5, -3), (-5, -3))  # where a name may stand beside its point, in points


@dataclass
class _Map:
    """Vectors (N, D), their names, places (N, 2), and spots: {row of a name: where it stands}."""

    vectors: numpy.ndarray
    names: list[str]
    order: list[int]  # rows, those that are named first in front
    places: numpy.ndarray
    explained: numpy.ndarray
    spots: dict[int, tuple[int, int]] | None = None

    @classmethod
    def make(cls, vectors: Vectors, names: Sequence[Any], counts: Any = None) -> _Map:
        """Read vectors and names, and how often each one occurs."""
        vectors, names = _named(vectors, names)
        counts = [0] * len(names) if counts is None else array_of("counts=", counts, len(names))
        order = numpy.argsort(-numpy.asarray(counts), kind="stable").tolist()
        return cls(vectors, [*map(str, names)], order, *principal_components(vectors))

    def draw(self, axes: Axes, labels: int, find: str = "") -> Drawn:
        """Draw the points and up to ``labels`` names, the first time where there is room."""
        places, names = self.places, self.names
        axes.scatter(*places.T, s=14, color=COLORS["sky"], alpha=0.7, linewidth=0)
        axes.set_xlabel(f"first direction ({self.explained[0]:.0%} of the variance)")
        axes.set_ylabel(f"second direction ({self.explained[1]:.0%})")
        if self.spots is None:
            self.spots = self._find_spots(axes, labels)
        for row, spot in self.spots.items():
            self._write(axes, row, spot)
        named = list(self.spots)
        axes.scatter(*places[named].T, s=22, color=COLORS["blue"])
        caption = f"{counted(len(places), 'point')}, {len(named)} of them named"
        if named:
            ends = [named[pick(places[named, 0])] for pick in (numpy.argmin, numpy.argmax)]
            left, right = (repr(names[row]) for row in ends)
            caption += f"; along the first direction they go from {left} to {right}"
        found = f"{self._mark(axes, find)} " if find.strip() else ""
        hover = [(x, y, name) for (x, y), name in zip(places, names, strict=True)]
        return Drawn(f"{found}{caption}.", hover)

    def _write(self, axes: Axes, row: int, spot: tuple[int, int], **looks: Any) -> Any:
        x, y = spot
        how = {"ha": "right" if x < 0 else "left", "va": "top" if y < 0 else "bottom", "size": 8}
        short = fit_text(self.names[row], 2.4, size=8, lines=1)
        return axes.annotate(
            short, self.places[row], spot, textcoords="offset points", **how | looks
        )

    def _find_spots(self, axes: Axes, labels: int) -> dict[int, tuple[int, int]]:
        """Choose where names can be written; first those that cover no other point."""
        axes.figure.draw_without_rendering()  # the layout has to stand before anything is measured
        taken: list[Any] = []
        frame, points = axes.bbox, axes.transData.transform(self.places)
        spots: dict[int, tuple[int, int]] = {}
        for covered in (0, 1):
            for row, spot in itertools.product(self.order[: 10 * labels], SPOTS):
                if row in spots or len(spots) >= labels:
                    continue
                text = self._write(axes, row, spot)
                box = text.get_window_extent()
                text.remove()
                under = ((points > box.min - 2) & (points < box.max + 2)).all(1).sum()
                inside = frame.contains(*box.min) and frame.contains(*box.max)
                if inside and under <= covered and not any(map(box.padded(5).overlaps, taken)):
                    taken.append(box)
                    spots[row] = spot
        return spots

    def _mark(self, axes: Axes, text: str) -> str:
        """Mark the name that a text means, ring its neighbors, and say where it lies."""
        places, names = self.places, self.names
        name = look_up(names, text)
        if name is None:
            return f"{text!r} is not on this map.{nearest(text, names)}"
        row = names.index(name)
        near = [other for other, _ in _nearest(self.vectors, row, RINGED)]
        ring = {"s": 90, "facecolors": "none", "edgecolors": COLORS["orange"], "linewidths": 2}
        axes.scatter(*places[near].T, **ring)
        axes.scatter(*places[row], s=110, color=COLORS["red"])
        left, below = (places < places[row]).mean(0)
        spot = (10 if left < 0.5 else -10, 10 if below < 0.5 else -10)
        box = {"facecolor": "white", "edgecolor": COLORS["red"], "boxstyle": "round,pad=0.2"}
        self._write(axes, row, spot, size=11, color=COLORS["red"], weight="bold", bbox=box)
        return (
            f"{name!r} lies further than {left:.0%} of the points along the first direction and "
            f"than {below:.0%} along the second; nearest by cosine, ringed: "
            f"{', '.join(names[other] for other in near)}."
        )


@checked
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
        names: of one map, N of them, drawn short and so that they do not overlap.
        counts: (N,) how often each one occurs: the most frequent are named first; None keeps the
            order.
        labels: names written at most.
        which: label of the map to begin with.
        find: a name, or how it begins.

    Raises:
        CourseError: there are fewer than two vectors of two numbers, not one name for each, or no
            such map.
    """
    given = vectors if isinstance(vectors, Mapping) else {"map": (vectors, names, counts)}
    if not given:
        raise CourseError("There is no map; give vectors and names.")
    for label, one in given.items():
        if not isinstance(one, tuple | list) or len(one) not in (2, 3):
            raise CourseError(f"The map {label!r} has to be a pair (vectors, names).")
    maps = {label: _Map.make(*one) for label, one in given.items()}
    first = which or next(iter(maps))
    every = tuple(dict.fromkeys(name for one in maps.values() for name in one.names))
    controls = {"find": Control(find, str, names=every, width="760px")}
    if len(maps) > 1 or which:
        controls = {"which": Control(first, list(maps), label="map")} | controls

    def draw(axes: Axes, find: str, which: str = first) -> Drawn:
        return maps[which].draw(axes, labels, find)

    return Explorer("embedding_map", draw, controls, panels={"size": (10.0, 7.0)})
