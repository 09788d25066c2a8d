"""The exercises of lesson 5."""

import math

from coursekit.exercises.checking import function, number

# 5.1, a prediction --------------------------------------------------------------------------


def _dot(rater, film):
    return sum(one * other for one, other in zip(rater, film, strict=True))


PREDICT = function(
    lambda rater, film, generous, good, mean: mean + generous + good + _dot(rater, film),
    [
        ([2.0, -1.0, 0.5], [1.0, 3.0, 4.0], 0.25, -0.5, 3.5),
        ([0.1, 0.2], [0.3, -0.4], -0.75, 0.5, 3.0),
        ([1.0], [2.0], 0.1, 0.2, 2.5),
    ],
    [
        (
            lambda rater, film, generous, good, mean: _dot(rater, film),
            "That is the dot product alone: the mean and the two biases come on top.",
        ),
        (
            lambda rater, film, generous, good, mean: mean + _dot(rater, film),
            "You forgot the biases: how generous the rater is, and how good the film.",
        ),
        (
            lambda rater, film, generous, good, mean: generous + good + _dot(rater, film),
            "You forgot the mean: biases say how far somebody lies above or below it.",
        ),
        (
            lambda rater, film, generous, good, mean: mean + generous + good + sum(rater + film),
            "You added the factors up; each of the rater's is multiplied by the film's.",
        ),
        (
            lambda rater, film, generous, good, mean: (
                mean + generous + good + sum(rater) * sum(film)
            ),
            "You multiplied the sums; multiply place by place first, then add up.",
        ),
        (
            lambda rater, film, generous, good, mean: [
                mean + generous + good + one * other for one, other in zip(rater, film, strict=True)
            ],
            "That is a number for each factor; add the products up, so that one is left.",
        ),
        (
            lambda rater, film, generous, good, mean: mean + generous + good - _dot(rater, film),
            "The sign of the dot product is the wrong way round: a taste that fits is a plus.",
        ),
    ],
    otherwise="Multiply place by place, add up, then add the mean and both biases.",
)


# 5.4, a mean that is pulled -------------------------------------------------------------------


def _pulled(ratings, mean, extra):
    return mean + sum(one - mean for one in ratings) / (len(ratings) + extra)


PULLED = function(
    _pulled,
    [([5, 5], 3.5, 5), ([1.0], 3.5, 5), ([4, 3, 2, 5, 4.5], 3.0, 2), ([4.5, 3.5], 3.2, 10)],
    [
        (
            lambda ratings, mean, extra: sum(ratings) / len(ratings),
            "That is the plain mean of the film: the extra votes count nothing there.",
        ),
        (
            lambda ratings, mean, extra: sum(ratings) / (len(ratings) + extra),
            "That pulls to zero stars, not to the mean of all: subtract the mean from each rating "
            "first, and add it at the end.",
        ),
        (
            lambda ratings, mean, extra: _pulled(ratings, mean, extra) - mean,
            "That is how far above the mean; add the mean of all at the end.",
        ),
        (
            lambda ratings, mean, extra: mean + sum(one - mean for one in ratings) / extra,
            "You divide by the extra votes only; the film's own count, too.",
        ),
        (
            lambda ratings, mean, extra: (sum(ratings) + mean) / (len(ratings) + 1),
            "You added a single vote of the mean; there are `extra` of them.",
        ),
        (
            lambda ratings, mean, extra: (
                mean + sum(one - mean for one in ratings) / len(ratings) / (len(ratings) + extra)
            ),
            "You divide by the number of ratings twice; take their sum above the mean, once "
            "divided by their number plus extra.",
        ),
    ],
    otherwise="Think of `extra` more votes, each of them the mean of all.",
)


# 5.5, NDCG -------------------------------------------------------------------------------------


def _gain(hits, shift=2):
    return sum(hit / math.log2(place + shift) for place, hit in enumerate(hits))


def _ndcg(hits, k):
    return _gain(hits[:k]) / _gain(sorted(hits, reverse=True)[:k])


NDCG = function(
    _ndcg,
    [
        ([1, 0, 0, 1], 10),
        ([0, 1, 0, 0, 1, 0, 0, 1], 5),
        ([1, 1, 0, 1, 0, 0, 1], 3),
        ([0, 0, 1, 1], 2),
        ([0, 0, 0, 1, 0, 0], 6),
    ],
    [
        (
            lambda hits, k: _gain(hits[:k]),
            "That is the sum before it is divided: divide by that of the best possible order.",
        ),
        (
            lambda hits, k: _gain(hits[:k]) / _gain([1] * k),
            "You compare with k hits; nobody can have more hits than films were watched.",
        ),
        (
            lambda hits, k: _gain(hits[:k]) / max(_gain([1] * sum(hits[:k])), 1e-12),
            "In the best order, films that stand behind place k now would be in front, too: "
            "count all hits of the list, then take at most k.",
        ),
        (
            lambda hits, k: _gain(hits) / _gain(sorted(hits, reverse=True)),
            "Only the first k places count, in your list as in the best one.",
        ),
        (
            lambda hits, k: _gain(hits[:k]) / _gain(sorted(hits, reverse=True)),
            "Cut the best list after k places, too, or 1 cannot be reached.",
        ),
        (
            lambda hits, k: sum(hits[:k]) / sum(hits),
            "That is recall at k: each place counts the same; here the first counts most.",
        ),
        (
            lambda hits, k: sum(hits[:k]) / min(k, sum(hits)),
            "Each place counts the same in yours; here a hit at rank r counts 1 / log2(r + 1).",
        ),
        (
            lambda hits, k: _gain(hits[:k], 3) / _gain(sorted(hits, reverse=True)[:k], 3),
            "Off by one: the first place has rank 1 and counts 1 / log2(2), which is 1.",
        ),
        (
            lambda hits, k: (
                sum(hit / (place + 1) for place, hit in enumerate(hits[:k]))
                / sum(1 / (place + 1) for place in range(min(k, sum(hits))))
            ),
            "You divide by the rank itself; here it is the logarithm to base 2 of rank + 1.",
        ),
    ],
    otherwise="The first place counts 1 / log2(2); the best order has all hits in front.",
)


EXERCISES = {
    "5.1": PREDICT,
    "5.2": number(
        math.log(9),
        {
            -math.log(9): "The sign is the wrong way round: 5 stars lie above the middle, so the "
            "score is above zero.",
            math.log10(9): "That is the logarithm to base 10; the sigmoid uses the natural one.",
            math.log2(9): "That is the logarithm to base 2; the sigmoid uses the natural one.",
            0.9: "That is the share of the span, 4.5 of 5; which score does the sigmoid turn into "
            "it?",
            math.log(10): "You divided 5 by 5.5: the span begins at 0.5, so subtract that first.",
            1 / (1 + math.exp(-5)): "That is the sigmoid of 5; here the sigmoid's result is known, "
            "and its argument is asked for.",
            0.7109: "That is the sigmoid of 0.9; it has to be turned round: which score has 0.9 as "
            "its sigmoid?",
            5.0: "That is the prediction; the score is what goes into the sigmoid.",
        },
        tolerance=3e-3,
        otherwise="Which share of the span lies below 5 stars? Its log-odds are the score.",
    ),
    "5.3": number(
        0.995**100,
        {
            0.5: "You took off half a percent of the first value each time; it is half a percent "
            "of what is left.",
            0.99**100: "You forgot the weight decay: a step takes off lr times weight_decay.",
            0.995: "That is after one step; there are a hundred.",
            0.005**100: "That keeps half a percent at each step; half a percent is what it loses.",
            1 - 0.995**100: "That is what has gone; how much is left?",
            1.005**100: "The weight grows in yours; decay pulls it to zero.",
            1.0: "Without a gradient Adam's own step is zero, but the decay acts by itself.",
            math.exp(-0.5): "Near: that is the limit of ever smaller steps. Take a hundred of "
            "them, each times 1 - 0.01 * 0.5.",
        },
        tolerance=3e-4,
        otherwise="Each step multiplies the weight by 1 - lr * weight_decay.",
    ),
    "5.4": PULLED,
    "5.5": NDCG,
    "5.6": number(
        math.log1p(math.exp(-2)),
        {
            -math.log1p(math.exp(-2)): "The sign is the wrong way round: a loss is not below zero.",
            1 / (1 + math.exp(-2)): "That is the probability; the loss is minus its logarithm.",
            1 / (1 + math.exp(2)): "That is the probability of being wrong; the loss is minus the "
            "logarithm of the other one.",
            math.log1p(math.exp(2)): "You took the difference the wrong way round: the watched "
            "film's score comes first.",
            math.log1p(math.exp(-0.4)): "You added the scores; it is their difference that counts.",
            math.log1p(math.exp(-1.2)): "That looks at the watched film alone; the loss compares.",
            math.log1p(math.exp(-2)) / math.log(2): "That is the logarithm to base 2.",
            math.log1p(math.exp(-2)) / math.log(10): "That is the logarithm to base 10.",
            2.0: "That is the difference of the scores; sigmoid, logarithm and minus come next.",
        },
        tolerance=5e-4,
        otherwise="Minus the logarithm of the sigmoid of the difference.",
    ),
}
