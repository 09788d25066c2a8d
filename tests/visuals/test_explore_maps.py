"""The explorers of named vectors: what is found, and what the map shows of it."""

import numpy
import torch

from coursekit.visuals import explore
from coursekit.visuals.explore import maps
from tests.sentences import refuses
from tests.visuals.explorers.lesson_5 import NAMES


def some_vectors(count=40):
    return numpy.random.default_rng(0).normal(size=(count, 4)) * [3, 2, 1, 1]


def test_a_typed_name_is_found():
    """A learner who types "matrix" and is told that there is no such film."""
    names = ["The Long Road", "Matrix", "A Matrix of Ours", "Road"]
    assert maps.look_up(names, "Road") == "Road"
    assert maps.look_up(names, "matrix") == "Matrix"
    assert maps.look_up(names, " a mat") == "A Matrix of Ours"
    assert maps.look_up(names, "LONG") == "The Long Road"
    assert maps.look_up(names, "none") is None
    assert maps.look_up(names, "  ") is None


def test_the_place_on_the_map_is_told_in_shares():
    """A sentence that puts the leftmost film on the right."""
    places = numpy.array([[0.0, 3.0], [1.0, 2.0], [2.0, 1.0], [3.0, 0.0]])
    assert maps.rank(places, 0).tolist() == [0, 0.75]
    assert maps.rank(places, 2).tolist() == [0.5, 0.25]


def test_every_point_has_its_name_where_the_mouse_rests():
    """Names that belong to other points, or to the points of the map before."""
    explorer = explore.embedding_map(torch.tensor(some_vectors()), NAMES)
    explorer.redraw()
    places, _ = maps.draw_map(some_vectors(), NAMES)[1:]
    pixels = explorer._axes.transData.transform(places)
    assert [text for _, _, text in explorer.hover] == NAMES
    assert numpy.allclose([x for x, _, _ in explorer.hover], pixels[:, 0], atol=1)
    assert explorer.html().count("<title>") == len(NAMES)


def test_a_found_name_is_marked_and_another_one_takes_its_mark():
    """Marks of all names that were ever looked for, on top of each other."""
    explorer = explore.embedding_map(some_vectors(), NAMES, find=NAMES[0])
    explorer.redraw()
    count = len(explorer._axes.get_children())
    assert f"{NAMES[0]!r} lies further than" in explorer.sentence
    explorer.set(find=NAMES[9].lower())
    assert f"{NAMES[9]!r} lies further than" in explorer.sentence
    assert len(explorer._axes.get_children()) == count
    explorer.set(find="")
    assert len(explorer._axes.get_children()) == count - 3
    explorer.set(find="The Orchard of Hem 3")
    assert "Did you mean 'The Orchard of Ham 3'" in explorer.sentence


def test_a_name_that_only_one_map_has():
    """A second map that dies because the name was found on the first."""
    two = {"many": (some_vectors(), NAMES), "few": (some_vectors(5), list("abcde"), range(5))}
    explorer = explore.embedding_map(two, which="many", find=NAMES[30])
    explorer.redraw()
    explorer.set(which="few")
    assert "is not on this map" in explorer.sentence
    assert [text for _, _, text in explorer.hover] == list("abcde")
    explorer.set(find="e")
    assert "'e' lies further" in explorer.sentence


def test_the_nearest_are_those_of_most_similar():
    """Bars whose names are in another order than their lengths."""
    explorer = explore.nearest(some_vectors(), NAMES, name=NAMES[4], count=6)
    explorer.redraw()
    wanted = maps.most_similar(some_vectors(), NAMES, NAMES[4], count=6)
    axis = explorer._axes
    rows = sorted(axis.patches, key=lambda bar: -bar.get_y())
    assert numpy.allclose([bar.get_width() for bar in rows], [cosine for _, cosine in wanted])
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == [name for name, _ in wanted]
    with refuses("There is no 'nobody'"):
        explorer.set(name="nobody")


def test_names_may_be_numbers():
    """Shops that are called 1 to 1,115."""
    explorer = explore.nearest(some_vectors(), range(1, 41), name="7")
    explorer.redraw()
    assert explorer.sentence.startswith("Nearest to 7: ")
    explorer = explore.embedding_map(some_vectors(), range(1, 41), find="40")
    explorer.redraw()
    assert "'40' lies further" in explorer.sentence
