"""The exercises of lesson 5."""
# fmt: off
# laid out by hand: what is said of a mistake, then the mistake

import numpy as np

from coursekit.exercises.checking import exercise


@exercise("5.1", cases=[
    ([2.0, -1.0, 0.5], [1.0, 3.0, 4.0], 0.25, -0.5, 3.5),
    ([0.1, 0.2], [0.3, -0.4], -0.75, 0.5, 3.0), ([1.0], [2.0], 0.1, 0.2, 2.5),
], mistakes={
    "That is the dot product alone: the mean and the two biases come on top.":
        lambda r, f, generous, good, mean: np.dot(r, f),
    "You forgot the biases: how generous the rater is, and how good the film.":
        lambda r, f, generous, good, mean: mean + np.dot(r, f),
    "You forgot the mean: biases say how far somebody lies above or below it.":
        lambda r, f, generous, good, mean: generous + good + np.dot(r, f),
    "You added the factors up; each of the rater's is multiplied by the film's.":
        lambda r, f, generous, good, mean: mean + generous + good + sum(r + f),
    "You multiplied the sums; multiply place by place first, then add up.":
        lambda r, f, generous, good, mean: mean + generous + good + sum(r) * sum(f),
    "That is a number for each factor; add the products up, so that one is left.":
        lambda r, f, generous, good, mean: mean + generous + good + np.multiply(r, f),
    "The sign of the dot product is the wrong way round: a taste that fits is a plus.":
        lambda r, f, generous, good, mean: mean + generous + good - np.dot(r, f),
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
    "The sign is the wrong way round: 5 stars lie above the middle, so the score is above zero.":
        -np.log(9),
    "That is the logarithm to base 10; the sigmoid uses the natural one.": np.log10(9),
    "That is the logarithm to base 2; the sigmoid uses the natural one.": np.log2(9),
    "That is the share of the range, 4.5 of 5; which score does the sigmoid turn into it?": 0.9,
    "You divided 5 by 5.5: the range begins at 0.5, so subtract that first.": np.log(10),
    "That is the sigmoid of 0.9; it has to be turned round: which score has 0.9 as its sigmoid?":
        1 / (1 + np.exp(-0.9)),
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
    "You took off half a percent of the first value each time; it is half a percent of what is "
    "left.": 1 - 0.005 * 100,
    "You forgot the weight decay: a step takes off lr times weight_decay.": 0.99**100,
    "That is after one step; there are a hundred.": 0.995,
    "That is what has gone; how much is left?": 1 - 0.995**100,
    "Without a gradient Adam's own step is zero, but the decay acts by itself.": 1,
    "Near: that is the limit of ever smaller steps. Take a hundred of them, each times 1 - 0.01 * "
    "0.5.": np.exp(-0.5),
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
    "That is the plain mean of the film: the extra votes count nothing there.":
        lambda ratings, mean, extra: np.mean(ratings),
    "That pulls to zero stars, not to the mean of all: subtract the mean from each rating first, "
    "and add it at the end.": lambda ratings, mean, extra: sum(ratings) / (len(ratings) + extra),
    "That is how far above the mean; add the mean of all at the end.":
        lambda ratings, mean, extra: pulled_mean(ratings, mean, extra) - mean,
    "You divide by the extra votes only; the film's own count, too.":
        lambda ratings, mean, extra: mean + sum(np.array(ratings) - mean) / extra,
    "You added a single vote of the mean; there are `extra` of them.":
        lambda ratings, mean, extra: pulled_mean(ratings, mean, 1),
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
    "That is the sum before it is divided: divide by that of the best possible order.":
        lambda hits, k: _gain(hits[:k]),
    "You compare with k hits; nobody can have more hits than films were watched.":
        lambda hits, k: _gain(hits[:k]) / _gain([1] * k),
    "In the best order, films that stand behind place k now would be in front, too: count all hits "
    "of the list, then take at most k.":
        lambda hits, k: _gain(hits[:k]) / (_gain(_best(hits[:k])) or 1),
    "Only the first k places count, in your list as in the best one.":
        lambda hits, k: _gain(hits) / _gain(_best(hits)),
    "Cut the best list after k places, too, or 1 cannot be reached.":
        lambda hits, k: _gain(hits[:k]) / _gain(_best(hits)),
    "That is recall at k: each place counts the same; here the first counts most.":
        lambda hits, k: sum(hits[:k]) / sum(hits),
    "Off by one: the first place has rank 1 and counts 1 / log2(2), which is 1.":
        lambda hits, k: _gain(hits[:k], 2) / _gain(_best(hits)[:k], 2),
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
    "That is the probability of being wrong; the loss is minus the logarithm of the other one.":
        1 / (1 + np.exp(2)),
    "You took the difference the wrong way round: the watched film's score comes first.":
        np.log(1 + np.exp(2)),
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
