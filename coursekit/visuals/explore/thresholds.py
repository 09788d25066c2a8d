"""The threshold of a network that gives several labels: precision, recall and F2 as it moves."""

from dataclasses import dataclass

import numpy

from coursekit.visuals.explore.frame import Explorer, Picture, Slider
from coursekit.visuals.style import COLORS, counted, panels, say, sentence, use_style

GRID = numpy.arange(1, 100) / 100
BETA = 2
STARTS = (0.0, 1.15, 2.3)  # where the bars of precision, recall and F2 begin


@dataclass(frozen=True)
class Scores:
    """What each threshold of a grid gives; NaN where a share is undefined.

    Attributes:
        grid: (T,) thresholds.
        wanted: (labels,) examples that have the label.
        chosen: (T, labels) examples on which the label is said.
        hits: (T, labels) examples on which it is said and true.
        mean: (T,) mean over the examples of their own F2.
    """

    grid: numpy.ndarray
    wanted: numpy.ndarray
    chosen: numpy.ndarray
    hits: numpy.ndarray
    mean: numpy.ndarray

    @property
    def precision(self):
        """Return (T, labels): of what is said, how much is true."""
        return _share(self.hits, self.chosen)

    @property
    def recall(self):
        """Return (T, labels): of what is there, how much is said."""
        return _share(self.hits, self.wanted)

    @property
    def f2(self):
        """Return (T, labels): both joined, recall counting twice as much."""
        return _share((1 + BETA**2) * self.hits, BETA**2 * self.wanted + self.chosen)

    @property
    def best(self):
        """Return the place in the grid whose mean F2 is highest, the first of them."""
        return int(self.mean.argmax())


def _share(part, whole):
    part, whole = numpy.broadcast_arrays(part, whole)
    nothing = numpy.full(part.shape, numpy.nan)
    return numpy.divide(part, whole, out=nothing, where=whole > 0)


def scores_by_threshold(probabilities, wanted, grid=GRID):
    """Return the ``Scores`` of every threshold; a label is said where its probability is above.

    Args:
        probabilities: (N, labels) floats in 0..1.
        wanted: (N, labels) bool, or 0 and 1.
        grid: (T,) thresholds.
    """
    p, wanted = numpy.asarray(probabilities), numpy.asarray(wanted) > 0.5
    chosen_by_label, hits_by_label, means = [], [], []
    for threshold in grid:
        chosen = p > threshold
        hits = chosen & wanted
        below = numpy.maximum(BETA**2 * wanted.sum(1) + chosen.sum(1), 1)
        means.append(((1 + BETA**2) * hits.sum(1) / below).mean())
        chosen_by_label.append(chosen.sum(0))
        hits_by_label.append(hits.sum(0))
    counts = (wanted.sum(0), numpy.array(chosen_by_label), numpy.array(hits_by_label))
    return Scores(numpy.asarray(grid), *counts, numpy.array(means))


def _reading(scores, at):
    """Return the sentence: the score here, the best one, and whose number that is."""
    best, never = scores.best, int((scores.chosen[at] == 0).sum())
    here = f"at {scores.grid[at]:.2f} the mean F2 is {scores.mean[at]:.4f}"
    top = f"the best on these tiles is {scores.mean[best]:.4f} at {scores.grid[best]:.2f}"
    silent = f"{counted(never, 'label')} {'is' if never == 1 else 'are'} never named"
    mine = "whoever reports the best one reports a number that was tuned here"
    return sentence(here, *[silent] * bool(never), top, mine)


def threshold(predictions, classes, *, threshold=0.5):
    """Move the threshold of a network that gives several labels, and see what each label loses.

    Args:
        predictions: what ``learn.predict()`` gave: its probabilities (N, labels) in 0..1 and its
            targets (N, labels) of 0 and 1 are used.
        classes: names of the labels.
        threshold: a label is said where its probability is above, 0.01 to 0.99.
    """
    scores = scores_by_threshold(predictions.probabilities, predictions.targets)
    order = numpy.argsort(scores.wanted, kind="stable")  # the most frequent one stands on top
    names = [f"{classes[label]} ({scores.wanted[label]})" for label in order]
    shares = {"precision": scores.precision, "recall": scores.recall, "F2": scores.f2}

    @use_style()
    def draw(axes, *, threshold):
        at = int(numpy.abs(scores.grid - threshold).argmin())
        if axes is None:
            axes = _panels(names, list(shares), scores)
        bars, curve = axes
        values = [share[at, order] for share in shares.values()]
        for lines, start, ends in zip(bars.collections, STARTS, values, strict=True):
            lines.set_segments([[(start, y), (start + x, y)] for y, x in enumerate(ends) if x > 0])
        never = numpy.flatnonzero(numpy.isnan(values[0]))
        bars.lines[-1].set_data([0.04] * len(never), never)
        curve.lines[-1].set_data([scores.grid[at]], [scores.mean[at]])
        curve.set_title(f"mean F2 {scores.mean[at]:.3f}")
        say(_reading(scores, at))
        texts = [f"{classes[label]}: {_tally(scores, at, label)}" for label in order]
        spots = [(start + 0.5, row, text) for start in STARTS for row, text in enumerate(texts)]
        return Picture(axes, spots)

    control = Slider("threshold", threshold, low=0.01, high=0.99, step=0.01)
    best = float(scores.grid[scores.best])
    buttons = {"the best one here": lambda shown: shown.set(threshold=best)}
    return Explorer("threshold", draw, {"threshold": control}, buttons=buttons)


def _tally(scores, at, label):
    chosen, hits = scores.chosen[at, label], scores.hits[at, label]
    return f"said of {chosen}, rightly of {hits}; it is on {scores.wanted[label]}"


def _panels(names, titles, scores):
    """Return two panels: a bar a label for each share, and mean F2 by threshold.

    Few artists, each of them moved, not made again: that is what keeps a slider quick.
    """
    tall = max(3.2, 1.1 + 0.205 * len(names))
    bars, curve = panels(1, 2, size=(10.0, tall), widths=[3.2, 1.4])[0]
    colours = [COLORS["orange"], COLORS["sky"], COLORS["green"]]
    for start, title, colour in zip(STARTS, titles, colours, strict=True):
        bars.hlines([], [], [], color=colour, linewidth=10)
        bars.axvline(start, color="#444444", linewidth=1)
        bars.text(start + 0.5, len(names) - 0.2, title, ha="center")
    bars.plot([], [], "x", color=COLORS["grey"], markersize=6)
    bars.set(xlim=(0, STARTS[-1] + 1), ylim=(-0.6, len(names) - 0.4))
    bars.set_yticks(range(len(names)), names)
    bars.set_xticks([x + part for x in STARTS for part in (0, 0.5, 1)], ["0", "0.5", "1"] * 3)
    bars.set_xlabel("share, 0 to 1; a cross: never said, so there is no precision")
    bars.grid(axis="y", visible=False)
    bars.tick_params(length=0)
    bars.spines["left"].set_visible(False)
    curve.plot(scores.grid, scores.mean, color=COLORS["blue"])
    top = scores.grid[scores.best], scores.mean[scores.best]
    curve.plot(*top, "*", markersize=13, color=COLORS["red"], label="best here")
    curve.plot([], [], "o", markersize=7, color=COLORS["black"], label="this threshold")
    curve.set(xlim=(0, 1), xlabel="threshold")
    curve.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    curve.legend(loc="lower left")
    return numpy.array([bars, curve])
