"""Answers to the exercises of lesson 2: right ones, and mistakes with the word for them."""

import torch.nn.functional as F


def f_beta(chosen, wanted, beta):
    hits = (chosen & wanted).sum(1)
    below = (beta**2 * wanted.sum(1) + chosen.sum(1)).clamp(min=1)
    return ((1 + beta**2) * hits / below).mean().item()


def naive(scores, y):
    p = 1 / (1 + (-scores).exp())
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


RIGHT = [
    ("2.1", 0.625),
    ("2.1", "0.625"),
    ("2.2", 15 / 20),
    ("2.3", f_beta),
    ("2.4", F.binary_cross_entropy_with_logits),
    ("2.4", lambda s, y: (F.softplus(s) - s * y).mean().item()),
    ("2.5", " Higher "),
    ("2.6", (1, 2, 4)),
    ("2.6", [1, 2, 4]),
]

WRONG = [
    ("2.1", 4 / 7, "F1"),
    ("2.1", 10 / 19, "changed places"),
    ("2.1", 0.5, "precision"),
    ("2.1", 0.667, "recall"),
    ("2.1", "a lot", "number"),
    ("2.2", 10 / 14, "two sure labels alone"),
    ("2.2", 0.8, "F1"),
    ("2.2", 15 / 19, "eight labels"),
    ("2.3", lambda c, w, b: f_beta(c, w, b**0.5), "squared"),
    ("2.3", lambda c, w, b: f_beta(w, c, b), "changed places"),
    ("2.3", lambda c, w, b: f_beta(c, w, 2), "whatever beta"),
    ("2.3", lambda c, w, b: f_beta(c.reshape(1, -1), w.reshape(1, -1), b), "pool"),
    ("2.3", lambda c, w, b: f_beta(c.T, w.T, b), "axis"),
    (
        "2.3",
        lambda c, w, b: ((1 + b * b) * (c & w).sum(1) / (b * b * w.sum(1) + c.sum(1))).mean(),
        "zero by zero",
    ),
    (
        "2.3",
        lambda c, w, b: (1 + b * b) * (c & w).sum(1) / (b * b * w.sum(1) + c.sum(1)).clamp(min=1),
        "mean",
    ),
    ("2.3", lambda c, w, b: None, "return"),
    ("2.4", lambda s, y: -F.binary_cross_entropy_with_logits(s, y), "sign"),
    ("2.4", lambda s, y: -naive(s, y), "sign"),
    ("2.4", naive, "very sure"),
    ("2.4", lambda s, y: -(y * s.sigmoid().log()).mean(), "absent"),
    ("2.4", lambda s, y: naive(s, y) * len(s), "sum"),
    ("2.4", lambda s, y: naive(s, y) / 0.69314718, "base 2"),
    ("2.4", lambda s, y: naive(s, 1 - y), "exchanged"),
    ("2.4", lambda s, y: naive(-s, y), "wrong sign"),
    ("2.4", lambda s, y: F.softplus(s) - s * y, "mean"),
    ("2.4", lambda s, y: F.binary_cross_entropy_with_logits(s.sigmoid(), y), "should give"),
    ("2.5", "lower", "more, or less"),
    ("2.5", "the same", "punishes"),
    ("2.5", 0.5, "word"),
    ("2.6", (8, 2, 4), "count"),
    ("2.6", (1, 1, 4), "quarter turn"),
    ("2.6", (1, 4, 4), "half a turn"),
    ("2.6", (1, 2, 8), "mirrored"),
    ("2.6", 8, "three numbers"),
]
