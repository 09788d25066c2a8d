"""The exercises of lesson 4."""
# fmt: off

import numpy as np
import torch
from torch import tensor

from coursekit.exercises.checking import exercise


@exercise("4.1", mistakes={
    "Those are the pieces between the spaces and signs; the marks count as well.": 5,
    "It seems that the marks are missing: <rep>, <up>, and <rep> again.": 7,
    "Two of the marks are missing. Which words are in capitals, and what is repeated?": 8,
    "One is missing. Did you split `it's`, and does each of the two words in capitals have its "
    "mark? The two `!!` become <rep> and one sign.": 9,
    "One too many. Does `WOW` keep its three O, or do the two `!!` count twice?": 11,
})
def count_tokens():
    """Write down the tokens of `WOOOW, it's GREAT!!` on paper. How many are there, marks included?
    (Afterwards let `tokens` say them.)

    - Five pieces: `WOOOW`, the comma, `it's`, `GREAT`, and `!!`.
    - `WOOOW` becomes `<rep>`, `<up>`, `wow`: drawn out, and in capitals.
    - `!!` becomes `<rep>` and one `!`; `it's` becomes two words.
    """
    return len("<rep> <up> wow , it 's <up> great <rep> !".split())


@exercise("4.2", mistakes={
    "These are the right numbers in the wrong order: first the batches.": (10, 4),
    "A batch takes a window from all 10 rows at once; you took one row after another.": (34, 10),
    "The short window at the end is a batch as well: the last words are learned too.": (3, 10),
    "The last word of all has no word after it, so it is a target only: one less.": (4, 11),
    "Four batches it is. The last window has what three full ones leave over of a row.": (4, 30),
})
def batches():
    """A text of 1,001 tokens is cut into 10 rows, with windows of 30. How many batches does an
    epoch have, and how long is the last window? Two numbers, as `answer = batches, last`.

    - Every word but the last one has a word after it to be told.
    - 1,000 words in 10 rows: how long is a row?
    - A row of 100, in windows of 30: three whole ones, and what is left.
    """
    return 4, 10


@exercise("4.3", cases=[([2.0, 2.0],), ([0.0, 1.0, 5.0],), ([0.5],)], mistakes={
    "You take exp of each loss and then the mean; first the mean, then exp of it. One word that "
    "surprised would otherwise outweigh all others.": lambda x: np.exp(x).mean(),
    "A power of 2 belongs to a loss in bits; these are in nats.": lambda x: 2 ** np.mean(x),
    "A longer text would be worse for its length: take the mean.": lambda x: np.exp(sum(x)),
    "That is the mean loss; perplexity is exp of it.": np.mean,
    "The sign: perplexity is 1 divided by that.": lambda x: np.exp(-np.mean(x)),
})
def perplexity(losses):
    """Write `perplexity(losses)`: it takes a list of the losses of single words, by the natural
    logarithm as everywhere here (in *nats*), and gives back the perplexity of the text.

    - Section 5 does it for the loss of the whole text.
    - The mean of the losses comes first.
    - `np.exp(...)` of it.
    """
    return np.exp(np.mean(losses))


@exercise("4.4", tolerance=2e-3, mistakes={
    "The sign is the wrong way round: `fine` stands in good reviews, so its vote is above zero. "
    "Good divided by bad.": np.log((1 / 5) / (4 / 7)),
    "The 1 belongs to the totals, too: each grows by 3.": np.log((4 / 4) / (1 / 2)),
    "1 is added to each of three words, so a total grows by 3.": np.log((4 / 5) / (1 / 3)),
    "You counted reviews in which the word stands; count the words.": np.log((3 / 4) / (1 / 3)),
    "That is the ratio; the vote is its logarithm.": (4 / 7) / (1 / 5),
    "That is the logarithm to base 10; votes use the natural one.": np.log10((4 / 7) / (1 / 5)),
    "That is the logarithm to base 2; votes use the natural one.": np.log2((4 / 7) / (1 / 5)),
    "Divide the share in good reviews by the one in bad reviews first.": np.log(4 / 7),
})
def vote_of_fine():
    """Two good reviews are "fine fine film" and "fine", one bad review is "dull film". With 1 added
    to each count, what is naive Bayes' vote of `fine`, good against bad? Three decimals.

    - There are three different words, so each total grows by three.
    - Good: `fine` 3 + 1 of 4 + 3 words. Bad: 0 + 1 of 2 + 3.
    - The natural logarithm of the one share divided by the other.
    """
    return np.log((4 / 7) / (1 / 5))


_VECTORS = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))


@exercise("4.5", cases=[
    (_VECTORS, tensor([4, 2, 3])), (torch.ones(1, 3, 2), tensor([1])),
], mistakes={
    "That is the mean over all times: leave the padding out.": lambda v, n: v.mean(1),
    "The right sum: divide by the length of each text.":
        lambda v, n: mean_inside(v, n) * n[:, None],
    "The sum is right, but it is divided by the longest length instead of each text's own.":
        lambda v, n: mean_inside(v, n) * n[:, None] / len(v[0]),
    "The last word of each text is left out: off by one. `row[:length]` ends before place "
    "`length`, which is right.": lambda v, n: mean_inside(v, (n - 1).clamp(min=1)),
    "That is the last vector; asked for is the mean.": lambda v, n: v[torch.arange(len(v)), n - 1],
})
def mean_inside(vectors, lengths):
    """Write `mean_inside`: from vectors (B, T, C) and lengths (B,), both tensors, the mean vector
    of each text (B, C), in which padding does not count. A loop is fine.

    - `pool` in section 6 contains it, beside two other things.
    - For one text: `row[:length].mean(0)`.
    - `torch.stack` makes one tensor of the list of all texts.
    """
    rows = zip(vectors, lengths.tolist())
    return torch.stack([row[:length].mean(0) for row, length in rows])


@exercise("4.6", mistakes={
    "That is what both matrices hold together; tying saves one of them.": 2 * 20_000 * 400,
    "The last layer's bias is still there: tying does not save it.": 20_000 * 400 + 20_000,
    "The matrix has a row of 400 for EACH word: multiply, do not add.": 20_400,
    "That is a matrix of 400 by 400; here it has as many rows as there are words.": 400 * 400,
})
def tying_saves():
    """Vectors of width 400, a vocabulary of 20,000 words: how many weights does tying the first and
    the last layer save?

    - How large is the matrix that turns a word's number into a vector?
    - The last layer's matrix has the same shape, and it is the same one.
    """
    return 20_000 * 400
