"""Answers to the exercises of lesson 5: right ones, and mistakes with the word for them."""

import math

import numpy
import torch
from sklearn.metrics import ndcg_score


def predict(rater, film, generous, good, mean):
    return mean + generous + good + torch.tensor(rater) @ torch.tensor(film)


def pulled(ratings, mean, extra):
    return (sum(ratings) + extra * mean) / (len(ratings) + extra)


def worth(hits):
    return sum(hit / math.log2(rank + 1) for rank, hit in enumerate(hits, start=1))


def ndcg(hits, k):
    """Return scikit-learn's, of films that are scored in the order of the list."""
    scores = numpy.arange(len(hits))[::-1]
    return ndcg_score([hits], [scores], k=k)


RIGHT = [
    ("5.1", predict),
    ("5.2", -math.log(5 / 4.5 - 1)),
    ("5.3", (1 - 0.01 * 0.5) ** 100),
    ("5.4", pulled),
    ("5.5", ndcg),
    ("5.6", -torch.tensor(2.0).sigmoid().log()),
]


def without_film(rater, film, generous, good, mean):
    return mean + generous + good


WRONG = [
    ("5.1", lambda r, f, g, q, m: sum(a * b for a, b in zip(r, f, strict=True)), "alone"),
    ("5.1", lambda r, f, g, q, m: m + float(numpy.dot(r, f)), "forgot the biases"),
    ("5.1", lambda r, f, g, q, m: g + q + float(numpy.dot(r, f)), "forgot the mean"),
    ("5.1", lambda r, f, g, q, m: m + g + q + sum(r) + sum(f), "added the factors up"),
    ("5.1", lambda r, f, g, q, m: m + g + q + sum(r) * sum(f), "multiplied the sums"),
    ("5.1", lambda r, f, g, q, m: m + g + q + numpy.multiply(r, f), "for each factor"),
    ("5.1", without_film, "place by place"),
    ("5.2", -2.197, "sign"),
    ("5.2", 0.954, "base 10"),
    ("5.2", 3.17, "base 2"),
    ("5.2", 0.9, "share of the span"),
    ("5.2", 2.303, "begins at 0.5"),
    ("5.2", 0.711, "turned round"),
    ("5.2", "five", "number"),
    ("5.3", 0.5, "what is left"),
    ("5.3", 0.366, "forgot the weight decay"),
    ("5.3", 0.995, "one step"),
    ("5.3", 0.394, "has gone"),
    ("5.3", 1.6467, "grows"),
    ("5.3", 1, "by itself"),
    ("5.3", 0.60653, "limit"),
    ("5.4", lambda ratings, mean, extra: sum(ratings) / len(ratings), "plain mean"),
    ("5.4", lambda ratings, mean, extra: sum(ratings) / (len(ratings) + extra), "to zero"),
    ("5.4", lambda ratings, mean, extra: pulled(ratings, mean, extra) - mean, "add the mean"),
    ("5.4", lambda ratings, mean, extra: pulled(ratings, mean, 1), "a single vote"),
    ("5.5", lambda hits, k: worth(hits[:k]), "before it is divided"),
    ("5.5", lambda hits, k: worth(hits[:k]) / worth([1] * k), "more hits than"),
    ("5.5", lambda hits, k: worth(hits) / worth(sorted(hits)[::-1]), "first k places"),
    ("5.5", lambda hits, k: worth(hits[:k]) / worth(sorted(hits)[::-1]), "Cut the best list"),
    ("5.5", lambda hits, k: sum(hits[:k]) / sum(hits), "recall"),
    ("5.5", lambda hits, k: sum(h / math.log2(r) for r, h in enumerate(hits, 1)), "ZeroDiv"),
    (
        "5.5",
        lambda hits, k: worth([0, *hits[:k]]) / worth([0, *sorted(hits)[::-1][:k]]),
        "Off by one",
    ),
    ("5.6", -0.1269, "sign"),
    ("5.6", 0.8808, "probability"),
    ("5.6", 2.1269, "wrong way round"),
    ("5.6", 0.5130, "added"),
    ("5.6", 0.0551, "base 10"),
]
