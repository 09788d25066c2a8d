"""A new rater: rate five films, get ten, and see which rating speaks for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from coursekit.console import CourseError, checked, nearest, no_such
from coursekit.visuals.embeddings import look_up
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, array_of, counted, digits, fit_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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

    Raises:
        CourseError: there is no film of such a title, there are more than five films, or
            ``expected`` returns something else.
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
        raise CourseError(
            f"{told}; give more than 5 films, and at most 5 of them with their stars."
        )

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
        lost = [mine - of({n: s for n, s in given.items() if n != name}) for name in given]
        best = _best(mine, numbers, given)
        reasons = []
        for film in best:
            moved = [change[film] - change.mean() for change in lost]
            strongest = int(numpy.argmax(moved)) if moved and max(moved) > SEEN else None
            name = list(given)[strongest] if strongest is not None else ""
            reasons.append(
                f"because you gave {digits(given[name])} to {name}" if name else "liked by most"
            )
        _draw_films(axes, [titles[film] for film in best], mine[best], usual[best], reasons)
        shared = len({*best} & {*_best(usual, numbers, {})})
        return (
            f"{unknown}From {counted(len(given), 'rating')}: first {titles[best[0]]}, "
            f"{mine[best[0]]:.2f} stars, {reasons[0]}; films shared with the first {COUNT} for the "
            f"mean rater: {shared}."
        )

    controls = {}
    pairs = [*zip(films, map(float, stars), strict=False), *[("", 0.0)] * ROWS][:ROWS]
    for row, (film, rating) in enumerate(pairs, 1):
        names = tuple(known[:OFFERED])
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
