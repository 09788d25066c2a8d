"""What a trained classifier got right and wrong: five groups, confusion, cleaning, a threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy
import torch

from coursekit.arguments import checked
from coursekit.console import CourseError
from coursekit.visuals import style
from coursekit.visuals.frame import Control, Explorer
from coursekit.visuals.style import COLORS, Drawn, array_of, counted, digits, figure, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLASSES = 4  # with more of them, show_groups draws only those most often mistaken


@checked
class Results:
    """Predictions of a learner beside their targets; methods find rows of them, or draw them.

    Args:
        learn: a trained learner of pictures with one class each.
        batches: the ``Batches`` to predict; None for the validation set.
    """

    def __init__(self, learn: Any, batches: Any = None) -> None:
        if not hasattr(learn, "predict"):
            raise CourseError(f"{learn!r} is no learner; give a trained one, of ck.image_learner.")
        batches = learn.data.valid if batches is None else batches
        predictions = learn.predict(batches)
        targets, self.classes = predictions.targets, [str(name) for name in learn.data.classes]
        if targets is None or targets.ndim != 1 or not len(targets) or not self.classes:
            raise CourseError(
                "Results needs examples with one class each, and names of the classes; predict a "
                "set with labels, such as learn.data.valid."
            )
        self.targets = numpy.asarray(targets.cpu()).astype(int)
        self.probabilities = numpy.asarray(predictions.probabilities.cpu())
        self.losses = numpy.asarray(predictions.losses.cpu())
        self.names: Any = getattr(batches, "filenames", None)
        self.pictures: Any = getattr(batches, "inputs", None)
        self.predicted = self.probabilities.argmax(1)
        self.right = self.predicted == self.targets
        # Own seeded generator, so that plotting does not advance the global random numbers.
        self._rng = numpy.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.targets)

    @checked
    def groups(self, count: int = 4) -> dict[str, numpy.ndarray]:
        """Find {group: at most ``count`` rows}, as ``show_groups`` draws them."""
        mistakes = numpy.bincount(self.targets[~self.right], minlength=len(self.classes))
        shown = sorted(numpy.argsort(-mistakes, kind="stable")[:MOST_CLASSES])
        second, first = numpy.sort(self.probabilities, 1)[:, -2:].T
        right, wrong = numpy.flatnonzero(self.right), numpy.flatnonzero(~self.right)
        groups = {"random right": self._rng.permutation(right)}
        groups["random wrong"] = self._rng.permutation(wrong)
        for kind, rows, sign in (("most right", right, -1), ("most wrong", wrong, 1)):
            for number in shown:
                of_class = rows[self.targets[rows] == number]
                order = numpy.argsort(sign * self.probabilities[of_class, number], kind="stable")
                groups[f"{kind}\n{self.classes[number]}"] = of_class[order]
        groups["most uncertain"] = numpy.argsort(first - second, kind="stable")
        return {name: rows[:count] for name, rows in groups.items()}

    @checked
    def top_losses(self, n: int = 9) -> numpy.ndarray:
        """Find the n rows with the highest loss, NaN first."""
        losses = numpy.nan_to_num(self.losses.astype(float), nan=numpy.inf)
        return numpy.argsort(-losses, kind="stable")[: style.whole_number("n", n, 1, 10**9)]

    def confusion(self) -> numpy.ndarray:
        """Count (C, C): the row is the true class, the column the predicted one."""
        counts = numpy.zeros((len(self.classes),) * 2, int)
        numpy.add.at(counts, (self.targets, self.predicted), 1)
        return counts

    def most_confused(self) -> list[tuple[str, str, int]]:
        """List (truth, predicted, count) of every confusion, the most frequent first."""
        counts = self.confusion()
        numpy.fill_diagonal(counts, 0)
        pairs = [
            (self.classes[truth], self.classes[predicted], int(counts[truth, predicted]))
            for truth, predicted in zip(*numpy.nonzero(counts), strict=True)
        ]
        return sorted(pairs, key=lambda pair: -pair[2])

    @figure()
    def show_groups(self, count: int = 4) -> Drawn:
        """Draw random right, random wrong, most right, most wrong and most uncertain pictures.

        Each title gives the predicted class with its probability, and the truth; wrong ones are
        framed. With more than four classes, the four most often mistaken are drawn.
        """
        groups = self.groups(style.whole_number("count", count, 1, 12))
        drawn = style.labeled_rows(list(groups), count, cell=(1.45, 1.72))
        for axes, rows in zip(drawn, groups.values(), strict=True):
            for axis, row in zip(axes, rows, strict=False):
                wrong = not self.right[row]
                style.draw_picture(axis, self.picture(row), self._title(row), size=9, wrong=wrong)
            if not len(rows):
                axes[0].text(0.5, 0.5, "none", ha="center", va="center", size=11)
        right = int(self.right.sum())
        told = f"{right:,} of {counted(len(self), 'picture')} right, {len(self) - right:,} wrong."
        return Drawn(told, axes=drawn)

    @figure()
    def show_top_losses(self, n: int = 9) -> Drawn:
        """Draw the n pictures with the highest loss."""
        rows = self.top_losses(n)
        titles = [f"{self._title(row)}\nloss {digits(self.losses[row])}" for row in rows]
        pictures = [self.picture(row) for row in rows]
        columns = min(5, max(1, round(len(rows) ** 0.5)))
        drawn = style.draw_grid(
            pictures, titles, columns=columns, height=1.7, wrong=~self.right[rows]
        )
        worst, median = map(digits, (self.losses[rows[0]], numpy.median(self.losses)))
        told = f"The highest loss is {worst}, of row {rows[0]}; the median is {median}."
        return Drawn(told, axes=drawn)

    @figure()
    def show_confusion(self) -> Drawn:
        """Draw how often each true class (row) was taken for each class (column)."""
        counts, few = self.confusion(), len(self.classes) <= 4
        side = min(9.0, 2.6 + 0.9 * len(counts))
        axis = style.panels(size=(side, side * 0.9))
        rates = counts / counts.sum(1, keepdims=True).clip(1)  # classes differ in size
        image = axis.imshow(rates, cmap="Blues", vmin=0, vmax=1)
        large = 11 if len(counts) <= 10 else 8
        for row, column in zip(*numpy.nonzero(counts + (len(counts) <= 10)), strict=True):
            color = image.cmap(image.norm(rates[row, column]))[:3]
            style.write_on(axis, column, row, f"{counts[row, column]:,}", color, size=large)
        room, lines = (1.2, 2) if few else (2.4, 1)
        names = [style.fit_text(name, room, size=9, lines=lines) for name in self.classes]
        axis.set_xticks(range(len(names)), names, rotation=0 if few else 90)
        axis.set_yticks(range(len(names)), names)
        axis.tick_params(length=0, labelsize=10 if len(names) <= 10 else 9)
        axis.set(xlabel="predicted", ylabel="truth")
        axis.grid(False)
        right, pairs = int(self.right.sum()), self.most_confused()
        worst = "no class was taken for another"
        if pairs:
            truth, predicted, count = pairs[0]
            worst = f"most often {truth} was taken for {predicted}, {counted(count, 'time')}"
        told = f"{right:,} of {len(self):,} right ({right / len(self):.1%})"
        return Drawn(sentence(told, worst), axes=axis)

    def _title(self, row: int) -> str:
        truth = style.fit_text(self.classes[self.targets[row]], 0.9, size=9, lines=1)
        return f"{self.prediction(row, 0.9)}\ntruly {truth}"

    @checked
    def prediction(self, row: int, inches: float = style.WIDTH) -> str:
        """Write the predicted class of a row and its probability: ``"dogs 0.97"``."""
        number = self.predicted[row]
        name = style.fit_text(self.classes[number], inches, size=9, lines=1)
        return f"{name} {self.probabilities[row, number]:.2f}"

    @checked
    def picture(self, row: int) -> Any:
        """Return the picture of a row, an array; raises CourseError where there are none."""
        if len(getattr(self.pictures, "shape", ())) != 4:
            raise CourseError("These results have no pictures to draw; predict those of ck.images.")
        return self.pictures[row]


# Cleaning -------------------------------------------------------------------------------------


class Cleaner(Explorer):
    """Walks through the hardest pictures; every decision is one change of the corrections."""

    def __init__(self, results: Results, corrections: Any) -> None:
        if getattr(results, "names", None) is None or not hasattr(corrections, "undo"):
            raise CourseError(
                "A cleaner needs results that know names of files, and corrections; give "
                "ck.Results(learn) of ck.images, and a ck.Corrections."
            )
        self.results, self.corrections, self.names = results, corrections, results.names
        self.rows = results.top_losses(12).tolist()
        self.decided: list[str] = []  # "kept", "dropped" or "relabeled", for each picture behind
        controls = {"label": Control(self._proposed(), results.classes, "new label")}
        buttons = {
            "Keep it as it is": Cleaner.keep,
            "Give it the new label": Cleaner.relabel,
            "Drop it": Cleaner.drop,
            "Undo": Cleaner.undo,
        }
        shape = {"size": (5.0, 3.9)}
        super().__init__("cleaner", self._drawing, controls, panels=shape, buttons=buttons)

    @property
    def row(self) -> int | None:
        """Row of the picture that is to be decided, or None at the end."""
        return self.rows[len(self.decided)] if len(self.decided) < len(self.rows) else None

    def _proposed(self) -> str:
        """Class that the network gives the picture, or where that is its label, the next one."""
        classes, row = self.results.classes, self.rows[-1] if self.row is None else self.row
        target, predicted = self.results.targets[row], self.results.predicted[row]
        return classes[predicted if predicted != target else (target + 1) % len(classes)]

    def keep(self) -> None:
        """Leave the picture as it is and go to the next one."""
        self._decide("kept", self.corrections.keep)

    def drop(self) -> None:
        """Leave the picture out of training and validation; its file stays."""
        self._decide("dropped", self.corrections.drop)

    def relabel(self, label: str | None = None) -> None:
        """Give the picture another label: the one chosen, or ``label``."""
        chosen = label or self.settings["label"]
        self._decide("relabeled", lambda name: self.corrections.relabel(name, chosen))

    def undo(self) -> None:
        """Go back to the picture before, and take what was decided about it back."""
        if self.decided:
            self.corrections.undo()
            self.decided.pop()
        self.set(label=self._proposed())

    def _decide(self, decision: str, write: Any) -> None:
        if self.row is not None:
            write(self.names[self.row])  # first: what cannot be written is not decided
            self.decided.append(decision)
        self.set(label=self._proposed())

    def redraw(self) -> None:
        """Draw; buttons that can do nothing are grey."""
        super().redraw()
        for label, button in self.presses.items():
            button.disabled = not self.decided if label == "Undo" else self.row is None

    def _drawing(self, axes: Axes, label: str) -> str:
        results, row = self.results, self.row
        kinds = ("relabeled", "dropped", "kept")
        done = ", ".join(f"{self.decided.count(kind)} {kind}" for kind in kinds)
        if row is None:
            axes.text(0.5, 0.5, "all looked at", ha="center", va="center", fontsize=14)
            axes.axis("off")
            return (
                f"All {counted(len(self.rows), 'picture')} looked at: {done}; written to "
                f"{self.corrections.file.name}, and ck.images(..., corrections=corrections.file) "
                "makes the data that heeds it."
            )
        truth = results.classes[results.targets[row]]
        says = f"the network says {results.prediction(row)}, loss {digits(results.losses[row])}"
        style.draw_picture(axes, results.picture(row), f"the label says {truth}\n{says}")
        return sentence(
            f"picture {len(self.decided) + 1} of {len(self.rows)}, {self.names[row]}",
            f"the new label would be {label}",
            f"so far {done}",
        )


@checked
def cleaner(results: Results, corrections: Any) -> Cleaner:
    """Walk through the 12 pictures of the highest loss: keep, relabel or drop each; undo goes back.

    Every decision is written to the file of the corrections at once; no picture is ever deleted.
    By code the same: ``.keep()``, ``.relabel("cats")``, ``.drop()`` and ``.undo()``.

    Args:
        results: of ``ck.Results(learn)``.
        corrections: a ``ck.Corrections``, which knows the CSV file.
    """
    return Cleaner(results, corrections)


# Several labels each --------------------------------------------------------------------------

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
        threshold: 0.01 to 0.99; a label is chosen where its probability is above.
    """
    known = array_of("The array of probabilities", predictions.probabilities, None, len(classes))
    p = torch.tensor(known).float()
    wanted = torch.tensor(array_of("The array of targets", predictions.targets, *known.shape) > 0.5)
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
        left.set_yticks(rows, [style.plain(f"{classes[k]} ({counts[k]})") for k in order])
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
