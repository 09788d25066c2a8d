"""Answers to the exercises of lesson 7: right ones, and mistakes with the word for them."""

import torch
import torch.nn.functional as F
from torch import nn


def layers_needed(dots, kernel, stride):
    field, step, count = 1, 1, 0
    while field < dots:
        field, step, count = field + (kernel - 1) * step, step * stride, count + 1
    return count


def stopped_late(dots, kernel, stride):
    count = 0
    while layers_needed(dots + 1, kernel, stride) > count:
        count += 1
    return count


def without_stride(dots, kernel, stride):
    return -(-(dots - 1) // (kernel - 1))


def whole_kernel(dots, kernel, stride):
    field, step, count = 1, 1, 0
    while field < dots:
        field, step, count = field + kernel * step, step * stride, count + 1
    return count


def batch_norm(x):
    return F.batch_norm(x, None, None, training=True)


def over(dims, correction=0, epsilon=1e-5):
    def normalise(x):
        variance = x.var(dims, keepdim=True, correction=correction)
        return (x - x.mean(dims, keepdim=True)) / (variance + epsilon).sqrt()

    return normalise


def class_map(maps, weights):
    return torch.einsum("c,chw->hw", weights, maps).clamp(min=0)


def inside(heat, outline):
    return heat[outline].sum() / heat.sum().clamp(min=1e-9)


RIGHT = [
    ("7.1", (50 + 2 * 4 - 9) // 2 + 1),
    ("7.2", layers_needed),
    ("7.3", sum(parameter.numel() for parameter in nn.Conv2d(48, 96, 3).parameters())),
    ("7.4", batch_norm),
    ("7.4", lambda x: batch_norm(x.double())),
    ("7.4", lambda x: batch_norm(x).numpy()),
    ("7.4", lambda x: over((0, 2, 3))(x)),
    ("7.5", class_map),
    ("7.6", inside),
]

WRONG = [
    ("7.1", 24, "first place"),
    ("7.1", 25.5, "round down"),
    ("7.1", 21, "padding is missing"),
    ("7.1", 23, "both sides"),
    ("7.1", 50, "stride 1"),
    ("7.1", 99, "plus 1"),
    ("7.2", stopped_late, "as many are enough"),
    ("7.2", lambda *case: layers_needed(*case) - 1, "too few"),
    ("7.2", lambda *case: layers_needed(*case) + 1, "too many"),
    ("7.2", without_stride, "stride is missing"),
    ("7.2", whole_kernel, "kernel - 1"),
    ("7.2", lambda *case: 3, "Begin with one dot"),
    ("7.3", 41472, "bias is missing"),
    ("7.3", 960, "all 48 channels"),
    ("7.3", 13920, "nine numbers"),
    ("7.3", 528, "96 kernels"),
    ("7.4", over((2, 3)), "each picture by itself"),
    ("7.4", over((0, 1, 2, 3)), "all channels together"),
    ("7.4", over(0), "every place by itself"),
    ("7.4", over((0, 2, 3), correction=1), "n - 1"),
    ("7.4", over((0, 2, 3), epsilon=0), "7 everywhere"),
    (
        "7.4",
        lambda x: (
            (x - x.mean((0, 2, 3), keepdim=True))
            / (x.std((0, 2, 3), correction=0, keepdim=True) + 1e-5)
        ),
        "before the root",
    ),
    ("7.4", lambda x: x - x.mean((0, 2, 3), keepdim=True), "standard deviation 1"),
    ("7.5", lambda m, w: torch.einsum("c,chw->hw", w, m), "speaks against"),
    ("7.5", lambda m, w: torch.einsum("c,chw->hw", w, m.relu()).relu(), "before they are weighted"),
    ("7.5", lambda m, w: (w[:, None, None] * m).relu().sum(0), "too early"),
    ("7.5", lambda m, w: (w[:, None, None] * m).mean(0).relu(), "mean over the channels"),
    ("7.5", lambda m, w: torch.einsum("c,chw->hw", w.relu(), m).relu(), "negative weight"),
    ("7.6", lambda h, o: h[o].sum() / h.sum(), "0 divided by 0"),
    ("7.6", lambda h, o: h[o].mean(), "mean heat"),
    ("7.6", lambda h, o: o.float().mean(), "animal covers"),
    ("7.6", lambda h, o: h[o].sum(), "share of what"),
    ("7.6", lambda h, o: h[~o].sum() / h.sum().clamp(min=1e-9), "outside"),
]
