"""The exercises of lesson 6."""

import math

import torch

from coursekit.exercises.checking import function, number

# 6.2, clip a gradient ---------------------------------------------------------------------------


def _clip(gradient, limit):
    return gradient * min(1.0, limit / max(float(gradient.norm()), 1e-12))


CLIP = function(
    _clip,
    [
        (torch.tensor([3.0, -4.0]), 1.0),
        (torch.tensor([0.3, 0.4]), 1.0),
        (torch.tensor([6.0, 8.0, 0.0]), 5.0),
        (torch.tensor([[1.0, 2.0], [2.0, 4.0]]), 2.0),
    ],
    [
        (
            lambda g, limit: g.clamp(-limit, limit),
            "You cut each number by itself, and that turns the arrow; measure the length of the "
            "whole, then shorten all its numbers by one factor.",
        ),
        (
            lambda g, limit: g * limit / g.norm(),
            "Long gradients are right, but short ones are made longer: those must stay as they "
            "are.",
        ),
        (
            lambda g, limit: g / g.norm() if g.norm() > limit else g,
            "A long gradient comes out with length 1, whatever the limit: multiply by the limit.",
        ),
        (
            lambda g, limit: g * min(1.0, limit / float(g.abs().max())),
            "You measure by the largest number; the length is the root of the sum of squares.",
        ),
        (
            lambda g, limit: g * min(1.0, limit / float(g.pow(2).sum())),
            "You divide by the sum of the squares; the length is its square root.",
        ),
        (
            lambda g, limit: g * min(1.0, limit / float(g.abs().sum())),
            "You divide by the sum of the sizes; the length is the root of the sum of squares.",
        ),
        (
            lambda g, limit: g if g.norm() > limit else g * limit / g.norm(),
            "The condition is the wrong way round: the long ones are to be shortened.",
        ),
    ],
    otherwise="The factor is limit / norm where the norm is above the limit, else 1.",
)


# 6.3, keep the most probable --------------------------------------------------------------------


def _kept(p, k, largest=True):
    places = p.topk(k, largest=largest).indices
    kept = torch.zeros_like(p)
    kept[places] = p[places]
    return kept


def _top_k(p, k):
    kept = _kept(p, k)
    return kept / kept.sum()


def _softmax_again(p, k):
    kept = _kept(p, k)
    return kept.masked_fill(kept == 0, -math.inf).softmax(0)


def _sorted(p, k):
    ranked = p.sort(descending=True).values
    ranked[k:] = 0
    return ranked / ranked.sum()


TOP_K = function(
    _top_k,
    [
        (torch.tensor([0.1, 0.4, 0.05, 0.25, 0.2]), 2),
        (torch.tensor([0.1, 0.4, 0.05, 0.25, 0.2]), 1),
        (torch.tensor([0.5, 0.3, 0.2]), 3),
        (torch.tensor([0.02, 0.08, 0.6, 0.3]), 3),
    ],
    [
        (_kept, "The right ones are kept, but they do not add up to 1: divide by their sum."),
        (
            lambda p, k: _kept(p, k, largest=False) / _kept(p, k, largest=False).sum(),
            "You keep the smallest ones.",
        ),
        (
            _sorted,
            "You give them back in sorted order; each probability must stay at its own place, or "
            "it belongs to another character.",
        ),
        (
            lambda p, k: p.topk(k).values / p.topk(k).values.sum(),
            "You give back only the kept ones; the others must stand there as zeros, or nobody "
            "knows which characters they belong to.",
        ),
        (
            _softmax_again,
            "A softmax of probabilities changes how they compare; divide by their sum.",
        ),
        (
            lambda p, k: _top_k(p.softmax(0), k),
            "These are probabilities already: no softmax is needed before.",
        ),
        (
            lambda p, k: _top_k(p, min(k + 1, len(p))),
            "You keep one too many.",
        ),
        (
            lambda p, k: _top_k(p, 1),
            "You keep only the largest one, whatever k is.",
        ),
    ],
    otherwise="Keep the k largest where they are, set the others to 0, divide by the sum.",
)


# 6.4, the period of a circle --------------------------------------------------------------------


def _period(text, times=3, lengths=None):
    for length in lengths or range(1, len(text) // times + 1):
        if text.endswith(text[len(text) - length :] * times):
            return length
    return 0


def _largest(text):
    return _period(text, lengths=range(len(text) // 3, 0, -1))


def _anywhere(text):
    for length in range(1, len(text) // 3 + 1):
        if any(text[at : at + length] * 3 in text for at in range(len(text) - length + 1)):
            return length
    return 0


def _at_the_start(text):
    for length in range(1, len(text) // 3 + 1):
        if text.startswith(text[:length] * 3):
            return length
    return 0


PERIOD = function(
    _period,
    [
        ("the value of the value of the value of ",),
        ("well, so so so",),
        ("abcabcabcabcabcabc",),
        ("abab",),
        ("hahahaha, he said",),
        ("nothing comes back",),
        ("xyzxyzxyz",),
        ("oh noooo",),
    ],
    [
        (
            lambda text: _period(text, times=2),
            "You ask for two times in a row; the end must repeat itself three times.",
        ),
        (
            lambda text: _period(text, times=4),
            "You ask for four times in a row; three are enough.",
        ),
        (
            _largest,
            "You give a larger period where a smaller one is there: try the small ones first.",
        ),
        (_anywhere, "You look anywhere in the text; it is its end that must repeat itself."),
        (_at_the_start, "You look at the beginning of the text; it is its end that counts."),
        (
            lambda text: max(_period(text) - 1, 0),
            "Your periods are too small by one; count characters, not places from 0.",
        ),
        (
            lambda text: _period(text, lengths=range(1, len(text) // 3)),
            "A text that is nothing but three times its period is missed: the largest length to "
            "be tried is len(text) // 3, and range ends one before its end.",
        ),
        (
            lambda text: _period(text) or None,
            "Where nothing repeats itself the answer is 0; yours is None.",
        ),
    ],
    otherwise="The last `length` characters, three times: text.endswith(text[-length:] * 3).",
)


# 6.6, attention that sees a few places back -----------------------------------------------------


def _hidden(count, back):
    place = torch.arange(count)
    ago = place[:, None] - place  # (asking, looked at)
    return (ago < 0) | (ago > back)


HIDDEN = function(
    _hidden,
    [(5, 2), (6, 4), (3, 0), (4, 9)],
    [
        (
            lambda count, back: _hidden(count, back).T,
            "Rows and columns are exchanged: a row is the place that asks, a column the place "
            "that it would look at. Yours look ahead.",
        ),
        (
            lambda count, back: ~_hidden(count, back),
            "It is the wrong way round: True means hidden.",
        ),
        (
            lambda count, back: _hidden(count, back - 1),
            "Your places see one too few: `back` places before them, and themselves besides.",
        ),
        (
            lambda count, back: _hidden(count, back + 1),
            "Your places see one too many before them.",
        ),
        (
            lambda count, back: torch.ones(count, count).triu(1) > 0,
            "What lies ahead is hidden, but what lies more than `back` places before is not.",
        ),
        (
            lambda count, back: torch.ones(count, count).tril(-back - 1) > 0,
            "What lies far back is hidden, but what lies ahead is not: that gives the answer away.",
        ),
        (
            lambda count, back: _hidden(count, back) | torch.eye(count).bool(),
            "A place must see itself: the diagonal is False.",
        ),
    ],
    otherwise="Hidden are the places ahead, and those more than `back` places before.",
)


EXERCISES = {
    "6.1": number(
        math.log(64),
        {
            6.0: "That is in bits, the logarithm to base 2; nats take the natural logarithm.",
            -math.log(64): "The sign is the wrong way round: the loss is minus the logarithm of a "
            "probability, and that is above zero.",
            math.log10(64): "That is the logarithm to base 10; nats take the natural one.",
            1 / 64: "That is the probability of each character; the loss is minus its logarithm.",
            64: "That is the number of choices, the perplexity; the loss is its logarithm.",
            math.log(64) / 64: "You have divided by 64: all 64 have the same loss, so the mean is "
            "that of one.",
        },
        tolerance=2e-3,
        otherwise="Every character has the probability 1/64; take minus its natural logarithm.",
    ),
    "6.2": CLIP,
    "6.3": TOP_K,
    "6.4": PERIOD,
    "6.5": number(
        49_920,
        {
            12_480: "That is one list of `chunk(4)`; an LSTM has four of them, three gates and a "
            "proposal.",
            37_440: "That is with three lists, as in a GRU; an LSTM has four.",
            49_536: "Nearly: one bias is missing. torch has two of them, one for the character "
            "and one for the memory.",
            49_152: "Nearly: the biases are missing; there are two in each of the four lists.",
            36_864: "Either the matrices for the character are missing, or there are three lists "
            "as in a GRU; and the biases are missing.",
            12_288: "That is 4 x 32 x 96, without the matrices for the memory, or one list only; "
            "and the biases are missing.",
            13_440: "In each list the memory needs a matrix of 96 by 96; you have counted 96 "
            "numbers.",
        },
        tolerance=0.5,
        otherwise="Four lists of 96; each needs a matrix for 32 inputs, one for 96 numbers of the "
        "memory, and two biases.",
    ),
    "6.6": HIDDEN,
}
