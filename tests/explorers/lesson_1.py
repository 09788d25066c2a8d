"""The explorers of lesson 1."""

import numpy

from coursekit.visuals import explore


def _picture():
    return numpy.random.default_rng(0).random((24, 24))


EXPLORERS = {
    "descent": (
        explore.descent,
        [{"rate": 1.1}, {"momentum": 0.5}, {"landscape": "a long bowl"}, {"start": 1.0}],
    ),
    "kernel": (lambda: explore.kernel(_picture()), [{"b2": 3.0}, {"a1": 0.0}]),
    "relus": (explore.relus, [{"bends": 9}, {"curve": "step"}]),
}
