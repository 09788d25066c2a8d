"""Embeddings: a map of named vectors, and which of them point the same way."""

import numpy

from coursekit.console import CourseError, nearest
from coursekit.visuals.style import COLORS, counted, fit_text, panels, say, use_style


def principal_components(vectors, count=2):
    """Return (places (N, count), shares (count,)): the widest directions and what they explain.

    The sign of a direction is arbitrary; here the largest weight of each is positive.

    Args:
        vectors: (N, D) array or tensor.
        count: directions wanted, at most D.
    """
    centred = _numpy(vectors) - _numpy(vectors).mean(0)
    _, sizes, directions = numpy.linalg.svd(centred, full_matrices=False)
    largest = numpy.abs(directions).argmax(1)
    directions = directions * numpy.sign(directions[numpy.arange(len(largest)), largest])[:, None]
    shares = sizes**2 / max((sizes**2).sum(), 1e-30)
    return centred @ directions[:count].T, shares[:count]


def most_similar(vectors, names, name, *, count=10):
    """Return [(name, cosine)] of the vectors that point most nearly the way of ``name``'s.

    Args:
        vectors: (N, D) array or tensor.
        names: N names.
        name: one of them; it is left out of the answer.
        count: how many are wanted.

    Raises:
        CourseError: there is no such name.
    """
    names = list(names)
    if name not in names:
        known = [one for one in names if isinstance(one, str)]
        raise CourseError(
            f"There is no {name!r} among the names; take one of them." + nearest(name, known)
        )
    long = _numpy(vectors)
    unit = long / numpy.linalg.norm(long, axis=1, keepdims=True).clip(1e-12)
    row = names.index(name)
    cosines = unit @ unit[row]
    order = [other for other in numpy.argsort(-cosines, kind="stable") if other != row]
    return [(names[other], float(cosines[other])) for other in order[:count]]


@use_style()
def show_embedding_map(vectors, names, *, counts=None, labels=40, axes=None):
    """Draw vectors on the plane of their two widest directions, with names that do not overlap.

    Args:
        vectors: (N, D) array or tensor.
        names: N names, drawn short.
        counts: (N,) how busy each one is: the busiest are named first; None keeps the order.
        labels: names at most; one that would cover another is left out.
        axes: the Axes to draw on; None for a new figure.

    Raises:
        CourseError: there are not even two vectors of two numbers.
    """
    axis, _, said = draw_map(vectors, names, counts=counts, labels=labels, axes=axes)
    say(said)
    return axis


def draw_map(vectors, names, *, counts=None, labels=40, axes=None):
    """Draw what ``show_embedding_map`` shows, in whatever style is set.

    Returns:
        the Axes, the places (N, 2) of the points on them, and the sentence that says the same.
    """
    if min(vectors.shape) < 2:
        raise CourseError(
            f"Vectors of shape {tuple(vectors.shape)} make no map; it takes two vectors of two "
            "numbers at least."
        )
    places, shares = principal_components(vectors)
    order = numpy.argsort(-numpy.asarray(range(len(places), 0, -1) if counts is None else counts))
    axis = panels(size=(10.0, 7.0), axes=axes)[0, 0]
    axis.scatter(*places.T, s=14, color=COLORS["sky"], alpha=0.7, linewidth=0)
    axis.set(
        xlabel=f"first direction ({shares[0]:.0%} of the differences)",
        ylabel=f"second direction ({shares[1]:.0%})",
    )
    named = _write_names(axis, places, names, order, labels)
    axis.scatter(*places[named].T, s=22, color=COLORS["blue"])
    said = f"{counted(len(places), 'point')}, {len(named)} of them named"
    if named:
        ends = [names[named[pick(places[named, 0])]] for pick in (numpy.argmin, numpy.argmax)]
        said += f"; along the first direction they go from {ends[0]!r} to {ends[1]!r}"
    return axis, places, f"{said}."


SPOTS = [(x, y) for y in (3, -3) for x in (5, -5)]  # where a name may stand, in points


def _write_names(axis, places, names, order, labels):
    """Write names where there is room, in ``order``; return the rows that have one.

    First those that cover no other point; where these are too few, then one or two may be covered.
    """
    from matplotlib.transforms import Bbox

    axis.figure.canvas.draw()  # the layout has to stand before anything is measured
    frame, points = axis.get_window_extent(), axis.transData.transform(places)
    scale, taken, named = axis.figure.dpi / 72, [], []
    for allowed in (0, 1, 2):
        for row in order[: 10 * labels]:
            if len(named) >= (labels if allowed == 0 else labels / 2):
                break
            if row in named:
                continue
            name = fit_text(names[row], 2.4, size=8, lines=1)
            text = axis.annotate(name, places[row], SPOTS[0], textcoords="offset points", size=8)
            size = text.get_window_extent()
            for x, y in SPOTS:
                left, low = points[row] + scale * numpy.array([x, y])
                left, low = left - size.width * (x < 0), low - size.height * (y < 0)
                box = Bbox.from_bounds(left, low, size.width, size.height)
                covered = ((points > box.min - 2) & (points < box.max + 2)).all(1).sum()
                inside = frame.contains(*box.min) and frame.contains(*box.max)
                box = box.padded(5, 2)
                if inside and covered <= allowed and not any(map(box.overlaps, taken)):
                    text.set(
                        position=(x, y),
                        ha="right" if x < 0 else "left",
                        va="top" if y < 0 else "bottom",
                    )
                    taken.append(box)
                    named.append(int(row))
                    break
            else:
                text.remove()
    return named


def _numpy(vectors):
    return vectors.detach().cpu().numpy() if hasattr(vectors, "detach") else numpy.asarray(vectors)
