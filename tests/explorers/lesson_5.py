"""The explorers of lesson 5."""

import numpy

from coursekit.visuals import explore

NAMES = [f"The Orchard of {place} {number}" for number in range(20) for place in ("Ely", "Ham")]


def _vectors(seed=0):
    return numpy.random.default_rng(seed).normal(size=(len(NAMES), 4)) * [3, 2, 1, 1]


def _two_maps():
    return explore.vectors({"films": (_vectors(), NAMES), "raters": (_vectors(1), NAMES)})


EXPLORERS = {
    "nearest": (
        lambda: explore.nearest(_vectors(), NAMES),
        [{"name": NAMES[5]}, {"name": NAMES[11].upper()}],
    ),
    "vectors": (
        _two_maps,
        [{"find": NAMES[3]}, {"find": "nowhere"}, {"find": NAMES[7]}, {"which": "raters"}],
    ),
}
