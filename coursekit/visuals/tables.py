"""What a model of a table says when one column is changed, as numbers and as a figure."""

import numpy

from coursekit.visuals.style import COLORS, digits, panels, say, use_style


def what_if(learn, frame, column, values):
    """Return what a model predicts for rows of a frame had ``column`` another value.

    The mean over the rows is the *partial dependence* on the column.

    Args:
        learn: a learner whose data is a ``Table``.
        frame: a DataFrame, a few hundred rows at most; one row is enough.
        column: the column to change in all of them.
        values: the values to set it to, V of them.

    Returns:
        (V, rows) array on the real scale of the target.

    Raises:
        CourseError: the frame lacks a column of the model.
    """
    data, found = learn.data, []
    for value in values:
        changed = data.encode(frame.assign(**{column: value}))
        found.append(data.real(learn.predict(changed).scores))
    return numpy.stack(found)


@use_style()
def show_partial_dependence(predicted, values, *, name, ticks=None, axes=None):
    """Draw how predictions change with one column, in percent of their mean.

    Args:
        predicted: (V, rows) as ``what_if`` returns; a thin line a row for the first thirty.
        values: the V values, in order.
        name: of the column.
        ticks: words for the values; None writes numbers.
        axes: the Axes to draw on; None for a new figure.
    """
    relative = 100 * (predicted / predicted.mean(0, keepdims=True) - 1)
    mean = relative.mean(1)
    axis = panels(size=(7.5, 3.8), axes=axes)[0, 0]
    places = numpy.asarray(values, float) if ticks is None else numpy.arange(len(values))
    axis.plot(places, relative[:, :30], color=COLORS["grey"], linewidth=0.6, alpha=0.4)
    axis.plot(places, mean, color=COLORS["blue"], marker="o", markersize=4)
    if ticks is not None:
        axis.set_xticks(places, [str(tick) for tick in ticks])
    axis.set(xlabel=name, ylabel="change of the prediction, %")
    shown = [digits(value) for value in values] if ticks is None else [str(t) for t in ticks]
    high, low = int(mean.argmax()), int(mean.argmin())
    say(
        f"{name}: highest at {shown[high]} ({mean[high]:+.1f} % against the mean), lowest at "
        f"{shown[low]} ({mean[low]:+.1f} %); the thin lines are single rows."
    )
    return axis
