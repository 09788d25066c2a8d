"""Layers, the cleaner and the own picture: what is behind the controls, and used to the end."""

import os

import numpy
import pytest
import torch
from PIL import Image

import coursekit as ck
from coursekit.visuals import explore
from coursekit.visuals.explore import classifier
from coursekit.visuals.layers import look
from tests.sentences import refuses
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


# The cleaner ----------------------------------------------------------------------------------


@pytest.fixture
def fixes(tmp_path):
    """Return corrections in a new file."""
    return ck.Corrections(tmp_path / "fixes.csv", classes=small.CLASSES)


def test_a_whole_walk_is_written_down(fixes):
    """Decisions that stay on the screen, or are written for the picture beside."""
    results = small.results()
    explorer = explore.cleaner(results, fixes)
    names = [results.names[row] for row in results.top_losses(6)]
    explorer.widget()
    pressed = ["Give it the new label", "Drop it", *["Keep it as it is"] * 4]
    for label in pressed:
        explorer._pressed(explorer.buttons[label])
    again = ck.Corrections(fixes.file, classes=small.CLASSES)
    assert again.changes == {names[0]: "cats", names[1]: None}
    said = explorer._view.sentence.value
    for words in ("All 6 pictures", "1 relabelled, 1 dropped, 4 kept", "fixes.csv", "corrections="):
        assert words in said
    grey = {press.description for press in explorer._presses if press.disabled}
    assert grey == {"Keep it as it is", "Give it the new label", "Drop it"}
    explorer.keep()  # nothing is left to decide
    assert len(explorer.decided) == 6


def test_undo_goes_back_to_the_first_and_not_further(fixes):
    """Undo that takes back what was decided last week, or leaves it in the file."""
    fixes.drop("valid/cats/from-last-week.png")
    explorer = explore.cleaner(small.results(), fixes)
    explorer.relabel("dogs")
    explorer.keep()
    for _ in range(4):
        explorer.undo()
    again = ck.Corrections(fixes.file, classes=small.CLASSES)
    assert again.changes == {"valid/cats/from-last-week.png": None}
    assert "Picture 1 of 6" in explorer.sentence


def test_keep_takes_an_old_correction_back(fixes):
    """Keep that says one thing while the file says another."""
    results = small.results()
    name = results.names[results.top_losses(1)[0]]
    fixes.drop(name)
    explore.cleaner(results, fixes).keep()
    assert ck.Corrections(fixes.file, classes=small.CLASSES).changes == {}


@pytest.mark.skipif(os.name == "nt", reason="a folder in the file's place is another error there")
def test_what_cannot_be_written_is_not_decided(tmp_path):
    """A full disk, and a cleaner that goes on as if all were kept."""
    (tmp_path / "blocked").write_text("a file where a folder should be")
    fixes = ck.Corrections(tmp_path / "blocked" / "fixes.csv", classes=small.CLASSES)
    explorer = explore.cleaner(small.results(), fixes)
    explorer.widget()
    explorer._pressed(explorer.buttons["Drop it"])
    assert "cannot be written" in explorer._view.sentence.value
    assert explorer.decided == []


def test_results_without_names_are_refused(fixes):
    """A correction for a picture called None."""
    results = small.results()
    results.names = None
    with refuses("no names of files", "ck.results(learn)"):
        explore.cleaner(results, fixes)


# An own picture -------------------------------------------------------------------------------


def test_an_upload_is_classified_like_the_file():
    """Another crop, size or scale for pictures that come through the widget."""
    known = small.classifier()
    explorer = explore.classify(known)
    explorer.widget()
    assert "Choose a picture" in explorer._view.picture.value
    explorer._moved("file", {"new": ({"name": "a.png", "content": memoryview(small.png(1))},)})
    assert "<img" in explorer._view.picture.value
    shares = known(Image.fromarray(small.picture(1)))
    best, share = next(iter(shares.items()))
    assert f"The network says {best} ({share:.1%})" in explorer.sentence


@pytest.mark.parametrize("content", [b"", b"no picture", small.png()[:60]])
def test_a_file_that_is_no_picture_is_one_sentence(content):
    """A PDF by mistake: a traceback, or the picture before it with no word."""
    explorer = explore.classify(small.classifier(), small.picture())
    explorer.widget()
    before = explorer._view.picture.value
    explorer._moved("file", {"new": {"a.pdf": {"metadata": {}, "content": content}}})
    assert "cannot be read as a picture" in explorer._view.sentence.value
    assert explorer._view.picture.value == before


def test_a_learner_is_left_as_it_was():
    """A dropout layer switched off in the middle of a training."""
    known = small.classifier()
    known.model.train()
    explore.classify(known, small.picture()).redraw()
    assert all(module.training for module in known.model.modules())


def test_a_network_without_maps_still_says_its_probabilities():
    """A transformer, and an error in place of two bars."""
    known = small.classifier()
    shares, _, heat = classifier.classified(known, Image.fromarray(small.picture()), layer="head")
    assert heat is None
    assert sum(shares.values()) == pytest.approx(1)
    explore.classify(known, small.picture(), layer="head").redraw()


def test_the_heat_map_is_that_of_the_class_asked_for():
    """A list of classes that changes the title only."""
    known, opened = small.classifier(), Image.fromarray(small.picture())
    _, x, heat = classifier.classified(known, opened, "dogs")
    torch.testing.assert_close(heat, ck.heat_map(known.model, x, 1, layer="body")[0])


def test_what_is_no_classifier_is_refused():
    """A model of tables, and an error from the depths of the drawing."""
    with refuses("no classifier of pictures", "ck.image_learner"):
        explore.classify(numpy.zeros(3))
