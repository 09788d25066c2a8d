"""The explorer of a new rater: rate five films, get ten, and see why."""

from typing import NamedTuple

import numpy

from coursekit.console import CourseError
from coursekit.console import nearest as similar_name
from coursekit.visuals.explore.frame import Explorer, Picture, Slider, Words
from coursekit.visuals.explore.maps import look_up
from coursekit.visuals.style import COLORS, counted, digits, fit_text, panels, say, use_style

ROWS = 5  # films that can be rated
OFFERED = 400  # titles that the field completes; any other one can be typed


class Advice(NamedTuple):
    """What a new rater should watch: rows of films, best first, and how that came about.

    Attributes:
        films: (count,) numbers of the recommended films.
        stars: (count,) expected from the new rater.
        usual: (count,) expected from the mean rater.
        pulls: (count, n) how much each of the n rated films moved the score of each of these.
        favours: (count, n) the same, less what it moved films on average: generosity is no reason.
    """

    films: numpy.ndarray
    stars: numpy.ndarray
    usual: numpy.ndarray
    pulls: numpy.ndarray
    favours: numpy.ndarray


def advise(factors, starts, raters, rated, stars, *, noise, span=(0.5, 5.5), count=10):
    """Return the ``Advice`` for somebody of whom only a few ratings are known.

    Bias and factors of the new rater are those of a ridge regression: the stars, less what the mean
    rater would give, are explained by the films' factors, and raters differ from the mean as the
    known ones do. The score of every film is then a sum with one part for each rated film.

    Args:
        factors: (N, K) of the films.
        starts: (N,) stars that the mean rater is expected to give.
        raters: (M, 1 + K) bias and factors of the known raters.
        rated: (n,) numbers of the films that the new rater has rated.
        stars: (n,) what they gave.
        noise: variance of a single rating, in stars squared.
        span: (low, high), the range of the model's predictions.
        count: how many films are wanted; rated ones are never among them.
    """
    low, high = span
    rated, stars = numpy.asarray(rated, int), numpy.asarray(stars, float)
    share = (starts - low) / (high - low)
    slope = (high - low) * share * (1 - share)
    inputs = numpy.hstack([numpy.ones((len(factors), 1)), factors])  # (N, 1 + K)
    spread = numpy.atleast_2d(numpy.cov(raters.T)) + 1e-6 * numpy.eye(inputs.shape[1])
    seen = slope[rated, None] * inputs[rated]  # (n, 1 + K)
    inner = seen @ spread @ seen.T + noise * numpy.eye(len(rated))
    each = inputs @ spread @ seen.T @ numpy.linalg.inv(inner) * (stars - starts[rated])  # (N, n)
    scores = numpy.log(share / (1 - share)) + each.sum(1)
    expected = low + (high - low) / (1 + numpy.exp(-scores))
    order = numpy.argsort(-expected, kind="stable")
    best = order[~numpy.isin(order, rated)][:count]
    return Advice(best, expected[best], starts[best], each[best], each[best] - each.mean(0))


class _Recommend(Explorer):
    """A row for each film: its name, and its stars beside it."""

    def _arranged(self):
        import ipywidgets

        rows = []
        for number in range(1, ROWS + 1):
            name, stars = self.widgets[f"film{number}"], self.widgets[f"stars{number}"]
            name.layout.width, stars.layout.width = "460px", "340px"
            for one in (name, stars):
                one.style.description_width = "60px"
            rows.append(ipywidgets.HBox([name, stars], layout={"flex_flow": "row wrap"}))
        return rows


def recommend(
    factors,
    starts,
    titles,
    raters,
    *,
    noise,
    span=(0.5, 5.5),
    films=None,
    stars=(5.0, 1.0, 4.0, 2.0, 3.0),
    count=10,
):
    """Rate five films and get ten that you may like, each with the rating that speaks for it most.

    Args:
        factors: (N, K) factors of the films.
        starts: (N,) stars that the mean rater is expected to give.
        titles: N titles; the first few hundred are offered while you type.
        raters: (M, 1 + K) bias and factors of the known raters.
        noise: variance of a single rating, in stars squared: the validation loss will do.
        span: (low, high), the range of the model's predictions.
        films: up to five titles to begin with; None for the first five.
        stars: for each of them, 0.5 to 5, or 0 for not seen.
        count: how many films are recommended.
    """
    titles = list(titles)
    factors, starts, raters = (_array(one) for one in (factors, starts, raters))
    films = titles[:ROWS] if films is None else list(films)
    for name in films:
        if name not in titles:
            raise CourseError(
                f"There is no film {name!r}; films= takes titles." + similar_name(name, titles)
            )
    options = {"noise": noise, "span": span, "count": count}
    usual = advise(factors, starts, raters, [], [], **options).films

    @use_style()
    def draw(axes, **settings):
        given, unknown = _given(settings, titles)
        rated = [titles.index(name) for name in given]
        known = advise(factors, starts, raters, rated, list(given.values()), **options)
        reasons = [_reason(favours, given) for favours in known.favours]
        axes = _ground(count, span) if axes is None else axes
        moving = _draw_advice(axes, known, [titles[row] for row in known.films], reasons, span)
        first = titles[known.films[0]]
        shared = len(set(known.films) & set(usual))
        say(
            f"{unknown}From {counted(len(given), 'rating')}: first {first}, "
            f"{known.stars[0]:.2f} stars, {reasons[0]}; films shared with the first {count} for "
            f"the mean rater: {shared}."
        )
        return Picture(axes, moving=tuple(moving))

    controls = {}
    films, stars = (list(part) + [end] * ROWS for part, end in ((films, ""), (stars, 0.0)))
    for number in range(1, ROWS + 1):
        film, given = films[number - 1], float(stars[number - 1])
        controls[f"film{number}"] = Words("film", film, options=tuple(titles[:OFFERED]))
        controls[f"stars{number}"] = Slider("stars", given, low=0.0, high=5.0, step=0.5)
    return _Recommend("recommend", draw, controls, buttons={"the opposite taste": _turn})


def _array(values):
    values = values.detach().cpu().numpy() if hasattr(values, "detach") else values
    return numpy.asarray(values, float)


def _turn(explorer):
    """Give many stars where few were given; what was not seen stays so."""
    old = {key: value for key, value in explorer.settings.items() if key.startswith("stars")}
    explorer.set(**{key: 5.5 - value if value else 0.0 for key, value in old.items()})


def _given(settings, titles):
    """Return ({title: stars}, a remark about names that no film has) of the rows filled in."""
    given, unknown = {}, ""
    for number in range(1, ROWS + 1):
        text, stars = settings[f"film{number}"], settings[f"stars{number}"]
        name = look_up(titles, text)
        if name is None and text.strip():
            unknown += f"There is no film {text!r}.{similar_name(text, titles)} "
        elif name is not None and stars:
            given[name] = stars
    return given, unknown


def _reason(favours, given):
    """Return in words which rating speaks most for a film; ``favours`` has a number for each."""
    if not len(favours) or favours.max() < 0.02:
        return "liked by most"
    name, stars = list(given.items())[int(favours.argmax())]
    return f"because you gave {digits(stars)} to {name}"


def _ground(count, span):
    """Return the Axes of a new figure: names, bars and reasons, which come later, for each film."""
    drawn = panels(1, 3, size=(10.0, 0.9 + 0.34 * count), widths=[8, 6, 12])[0]
    bars = drawn[1]
    bars.set(xlim=span, ylim=(-0.6, count - 0.4), xlabel="stars expected from you", yticks=[])
    bars.scatter([], [], label="from the mean rater", **_MARKS)
    bars.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), borderaxespad=0.1)
    for axis in (drawn[0], drawn[2]):
        axis.set(xlim=(0, 1), ylim=bars.get_ylim())
        axis.axis("off")
    return drawn


_MARKS = {"color": COLORS["orange"], "marker": "|", "s": 180, "linewidths": 3}


def _draw_advice(axes, known, names, reasons, span):
    """Return the artists of each recommended film: its name, its bars, and why it is there."""
    left, bars, right = axes
    rows = numpy.arange(len(names))[::-1]
    made = [bars.hlines(rows, span[0], known.stars, linewidth=17, color=COLORS["blue"])]
    made.append(bars.scatter(known.usual, rows, **_MARKS))
    for row, name, stars, reason in zip(rows, names, known.stars, reasons, strict=True):
        text = f"{stars:.2f}  {fit_text(reason, 4.4, size=9, lines=1)}"
        looks = {"va": "center", "size": 9}
        made.append(left.text(1, row, fit_text(name, 3.0, size=9, lines=1), ha="right", **looks))
        made.append(right.text(0, row, text, **looks))
    return made
