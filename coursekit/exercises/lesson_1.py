"""The exercises of lesson 1."""

import numpy
import torch

from coursekit.exercises.checking import OPEN, function, number

# Softmax --------------------------------------------------------------------------------------

SCORES = [
    (torch.tensor([[2.0, 1.0, 0.0], [0.5, -1.0, 3.0]]),),
    (torch.tensor([[0.0, 0.0]]),),
    (torch.tensor([[-3.0, 1.5], [4.0, 0.2], [0.1, 0.3]]),),
]
LARGE = (torch.tensor([[1000.0, 1001.0], [-2.0, 3.0]]),)


def _softmax(scores):
    return scores.softmax(1)


def _plain_softmax(scores):
    return scores.exp() / scores.exp().sum(1, keepdim=True)


softmax = function(
    _softmax,
    [*SCORES, LARGE],
    [
        (_plain_softmax, "Right for small scores. But exp(1000) is infinite, and infinity divided "
         "by infinity is no number: take the largest score of the row away from the row first, "
         "which changes no probability."),
        (lambda s: s.exp(), "They are positive now, but a row does not add up to 1: divide by its "
         "sum."),
        (lambda s: (s - s.amax(1, keepdim=True)).exp(), "They are positive now, but a row does not "
         "add up to 1: divide by its sum."),
        (lambda s: s.softmax(0), "The columns add up to 1, but each row is a picture: sum over "
         "dim=1."),
        (lambda s: s.exp() / s.exp().sum(0), "The columns add up to 1, but each row is a picture: "
         "sum over dim=1."),
        (lambda s: s.exp() / s.exp().sum(), "All pictures together add up to 1; each row has to "
         "do so by itself: sum over dim=1, with keepdim=True."),
        (lambda s: (s - s.max()).exp() / (s - s.max()).exp().sum(), "All pictures together add up "
         "to 1; each row has to do so by itself: sum over dim=1, with keepdim=True."),
        (lambda s: s / s.sum(1, keepdim=True), "The exponential is missing: without it a score "
         "below zero would be a probability below zero."),
        (lambda s: s.sigmoid(), "That is the sigmoid, a score by itself; softmax lets the scores "
         "of a row share 1 among them."),
        (lambda s: s.log_softmax(1), "That is the logarithm of it: one exp too few, or one log "
         "too many."),
    ],
)  # fmt: skip


# Gradient descent -----------------------------------------------------------------------------

STEPS = [(2.0, 3.0, 0.1), (-1.0, -4.0, 0.5), (0.5, 0.0, 0.3)]
step = function(
    lambda weight, slope, rate: weight - rate * slope,
    STEPS,
    [
        (lambda w, s, r: w + r * s, "That walks uphill: the step goes against the slope."),
        (lambda w, s, r: w - s, "The learning rate is missing: the step is rate times slope."),
        (lambda w, s, r: w - r, "The slope is missing: on steep ground the step is longer."),
        (lambda w, s, r: -r * s, "That is the step alone; the new weight is the old one and the "
         "step together."),
        (lambda w, s, r: r * s, "That is the length of the step alone, and uphill; the new weight "
         "is the old one minus it."),
        (lambda w, s, r: w - s / r, "Divided by the rate: a small rate would make giant steps. "
         "Multiply."),
        (lambda w, s, r: w - r * w, "That shrinks the weight; the step is rate times slope."),
        (lambda w, s, r: w * (1 - r * s), "That multiplies the weight; the step is taken away "
         "from it."),
    ],
)  # fmt: skip


# A kernel for level edges ---------------------------------------------------------------------


def _answers(kernel, picture):
    windows = numpy.lib.stride_tricks.sliding_window_view(picture, (3, 3))
    return (windows * kernel).sum((-2, -1))


def _bright_below():
    return numpy.repeat([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]], 6, axis=1)


def level_kernel(answer):
    """Judge a 3x3 kernel by what it makes of a level edge, an upright one and a bare wall."""
    if callable(answer):
        return "The answer is nine numbers, [[..., ..., ...], ...], and this is a function."
    try:
        kernel = numpy.asarray(answer, float)
    except (TypeError, ValueError):
        dots = isinstance(answer, list | tuple) and "Ellipsis" in repr(answer)
        return OPEN if dots else "The answer is three rows of three numbers."
    if kernel.shape != (3, 3):
        return f"It has the shape {kernel.shape}; a kernel of this lesson has (3, 3)."
    level, upright, bare = _bright_below(), _bright_below().T, numpy.ones((6, 6))
    seen = {
        name: numpy.abs(_answers(kernel, picture)).max()
        for name, picture in (("level", level), ("upright", upright), ("bare", bare))
    }
    if not kernel.any():
        return "A kernel of zeros answers to nothing at all."
    if seen["level"] < 1e-6 < seen["upright"]:
        return "It finds upright edges: turn it by a quarter, so that rows differ and not columns."
    if seen["bare"] > 1e-6:
        return (
            f"It answers with {seen['bare']:.3g} to a bare white wall, where there is no edge: its "
            "nine numbers have to add up to 0."
        )
    if seen["level"] < 1e-6:
        return "It does not answer to a level edge: take what is above from what is below."
    if seen["upright"] > 1e-6:
        return (
            f"It answers with {seen['upright']:.3g} to an upright edge too: let the numbers of "
            "every column add up to 0."
        )
    return None


# Top losses -----------------------------------------------------------------------------------

LOSSES = [
    (numpy.array([0.1, 2.5, 0.3, 4.0, 1.2]), 2),
    (numpy.array([3.0, 0.2, 0.9]), 1),
    (numpy.array([0.5, 0.1, 0.7, 0.2, 0.6, 0.4]), 3),
]
top_losses = function(
    lambda losses, n: numpy.argsort(-losses)[:n],
    LOSSES,
    [
        (lambda x, n: numpy.argsort(x)[:n], "Those are the n smallest losses, the pictures that "
         "are no problem: turn the order round."),
        (lambda x, n: numpy.sort(x)[::-1][:n], "Those are the losses themselves; the rows, where "
         "they stand, are wanted: argsort instead of sort."),
        (lambda x, n: numpy.sort(x)[:n], "Those are the smallest losses themselves; the rows of "
         "the highest ones are wanted."),
        (lambda x, n: numpy.argsort(x)[-n:], "The right rows, but the highest loss comes last: "
         "turn them round."),
        (lambda x, n: numpy.sort(numpy.argsort(-x)[:n]), "The right rows, but in the order of the "
         "files: the highest loss comes first."),
        (lambda x, n: numpy.argsort(-x), "The right order, but of all rows: the first n are "
         "wanted."),
        (lambda x, n: numpy.argsort(-x)[: n + 1], "That is one row too many."),
        (lambda x, n: numpy.argsort(-x)[: n - 1], "That is one row too few."),
        (lambda x, n: numpy.argsort(-x)[1 : n + 1], "The highest loss of all is missing: counting "
         "begins at 0."),
        (lambda x, n: numpy.argmax(x), "That is the highest one alone; n of them are wanted."),
    ],
)  # fmt: skip


EXERCISES = {
    "1.1": number(
        1.3863,
        {
            -1.3863: "The sign is the wrong way round: a loss is never below zero.",
            0.6021: "That is the logarithm to base 10; the loss uses the natural one.",
            0.75: "That is how much is missing to 1; the loss is a logarithm.",
            2.0: "That is the logarithm to base 2, the loss in bits.",
            0.2877: "That is -log(0.75), the loss if the other class were the true one.",
        },
        tolerance=2e-3,
        otherwise="Take minus the natural logarithm of the probability.",
    ),
    "1.2": softmax,
    "1.3": number(
        96,
        {
            93: "The last mini-batch of each epoch is missing: 16 pictures are left over, and they "
            "are learned from as well.",
            93.75: "There is no three quarters of a step: in each epoch the last mini-batch is "
            "smaller than the others, but it is a step.",
            94: "Rounded up once, for all epochs together; but every epoch ends with a smaller "
            "mini-batch of its own.",
            32: "That is one epoch; it was three.",
            31: "That is one epoch without its last mini-batch, and it was three.",
            31.25: "That is one epoch, and there is no quarter of a step.",
            6000: "So many pictures are shown; but the weights move once a mini-batch.",
            2000: "That is the pictures; the weights move once a mini-batch.",
            192: "That is 3 times 64; the pictures are divided among mini-batches of 64.",
        },
        otherwise="How many mini-batches of 64 do 2,000 pictures fill, and what of the rest?",
    ),
    "1.4": step,
    "1.5": level_kernel,
    "1.6": top_losses,
}
