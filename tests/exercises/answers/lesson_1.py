"""Answers to the exercises of lesson 1: right ones, and mistakes with the word for them."""

import numpy as np
import torch


def stable(scores):
    lowered = (scores - scores.max(dim=1, keepdim=True).values).exp()
    return lowered / lowered.sum(dim=1, keepdim=True)


RIGHT = [
    ("1.1", 1.386),
    ("1.1", -np.log(0.25)),
    ("1.2", stable),
    ("1.2", lambda scores: torch.softmax(scores, dim=-1)),
    ("1.3", 96),
    ("1.4", lambda weight, slope, rate: weight - rate * slope),
    ("1.5", [[-1, -1, -1], [0, 0, 0], [1, 1, 1]]),
    ("1.5", np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]])),
    ("1.5", [[0, -1, 0], [0, 0, 0], [0, 1, 0]]),
    ("1.6", lambda losses, n: np.argsort(losses)[::-1][:n]),
    ("1.6", lambda losses, n: np.argsort(-losses)[:n].tolist()),
    ("1.6", lambda losses, n: torch.as_tensor(losses).topk(n).indices),
]

WRONG = [
    ("1.1", np.log(0.25), "sign"),
    ("1.1", -np.log10(0.25), "base 10"),
    ("1.1", 2, "bits"),
    ("1.1", 0.75, "missing to 1"),
    ("1.1", -np.log(0.75), "other class"),
    ("1.2", lambda s: s.exp() / s.exp().sum(dim=1, keepdim=True), "exp(1000)"),
    ("1.2", lambda s: s.exp(), "does not add up to 1"),
    ("1.2", lambda s: s.softmax(0), "columns"),
    ("1.2", lambda s: s.exp() / s.exp().sum(), "All pictures together"),
    ("1.2", lambda s: s / s.sum(1, keepdim=True), "exponential is missing"),
    ("1.2", lambda s: s.log_softmax(1), "logarithm"),
    ("1.2", lambda s: s.sigmoid(), "sigmoid"),
    ("1.2", lambda s: None, "return"),
    ("1.2", lambda s: s.exp() / s.exp().sum(1), "stops with RuntimeError"),
    ("1.3", 93, "16 pictures"),
    ("1.3", 93.75, "smaller"),
    ("1.3", 94, "every epoch"),
    ("1.3", 32, "one epoch"),
    ("1.3", 6000, "once a mini-batch"),
    ("1.4", lambda w, s, r: w + r * s, "uphill"),
    ("1.4", lambda w, s, r: w - s, "rate is missing"),
    ("1.4", lambda w, s, r: -r * s, "step alone"),
    ("1.4", lambda w, s, r: w - s / r, "Multiply"),
    ("1.4", lambda w, s, r: w - r * s * s, "should give"),
    ("1.5", [[-1, 0, 1]] * 3, "quarter"),
    ("1.5", np.ones((3, 3)) / 9, "add up to 0"),
    ("1.5", np.zeros((3, 3)), "zeros"),
    ("1.5", [[-1, -1, -1], [0, 0, 0], [1, 1, 2]], "bare white wall"),
    ("1.5", [[0, -1, 0], [-1, 4, -1], [0, -1, 0]], "upright edge too"),
    ("1.5", [[1, -2, 1], [-2, 4, -2], [1, -2, 1]], "does not answer to a level edge"),
    ("1.5", [-1, 0, 1], "(3, 3)"),
    ("1.5", "Sobel", "three rows"),
    ("1.6", lambda x, n: np.argsort(x)[:n], "smallest"),
    ("1.6", lambda x, n: np.sort(x)[::-1][:n], "losses themselves"),
    ("1.6", lambda x, n: np.argsort(x)[-n:], "comes last"),
    ("1.6", lambda x, n: np.sort(np.argsort(-x)[:n]), "order of the files"),
    ("1.6", lambda x, n: np.argsort(-x), "first n"),
    ("1.6", lambda x, n: np.argsort(-x)[1 : n + 1], "begins at 0"),
]
