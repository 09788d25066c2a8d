"""Tests of the map of named vectors and of the nearest ones."""

import numpy
import torch
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity

import coursekit as ck
from coursekit.visuals import embeddings, explore
from tests.visuals.explorers.lesson_5 import NAMES
from tests.visuals.figures import refused


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
    vectors[0] = 0  # which makes no answer NaN
    assert [cosine for _, cosine in ck.most_similar(vectors, names, names[0])] == [0.0] * 10


V, N = some_vectors(), some_names()

test_what_makes_no_map_is_told = refused(
    (lambda: ck.most_similar(V, N, "The Orchard of Ravenstoke 5"), "mean 'The Orchards"),
    (lambda: ck.most_similar(V, N[1:], N[3]), "59 names and 60 vectors"),
    (lambda: ck.most_similar(V, N[0], N[3]), "names=.*a list"),
    (lambda: ck.principal_components(V, 7), r"\(60, 6\) have no 7"),
    (lambda: ck.principal_components(V * numpy.nan), "infinite values or NaN"),
    (lambda: ck.principal_components("abc"), "'abc'"),
    (lambda: explore.embedding_map(V[:1], N[:1]), r"\(1, 6\)"),
    (lambda: explore.embedding_map(V[:, :1], N), r"\(60, 1\)"),
    (lambda: explore.embedding_map(V[0], N), r"\(6,\); .*\(any, any\)"),
    (lambda: explore.embedding_map(V, N, counts=[1]), r"counts= .*\(60\)"),
    (lambda: explore.embedding_map({"a": V}), "There is no map"),
    (lambda: explore.embedding_map(V), "0 names"),
    (lambda: explore.embedding_map(V, N, which="b"), "no map 'b'"),
    (lambda: explore.embedding_map(V, N, labels=2.5), "labels=2.5"),
    (lambda: explore.embedding_map({}), "no map"),
)


def test_two_of_one_name_are_two_points():
    """The ring of a neighbor around another point that has the same name."""
    vectors = numpy.array([[1.0, 0], [0, 1], [0.1, 1], [5, 5], [1, 0.1], [1, 0.2], [1, 0.3]])
    explorer = explore.embedding_map(vectors, ["a", "twin", "b", "c", "d", "twin", "e"], find="a")
    explorer.redraw()
    rings = explorer.axes.collections[2].get_offsets()
    places, _ = ck.principal_components(vectors)
    assert numpy.allclose(rings, places[[4, 5, 6, 3, 2]])


def test_names_do_not_overlap_and_the_busiest_come_first():
    """A black cloud of letters where the best known films should be; two that divide by zero."""
    how = {"counts": numpy.arange(60), "labels": 30}
    explorer = explore.embedding_map(some_vectors(), some_names(), **how)
    explorer.redraw()
    axis = explorer.axes
    boxes = [text.get_window_extent() for text in axis.texts]
    assert 5 <= len(boxes) <= 30
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert axis.get_window_extent().containsx(box.x1), "a name is cut off"
    assert axis.texts[0].get_text().endswith("59") or "…" in axis.texts[0].get_text()
    assert f"60 points, {len(boxes)} of them named" in explorer.caption
    explore.embedding_map(some_vectors(2), some_names(2)).redraw()


def test_a_typed_name_is_found():
    """A learner who types "matrix" and is told that there is no such film."""
    names = ["The Long Road", "Matrix", "A Matrix of Ours", "Road"]
    found = [embeddings.look_up(names, typed) for typed in ("Road", "matrix", " a mat", "LONG")]
    assert found == [names[3], names[1], names[2], names[0]]
    assert embeddings.look_up(names, "none") is embeddings.look_up(names, "  ") is None


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
