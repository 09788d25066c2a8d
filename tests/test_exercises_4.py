"""The exercises of lesson 4: each typical mistake is told by its kind."""

import math

import pytest
import torch

from coursekit.exercises import checking, lesson_4


def mean_inside(vectors, lengths):
    return torch.stack([row[:n].mean(0) for row, n in zip(vectors, lengths, strict=True)])


def of_the_first(vectors, lengths):
    return mean_inside(vectors, lengths)[:1]


RIGHT = {
    "4.1": 10,
    "4.2": (4, 10),
    "4.3": lambda losses: math.exp(sum(losses) / len(losses)),
    "4.4": math.log((4 / 7) / (1 / 5)),
    "4.5": mean_inside,
    "4.6": 400 * 20_000,
}
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


@pytest.mark.parametrize("number", RIGHT)
def test_the_right_answer_is_accepted(number):
    """An exercise that nobody can solve."""
    assert lesson_4.EXERCISES[number](RIGHT[number]) is None


@pytest.mark.parametrize(("number", "answer", "word"), WRONG)
def test_a_wrong_answer_is_told_by_its_kind(number, answer, word):
    """A refusal that only says "wrong", or names another mistake."""
    said = lesson_4.EXERCISES[number](answer)
    assert isinstance(said, str), f"{number} accepts it"
    assert word in said


@pytest.mark.parametrize("number", ["4.3", "4.5"])
def test_a_function_that_is_still_open(number):
    """A learner who has not begun is told that the answer is wrong."""
    assert lesson_4.EXERCISES[number](lambda *given: ...) is checking.OPEN


def test_every_exercise_is_tested():
    """An exercise that is added without its mistakes."""
    assert set(RIGHT) == set(lesson_4.EXERCISES) == {number for number, _, _ in WRONG}


def test_the_tokens_are_those_of_the_library():
    """A number of tokens that the rules of the course do not give."""
    from coursekit.data.text import Vocabulary

    assert len(Vocabulary("words", []).split("WOOOW, it's GREAT!!")) == RIGHT["4.1"]


def test_the_batches_are_those_of_the_library():
    """A number of batches that the course's own streams do not have."""
    import numpy

    from coursekit.data.text import Streams

    stream = list(Streams(numpy.arange(1001), batch=10, length=30))
    assert (len(stream), stream[-1][0].shape[1]) == RIGHT["4.2"]
