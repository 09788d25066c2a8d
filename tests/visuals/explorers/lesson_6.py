"""The explorers of lesson 6."""

import numpy
import torch

import coursekit as ck
from coursekit.visuals import explore

VOCABULARY = ck.Vocabulary("characters", ["<unk>", " ", "\n", "<", "a", "b", ","])
TEXT = 'say "<b>" and\nthen "no" ' * 4


def scores(numbers):
    """Stand for a net that knows how many letters it has read."""
    found = (torch.arange(7) * (len(numbers) + 1.0)).sin() * 2
    found[VOCABULARY.unknown] = -torch.inf
    return found


def filtered(scores, temperature=1.0, top_k=0, nucleus=1.0):
    """Temperature, top-k and nucleus, as the lesson writes them."""
    p, order = (scores / temperature).softmax(0).sort(descending=True)
    if top_k:
        p[top_k:] = 0
    if nucleus < 1:
        p[p.cumsum(0) - p >= nucleus] = 0
    return torch.zeros_like(p).scatter(0, order, p / p.sum())


def states():
    quotes = numpy.cumsum([c == '"' for c in TEXT]) % 2
    return numpy.stack([quotes * 2.0 - 1, numpy.linspace(-1, 1, len(TEXT))], 1), quotes


EXPLORERS = {
    "generate": (
        lambda: explore.generate(scores, VOCABULARY, filtered, text="ab", count=9),
        [{"temperature": 0.3}, {"top_k": 2}, {"nucleus": 0.5}, {"text": "b<"}],
    ),
    "hidden_unit": (
        lambda: explore.hidden_unit(
            TEXT, states()[0], length=40, correlations={"in quotes": [1.0, 0.1]}
        ),
        [{"unit": 1}, {"place": 10}],
    ),
}
