"""The exercises of lesson 7."""

import functools

import torch

from coursekit.exercises.checking import alike, function, number

EPSILON = 1e-5

# 7.2 How many layers until a unit sees so many dots --------------------------------------------


def _layers_needed(dots, kernel, stride, *, low=False, grow=True, add=-1, extra=0):
    """Count the layers; the keywords make the known mistakes."""
    field, step, count = 1, 1, 0
    while (field <= dots) if low else (field < dots):
        field, step = field + (kernel + add) * step, step * stride if grow else step
        count += 1
    return count + extra


_FIELDS = [
    (3, 3, 2),
    (15, 3, 2),
    (16, 3, 2),
    (100, 3, 2),
    (9, 3, 1),
    (21, 5, 1),
    (40, 5, 3),
    (1, 3, 2),
]
_FIELD_MISTAKES = [
    (
        lambda *case: _layers_needed(*case, low=True),
        "You go on until a unit sees more dots than asked for; as many are enough.",
    ),
    (
        lambda *case: _layers_needed(*case, extra=-1),
        "That is one layer too few: the last one, which reaches the number, counts too.",
    ),
    (lambda *case: _layers_needed(*case, extra=1), "That is one layer too many."),
    (
        lambda *case: _layers_needed(*case, grow=False),
        "The stride is missing: behind each layer a step is `stride` times as many dots long.",
    ),
    (
        lambda *case: _layers_needed(*case, add=0),
        "Each layer adds kernel - 1 steps, not kernel: the dot in the middle was seen already.",
    ),
]

# 7.4 Batch norm --------------------------------------------------------------------------------


def _normalised(x, dims=(0, 2, 3), correction=0):
    mean = x.mean(dims, keepdim=True)
    return (x - mean) / (x.var(dims, correction=correction, keepdim=True) + EPSILON).sqrt()


def _no_root(x):
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (variance + EPSILON)


def _no_mean(x):
    return x / (x.var((0, 2, 3), correction=0, keepdim=True) + EPSILON).sqrt()


def _no_epsilon(x, added=0.0):
    deviation = x.std((0, 2, 3), correction=0, keepdim=True)
    return (x - x.mean((0, 2, 3), keepdim=True)) / (deviation + added)


def _pictures():
    dice = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, 3, 5, generator=dice) * torch.tensor([1.0, 5.0, 0.1])[:, None, None] + 2
    flat = x.clone()
    flat[:, 1] = 7.0
    return [(x,), (flat,)]


_NORM_MISTAKES = [
    (
        lambda x: _normalised(x, (2, 3)),
        "You measure each picture by itself; batch norm measures a channel over the whole batch.",
    ),
    (
        lambda x: _normalised(x, (0, 1, 2, 3)),
        "You measure all channels together; each has a mean and a spread of its own.",
    ),
    (
        lambda x: _normalised(x, (1, 2, 3)),
        "You measure each picture by itself, all its channels together; keep the channels (1) "
        "apart and put the pictures (0) together.",
    ),
    (
        lambda x: _normalised(x, (0,)),
        "You measure every place by itself; a channel is measured over all its places too.",
    ),
    (_no_root, "You divide by the variance; the standard deviation is its square root."),
    (_no_mean, "The mean is not taken away yet."),
    (
        lambda x: _normalised(x, correction=1),
        "That is the variance with n - 1; within a batch, batch norm divides by n: correction=0.",
    ),
    (
        _no_epsilon,
        "A channel that is 7 everywhere gives 0 divided by 0; add 0.00001 to the variance first.",
    ),
    (
        lambda x: _no_epsilon(x, EPSILON),
        "You add 0.00001 to the standard deviation; add it to the variance, before the root.",
    ),
]

# 7.5 The class activation map, 7.6 the heat inside ------------------------------------------------


def _class_map(maps, weights):
    return (weights[:, None, None] * maps).sum(0).relu()


_MAPS = [
    (torch.tensor([[[3.0, 0.0]], [[5.0, 1.0]]]), torch.tensor([2.0, -1.0])),
    (torch.arange(12.0).view(3, 2, 2) - 4, torch.tensor([0.5, -2.0, 1.0])),
]
_MAP_MISTAKES = [
    (
        lambda m, w: (w[:, None, None] * m).sum(0),
        "What speaks against the class is still there: make what is negative zero at the end.",
    ),
    (
        lambda m, w: (w[:, None, None] * m).relu().sum(0),
        "The ReLU comes too early: first all channels are added up, then what is negative "
        "becomes zero.",
    ),
    (
        lambda m, w: (w[:, None, None] * m.relu()).sum(0).relu(),
        "Only the sum goes through the ReLU, not the maps before they are weighted.",
    ),
    (
        lambda m, w: (w[:, None, None] * m).mean(0).relu(),
        "That is the mean over the channels; the score is a sum over them.",
    ),
    (
        lambda m, w: (w.relu()[:, None, None] * m).sum(0).relu(),
        "A channel with a negative weight speaks against the class: it has to stay in the sum.",
    ),
    (lambda m, w: m.sum(0).relu(), "The weights of the class are missing."),
    (
        lambda m, w: (w.softmax(0)[:, None, None] * m).sum(0).relu(),
        "The weights are taken as they are; softmax is for scores.",
    ),
]


def _inside(heat, outline):
    total = float(heat.sum())
    return float((heat * outline).sum()) / total if total else 0.0


def _divided(part, whole):
    return float(part) / float(whole) if float(whole) else float("nan")


_OUTLINES = [
    (torch.tensor([[4.0, 1.0], [3.0, 2.0]]), torch.tensor([[True, False], [False, True]])),
    (torch.tensor([[0.0, 9.0], [1.0, 0.0]]), torch.tensor([[True, True], [True, False]])),
    (torch.zeros(2, 2), torch.tensor([[True, False], [False, False]])),
]
_INSIDE_MISTAKES = [
    (
        lambda h, o: _divided((h * o).sum(), h.sum()),
        "A map without any heat gives 0 divided by 0; say 0 there.",
    ),
    (
        lambda h, o: 1 - _inside(h, o) if h.sum() else 0.0,
        "That is the share outside of the animal.",
    ),
    (
        lambda h, o: _divided((h * o).sum(), o.sum()),
        "That is the mean heat on the animal; divide by all the heat of the picture.",
    ),
    (
        lambda h, o: float((h * o).mean()),
        "That is a mean over the places; divide the heat on the animal by all the heat.",
    ),
    (
        lambda h, o: float(o.float().mean()),
        "That is how much of the picture the animal covers; the heat is not in it.",
    ),
    (
        lambda h, o: _divided(((h > 0) & o).sum(), (h > 0).sum()),
        "You count the warm places; how warm each is has to count as well.",
    ),
    (lambda h, o: float((h * o).sum()), "That is the heat on the animal; as a share of what?"),
]


EXERCISES = {
    "7.1": number(
        25,
        {
            24: "One is missing: the kernel stands at its first place before it moves at all.",
            24.5: "Round down after dividing; then the first place counts too.",
            25.5: "A place is whole or not there at all: round down.",
            26: "Down, not up: where the kernel reaches over the edge, it does not stand.",
            21: "The padding is missing: four zeros on either side.",
            23: "The padding is on both sides, so it counts twice.",
            50: "That is stride 1. With stride 2 only every second place is taken.",
        },
        otherwise="size + 2 * padding - kernel, divided by the stride, rounded down, plus 1.",
    ),
    "7.2": function(
        _layers_needed,
        _FIELDS,
        _FIELD_MISTAKES,
        otherwise="Begin with one dot, and count the layers until it is enough.",
    ),
    "7.3": number(
        41568,
        {
            41472: "The bias is missing: one number for each of the channels that come out.",
            41520: "The bias has one number for each channel that comes out, not that goes in.",
            960: "Each kernel reaches through all 48 channels that go in.",
            864: "Each kernel reaches through all 48 channels that go in; and there is a bias.",
            13920: "A kernel of 3 is 3 by 3: nine numbers for each pair of channels.",
            528: "There are 96 kernels, and each of them reaches through all 48 channels.",
        },
        otherwise="Channels in, times channels out, times the numbers of a kernel, plus the bias.",
    ),
    "7.4": function(
        _normalised,
        _pictures(),
        _NORM_MISTAKES,
        otherwise="Its mean over pictures and places should be 0, its standard deviation 1.",
        same=functools.partial(alike, within=1e-4),  # torch's own is so near
    ),
    "7.5": function(
        _class_map,
        _MAPS,
        _MAP_MISTAKES,
        otherwise="Multiply each map by its weight, add them up, make what is negative zero.",
    ),
    "7.6": function(
        _inside,
        _OUTLINES,
        _INSIDE_MISTAKES,
        otherwise="The heat on the animal, divided by all the heat.",
    ),
}
