"""What lesson 1 claims, on the sample whose truth is known (three seeds) and on photographs."""

import csv

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import coursekit as ck
from tests.lessons.source import SEEDS, of_lesson

pytestmark = pytest.mark.claims


@pytest.fixture(scope="module")
def sample():
    return ck.fetch("dogscats", edition="sample")


@pytest.fixture(scope="module")
def data(sample):
    return ck.images(sample, size=80)


def reached(data, seed, **options):
    """Return the accuracy after three epochs with the bundled backbone."""
    ck.seed(seed)
    learn = ck.image_learner(data, "drawings", **options)
    return learn.fit(3, lr=0.01)[-1]["accuracy"]


def test_pretraining_names_97_of_100_and_is_worth_ten_points(data, show):
    """A backbone that carries the first number no more, or a sample that needs no pretraining."""
    pretrained, scratch = [], []
    for seed in SEEDS:
        pretrained.append(reached(data, seed, precompute=True))
        scratch.append(reached(data, seed, pretrained=False))
        assert scratch[-1] <= pretrained[-1] - 0.10
    show(pretrained=pretrained, scratch=scratch)
    assert min(pretrained) >= 0.97, pretrained


def test_thumbnails_tell_little(data):
    """Colour, place or background that give the class away, so that nothing need be seen."""
    thumbnails = of_lesson(1, "thumbnails").thumbnails
    model = LogisticRegression(max_iter=500, C=0.01)
    model.fit(thumbnails(data.train), data.train.targets)
    assert model.score(thumbnails(data.valid), data.valid.targets) <= 0.70


def test_near_duplicates_are_the_planted_ones(sample, data):
    """A finder that misses copies, or calls different pictures the same."""
    with open(sample / "truth" / "near_duplicates.csv", newline="", encoding="utf-8") as lines:
        planted = {frozenset(row[:2]) for row in list(csv.reader(lines))[1:]}
    names = data.train.filenames + data.valid.filenames
    pictures = np.concatenate([data.train.inputs, data.valid.inputs])
    found = {frozenset((names[a], names[b])) for a, b, _ in ck.near_duplicates(pictures)}
    assert found == planted


@pytest.mark.real
def test_real_photographs_reach_95(published, say):
    """Code that is good at drawings only: the same statements on real cats and dogs."""
    ck.seed()
    data = ck.images(ck.fetch("dogscats", edition="full"), size=224)
    learn = ck.image_learner(data, "squeezenet1_0", precompute=True)
    rows = learn.fit(3, lr=0.01)
    say(f"photographs: accuracy {rows[-1]['accuracy']:.3f} after three epochs")
    assert rows[-1]["accuracy"] >= 0.95
    results = ck.Results(learn)
    assert len(results.show_groups()) == 7  # right, wrong, two of each per class, uncertain
    results.show_confusion()
    assert results.confusion().sum() == data.valid.num_examples
    plt.close("all")
