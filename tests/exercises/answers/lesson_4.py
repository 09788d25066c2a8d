"""Answers to the exercises of lesson 4: right ones, and mistakes with the word for them."""

import math

import torch


def mean_inside(vectors, lengths):
    return torch.stack([row[:n].mean(0) for row, n in zip(vectors, lengths, strict=True)])


def of_the_first(vectors, lengths):
    return mean_inside(vectors, lengths)[:1]


RIGHT = [
    ("4.1", 10),
    ("4.2", (4, 10)),
    ("4.3", lambda losses: math.exp(sum(losses) / len(losses))),
    ("4.4", math.log((4 / 7) / (1 / 5))),
    ("4.5", mean_inside),
    ("4.6", 400 * 20_000),
]
WRONG = [
    ("4.1", 5, "marks count"),
    ("4.1", 7, "marks are missing"),
    ("4.1", 9, "One is missing"),
    ("4.1", 11, "One too many"),
    ("4.1", 40, "piece by piece"),
    ("4.1", "ten", "a number"),
    ("4.2", 4, "two numbers"),
    ("4.2", (34, 10), "all 10 rows"),
    ("4.2", (3, 30), "short window"),
    ("4.2", (4, 11), "target only"),
    ("4.2", (4, 30), "leave over"),
    ("4.2", (10, 4), "wrong order"),
    ("4.2", (7, 7), "How long is a row"),
    ("4.3", lambda losses: sum(map(math.exp, losses)) / len(losses), "first the mean"),
    ("4.3", lambda losses: 2 ** (sum(losses) / len(losses)), "bits"),
    ("4.3", lambda losses: math.exp(sum(losses)), "their mean"),
    ("4.3", lambda losses: sum(losses) / len(losses), "exp of it"),
    ("4.3", lambda losses: math.exp(-sum(losses) / len(losses)), "sign"),
    ("4.3", lambda losses: losses.mean(), "AttributeError"),
    ("4.3", lambda losses: None, "return"),
    ("4.4", -1.05, "sign"),
    ("4.4", 0.693, "totals"),
    ("4.4", 0.8755, "grows by 3"),
    ("4.4", 2.857, "logarithm"),
    ("4.4", 0.456, "base 10"),
    ("4.4", 1.515, "base 2"),
    ("4.4", 0.811, "counted reviews"),
    ("4.4", 0.0, "Share of"),
    ("4.5", lambda vectors, lengths: vectors.mean(1), "padding counts"),
    ("4.5", lambda vectors, lengths: mean_inside(vectors, lengths) * lengths[:, None], "divide"),
    ("4.5", lambda vectors, lengths: mean_inside(vectors, (lengths - 1).clamp(min=1)), "off by"),
    (
        "4.5",
        lambda vectors, lengths: mean_inside(vectors, lengths) * lengths[:, None] / len(vectors[0]),
        "own",
    ),
    ("4.5", of_the_first, "one row a text"),
    ("4.6", 16_000_000, "both matrices"),
    ("4.6", 8_020_000, "bias"),
    ("4.6", 20_400, "multiply"),
    ("4.6", 1, "not needed any more"),
]
