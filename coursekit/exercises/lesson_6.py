"""The exercises of lesson 6."""
# fmt: off

import numpy as np
import torch
from torch import tensor

from coursekit.exercises.checking import exercise


@exercise("6.1", tolerance=2e-3, mistakes={
    "That is in bits, the logarithm to base 2; nats take the natural logarithm.": np.log2(64),
    "The sign: the loss is minus the logarithm of a probability.": np.log(1 / 64),
    "That is the logarithm to base 10; nats take the natural one.": np.log10(64),
    "That is the probability of each character; the loss is minus its logarithm.": 1 / 64,
    "That is the number of choices, the perplexity; the loss is its logarithm.": 64,
})
def loss_of_64():
    """A network gives each of 64 characters the same probability. What is its loss, in nats per
    character? Three decimals. (And in bits? That one you can do in your head.)

    - Section 2 has the same question, for 104 characters: the line "nothing known" of the ladder.
    - Each character has the probability 1/64, whichever of them comes.
    - Minus the natural logarithm of it, `np.log` in Python. In bits the logarithm is to base 2.
    """
    return -np.log(1 / 64)


@exercise("6.2", cases=[
    (tensor([3.0, -4.0]), 1.0), (tensor([0.3, 0.4]), 1.0), (tensor([6.0, 8.0, 0.0]), 5.0),
    (tensor([[1.0, 2.0], [2.0, 4.0]]), 2.0),
], mistakes={
    "You cut each number by itself, and that turns the arrow; measure the length of the whole, "
    "then shorten all its numbers by one factor.": lambda g, n: g.clamp(-n, n),
    "Short gradients are made longer: leave them as they are.": lambda g, n: g * n / g.norm(),
    "A long one comes out with length 1: times the limit.":
        lambda g, n: g / g.norm() if g.norm() > n else g,
    "The length is the root of the sum of squares.": lambda g, n: g * min(1, n / g.abs().max()),
    "The length is the square root of that sum.": lambda g, n: g * min(1, n / g.pow(2).sum()),
    "The other way round: shorten the long ones.":
        lambda g, n: g if g.norm() > n else g * n / g.norm(),
})
def clip(gradient, limit):
    """Write `clip(gradient, limit)`: a tensor that is longer than `limit` is shortened to that
    length, its direction unchanged; a shorter one is given back as it is.

    - Section 5 does it in one line, for a limit of 1.
    - The length is `gradient.norm()`. By which factor must all numbers be multiplied?
    - By `limit / gradient.norm()` where that is below 1, else by 1.
    """
    return gradient * min(1, limit / gradient.norm())


@exercise("6.3", cases=[
    (tensor([0.1, 0.4, 0.05, 0.25, 0.2]), 2), (tensor([0.1, 0.4, 0.05, 0.25, 0.2]), 1),
    (tensor([0.5, 0.3, 0.2]), 3), (tensor([0.02, 0.08, 0.6, 0.3]), 3),
], mistakes={
    "They do not add up to 1: divide by their sum.": lambda p, k: p * (p >= p.topk(k).values[-1]),
    "You keep the smallest ones.": lambda p, k: p * (top_k(-p, k) > 0) / -(-p).topk(k).values.sum(),
    "You give them back in sorted order; each probability must stay at its own place, or it "
    "belongs to another character.": lambda p, k: top_k(p.sort(descending=True).values, k),
    "You give back only the kept ones; the others must stand there as zeros, or nobody knows which "
    "characters they belong to.": lambda p, k: p.topk(k).values / p.topk(k).values.sum(),
    "They are probabilities already, and a softmax changes how they compare: divide by their sum.":
        lambda p, k: p.masked_fill(top_k(p, k) == 0, -torch.inf).softmax(0),
    "You keep one too many.": lambda p, k: top_k(p, min(k + 1, len(p))),
})
def top_k(p, k):
    """Write `top_k(p, k)`: of the probabilities `p`, a tensor of one dimension, the `k` largest
    stay at their places, the others become zero, and all add up to 1 again. What does `k=1` do?

    - `p.topk(k)` gives the values and the places (`.indices`) of the `k` largest.
    - Begin with `kept = torch.zeros_like(p)` and fill in those places.
    - At last divide by `kept.sum()`.
    """
    places = p.topk(k).indices
    kept = torch.zeros_like(p)
    kept[places] = p[places]
    return kept / kept.sum()


def _first(text, is_period, longest=None):
    """The shortest length for which a condition holds, or 0."""
    lengths = range(1, (longest or len(text) // 3) + 1)
    return next((length for length in lengths if is_period(text, length)), 0)


@exercise("6.4", cases=[
    ("the value of the value of the value of ",), ("well, so so so",), ("abab",),
    ("abcabcabcabcabcabc",), ("hahahaha, he said",), ("nothing comes back",), ("xyzxyzxyz",),
    ("oh noooo",),
], mistakes={
    "You ask for two times in a row; the end must repeat itself three times.":
        lambda text: _first(text, lambda t, n: t.endswith(t[-n:] * 2), len(text) // 2),
    "You ask for four times; three are enough.":
        lambda text: _first(text, lambda t, n: t.endswith(t[-n:] * 4)),
    "You give a larger period where a smaller one is there: try the small ones first.":
        lambda t: max(n for n in range(len(t) // 3 + 1) if t.endswith(t[len(t) - n :] * 3)),
    "You look anywhere in the text; it is its end that must repeat itself.":
        lambda text:
            _first(text, lambda t, n: any(t[at : at + n] * 3 in t for at in range(len(t) - n + 1))),
    "You look at the beginning; the end counts.":
        lambda text: _first(text, lambda t, n: t.startswith(t[:n] * 3)),
    "Too small by one: count characters, not places from 0.": lambda t: max(period(t) - 1, 0),
    "A text that is nothing but three times its period is missed: the largest length to be tried "
    "is len(text) // 3, and range ends one before its end.":
        lambda t: period(t) if period(t) < len(t) // 3 else 0,
    "Where nothing repeats itself the answer is 0.": lambda t: period(t) or None,
})
def period(text):
    """Greedy writing walks in circles. Write `period(text)`: the length of the shortest piece that
    stands three times in a row at the end of the text, or 0 if there is none. For "well, so so so"
    it is 3 (a space counts). Then try `period(by_greedy)`, the text from section 10.

    - Try the lengths 1, 2, 3 and so on; the largest that can be is a third of the text.
    - The last `n` characters are `text[-n:]`, and a text times 3 stands there three times.
    - `text.endswith(text[-n:] * 3)` is the question to ask for each `n`.
    """
    for length in range(1, len(text) // 3 + 1):
        if text.endswith(text[-length:] * 3):
            return length
    return 0


@exercise("6.5", mistakes={
    "That is one list of `chunk(4)`; an LSTM has four of them.": 96 * 32 + 96 * 96 + 2 * 96,
    "That is with three lists, as in a GRU; an LSTM has four.": 3 * (96 * 32 + 96 * 96 + 2 * 96),
    "Nearly: torch has two biases, you have one.": 4 * (96 * 32 + 96 * 96 + 96),
    "Nearly: two biases are missing in each of four lists.": 4 * (96 * 32 + 96 * 96),
    "The matrices for the character and the biases are missing.": 4 * 96 * 96,
    "The memory needs a matrix of 96 by 96, in each list.": 4 * (96 * 32 + 96 + 2 * 96),
})
def weights_of_an_lstm():
    """How many weights has an `nn.LSTM(32, 96)`: 32 numbers for each character, 96 in the memory?
    Work it out from `lstm_step` in section 6, before you let Python count.

    - `chunk(4)`: four lists of 96 come out, three gates and a proposal.
    - Each list needs a matrix for the character, 96 by 32, and one for the memory, 96 by 96.
    - And `F.linear` is called twice, each time with its own bias: 96 more, twice, in each list.
    """
    return 4 * (96 * 32 + 96 * 96 + 96 + 96)


@exercise("6.6", cases=[(5, 2), (6, 4), (3, 0), (4, 9)], mistakes={
    "Rows and columns are exchanged: a row is the place that asks, a column the place that it "
    "would look at. Yours look ahead.": lambda c, b: hidden_places(c, b).T,
    "The wrong way round: True means hidden.": lambda c, b: ~hidden_places(c, b),
    "They see one too few: `back` before them, and themselves.":
        lambda c, b: hidden_places(c, b - 1),
    "Your places see one too many before them.": lambda c, b: hidden_places(c, b + 1),
    "What lies too far back is not hidden.": lambda c, b: torch.ones(c, c).triu(1) > 0,
    "What lies ahead is not hidden: the answer.": lambda c, b: torch.ones(c, c).tril(-b - 1) > 0,
    "A place must see itself.": lambda c, b: hidden_places(c, b) | torch.eye(c).bool(),
})
def hidden_places(count, back):
    """Attention that looks only a little way back is cheaper. Write `hidden_places(count, back)`: a
    table (count, count) of True and False. The row is the place that asks, the column the place
    that it would look at; True where it must not: at what lies ahead, and at what lies more than
    `back` places before. Itself it may always see. (Put it in the place of `ahead` in `attention`,
    and give torch the same as `attn_mask=~hidden_places(10, 4)`: are they equal?)

    - `place = torch.arange(count)`; `place[:, None] - place` says how many places ago a column is.
    - Ahead is where that number is below 0. And too far back?
    - Two conditions on a tensor are joined by `|`, each in parentheses.
    """
    place = torch.arange(count)
    ago = place[:, None] - place
    return (ago < 0) | (ago > back)
