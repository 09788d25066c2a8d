"""What lesson 1 claims, on the sample whose truth is known (three seeds) and on photographs."""

import csv
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

import coursekit as ck

SEEDS = (1, 2, 3)
pytestmark = pytest.mark.claims


@pytest.fixture(scope="module")
def sample():
    return ck.fetch("dogscats", edition="sample")


@pytest.fixture(scope="module")
def data(sample):
    return ck.images(sample, size=80)


@pytest.fixture(scope="module")
def pretrained(data):
    """Return the accuracies after three epochs with the bundled backbone, one a seed."""
    found = []
    for seed in SEEDS:
        ck.seed(seed)
        learn = ck.image_learner(data, "drawings", precompute=True)
        found.append(learn.fit(3, lr=0.01)[-1]["accuracy"])
    return found


def test_pretrained_body_names_97_of_100(pretrained):
    """A backbone, a renderer or a head that no longer carries lesson 1's first number."""
    assert min(pretrained) >= 0.97, pretrained


def test_from_scratch_is_ten_points_worse(data, pretrained):
    """A sample so easy that pretraining, the lesson's point, would make no difference."""
    for seed, reached in zip(SEEDS, pretrained, strict=True):
        ck.seed(seed)
        learn = ck.image_learner(data, "drawings", pretrained=False)
        scratch = learn.fit(3, lr=0.01)[-1]["accuracy"]
        assert scratch <= reached - 0.10, (seed, scratch, reached)


def test_thumbnails_tell_little(data):
    """Colour, place or background that give the class away, so that nothing need be seen."""

    def thumbnails(part):
        pixels = torch.as_tensor(np.asarray(part.inputs)).permute(0, 3, 1, 2).float() / 255
        return F.adaptive_avg_pool2d(pixels, 16).flatten(1).numpy()

    model = LogisticRegression(max_iter=500, C=0.01)
    model.fit(thumbnails(data.train), data.train.targets)
    assert model.score(thumbnails(data.valid), data.valid.targets) <= 0.70


def test_near_duplicates_are_the_planted_ones(sample, data):
    """A finder that misses copies, or calls different pictures the same."""
    with open(sample / "truth" / "near_duplicates.csv", newline="", encoding="utf-8") as lines:
        planted = {frozenset(row[:2]) for row in list(csv.reader(lines))[1:]}
    names = data.train.names + data.valid.names
    pictures = np.concatenate([data.train.inputs, data.valid.inputs])
    found = {frozenset((names[a], names[b])) for a, b, _ in ck.near_duplicates(pictures)}
    assert found == planted


@pytest.mark.real
def test_real_photographs_reach_95(real_home, monkeypatch, say):
    """Code that is good at drawings only: the same statements on real cats and dogs."""
    for name, folder in real_home.items():
        monkeypatch.setenv(name, folder)
    ck.seed()
    data = ck.images(ck.fetch("dogscats", edition="full"), size=224)
    learn = ck.image_learner(data, "squeezenet1_0", precompute=True)
    start = time.perf_counter()
    learn.model_and_data()
    features = time.perf_counter() - start
    rows = learn.fit(3, lr=0.01)
    head = sum(row["seconds"] for row in rows)
    say(
        f"photographs: accuracy {rows[-1]['accuracy']:.3f} after three epochs; features of "
        f"{data.train.examples + data.valid.examples:,} pictures in {features:.0f} s, "
        f"head in {head:.1f} s"
    )
    assert rows[-1]["accuracy"] >= 0.95
    results = ck.results(learn)
    assert len(results.show_groups()) == 7  # right, wrong, two of each per class, uncertain
    results.show_confusion()
    assert results.confusion().sum() == data.valid.examples
    plt.close("all")
