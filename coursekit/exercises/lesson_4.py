"""The exercises of lesson 4."""

import math

import torch

from coursekit.exercises.checking import function, number


def _perplexity(losses):
    return math.exp(sum(losses) / len(losses))


def _mean_inside(vectors, lengths):
    inside = torch.arange(vectors.shape[1]) < lengths[:, None]
    return (vectors * inside[..., None]).sum(1) / lengths[:, None]


def _short_by_one(vectors, lengths):
    return _mean_inside(vectors, (lengths - 1).clamp(min=1))


def _sum_inside(vectors, lengths):
    return _mean_inside(vectors, lengths) * lengths[:, None]


def _divided_by_all(vectors, lengths):
    return _sum_inside(vectors, lengths) / vectors.shape[1]


def _vectors():
    dice = torch.Generator().manual_seed(0)
    return torch.randn(3, 4, 2, generator=dice), torch.tensor([4, 2, 3])


def _batches(answer):
    """Check (batches, words in a row of the last one) of 1,001 tokens in 10 rows, windows of 30."""
    try:
        batches, last = (float(part) for part in answer)
    except (TypeError, ValueError):
        return "The answer is two numbers: how many batches, and the length of the last window."
    if (batches, last) == (4, 10):
        return None
    if (last, batches) == (4, 10):
        return "These are the right numbers in the wrong order: first the batches."
    if batches in (33, 34):
        return "A batch takes a window from all 10 rows at once; you took one row after another."
    if batches == 3:
        return "The short window at the end is a batch as well: the last words are learned too."
    if batches == 4 and last == 11:
        return "The last word of all has no word after it, so it is a target only: one less."
    if batches == 4:
        return (
            f"Four batches it is. The last window is not {last:g} long: it has what three full "
            "ones leave over of a row."
        )
    return "How long is a row? Then cut it into windows of 30."


EXERCISES = {
    "4.1": number(
        10,
        {
            5: "Those are the pieces between the spaces and signs; the marks count as well.",
            6: "It seems that the marks are missing: for drawn-out letters, for capitals, and for "
            "the repeated sign.",
            7: "It seems that the marks are missing: <rep>, <up>, and <rep> again.",
            8: "Two of the marks are missing. Which words are in capitals, and what is repeated?",
            9: "One is missing. Did you split `it's`, and does each of the two words in capitals "
            "have its mark? The two `!!` become <rep> and one sign.",
            11: "One too many. Does `WOW` keep its three O, or do the two `!!` count twice?",
            12: "Two too many: a repeated sign becomes <rep> and ONE sign; `it` has no mark.",
        },
        otherwise="Go piece by piece: WOOOW | , | it's | GREAT | !! and write each one's tokens.",
    ),
    "4.2": _batches,
    "4.3": function(
        _perplexity,
        [([2.0, 2.0],), ([0.0, 1.0, 5.0],), ([0.5],)],
        [
            (
                lambda losses: sum(math.exp(one) for one in losses) / len(losses),
                "You take exp of each loss and then the mean; first the mean, then exp of it. One "
                "word that surprised would otherwise outweigh all others.",
            ),
            (
                lambda losses: 2 ** (sum(losses) / len(losses)),
                "That is a power of 2: it belongs to a loss in bits, and these are in nats.",
            ),
            (
                lambda losses: math.exp(sum(losses)),
                "You add the losses up; a longer text would be worse for its length alone. Take "
                "their mean.",
            ),
            (
                lambda losses: sum(losses) / len(losses),
                "That is the mean loss; perplexity is exp of it.",
            ),
            (
                lambda losses: math.exp(-sum(losses) / len(losses)),
                "The sign is the wrong way round: that is a mean probability, and perplexity is 1 "
                "divided by it.",
            ),
        ],
        otherwise="Mean of the losses first, then exp.",
    ),
    "4.4": number(
        math.log(20 / 7),
        {
            -math.log(20 / 7): "The sign is the wrong way round: `fine` stands in good reviews, so "
            "its vote is above zero. Good divided by bad.",
            math.log(2): "The 1 is added to the counts, but not to the totals: with three words in "
            "the vocabulary each total grows by 3.",
            math.log(2.4): "You added 1 to the totals; but 1 is added to each of the three words, "
            "so a total grows by 3.",
            math.log(2.25): "You counted reviews in which the word stands; count the words.",
            20 / 7: "That is the ratio; the vote is its logarithm.",
            math.log10(20 / 7): "That is the logarithm to base 10; votes use the natural one.",
            math.log2(20 / 7): "That is the logarithm to base 2; votes use the natural one.",
            math.log(
                4 / 7
            ): "That is the logarithm of the share in good reviews; divide that share "
            "by the one in bad reviews first.",
        },
        tolerance=2e-3,
        otherwise="Share of `fine` in good reviews: (3 + 1) / (4 + 3). Now the bad ones.",
    ),
    "4.5": function(
        _mean_inside,
        [_vectors(), (torch.ones(1, 3, 2), torch.tensor([1]))],
        [
            (
                lambda vectors, lengths: vectors.mean(1),
                "That is the mean over all times: padding counts. Leave out what lies after each "
                "length.",
            ),
            (_sum_inside, "You add up the right vectors; divide by the length of each text."),
            (
                _divided_by_all,
                "The sum is right, but it is divided by the longest length instead of each text's "
                "own.",
            ),
            (
                _short_by_one,
                "The last word of each text is left out: off by one. `row[:length]` ends before "
                "place `length`, which is right.",
            ),
            (
                lambda vectors, lengths: vectors[torch.arange(len(vectors)), lengths - 1],
                "That is the last vector inside each text; asked for is the mean.",
            ),
        ],
        otherwise="The answer has one row a text and one column a feature.",
    ),
    "4.6": number(
        8_000_000,
        {
            16_000_000: "That is what both matrices hold together; tying saves one of them.",
            8_020_000: "The last layer's bias, a number for each word, is still there: tying does "
            "not save it.",
            20_400: "The matrix has a row of 400 for EACH word: multiply, do not add.",
            160_000: "That is a matrix of 400 by 400; here it has as many rows as there are words.",
        },
        tolerance=0.5,
        otherwise="How many numbers does the matrix hold that is not needed any more?",
    ),
}
