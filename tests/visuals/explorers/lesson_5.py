"""The explorers of lesson 5."""

import numpy

from coursekit.visuals import explore

NAMES = [f"The Orchard of {place} {number}" for number in range(20) for place in ("Ely", "Ham")]


def _vectors(seed=0):
    return numpy.random.default_rng(seed).normal(size=(len(NAMES), 4)) * [3, 2, 1, 1]


def _two_maps():
    return explore.embedding_map({"films": (_vectors(), NAMES), "raters": (_vectors(1), NAMES)})


def _taste():
    factors, raters = _vectors(2) / 4, _vectors(3)[:, :3] / 4
    starts = numpy.linspace(4.5, 2.5, len(NAMES))
    return explore.recommend(factors[:, :2], starts, NAMES, raters, noise=0.7)


EXPLORERS = {
    "nearest": (
        lambda: explore.nearest(_vectors(), NAMES),
        [{"name": NAMES[5]}, {"name": NAMES[11].upper()}],
    ),
    "recommend": (
        _taste,
        [{"stars1": 1.0}, {"film2": NAMES[20]}, {"stars3": 0.0}, {"film4": "nowhere"}],
    ),
    "embedding_map": (
        _two_maps,
        [{"find": NAMES[3]}, {"find": "nowhere"}, {"find": NAMES[7]}, {"which": "raters"}],
    ),
}
