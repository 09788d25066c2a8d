"""What a trained classifier got right and wrong: five groups of pictures, confusion, top losses."""

import numpy

from coursekit.console import CourseError, nearest
from coursekit.visuals.pictures import draw_picture, write_on
from coursekit.visuals.style import (
    COLORS,
    WIDTH,
    counted,
    digits,
    fit_text,
    labeled_rows,
    panels,
    say,
    sentence,
    use_style,
)

MANY = 4  # with more classes than this, show_groups draws only those most often mistaken


def results(learn, batches=None):
    """Return the ``Results`` of a learner, which predicts once.

    Args:
        learn: a trained learner of pictures with one class each.
        batches: the ``Batches`` to predict; None for the validation set.
    """
    batches = learn.data.valid if batches is None else batches
    names, path = getattr(batches, "names", None), getattr(learn.data, "path", None)
    files = None if names is None else [path / name if path else name for name in names]
    pictures = getattr(batches, "inputs", None)
    return Results(learn.predict(batches), learn.data.classes, files, pictures, names)


class Results:
    """Predictions beside the truth, asked for rows and drawn.

    Args:
        predictions: object with probabilities (N, C), targets (N,) and losses (N,).
        classes: C names.
        files: N paths of the pictures, or None.
        pictures: uint8 array (N, H, W, 3), or None to read them from ``files``.
        names: N names, as ``ck.Corrections`` keeps them, or None.

    Raises:
        CourseError: the examples have no single class each, or there is none.
    """

    def __init__(self, predictions, classes, files=None, pictures=None, names=None):
        truth = predictions.targets
        if truth is None or truth.ndim != 1 or not len(truth):
            raise CourseError(
                "Results needs examples with one class each; predict a set with labels, such as "
                "learn.data.valid."
            )
        self.truth = _numpy(truth).astype(int)
        self.probabilities = _numpy(predictions.probabilities)
        self.losses = _numpy(predictions.losses)
        self.classes = [str(name) for name in classes]
        self.files, self.pictures, self.names = files, pictures, names
        self.predicted = self.probabilities.argmax(1)
        self.right = self.predicted == self.truth
        # Its own dice, always thrown alike: looking at pictures changes no training that follows.
        self._random = numpy.random.default_rng(0)

    def __len__(self):
        return len(self.truth)

    def random_right(self, n=4):
        """Return n random rows that were classified rightly, or as many as there are."""
        return self._draw(numpy.flatnonzero(self.right), n)

    def random_wrong(self, n=4):
        """Return n random rows that were classified wrongly, or as many as there are."""
        return self._draw(numpy.flatnonzero(~self.right), n)

    def most_right(self, klass, n=4):
        """Return n rows of a class that were recognised with the highest probability of it."""
        rows = numpy.flatnonzero(self.right & (self.truth == self._number(klass)))
        return rows[numpy.argsort(-self._of_truth(rows), kind="stable")][:n]

    def most_wrong(self, klass, n=4):
        """Return n rows of a class that was missed, those with the lowest probability of it."""
        rows = numpy.flatnonzero(~self.right & (self.truth == self._number(klass)))
        return rows[numpy.argsort(self._of_truth(rows), kind="stable")][:n]

    def most_uncertain(self, n=4):
        """Return n rows whose two highest probabilities lie nearest to each other."""
        second, first = numpy.sort(self.probabilities, 1)[:, -2:].T
        return numpy.argsort(first - second, kind="stable")[:n]

    def top_losses(self, n=9):
        """Return the n rows with the highest loss, NaN first."""
        losses = numpy.nan_to_num(self.losses.astype(float), nan=numpy.inf)
        return numpy.argsort(-losses, kind="stable")[:n]

    def confusion(self):
        """Return counts (C, C): row the true class, column the predicted one."""
        counts = numpy.zeros((len(self.classes),) * 2, int)
        numpy.add.at(counts, (self.truth, self.predicted), 1)
        return counts

    def most_confused(self, minimum=1):
        """Return (truth, predicted, count) of every confusion seen ``minimum`` times or more."""
        counts = self.confusion()
        numpy.fill_diagonal(counts, 0)
        pairs = [
            (self.classes[truth], self.classes[predicted], int(counts[truth, predicted]))
            for truth, predicted in zip(*numpy.nonzero(counts >= max(minimum, 1)), strict=True)
        ]
        return sorted(pairs, key=lambda pair: -pair[2])

    @use_style()
    def show_groups(self, count=4):
        """Draw random right, random wrong, most right, most wrong and most uncertain pictures.

        Each title gives the predicted class with its probability, and the truth; wrong ones are
        framed. With more than four classes, the four most often mistaken are drawn.

        Args:
            count: pictures in a row.
        """
        groups = self._groups(count)
        heights = [1.0 if len(rows) else 0.3 for rows in groups.values()]
        drawn = labeled_rows(list(groups), count, cell=(1.45, 1.72), heights=heights)
        for axes, rows in zip(drawn, groups.values(), strict=True):
            for axis, row in zip(axes, rows, strict=False):
                self._draw_row(axis, row)
            if not len(rows):
                axes[0].text(0.5, 0.5, "none", ha="center", va="center", size=11)
        right = int(self.right.sum())
        unsure = int(self.most_uncertain(1)[0])
        say(
            f"{right:,} of {counted(len(self), 'picture')} right, {len(self) - right or 'none'} "
            f"wrong; the least certain is row {unsure} ({self.guess(unsure)})."
        )
        return drawn

    def _groups(self, count):
        """Return {"title of the row": row numbers}."""
        mistakes = numpy.bincount(self.truth[~self.right], minlength=len(self.classes))
        shown = sorted(numpy.argsort(-mistakes, kind="stable")[:MANY])
        names = [self.classes[klass] for klass in shown]
        return {
            "random right": self.random_right(count),
            "random wrong": self.random_wrong(count),
            **{f"most right\n{name}": self.most_right(name, count) for name in names},
            **{f"most wrong\n{name}": self.most_wrong(name, count) for name in names},
            "most uncertain": self.most_uncertain(count),
        }

    @use_style()
    def show_top_losses(self, n=9):
        """Draw the n pictures with the highest loss."""
        rows = self.top_losses(n)
        columns = min(5, max(1, round(len(rows) ** 0.5)))
        tall = -(-len(rows) // columns)
        drawn = panels(tall, columns, size=(1.8 * columns, 2.4 * tall)).reshape(-1)
        for axis in drawn:
            axis.axis("off")
        for axis, row in zip(drawn, rows, strict=False):
            self._draw_row(axis, row, f"\nloss {digits(self.losses[row])}")
        worst = rows[0]
        say(
            f"The highest loss is {digits(self.losses[worst])} (row {worst}: "
            f"{self.guess(worst)}, truly {self.classes[self.truth[worst]]}); "
            f"the median is {digits(numpy.median(self.losses))}."
        )
        return drawn[: len(rows)]

    @use_style()
    def show_confusion(self, *, axes=None):
        """Draw how often each true class (row) was taken for each class (column).

        Args:
            axes: the Axes to draw on; None for a new figure.
        """
        counts = self.confusion()
        side = min(9.0, 2.6 + 0.9 * len(counts))
        axis = panels(size=(side, side * 0.9), axes=axes)[0, 0]
        share = counts / counts.sum(1, keepdims=True).clip(1)  # shares: classes differ in size
        image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for row, column in zip(*numpy.nonzero(counts + (len(counts) <= 10)), strict=True):
            colour = image.cmap(image.norm(share[row, column]))[:3]
            size = 11 if len(counts) <= 10 else 8
            write_on(axis, column, row, f"{counts[row, column]:,}", colour, size=size)
        self._name_cells(axis)
        say(self._confusion_sentence())
        return axis

    def _name_cells(self, axis):
        """Write the classes along both sides of the matrix."""
        few = len(self.classes) <= 4
        names = [
            fit_text(name, 1.2 if few else 2.4, lines=2 if few else 1) for name in self.classes
        ]
        places = range(len(names))
        axis.set_xticks(places, names, rotation=0 if few else 90)
        axis.set_yticks(places, names)
        axis.tick_params(length=0, labelsize=10 if len(names) <= 10 else 9)
        axis.set(xlabel="predicted", ylabel="truth")
        axis.grid(False)

    def _confusion_sentence(self):
        """Return how many are right and which confusion is the most frequent."""
        right, total = int(self.right.sum()), len(self)
        share = f"{right:,} of {total:,} right ({right / total:.1%})"
        pairs = self.most_confused()
        if not pairs:
            return sentence(share, "no class was taken for another")
        truth, predicted, count = pairs[0]
        times = counted(count, "time")
        return sentence(share, f"most often {truth} was taken for {predicted}, {times}")

    def _draw_row(self, axis, row, more=""):
        """Draw one picture with guess and truth in its title; a wrong one is framed."""
        title = f"{self.guess(row, 0.9)}\ntruly {self._name(self.truth[row], 0.9)}{more}"
        frame = None if self.right[row] else COLORS["red"]
        draw_picture(axis, self.picture(row), title, size=9, frame=frame)

    def guess(self, row, inches=WIDTH):
        """Return "dogs 0.97": the predicted class of a row and its probability."""
        klass = self.predicted[row]
        return f"{self._name(klass, inches)} {self.probabilities[row, klass]:.2f}"

    def _name(self, klass, inches):
        return fit_text(self.classes[klass], inches, size=9, lines=1)

    def picture(self, row):
        """Return the picture of a row: an array, or the path of its file."""
        if self.pictures is not None:
            return self.pictures[row]
        if self.files is not None:
            return self.files[row]
        raise CourseError("There are no pictures to draw; give Results files or pictures.")

    def _draw(self, rows, n):
        return self._random.permutation(rows)[:n]

    def _of_truth(self, rows):
        """Return each row's probability of its true class."""
        return self.probabilities[rows, self.truth[rows]]

    def _number(self, klass):
        """Return the number of a class given by name or number."""
        if klass in self.classes:
            return self.classes.index(klass)
        if isinstance(klass, int | numpy.integer) and 0 <= klass < len(self.classes):
            return int(klass)
        raise CourseError(
            f"There is no class {klass!r}; the classes are {', '.join(self.classes)}."
            + nearest(klass, self.classes)
        )


def _numpy(values):
    """Return a tensor or array as a NumPy array."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else numpy.asarray(values)
