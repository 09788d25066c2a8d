"""The exercises of lesson 1."""
# fmt: off

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from torch import tensor

from coursekit.exercises.checking import exercise


@exercise("1.1", tolerance=2e-3, mistakes={
    "The sign is the wrong way round: a loss is never below zero.": np.log(0.25),
    "That is the logarithm to base 10; the loss uses the natural one.": -np.log10(0.25),
    "That is the logarithm to base 2, the loss in bits.": -np.log2(0.25),
    "That is how much is missing to 1; the loss is a logarithm.": 0.75,
    "That is -log(0.75), the loss if the other class were the true one.": -np.log(0.75),
})
def cross_entropy():
    """A network gives the true class a probability of 0.25. What is its cross-entropy? Three
    decimals.

    - Section 3 computes it for four other probabilities.
    - Minus the natural logarithm of the probability of the truth.
    - In Python: `-np.log(0.25)`.
    """
    return -np.log(0.25)


@exercise("1.2", cases=[
    (tensor([[2.0, 1.0, 0.0], [0.5, -1.0, 3.0]]),),
    (tensor([[-3.0, 1.5], [4.0, 0.2], [0.1, 0.3]]),),
], edges=[(tensor([[1000.0, 1001.0], [-2.0, 3.0]]),)], mistakes={
    "Right for small scores. But exp(1000) is infinite, and infinity divided by infinity is no "
    "number. Take the largest score of each row away first, which changes no probability.":
        lambda s: s.exp() / s.exp().sum(1, keepdim=True),
    "They are positive now, but a row does not add up to 1: divide by its sum.": lambda s: s.exp(),
    "The columns add up to 1, but each row is a picture: sum over dim=1.": lambda s: s.softmax(0),
    "All together add up to 1; each row has to: sum over dim=1.": lambda s: s.exp() / s.exp().sum(),
    "Without the exponential, some are below zero.": lambda s: s / s.sum(1, keepdim=True),
    "The sigmoid looks at each score by itself; a row has to share 1.": lambda s: s.sigmoid(),
    "That is its logarithm: one exp too few, or one log too many.": lambda s: s.log_softmax(1),
})
def softmax(scores):
    """Write softmax as a function: scores (N, classes), one picture a row, to probabilities of the
    same shape. It should also work for scores such as 1000. What does `exp` make of that number?
    (Do not call torch's own softmax.)

    - Section 3 does it for four pictures: exp of each score, divided by the sum of its row.
    - Taking the same number away from all scores of a row changes none of its probabilities. So
      take the largest one away first; then no exponential is above 1.
    - `scores.max(dim=1, keepdim=True).values` is the largest score of each row.
    """
    largest = scores.max(dim=1, keepdim=True).values
    positive = (scores - largest).exp()
    return positive / positive.sum(dim=1, keepdim=True)


@exercise("1.3", mistakes={
    "The last mini-batch of each epoch is missing: its 16 pictures are learned from as well.": 93,
    "The last mini-batch of each epoch is smaller than the others, but it is a step.": 93.75,
    "Rounded up once, for all epochs; every epoch ends with a smaller mini-batch of its own.": 94,
    "That is one epoch; it was three.": 32,
    "That is how many pictures are shown; but the weights move once a mini-batch.": 6000,
})
def steps():
    """There are 2,000 training pictures, and a mini-batch holds 64; those left over at the end of
    an epoch make a smaller one. After each mini-batch the weights take one step. How many steps do
    they take in three epochs?

    - How many whole mini-batches does one epoch hold, and how many pictures are left over?
    - 2,000 = 31 x 64 + 16: the 16 make a mini-batch of their own, a smaller one.
    - Count the steps of one epoch, then take them three times.
    """
    return 3 * (31 + 1)  # in each epoch 31 full mini-batches, and one of 16 pictures


@exercise("1.4", cases=[(2.0, 3.0, 0.1), (-1.0, -4.0, 0.5), (0.5, 0.0, 0.3)], mistakes={
    "That walks uphill: the step goes against the slope.": lambda w, s, r: w + r * s,
    "The learning rate is missing: the step is rate times slope.": lambda w, s, r: w - s,
    "The slope is missing: on steep ground the step is longer.": lambda w, s, r: w - r,
    "That is the step alone; the new weight is the old one and the step.": lambda w, s, r: -r * s,
    "Divided by the rate: a small one would make giant steps. Multiply.": lambda w, s, r: w - s / r,
    "That shrinks the weight; the step is rate times slope.": lambda w, s, r: w - r * w,
})
def step(weight, slope, rate):
    """One step of gradient descent: from the weight, the slope of the loss there and the learning
    rate to the new weight.

    - It stands in `descend`, in section 7.
    - Where the slope is positive, the loss grows to the right: so the step goes to the left.
    - A step is the rate times the slope, and it is taken away from the weight.
    """
    return weight - rate * slope


def _edges_found(kernel):
    """Whether a kernel is not zero, and what it answers to: a bare wall, level, upright edges."""
    kernel = np.asarray(kernel, float).reshape(3, 3)
    level = np.repeat([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]], 6, axis=1)
    windows = sliding_window_view(np.stack([level**0, level, level.T]), (3, 3), (1, 2))
    return [kernel.any(), *(abs((windows * kernel).sum((3, 4))).max((1, 2)) > 1e-6)]


@exercise("1.5", measure=_edges_found, mistakes={
    "A kernel of zeros answers to nothing at all.": [[0, 0, 0]] * 3,
    "It answers to a bare wall: its nine numbers have to add up to 0.": [[1, 1, 1]] * 3,
    "It finds upright edges: turn it by a quarter; rows should differ.": [[-1, 0, 1]] * 3,
    "No answer to a level edge: below minus above.": [[1, -2, 1], [-2, 4, -2], [1, -2, 1]],
    "It answers to upright edges too: columns add up to 0.": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
})
def level_edges():
    """Write a 3x3 kernel that answers to level edges (bright below, dark above, or the other way
    round), and gives exactly 0 on upright edges and on a bare wall. There are many; the check moves
    yours over three test pictures.

    - The kernel of section 7 takes the left column from the right one.
    - Now take the upper row from the lower one.
    - Zero on a bare wall: all nine numbers add up to 0. Zero on upright edges: each column too.
    """
    return [[-1, -1, -1], [0, 0, 0], [1, 1, 1]]


@exercise("1.6", cases=[
    (np.array([0.1, 2.5, 0.3, 4.0, 1.2]), 2), (np.array([3.0, 0.2, 0.9]), 1),
    (np.array([0.5, 0.1, 0.7, 0.2, 0.6, 0.4]), 3),
], mistakes={
    "Those are the n smallest losses: turn the order round.": lambda x, n: np.argsort(x)[:n],
    "Those are the losses; their places are wanted: argsort.": lambda x, n: np.sort(x)[::-1][:n],
    "The right places, but the highest comes last: turn round.": lambda x, n: np.argsort(x)[-n:],
    "Right, but in the order of the files: highest first.":
        lambda x, n: np.sort(np.argsort(-x)[:n]),
    "The right order, but of all: the first n are wanted.": lambda x, n: np.argsort(-x),
    "The highest loss is missing: counting begins at 0.": lambda x, n: np.argsort(-x)[1 : n + 1],
})
def top_losses(losses, n):
    """The pictures to look at first. `losses` is an array with the loss of each picture. Return the
    places of its `n` highest losses (counted from 0; not the losses themselves), the highest first.

    - `np.argsort(losses)` gives the rows from the lowest loss to the highest.
    - Turn the order round, or sort the losses with a minus in front.
    - `np.argsort(-losses)` has the highest first; take its first `n`.
    """
    return np.argsort(-losses)[:n]
