"""Layers, the cleaner and the own picture: what is behind the controls, and used to the end."""

import pytest

from coursekit.visuals import explore
from coursekit.visuals.explore import classifier
from coursekit.visuals.layers import look
from tests.visuals.explorers import lesson_1 as small

# Layers ---------------------------------------------------------------------------------------


def test_the_network_runs_once():
    """A network that runs again over all pictures at each move of a slider."""
    model, runs = small.net(), []
    explorer = explore.layers(model, small.batches())
    explorer.redraw()
    handle = model.register_forward_hook(lambda *_: runs.append(1))
    explorer.set(rank=2)
    explorer.set(stage="body.stage3")
    handle.remove()
    assert not runs


def test_the_best_pictures_are_those_with_the_strongest_answers():
    """A channel's number mistaken for its rank, or pictures in the order of the files."""
    seen, looked = look(small.net(), small.batches())
    stage = looked[1]
    values = stage.values[:, 5]
    assert values[stage.best(5, 3)].tolist() == sorted(values.tolist(), reverse=True)[:3]
    top, left = stage.corner(seen[0], 0, 5)
    assert 0 <= top <= 48 - stage.side
    assert 0 <= left <= 48 - stage.side
    assert stage.patch(seen, 0, 5).shape == (64, 64, 3)


def test_the_frame_lies_around_the_patch():
    """A frame that is drawn in another place than the one that was cut out."""
    seen, looked = look(small.net(), small.batches())
    explorer = explore.layers(small.net(), small.batches(), stage=looked[1].name)
    explorer.redraw()
    stage, channel = looked[1], looked[1].selective(6)[0]
    row = stage.best(channel, 6)[0]
    top, left = stage.corner(seen[row], row, channel)
    x, y = explorer._axes.lines[0].get_data()
    scale = classifier.SIDE / 48
    assert x[0] == pytest.approx(left * scale - 0.5)
    assert y[0] == pytest.approx(classifier.SIDE + 6 + top * scale - 0.5)
