"""Tests of the map of named vectors and of the nearest ones."""

import matplotlib.pyplot as plt
import numpy
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity

import coursekit as ck
from tests.sentences import refuses


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def some_vectors(count=60, seed=0):
    random = numpy.random.default_rng(seed)
    return random.normal(size=(count, 6)) * [3, 2, 1, 1, 1, 0.5] + 4


def some_names(count=60):
    return [f"The Orchards of Ravenstoke {number}" for number in range(count)]


def test_components_equal_scikit_learn():
    """Directions of vectors that were not centred point at their mean."""
    vectors = some_vectors()
    places, shares = ck.principal_components(torch.tensor(vectors), 3)
    reference = PCA(3).fit(vectors)
    assert numpy.allclose(abs(places), abs(reference.transform(vectors)), atol=1e-8)
    assert numpy.allclose(shares, reference.explained_variance_ratio_)
    again, _ = ck.principal_components(vectors[::-1].copy(), 3)
    assert numpy.allclose(again[::-1], places), "the order of the rows turns the map over"


def test_similar_ones_are_those_of_the_largest_cosine():
    """A long vector that counts as near to everything, or a film that is nearest to itself."""
    vectors, names = some_vectors() - 4, some_names()
    vectors[7] *= 100
    cosines = cosine_similarity(vectors)[3]
    found = ck.most_similar(torch.tensor(vectors), names, names[3], count=5)
    wanted = [row for row in numpy.argsort(-cosines) if row != 3][:5]
    assert [name for name, _ in found] == [names[row] for row in wanted]
    assert numpy.allclose([cosine for _, cosine in found], cosines[wanted], atol=1e-6)


def test_a_zero_vector_is_like_nothing():
    """A film without factors that makes every answer nan."""
    vectors, names = some_vectors(), some_names()
    vectors[0] = 0
    assert [cosine for _, cosine in ck.most_similar(vectors, names, names[0])] == [0.0] * 10


def test_an_unknown_name_is_refused():
    """A ValueError about a tuple."""
    with refuses("Did you mean 'The Orchards of Ravenstoke 5"):
        ck.most_similar(some_vectors(), some_names(), "The Orchard of Ravenstoke 5")


def test_names_do_not_overlap_and_the_busiest_come_first(capsys):
    """A black cloud of letters where the best known films should be."""
    counts = numpy.arange(60)
    axis = ck.show_embedding_map(some_vectors(), some_names(), counts=counts, labels=30)
    axis.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axis.texts]
    assert 5 <= len(boxes) <= 30
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert axis.get_window_extent().containsx(box.x1), "a name is cut off"
    assert axis.texts[0].get_text().endswith("59") or "…" in axis.texts[0].get_text()
    assert f"60 points, {len(boxes)} of them named" in capsys.readouterr().out


def test_a_map_can_be_drawn_again_on_the_same_axes():
    """A slider that paints one map over the other."""
    axis = ck.show_embedding_map(some_vectors(), some_names(), labels=5)
    again = ck.show_embedding_map(some_vectors(seed=1), some_names(), labels=5, axes=axis)
    assert again is axis
    assert len(axis.texts) <= 5
    assert len(axis.collections) == 2


def test_a_map_of_very_few():
    """A map of two films that divides by zero; one film, or one number each, that makes no map."""
    ck.show_embedding_map(some_vectors(2), some_names(2))
    for vectors in (some_vectors(1), some_vectors()[:, :1]):
        with refuses("two vectors of two numbers"):
            ck.show_embedding_map(vectors, some_names(len(vectors)))
