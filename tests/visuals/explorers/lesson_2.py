"""The explorers of lesson 2."""

from types import SimpleNamespace

import numpy
import torch

from coursekit.data.augment import Augment
from coursekit.visuals import explore
from tests.visuals.explorers.lesson_1 import picture

CLASSES = ("clear", "haze", "road", "water")


def _predictions():
    draw = numpy.random.default_rng(0)
    targets = draw.random((60, 4)) < (0.8, 0.3, 0.4, 0.1)
    return SimpleNamespace(
        probabilities=0.6 * targets * draw.random((60, 4)) + 0.4 * draw.random((60, 4)),
        targets=torch.tensor(targets).float(),
    )


def f2(chosen, wanted):
    """F2, averaged over the examples, as the lesson writes it."""
    hits = (chosen & wanted).sum(1)
    return (5 * hits / (4 * wanted.sum(1) + chosen.sum(1)).clamp(min=1)).mean().item()


EXPLORERS = {
    "augmentation": (
        lambda: explore.augmentation(picture(side=32), Augment()),
        [
            {"dihedral": True},
            {"rotate": 90.0},
            {"brightness_contrast": 0.6},
            {"zoom": 2.0},
            {"flip": False, "dihedral": False},
            {"draw": 7},
        ],
    ),
    "threshold": (
        lambda: explore.threshold(_predictions(), CLASSES, f2),
        [{"threshold": 0.2}, {"threshold": 0.9}, {"threshold": 0.01}],
    ),
}
