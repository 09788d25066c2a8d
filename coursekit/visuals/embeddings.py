"""Embeddings: a map of named vectors, which of them point the same way, films for a new rater."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from coursekit.arguments import checked
from coursekit.console import CourseError, nearest, no_such
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, Drawn, array_of, counted, digits, fit_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RINGED = 5  # nearest vectors that the map marks


@checked
def principal_components(vectors: Any, count: int = 2) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Project vectors on their widest directions.

    The sign of a direction is arbitrary; here the largest weight of each is positive.

    Args:
        vectors: (N, D) array or tensor.
        count: directions, at most N and D.

    Returns:
        the places (N, count), and the fraction of the variance along each direction (count,).
    """
    vectors = array_of("The array of vectors", vectors, None, None)
    if not 1 <= count <= min(vectors.shape):
        raise CourseError(f"Vectors of shape {vectors.shape} have no {count} directions.")
    centered = vectors - vectors.mean(0)
    _, sizes, directions = numpy.linalg.svd(centered, full_matrices=False)
    largest = numpy.abs(directions).argmax(1)
    directions = directions * numpy.sign(directions[numpy.arange(len(largest)), largest])[:, None]
    explained = sizes**2 / max((sizes**2).sum(), 1e-30)
    return centered @ directions[:count].T, explained[:count]


@checked
def most_similar(
    vectors: Any, names: Sequence[Any], name: Any, *, count: int = 10
) -> list[tuple[Any, float]]:
    """Find the nearest neighbors of a name by cosine similarity: [(name, cosine)], best first.

    Args:
        vectors: (N, D) array or tensor.
        names: N names.
        name: one of them; it is left out of the answer.
        count: neighbors wanted.
    """
    vectors, names = _named(vectors, names)
    if name not in names:
        raise no_such("name", name, names)
    return [(names[row], cosine) for row, cosine in _nearest(vectors, names.index(name), count)]


def _named(vectors: Any, names: Sequence[Any]) -> tuple[numpy.ndarray, list[Any]]:
    """Read vectors and their names."""
    vectors = array_of("The array of vectors", vectors, None, None)
    names = [] if names is None else list(names)
    if len(names) != len(vectors):
        told = f"{counted(len(names), 'name')} and {counted(len(vectors), 'vector')} do not fit"
        raise CourseError(f"{told}; give a list with one name for each.")
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
    typed = text.strip().lower()
    found = [name for name in names if typed and typed in name.lower()]
    found.sort(key=lambda name: (name != text, not name.lower().startswith(typed)))
    return found[0] if found else None


# A map ----------------------------------------------------------------------------------------

SPOTS = ((5, 3), (-5, 3), (5, -3), (-5, -3))  # where a name may stand beside its point, in points


class _Map:
    """Named vectors on the plane of their widest directions."""

    def __init__(self, vectors: Any, names: Sequence[Any], counts: Any = None) -> None:
        self.vectors, names = _named(vectors, names)
        counts = [0] * len(names) if counts is None else array_of("counts=", counts, len(names))
        # Rows, those that are named first in front.
        self.order = numpy.argsort(-numpy.asarray(counts), kind="stable").tolist()
        self.names = [*map(str, names)]
        self.places, self.explained = principal_components(self.vectors)
        self.spots: dict[int, tuple[int, int]] = {}  # {row of a name: where it stands}

    def draw(self, axes: Axes, labels: int, find: str = "") -> Drawn:
        """Draw the points and up to ``labels`` names, the first time where there is room."""
        places, names = self.places, self.names
        axes.scatter(*places.T, s=14, color=COLORS["sky"], alpha=0.7, linewidth=0)
        axes.set_xlabel(f"first direction ({self.explained[0]:.0%} of the variance)")
        axes.set_ylabel(f"second direction ({self.explained[1]:.0%})")
        self.spots = self.spots or self._find_spots(axes, labels)
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
        how: Any = {
            "ha": "right" if x < 0 else "left",
            "va": "top" if y < 0 else "bottom",
            "size": 8,
        }
        how |= {"textcoords": "offset points"} | looks
        short = fit_text(self.names[row], 2.4, size=8, lines=1)
        return axes.annotate(short, self.places[row], spot, **how)

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
    vectors: Any,
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
    """
    given = vectors if isinstance(vectors, Mapping) else {"map": (vectors, names, counts)}
    pairs = [isinstance(one, tuple | list) and len(one) in (2, 3) for one in given.values()]
    if not given or not all(pairs):
        raise CourseError("There is no map; give vectors and names, or {label: (vectors, names)}.")
    maps = {label: _Map(*one) for label, one in given.items()}
    first = which or next(iter(maps))
    every = tuple(dict.fromkeys(name for one in maps.values() for name in one.names))
    controls = {"find": Control(find, str, names=every, width="760px")}
    if len(maps) > 1 or which:
        controls = {"which": Control(first, list(maps), label="map")} | controls

    def draw(axes: Axes, find: str, which: str = first) -> Drawn:
        return maps[which].draw(axes, labels, find)

    return Explorer("embedding_map", draw, controls, panels={"size": (10.0, 7.0)})


# A new rater ----------------------------------------------------------------------------------

ROWS, COUNT = 5, 10  # films that can be rated, and that are recommended
OFFERED = 400  # titles that a field completes; any other one can be typed
SEEN = 0.02  # stars by which a rating has to move a film to be named as its reason


@checked
def recommend(
    expected: Callable[[Sequence[int], Sequence[float]], Any],
    titles: Sequence[str | None],
    *,
    counts: Sequence[int] | None = None,
    films: str | Sequence[str] | None = None,
    stars: Sequence[float] = (5.0, 1.0, 4.0, 2.0, 3.0),
) -> Explorer:
    """Rate five films and get ten that you may like, each with the rating that speaks for it most.

    A rating speaks for a film by the stars that the film loses without it, beyond what all films
    lose on average: a generous rater likes everything, which is no reason.

    Args:
        expected: function (numbers of the rated films, their stars) that returns the stars expected
            for each of the N titles (N,); of no ratings at all, those of the mean rater.
        titles: N names; None is no film.
        counts: (N,) how often each one was rated: the most frequent are offered while you type.
        films: up to five titles to begin with; None for the first five.
        stars: for each of them, 0.5 to 5, or 0 for not seen.
    """
    n = len(titles)
    ranks = numpy.arange(n) if counts is None else -array_of("counts=", counts, n)
    known = [titles[row] for row in numpy.argsort(ranks) if titles[row] is not None]
    numbers = {title: number for number, title in enumerate(titles) if title is not None}
    films = known[:ROWS] if films is None else [films] if isinstance(films, str) else list(films)
    for name in films:
        if name not in numbers:
            raise no_such("film", name, known)
    if len(known) <= ROWS or not len(films) <= min(ROWS, len(stars)):
        told = f"{len(films)} of {counted(len(known), 'film')} are rated, by {len(stars)} stars"
        raise CourseError(f"{told}; give more than 5 films, at most 5 of them with their stars.")

    def of(given: dict[str, float]) -> numpy.ndarray:
        stars = expected([numbers[name] for name in given], list(given.values()))
        return array_of("What the function returns", stars, n)

    usual = of({})

    def draw(axes: Axes, **settings: Any) -> str:
        given, unknown = {}, ""
        for row in range(1, ROWS + 1):
            text, rating = settings[f"film{row}"], settings[f"stars{row}"]
            name = look_up(known, text)
            if name is None and text.strip():
                unknown += f"There is no film {text!r}.{nearest(text, known)} "
            elif name is not None and rating:
                given[name] = rating
        mine = of(given)
        lost = {one: mine - of({n: s for n, s in given.items() if n != one}) for one in given}
        best, reasons = _best(mine, numbers, given), []
        for film in best:
            moved = [(lost[one][film] - lost[one].mean(), one) for one in given]
            most, name = max(moved, key=lambda pair: pair[0], default=(0, ""))
            why = f"because you gave {digits(given[name])} to {name}" if most > SEEN else ""
            reasons.append(why or "liked by most")
        _draw_films(axes, [titles[film] for film in best], mine[best], usual[best], reasons)
        shared = len({*best} & {*_best(usual, numbers, {})})
        return (
            f"{unknown}From {counted(len(given), 'rating')}: first {titles[best[0]]}, "
            f"{mine[best[0]]:.2f} stars, {reasons[0]}; films shared with the first {COUNT} for the "
            f"mean rater: {shared}."
        )

    controls, names = {}, tuple(known[:OFFERED])
    pairs = [*zip(films, map(float, stars), strict=False), *[("", 0.0)] * ROWS][:ROWS]
    for row, (film, rating) in enumerate(pairs, 1):
        controls[f"film{row}"] = Control(film, str, label="film", names=names, width="460px")
        controls[f"stars{row}"] = Control(rating, (0.0, 5.0, 0.5), label="stars", width="340px")
    return Explorer(
        "recommend",
        draw,
        controls,
        panels={"size": (10.0, 0.9 + 0.34 * COUNT)},
        rows=[(f"film{row}", f"stars{row}") for row in range(1, ROWS + 1)],
        buttons={"the opposite taste": _turn},
    )


def _best(stars: numpy.ndarray, numbers: dict[str, int], given: dict[str, float]) -> list[int]:
    """Find the ten films of the most stars, without those that were rated."""
    films = [number for name, number in numbers.items() if name not in given]
    return sorted(films, key=lambda number: -stars[number])[:COUNT]


def _turn(explorer: Explorer) -> None:
    """Give many stars where few were given; what was not seen stays so."""
    old = {key: value for key, value in explorer.settings.items() if key.startswith("stars")}
    explorer.set(**{key: 5.5 - value if value else 0.0 for key, value in old.items()})


def _draw_films(axes: Axes, names: Any, stars: Any, usual: Any, reasons: Any) -> None:
    """Draw a bar of stars for each film, with the reason for it behind."""
    rows = numpy.arange(len(names))[::-1]
    axes.hlines(rows, 0, stars, COLORS["blue"], linewidth=17)
    mark = {"color": COLORS["orange"], "marker": "|", "s": 180, "linewidths": 3, "zorder": 3}
    axes.scatter(usual, rows, label="for the mean rater", **mark)
    for row, value, reason in zip(rows, stars, reasons, strict=True):
        text = f"{value:.2f}  {fit_text(reason, 4.4, size=9, lines=1)}"
        axes.text(5.7, row, text, va="center", size=9)
    axes.set_yticks(rows, [fit_text(name, 3.0, size=9, lines=1) for name in names], size=9)
    axes.set(xlim=(0, 18), xticks=range(6), ylim=(-0.6, len(names) - 0.4))
    axes.set_xlabel("stars expected from you", loc="left")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.1)
    axes.spines["bottom"].set_bounds(0, 5.5)
    axes.grid(False, axis="y")
