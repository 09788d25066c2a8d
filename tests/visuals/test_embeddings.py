"""Tests of the map of named vectors and of the nearest ones."""

import re

import matplotlib.pyplot as plt
import numpy
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity

import coursekit as ck
from coursekit.visuals import embeddings, explore
from tests.visuals.explorers.lesson_5 import NAMES


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
    with pytest.raises(ck.CourseError, match="mean 'The Orchards of Ravenstoke 5"):
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


def test_a_map_of_very_few():
    """A map of two films that divides by zero; one film, or one number each, that makes no map."""
    ck.show_embedding_map(some_vectors(2), some_names(2))
    for vectors in (some_vectors(1), some_vectors()[:, :1]):
        with pytest.raises(ck.CourseError, match=re.escape(str(vectors.shape))):
            ck.show_embedding_map(vectors, some_names(len(vectors)))


# The explorers ----------------------------------------------------------------------------------


def test_a_typed_name_is_found():
    """A learner who types "matrix" and is told that there is no such film."""
    names = ["The Long Road", "Matrix", "A Matrix of Ours", "Road"]
    for typed, name in {
        "Road": "Road",
        "matrix": "Matrix",
        " a mat": "A Matrix of Ours",
        "LONG": "The Long Road",
        "none": None,
        "  ": None,
    }.items():
        assert embeddings.look_up(names, typed) == name


def test_every_point_has_its_name_where_the_mouse_rests():
    """Names that belong to other points, or to the points of the map before."""
    explorer = explore.embedding_map(torch.tensor(some_vectors(40)), NAMES)
    explorer.redraw()
    assert explorer.markup.count("<title>") == len(NAMES)
    places, _ = ck.principal_components(some_vectors(40))
    left, down = explorer.axes.transData.transform(places[7])
    up = explorer.axes.figure.bbox.height - down
    assert f'<circle cx="{left:.1f}" cy="{up:.1f}"' in explorer.markup.split(NAMES[7])[0][-110:]


def test_a_found_name_is_marked_and_told():
    """A caption that puts the leftmost film on the right; marks of all names ever looked for."""
    vectors = numpy.stack([numpy.arange(40), numpy.arange(40) % 7], 1)
    explorer = explore.embedding_map(vectors, NAMES, find=NAMES[0])
    explorer.redraw()
    marked = len(explorer.axes.get_children())
    assert f"{NAMES[0]!r} lies further than 0% of the points along the first" in explorer.caption
    explorer.set(find=NAMES[39].lower())
    assert f"{NAMES[39]!r} lies further than 98% of the points" in explorer.caption
    assert len(explorer.axes.get_children()) == marked
    near = [name for name, _ in ck.most_similar(vectors, NAMES, NAMES[39], count=5)]
    assert f"ringed: {', '.join(near)}." in explorer.caption
    assert len(explorer.set(find="").axes.get_children()) == marked - 3
    assert f"mean {NAMES[7]!r}" in explorer.set(find=NAMES[7].replace("Orchard", "Orchart")).caption


def test_a_name_that_only_one_map_has():
    """A second map that dies because the name was found on the first."""
    two = {"many": (some_vectors(40), NAMES), "few": (some_vectors(5), list("abcde"), range(5))}
    explorer = explore.embedding_map(two, which="many", find=NAMES[30])
    explorer.redraw()
    assert "is not on this map" in explorer.set(which="few").caption
    assert explorer.markup.count("<title>") == 5
    assert "'e' lies further" in explorer.set(find="e").caption


def test_the_nearest_are_those_of_most_similar():
    """Bars whose names are in another order than their lengths."""
    explorer = explore.nearest(some_vectors(40), NAMES, name=NAMES[4], count=6)
    explorer.redraw()
    wanted = ck.most_similar(some_vectors(40), NAMES, NAMES[4], count=6)
    bars = sorted(explorer.axes.patches, key=lambda bar: -bar.get_y())
    assert numpy.allclose([bar.get_width() for bar in bars], [cosine for _, cosine in wanted])
    labels = [label.get_text() for label in explorer.axes.get_yticklabels()]
    assert labels == [name for name, _ in wanted]
    with pytest.raises(ck.CourseError, match="'nobody'"):
        explorer.set(name="nobody")


def test_names_may_be_numbers():
    """Shops that are called 1 to 1,115."""
    explorer = explore.nearest(some_vectors(40), range(1, 41), name=7)
    explorer.redraw()
    assert explorer.caption.startswith("Nearest to 7: ")
    explorer = explore.embedding_map(some_vectors(40), range(1, 41), find="40")
    explorer.redraw()
    assert "'40' lies further" in explorer.caption
