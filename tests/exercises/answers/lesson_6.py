"""Answers to the exercises of lesson 6: right ones, and mistakes with the word for them."""

import math

import torch
from torch import nn


def clip(gradient, limit):
    norm = gradient.norm()
    return gradient * limit / norm if norm > limit else gradient


def top_k(p, k):
    order = p.argsort(descending=True)
    kept = p.clone()
    kept[order[k:]] = 0
    return kept / kept.sum()


def period(text):
    for length in range(1, len(text) // 3 + 1):
        if text[-length:] * 3 == text[-3 * length :]:
            return length
    return 0


def hidden_places(count, back):
    ahead = torch.ones(count, count, dtype=torch.bool).triu(1)
    return ahead | torch.ones(count, count, dtype=torch.bool).tril(-back - 1)


RIGHT = [
    ("6.1", -math.log(1 / 64)),
    ("6.2", clip),
    ("6.3", top_k),
    ("6.4", period),
    ("6.5", sum(p.numel() for p in nn.LSTM(32, 96).parameters())),
    ("6.6", hidden_places),
]


def two_in_a_row(text):
    lengths = range(1, len(text) // 2 + 1)
    return next((n for n in lengths if text.endswith(text[-n:] * 2)), 0)


WRONG = [
    ("6.1", 6, "bits"),
    ("6.1", -4.1589, "sign"),
    ("6.1", 1.806, "base 10"),
    ("6.1", 3, "1/64"),
    ("6.2", lambda g, limit: g.clamp(-limit, limit), "each number by itself"),
    ("6.2", lambda g, limit: limit * g / g.norm(), "made longer"),
    ("6.2", lambda g, limit: g / g.norm() if g.norm() > limit else g, "whatever the limit"),
    ("6.2", lambda g, limit: g * min(1, limit / g.abs().max()), "largest number"),
    ("6.2", lambda g, limit: g * 0, "should give"),
    ("6.3", lambda p, k: torch.where(p >= p.topk(k).values[-1], p, 0.0), "add up to 1"),
    ("6.3", lambda p, k: top_k(-p, k) * 0 + p, "should give"),
    ("6.3", lambda p, k: p.topk(k).values / p.topk(k).values.sum(), "zeros"),
    ("6.3", lambda p, k: p.topk(k).values.softmax(0), "should give"),
    ("6.3", lambda p, k: top_k(p, min(k + 1, len(p))), "one too many"),
    ("6.4", two_in_a_row, "two times"),
    ("6.4", lambda text: period(text) and period(text) - 1, "too small by one"),
    ("6.4", lambda text: period(text[::-1]), "beginning"),
    ("6.4", lambda text: period(text) or None, "None"),
    ("6.4", lambda text: 7, "should give"),
    ("6.5", 4 * (32 * 96 + 96 * 96 + 96), "one bias"),
    ("6.5", 4 * (32 * 96 + 96 * 96), "biases are missing"),
    ("6.5", 3 * (32 * 96 + 96 * 96 + 2 * 96), "GRU"),
    ("6.5", 32 * 96 + 96 * 96 + 2 * 96, "one list"),
    ("6.5", 4 * 96 * 96, "character are missing"),
    ("6.5", 4 * (32 * 96 + 96 + 2 * 96), "matrix of 96 by 96"),
    ("6.5", 5, "Four lists"),
    ("6.6", lambda count, back: hidden_places(count, back).T, "exchanged"),
    ("6.6", lambda count, back: ~hidden_places(count, back), "wrong way round"),
    ("6.6", lambda count, back: hidden_places(count, back - 1), "one too few"),
    ("6.6", lambda count, back: torch.ones(count, count).triu(1).bool(), "more than"),
    ("6.6", lambda count, back: torch.ones(count, count).tril(-back - 1).bool(), "ahead is not"),
]
