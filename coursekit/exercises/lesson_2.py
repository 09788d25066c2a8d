"""The exercises of lesson 2."""

import torch

from coursekit.exercises.checking import function, number, word

# 2.3: F beta by hand ----------------------------------------------------------------------------


def _f_beta(chosen, wanted, beta, *, axis=1):
    hits = (chosen & wanted).sum(axis)
    below = beta**2 * wanted.sum(axis) + chosen.sum(axis)
    each = torch.where(hits > 0, (1 + beta**2) * hits / below.clamp(min=1e-9), 0.0)
    return each.mean()


def _unguarded(chosen, wanted, beta):
    hits = (chosen & wanted).sum(1)
    below = beta**2 * wanted.sum(1) + chosen.sum(1)
    return ((1 + beta**2) * hits / below).mean()


def _each(chosen, wanted, beta):
    return torch.stack(
        [_f_beta(one[None], two[None], beta) for one, two in zip(chosen, wanted, strict=True)]
    )


def _pooled(chosen, wanted, beta):
    return _f_beta(chosen.reshape(1, -1), wanted.reshape(1, -1), beta)


def _marks(*rows):
    return torch.tensor(rows, dtype=torch.bool)


_SAID = _marks([1, 1, 0, 1, 1], [1, 0, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 0])
_TRUE = _marks([1, 1, 1, 0, 0], [1, 0, 1, 0, 0], [1, 0, 1, 0, 0], [0, 1, 1, 0, 1])
_SILENT = _marks([0, 0, 0, 0, 0], [1, 0, 1, 0, 0])

F_BETA = function(
    _f_beta,
    [(_SAID[:1], _TRUE[:1], 2), (_SAID, _TRUE, 2), (_SAID, _TRUE, 1), (_SAID, _TRUE, 0.5),
     (_SILENT, _SILENT, 2)],
    [
        (
            lambda c, w, b: _f_beta(c, w, b**0.5),
            "Almost: beta has to be squared, in both places where it stands.",
        ),
        (
            lambda c, w, b: _f_beta(w, c, b),
            "Chosen and wanted have changed places: beta squared belongs to what is wanted, since "
            "a large beta makes recall count more.",
        ),
        (
            lambda c, w, b: _f_beta(c, w, 2),
            "That is F2 whatever beta is: write beta squared in place of the 4, and one plus that "
            "in place of the 5.",
        ),
        (lambda c, w, b: _f_beta(c, w, 1), "That is F1 whatever beta is."),
        (
            _pooled,
            "You pool the labels of all tiles before you divide. Here each tile gets its own "
            "score, and the mean comes last.",
        ),
        (
            lambda c, w, b: _f_beta(c, w, b, axis=0),
            "You add up along the wrong axis: `sum(0)` counts tiles for each label; `sum(1)` "
            "counts labels for each tile.",
        ),
        (_each, "That is one number a tile, and right; what is asked for is their mean."),
        (
            _unguarded,
            "Only the last tile is left: where nothing is wanted and nothing is said you divide "
            "zero by zero. Let the number below the line be at least 1, as `f2` does.",
        ),
    ],
    otherwise="Above the line stand 1 + beta squared times the hits.",
)  # fmt: skip

# 2.4: binary cross-entropy from scores ----------------------------------------------------------


def _bce(scores, y):
    return (scores.clamp(min=0) - scores * y + (1 + (-scores.abs()).exp()).log()).mean()


def _parts(scores, y):
    return y * scores.sigmoid().log(), (1 - y) * (1 - scores.sigmoid()).log()


_S, _Y = torch.tensor([2.0, -1.0, 0.5, -3.0]), torch.tensor([1.0, 0.0, 0.0, 1.0])
_MILD = function(
    _bce,
    [(_S, _Y), (-_S[:2], _Y[:2]), (torch.zeros(3), torch.tensor([0.0, 1.0, 1.0]))],
    [
        (lambda s, y: -_bce(s, y), "The sign is the wrong way round: a loss is never below zero."),
        (
            lambda s, y: -_parts(s, y)[0].mean(),
            "Only the labels that are there are counted. A label that is absent, and was thought "
            "to be there, costs as well: minus the logarithm of 1 - p.",
        ),
        (
            lambda s, y: -_parts(s, y)[1].mean(),
            "Only the labels that are absent are counted; those that are there cost -log p.",
        ),
        (lambda s, y: _bce(s, y) * len(s), "That is the sum; the loss is the mean over labels."),
        (
            lambda s, y: _bce(s, y) / torch.tensor(2.0).log(),
            "That is in bits, with the logarithm to base 2; the loss uses the natural one.",
        ),
        (
            lambda s, y: _bce(s, 1 - y),
            "Yes and no are exchanged, or the score has the wrong sign: y is 1 where the label is "
            "there, and a high score says so.",
        ),
        (
            lambda s, y: s.clamp(min=0) - s * y + (1 + (-s.abs()).exp()).log(),
            "That is one number a label, and right; what is asked for is their mean.",
        ),
    ],
    otherwise="For a score s: p is 1 / (1 + exp(-s)), and the loss -log p or -log(1 - p).",
)
_WILD = function(
    _bce,
    [(torch.tensor([200.0, 1.0]), torch.tensor([0.0, 1.0])),
     (torch.tensor([200.0, -200.0]), torch.tensor([1.0, 0.0])),
     (torch.tensor([-300.0]), torch.tensor([1.0]))],
    otherwise="For small scores it is right. Where the network is very sure, exp or log runs over: "
    "use the formula that section 3 calls careful.",
)  # fmt: skip


def binary_cross_entropy(answer):
    """Say what is off with a binary cross-entropy: first for small scores, then for huge ones."""
    off = _MILD(answer)
    return _WILD(answer) if off is None else off


# 2.6: versions of three tiles -------------------------------------------------------------------

_TILES = {
    "the plain grey tile": (
        1,
        {8: "all eight look alike, and alike counts once", 0: "there is one, the tile itself"},
    ),
    "the upright road": (
        2,
        {
            1: "a quarter turn makes it a level road, which is another picture",
            4: "half a turn brings it back to where it was",
            8: "mirrored, or turned by half, it is the same road",
        },
    ),
    "the house in a corner": (
        4,
        {
            8: "mirrored it looks like one of the turned ones, since the house is square",
            1: "the house may stand in any of the corners",
            2: "the house may stand in any of the corners, not only in two",
            5: "a quarter turn four times is no turn",
        },
    ),
}


def versions(answer):
    """Say which of three counts of different pictures is off, and why."""
    if not isinstance(answer, tuple | list) or len(answer) != len(_TILES):
        return "The answer is three numbers, such as (8, 8, 8): grey, road, house."
    for given, (name, (right, mistakes)) in zip(answer, _TILES.items(), strict=True):
        if given != right:
            why = mistakes.get(given, "draw it, turn the paper, and count what looks different")
            return f"Not {given} for {name}: {why}."
    return None


EXERCISES = {
    "2.1": number(
        0.625,
        {
            0.5714: "That is F1, which counts recall no more than precision.",
            0.5263: "Chosen and wanted have changed places: four times what is wanted (3 labels), "
            "once what is said (4).",
            0.5: "That is the precision: 2 of the 4 that it says are true.",
            0.6667: "That is the recall: 2 of the 3 that are there are said.",
            0.4: "That is hits divided by all labels that were said or wanted.",
            0.8333: "The labels that are said are missing below the line.",
        },
        tolerance=2e-3,
        otherwise="Count hits, wanted and chosen, then put them into the formula of section 4.",
    ),
    "2.2": number(
        0.75,
        {
            0.7143: "That is the score of the two sure labels alone; the other answer is higher.",
            0.8: "That is F1 of the two sure labels; F2 counts a missed label more.",
            0.5455: "That is F1 of the longer answer; F2 forgives wrong labels more.",
            0.7895: "The longer answer says eight labels: two, five wrong ones, and road.",
            0.4286: "Chosen and wanted have changed places.",
        },
        tolerance=2e-3,
        otherwise="The short answer has 2 hits and says 2; the long one has 3 hits and says 8.",
    ),
    "2.3": F_BETA,
    "2.4": binary_cross_entropy,
    "2.5": word(
        ("higher", "up", "larger", "above"),
        {
            "lower": "A lower threshold says more labels. F1 forgives a wrong label less than F2 "
            "does: does it pay to say more, or less?",
            "the same": "F2 wants much said, for it punishes what is missed. F1 punishes both "
            "alike: does it pay to say as much?",
        },
        otherwise='Write "higher", "lower" or "the same".',
    ),
    "2.6": versions,
}
