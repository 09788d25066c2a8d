"""The threshold of a network that gives several labels: precision, recall and score as it moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch

from coursekit.console import checked
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, array_of, counted, plain, sentence

GRID = numpy.arange(1, 100) / 100
STARTS = (0.0, 1.15, 2.3)  # where the bars of precision, recall and score begin


@checked
def threshold(
    predictions: Any, classes: Sequence[str], score: Callable[..., float], *, threshold: float = 0.5
) -> Explorer:
    """Move the threshold of a network that gives several labels, and see what each label loses.

    Args:
        predictions: of ``learn.predict()``: probabilities and targets (N, labels).
        classes: names of the labels.
        score: function (chosen, wanted) of two bool tensors (N, labels), such as an F-beta averaged
            over the N examples; a label by itself is scored as one example with N labels.
        threshold: a label is chosen where its probability is above, 0.01 to 0.99.

    Raises:
        CourseError: probabilities, targets and classes do not fit together.
    """
    found = getattr(predictions, "probabilities", None), getattr(predictions, "targets", None)
    known = array_of("The array of probabilities", found[0], None, len(classes))
    p = torch.tensor(known).float()
    wanted = torch.tensor(array_of("The array of targets", found[1], *known.shape) > 0.5)
    name = getattr(score, "__name__", "score")
    means = numpy.array([float(score(p > at, wanted)) for at in GRID])
    best, counts = int(means.argmax()), wanted.sum(0)
    order = counts.argsort(stable=True).tolist()  # the most frequent label stands on top
    rows = range(len(order))

    def draw(axes: numpy.ndarray, threshold: float) -> str:
        at = int(numpy.abs(GRID - threshold).argmin())
        chosen = p > GRID[at]
        named, hits = chosen.sum(0), (chosen & wanted).sum(0)
        each = [float(score(a[None], b[None])) for a, b in zip(chosen.T, wanted.T, strict=True)]
        bars = {  # precision is NaN where a label is never chosen
            "precision": (hits / named, "orange"),
            "recall": (hits / counts, "sky"),
            name: (torch.tensor(each), "green"),
        }
        left, right = axes
        for start, (title, (values, color)) in zip(STARTS, bars.items(), strict=True):
            ends = start + values[order].nan_to_num(0)
            left.hlines(rows, start, ends, COLORS[color], linewidth=10)
            left.axvline(start, color="#444444", linewidth=1)
            left.text(start + 0.5, len(order) - 0.2, title, ha="center")
        never = [row for row in rows if named[order[row]] == 0]
        left.plot([0.04] * len(never), never, "x", color=COLORS["grey"], markersize=6)
        left.set(xlim=(0, STARTS[-1] + 1), ylim=(-0.6, len(order) - 0.4))
        left.set_yticks(rows, [plain(f"{classes[k]} ({counts[k]})") for k in order])
        left.set_xticks([x + part for x in STARTS for part in (0, 0.5, 1)], ["0", "0.5", "1"] * 3)
        left.set_xlabel("0 to 1; a cross: never chosen, so there is no precision")
        left.grid(axis="y", visible=False)
        right.plot(GRID, means, color=COLORS["blue"])
        right.plot(GRID[best], means[best], "*", markersize=13, color=COLORS["red"], label="best")
        right.plot(GRID[at], means[at], "o", color=COLORS["black"], label="this threshold")
        right.set(xlim=(0, 1), xlabel="threshold", title=f"mean {name} {means[at]:.3f}")
        right.legend(loc="lower left")
        return sentence(
            f"at {GRID[at]:.2f} the mean {name} is {means[at]:.4f}",
            *[f"{counted(len(never), 'label')} never chosen"] * bool(never),
            f"the best on these examples is {means[best]:.4f} at {GRID[best]:.2f}",
            "to report that one is to report a number that was tuned here",
        )

    size = (10.0, max(3.2, 1.1 + 0.205 * len(classes)))
    controls = {"threshold": Control(threshold, (0.01, 0.99, 0.01))}
    buttons = {"the best one here": lambda shown: shown.set(threshold=float(GRID[best]))}
    panels = {"columns": 2, "size": size, "widths": [3.2, 1.4]}
    return Explorer("threshold", draw, controls, panels=panels, buttons=buttons)
