"""The exercises of lesson 2."""
# fmt: off

import torch.nn.functional as F
from torch import tensor

from coursekit.exercises.checking import exercise


@exercise("2.1", tolerance=2e-3, mistakes={
    "That is F1, which counts recall no more than precision.": 2 * 2 / (3 + 4),
    "Chosen and wanted have changed places: four times what is wanted.": 5 * 2 / (3 + 4 * 4),
    "That is the precision: 2 of the 4 that it says are true.": 2 / 4,
    "That is the recall: 2 of the 3 that are there are said.": 2 / 3,
})
def f2_of_a_tile():
    """A tile has the labels *clear, primary, road*, and the network says *clear, primary, water,
    agriculture*. What is its F2? Three decimals.

    - Three counts are all you need: the hits, what is wanted, what is said.
    - Two hits, three labels wanted, four said.
    - Section 4: 5 times the hits, divided by 4 times the wanted plus the said.
    """
    return 5 * 2 / (4 * 3 + 4)


@exercise("2.2", tolerance=2e-3, mistakes={
    "That is the score of the two sure labels alone; the other answer is higher.": 5 * 2 / 14,
    "That is F1 of the two sure labels; F2 counts a missed label more.": 2 * 2 / 5,
    "That is F1 of the longer answer; F2 forgives wrong labels more.": 2 * 3 / 11,
    "The longer answer says eight labels: two, five wrong ones, and road.": 5 * 3 / 19,
    "Chosen and wanted have changed places.": 5 * 3 / (3 + 4 * 8),
})
def better_f2():
    """Which answer is better for that tile: *clear* and *primary* alone, or those two with *road*
    and five wrong labels? Guess first. Then give the higher of the two values of F2.

    - Work out both; one of them names one more true label, and pays for it with five wrong ones.
    - The short answer has 2 hits and says 2 labels, the long one has 3 hits and says 8.
    - F2 forgives a lot of wrong labels for one that would have been missed.
    """
    return max(5 * 2 / (4 * 3 + 2), 5 * 3 / (4 * 3 + 8))


_SAID = tensor([[1, 1, 0, 1, 1], [1, 0, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 0]]).bool()
_TRUE = tensor([[1, 1, 1, 0, 0], [1, 0, 1, 0, 0], [1, 0, 1, 0, 0], [0, 1, 1, 0, 1]]).bool()
_NONE = tensor([[0, 0, 0, 0, 0], [1, 0, 1, 0, 0]]).bool()


@exercise("2.3", cases=[
    (_SAID[:1], _TRUE[:1], 2), (_SAID, _TRUE, 2), (_SAID, _TRUE, 0.5),
], edges=[(_NONE, _NONE, 2)], mistakes={
    "Almost: beta has to be squared, in both places.": lambda c, w, b: f_beta(c, w, b**0.5),
    "Exchanged: beta squared belongs to what is wanted.": lambda c, w, b: f_beta(w, c, b),
    "That is F2 whatever beta is: 4 is beta squared, 5 one more.": lambda c, w, b: f_beta(c, w, 2),
    "You pool the labels of all tiles before you divide. Here each tile gets its own score, and "
    "the mean comes last.": lambda c, w, b: f_beta(c.reshape(1, -1), w.reshape(1, -1), b),
    "The wrong axis: `sum(1)` counts labels for each tile.": lambda c, w, b: f_beta(c.T, w.T, b),
    "That is one number a tile, and right; what is asked for is their mean.":
        lambda c, w, b: (1 + b**2) * (c & w).sum(1) / (b**2 * w.sum(1) + c.sum(1)),
    "Only the last tile is left: where nothing is wanted and nothing is said you divide zero by "
    "zero. Let the number below the line be at least 1, as `f2` does.":
        lambda c, w, b: ((1 + b**2) * (c & w).sum(1) / (b**2 * w.sum(1) + c.sum(1))).mean(),
})
def f_beta(chosen, wanted, beta):
    r"""Write F-beta for any `beta`: a large one makes recall count more, a small one precision.
    `chosen` and `wanted` are tables of True and False, a row a tile and a column a label. Give the
    mean over the tiles; one on which nothing is wanted and nothing is said counts as 0. (With
    precision and recall it is $(1 + \beta^2) P R / (\beta^2 P + R)$.)

    - Begin with `f2` of section 4; two of its numbers stand for beta.
    - In F2 the 4 is beta squared, and the 5 is one more than that.
    - Keep the `clamp(min=1)`: where nothing is wanted and nothing is said you divide by zero.
    """
    hits = (chosen & wanted).sum(1)
    below = (beta**2 * wanted.sum(1) + chosen.sum(1)).clamp(min=1)
    return ((1 + beta**2) * hits / below).mean()


def _naive(scores, y):
    p = scores.sigmoid()
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


@exercise("2.4", cases=[
    (tensor([2.0, -1.0, 0.5, -3.0]), tensor([1.0, 0.0, 0.0, 1.0])),
    (tensor([0.0, 0.0, 0.0]), tensor([0.0, 1.0, 1.0])),
], edges=[
    (tensor([200.0, 1.0]), tensor([0.0, 1.0])), (tensor([200.0, -200.0]), tensor([1.0, 0.0])),
], mistakes={
    "For small scores it is right. Where the network is very sure, exp or log runs over: use the "
    "formula that section 3 calls careful.": _naive,
    "The sign is the wrong way round: a loss is never below zero.": lambda s, y: -_naive(s, y),
    "Only the labels that are there are counted. A label that is absent, and was thought to be "
    "there, costs as well: minus the logarithm of 1 - p.":
        lambda s, y: -(y * s.sigmoid().log()).mean(),
    "Only the labels that are absent are counted; those that are there cost -log p.":
        lambda s, y: -((1 - y) * (1 - s.sigmoid()).log()).mean(),
    "That is the sum; the loss is the mean over labels.": lambda s, y: _naive(s, y) * len(s),
    "Yes and no are exchanged: y is 1 where the label is there.": lambda s, y: _naive(s, 1 - y),
    "That is one number a label; asked for is their mean.": lambda s, y: F.softplus(s) - s * y,
})
def stable_loss(scores, y):
    """Write the binary cross-entropy of one tile from its *scores*, so that it also holds when the
    network is very sure: the mean over the labels. `scores` and `y` are tensors, a number a label.

    - The formula called careful in section 3 does it for one label.
    - `clamp(min=0)`, `abs()`, `exp()` and `log()` work on a whole tensor at once.
    - Why it is the same formula: for a positive score s, log(1 + e^s) is s + log(1 + e^-s).
    """
    each = scores.clamp(min=0) - scores * y + (1 + (-scores.abs()).exp()).log()
    return each.mean()


@exercise("2.5", mistakes={
    "A lower threshold says more labels. F1 forgives a wrong label less than F2 does: does it pay "
    "to say more, or less?": "lower",
    "F2 wants much said, for it punishes what is missed. F1 punishes both alike: does it pay to "
    "say as much?": "the same",
    "A word says which way the threshold moves: `higher`, `lower` or `the same`.": "up",
})
def threshold_for_f1():
    """We measure by F1 in place of F2, with the same network. Will the best threshold be
    `"higher"`, `"lower"` or `"the same"`?

    - F2 counts recall twice as much as precision, F1 counts both alike.
    - So under F1 a wrong label costs more, compared with a missed one.
    - Whoever pays more for a wrong label says fewer of them.
    """
    return "higher"


@exercise("2.6", mistakes={
    "Not 8 for the plain grey tile: all eight look alike, and alike counts once.": (8, 2, 4),
    "Not 1 for the road: a quarter turn makes it a level one, which is another picture.": (1, 1, 4),
    "Not 4 for the road: half a turn brings it back to where it was.": (1, 4, 4),
    "Not 8 for the road: mirrored, or turned by half, it is the same.": (1, 8, 4),
    "Not 8 for the house: mirrored it looks like a turned one; it is square.": (1, 2, 8),
    "Not 1 for the house: it may stand in any of the corners.": (1, 2, 1),
    "Not 2 for the house: it may stand in any of the corners, not only in two.": (1, 2, 2),
})
def symmetries():
    """How many *different* pictures do the eight symmetries make of (a) a plain grey tile, (b) a
    tile with one upright road through its middle, (c) a tile with one square house in a corner?
    Give three numbers, such as `(8, 8, 8)`.

    - Draw each on a square of paper and turn it; turn the paper over for the mirrored ones.
    - Two versions that look alike count once.
    - A road can stand or lie. A house can be in how many corners?
    """
    return 1, 2, 4
