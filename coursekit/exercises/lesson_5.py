"""The exercises of lesson 5."""
# fmt: off

import numpy as np

from coursekit.exercises.checking import exercise


@exercise("5.1", cases=[
    ([2.0, -1.0, 0.5], [1.0, 3.0, 4.0], 0.25, -0.5, 3.5),
    ([0.1, 0.2], [0.3, -0.4], -0.75, 0.5, 3.0), ([1.0], [2.0], 0.1, 0.2, 2.5),
], mistakes={
    "That is the dot product alone: add the mean and both biases.":
        lambda r, f, g, q, m: np.dot(r, f),
    "You forgot the biases: of the rater, and of the film.": lambda r, f, g, q, m: m + np.dot(r, f),
    "You forgot the mean: biases lie around it.": lambda r, f, g, q, m: g + q + np.dot(r, f),
    "You added the factors; multiply them pair by pair.":
        lambda r, f, g, q, m: m + g + q + sum(r + f),
    "Multiply place by place first, then add up.":
        lambda r, f, g, q, m: m + g + q + sum(r) * sum(f),
    "Add the products up, so that one number is left.":
        lambda r, f, g, q, m: m + g + q + np.multiply(r, f),
    "The dot product's sign: a taste that fits is a plus.":
        lambda r, f, g, q, m: m + g + q - np.dot(r, f),
})
def predict(rater, film, generous, good, mean):
    """Write the model of section 3 with its biases, but without a range, in plain Python. `rater`
    and `film` are lists of as many factors each; `generous` and `good` are the two biases.

    - The class `Biased` in section 3 does it for many pairs at once.
    - The mean, plus both biases, plus the dot product of the two lists.
    - `sum(a * b for a, b in zip(rater, film))` is the dot product.
    """
    return mean + generous + good + sum(a * b for a, b in zip(rater, film))


@exercise("5.2", tolerance=3e-3, mistakes={
    "The sign: 5 stars lie above the middle, so the score is above zero.": -np.log(9),
    "That is the logarithm to base 10; the sigmoid uses the natural one.": np.log10(9),
    "That is the logarithm to base 2; the sigmoid uses the natural one.": np.log2(9),
    "That is the share of the range, 4.5 of 5; which score does the sigmoid turn into it?": 0.9,
    "You divided 5 by 5.5: the range begins at 0.5, so subtract that first.": np.log(10),
    "Turn it round: which score has 0.9 as its sigmoid?": 1 / (1 + np.exp(-0.9)),
    "That is the prediction; the score is what goes into the sigmoid.": 5,
})
def score_of_five_stars():
    """Call *score* all that goes into the sigmoid. With `y_range=(0.5, 5.5)`, a score of 0 gives
    the middle of the range, 3 stars. Which score gives exactly 5 stars? Three decimals.

    - How far along the range do 5 stars lie, as a share from 0 to 1?
    - The share is 0.9. Which number has 0.9 as its sigmoid?
    - The logarithm of share / (1 - share), the *log-odds*.
    """
    share = (5 - 0.5) / (5.5 - 0.5)
    return np.log(share / (1 - share))


@exercise("5.3", tolerance=3e-4, mistakes={
    "Half a percent of what is left, not of the first value.": 1 - 0.005 * 100,
    "You forgot the weight decay: a step takes off lr times weight_decay.": 0.99**100,
    "That is after one step; there are a hundred.": 0.995,
    "That is what has gone; how much is left?": 1 - 0.995**100,
    "Without a gradient Adam's own step is zero, but the decay acts by itself.": 1,
    "Near: that is the limit of ever smaller steps. Take a hundred.": np.exp(-0.5),
})
def decayed():
    """A weight is 1. After 100 steps of AdamW with `lr=0.01`, `weight_decay=0.5` and a gradient
    that is always zero, how large is it? Four decimals.

    - Section 4 does one such step by hand.
    - Each step multiplies the weight by the same number, a bit below 1.
    - That number is 1 - 0.01 * 0.5.
    """
    return (1 - 0.01 * 0.5) ** 100


@exercise("5.4", cases=[
    ([5, 5], 3.5, 5), ([1.0], 3.5, 5), ([4, 3, 2, 5, 4.5], 3.0, 2), ([4.5, 3.5], 3.2, 10),
], mistakes={
    "That is the plain mean: the extra votes count nothing.": lambda r, m, e: np.mean(r),
    "That pulls to zero stars, not to the mean of all: subtract the mean from each rating first, "
    "and add it at the end.": lambda r, m, e: sum(r) / (len(r) + e),
    "That is how far above; add the mean at the end.": lambda r, m, e: pulled_mean(r, m, e) - m,
    "Divide by the film's own count, too.": lambda r, m, e: m + sum(np.array(r) - m) / e,
    "You added a single vote; there are `extra` of them.": lambda r, m, e: pulled_mean(r, m, 1),
})
def pulled_mean(ratings, mean, extra):
    """A film with two votes of five stars is no five-star film yet. Write what our second baseline
    predicts for it: the film's votes are pulled to the `mean` of all as if there were `extra` more
    votes that say just that mean. (All raters are equally generous here.)

    - Look at the function `means` in section 2.
    - How far does each vote lie above the mean? Add that up, and divide by count plus extra.
    - For `[5, 5]`, a mean of 3.5 and 5 extra votes: 3.5 + (1.5 + 1.5) / (2 + 5).
    """
    return mean + sum(rating - mean for rating in ratings) / (len(ratings) + extra)


def _gain(hits, first=1):
    return sum(hit / np.log2(rank + 1) for rank, hit in enumerate(hits, first))


def _best(hits):
    return sorted(hits, reverse=True)


@exercise("5.5", cases=[
    ([1, 0, 0, 1], 10), ([0, 1, 0, 0, 1, 0, 0, 1], 5), ([1, 1, 0, 1, 0, 0, 1], 3),
    ([0, 0, 1, 1], 2),
], mistakes={
    "Divide by the sum of the best possible order.": lambda h, k: _gain(h[:k]),
    "Nobody can have more hits than films were watched.":
        lambda h, k: _gain(h[:k]) / _gain([1] * k),
    "In the best order films from behind place k come in front, too.":
        lambda h, k: _gain(h[:k]) / (_gain(_best(h[:k])) or 1),
    "Only the first k places count, in both lists.": lambda h, k: _gain(h) / _gain(_best(h)),
    "Cut the best list after k places, too.": lambda h, k: _gain(h[:k]) / _gain(_best(h)),
    "That is recall at k; here the first places count most.": lambda h, k: sum(h[:k]) / sum(h),
    "Off by one: the first place counts 1.": lambda h, k: _gain(h[:k], 2) / _gain(_best(h)[:k], 2),
})
def ndcg(hits, k):
    """`hits` tells for each place of a ranked list, the first place first, whether that film was
    watched: `[1, 0, 0, 1]` is a list with watched films on places 1 and 4. No other film was
    watched. Write the NDCG at `k`.

    - A hit at rank r, counted from 1, is worth 1 / log2(r + 1). Only the first k ranks count.
    - Divide by what the best order of the same list is worth, cut after k as well.
    - The best order has all hits in front: `sorted(hits, reverse=True)`.
    """
    worth = 1 / np.log2(np.arange(len(hits)) + 2)
    gained, best = (np.array(order) * worth for order in (hits, sorted(hits, reverse=True)))
    return gained[:k].sum() / best[:k].sum()


@exercise("5.6", tolerance=5e-4, mistakes={
    "The sign is the wrong way round: a loss is not below zero.": -np.log(1 + np.exp(-2)),
    "That is the probability; the loss is minus its logarithm.": 1 / (1 + np.exp(-2)),
    "That is the probability of being wrong; take the other one.": 1 / (1 + np.exp(2)),
    "The difference is the wrong way round: the watched film first.": np.log(1 + np.exp(2)),
    "You added the scores; it is their difference that counts.": np.log(1 + np.exp(-0.4)),
    "That looks at the watched film alone; the loss compares.": np.log(1 + np.exp(-1.2)),
    "That is the logarithm to base 10.": np.log10(1 + np.exp(-2)),
    "That is the difference of the scores; sigmoid, logarithm and minus come next.": 2,
})
def bpr_loss():
    """BPR draws a pair: the film that was watched has a score of 1.2, the other one of -0.8. What
    is the loss? Four decimals.

    - Only the difference of the two scores counts.
    - The sigmoid of the difference is the probability that the order is right.
    - Minus the natural logarithm of the sigmoid of 2.
    """
    return np.log(1 + np.exp(-(1.2 - -0.8)))
