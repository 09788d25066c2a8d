"""The explorers of lesson 6."""

import numpy

from coursekit.visuals import explore

NAMES = ["<unk>", " ", "\n", "<", "a", "b", ","]
TEXT = 'say "<b>" and\nthen "no" ' * 4


def _scores(text):
    """Stand for a net that knows how many letters it has read."""
    return numpy.sin(numpy.arange(7) * (len(text) + 1.0)) * 2


def states():
    quotes = numpy.cumsum([c == '"' for c in TEXT]) % 2
    return numpy.stack([quotes * 2.0 - 1, numpy.linspace(-1, 1, len(TEXT))], 1), quotes


EXPLORERS = {
    "generate": (
        lambda: explore.generate(_scores, NAMES, start="ab", count=8),
        [{"temperature": 0.3}, {"top_k": 2}, {"nucleus": 0.5}, {"start": "b<"}],
    ),
    "hidden_unit": (
        lambda: explore.hidden_unit(TEXT, states()[0], length=40, facts={"in quotes": states()[1]}),
        [{"unit": 1}, {"place": 10}],
    ),
}
