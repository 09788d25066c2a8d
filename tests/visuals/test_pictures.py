"""Pictures: what they say and draw, and what an augmentation may make of them."""

import numpy
import pytest
import torch

from coursekit.console import CourseError
from coursekit.data.augment import Augment, side_on
from coursekit.visuals import explore, pictures
from tests.visuals.figures import assert_readable, noise

PLAIN = {"flip": False, "dihedral": False, "rotate": 0.0, "zoom": 1.0, "brightness_contrast": 0.0}


def batch(count=8):
    """Make a mini-batch of noise, cats and dogs by turns."""
    x = torch.tensor(numpy.stack([noise(32, 32, row) for row in range(count)]))
    return x.permute(0, 3, 1, 2) / 255, torch.arange(count) % 2


@pytest.mark.parametrize(
    "draw",
    [
        lambda: pictures.show_pictures(
            [noise(), torch.rand(3, 40, 30), torch.rand(3, 30, 40)] * 3,
            ["valid/cats/cat.4711.jpg"] * 9,
        ),
        lambda: pictures.show_pictures([noise()]),
        lambda: pictures.show_planes(noise(60, 40)),
        lambda: pictures.show_corner(noise()),
        lambda: pictures.show_corner(noise(1, 1)),
        lambda: pictures.show_batch([batch()], ["herbaceous vegetation", "residential buildings"]),
        lambda: pictures.show_batch([(torch.rand(5, 3, 9, 9), None)], ()),
        lambda: pictures.show_augmentations(side_on, noise()),
    ],
)
def test_figures_are_readable(draw, capsys):
    """Overlapping texts, a missing caption."""
    assert_readable(draw, capsys)


def test_a_picture_that_cannot_be_shown_is_a_course_error(tmp_path):
    """A traceback from PIL or matplotlib."""
    (tmp_path / "a.jpg").write_text("no picture")
    for wrong in (tmp_path / "a.jpg", tmp_path / "missing.jpg", torch.rand(2, 3, 4, 4)):
        with pytest.raises(CourseError):
            pictures.show_pictures([wrong])
    with pytest.raises(CourseError, match="0 pictures"):
        pictures.show_pictures([])
    with pytest.raises(CourseError, match="1 picture and 2 titles"):
        pictures.show_pictures([noise()], ["a", "b"])


def test_planes_and_corner_name_the_numbers_of_the_picture(capsys):
    """Red and blue taken for one another."""
    array = numpy.zeros((5, 7, 3), numpy.uint8)
    array[..., 0], array[..., 1] = 200, 30
    array[0, 0] = 1, 2, 3
    planes = pictures.show_planes(array)
    assert "most red and least blue" in capsys.readouterr().out
    assert (planes[1].images[0].get_array()[..., 0] == array[..., 0]).all()
    near, whole = pictures.show_corner(array)
    assert "red 1, green 2, blue 3" in capsys.readouterr().out
    assert near.texts[0].get_text() == "1\n2\n3"
    assert len(near.texts) == 16
    assert "5 rows, 7 columns" in whole.get_title()


def test_batch_counts_classes_and_several_labels(capsys):
    """Names that stand over the wrong picture."""
    drawn = pictures.show_batch([batch()], ["cats", "dogs"], count=5)
    assert [axis.get_title() for axis in drawn] == ["cats", "dogs", "cats", "dogs", "cats"]
    told = capsys.readouterr().out
    assert "5 pictures of a mini-batch of 8" in told
    assert "3 cats, 2 dogs" in told
    several = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    drawn = pictures.show_batch([(torch.rand(2, 3, 8, 8), several)], ["haze", "road", "water"])
    assert [axis.get_title() for axis in drawn] == ["haze, water", "no class"]
    assert "1 haze, 1 water, 1 no class" in capsys.readouterr().out


# Augmentation ---------------------------------------------------------------------------------


def test_augmented_pictures_are_those_of_the_augmentation(capsys):
    """Versions of another picture, all alike, or an empty panel beside the last one."""
    array = noise()
    drawn = pictures.show_augmentations(lambda x: x, array, count=2)
    assert "differ from the original's by 0 of 255" in capsys.readouterr().out
    assert (drawn[2].images[0].get_array() == array).all()
    drawn = pictures.show_augmentations(side_on, array)
    assert len(drawn) == len(drawn[0].figure.axes) == 8
    assert (drawn[1].images[0].get_array() != drawn[2].images[0].get_array()).any()


def test_a_draw_can_be_seen_again_and_disturbs_nothing():
    """Pictures that jump at each move, and a training that depends on who played before."""
    before = torch.random.get_rng_state()
    one, same, other = (pictures.augmented(Augment(), noise(16, 16), 6, draw) for draw in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert (one == same).all()
    assert (one != other).any()
    assert one.shape == (6, 16, 16, 3)
    assert (pictures.augmented(Augment(**PLAIN), noise(16, 16), 6, 1) == noise(16, 16)).all()


@pytest.mark.parametrize(
    ("taken", "settings", "words"),
    [
        ("from above", {"dihedral": True}, None),
        ("from above", {"rotate": 10.0, "zoom": 1.1, "brightness_contrast": 0.1}, None),
        ("from the side", {"rotate": 10.0, "zoom": 1.1, "brightness_contrast": 0.1}, None),
        ("from the side", {"dihedral": True}, "on their head"),
        ("from the side", {"rotate": 90.0}, "askew"),
        ("from above", {"rotate": 90.0}, "corners"),
        ("from above", {"zoom": 2.0}, "houses"),
        ("from the side", {"zoom": 2.0}, "outside"),
        ("from above", {"brightness_contrast": 0.3}, "haze"),
        ("from the side", {"brightness_contrast": 0.3}, None),
        ("from the side", {"brightness_contrast": 0.8}, "lamp"),
    ],
)
def test_what_could_not_occur_is_named(taken, settings, words):
    """The same verdict for a cat and for a satellite's tile."""
    found = explore.augmentation(noise(8, 8), Augment(**PLAIN | settings), taken=taken)
    found.redraw()
    assert ("could not occur" in found.caption) == bool(words)
    assert not words or words in found.caption


def test_nothing_is_mixed_and_no_square_are_told():
    """A mixer that praises settings under which nothing happens, or is dead after an error."""
    shown = explore.augmentation(noise(8, 12), Augment(**PLAIN))
    shown.widget()
    assert shown.caption.startswith("Nothing is changed")
    shown.widgets["dihedral"].value = True
    assert "symmetries" in shown.view.caption.value
    assert "could have been taken" not in shown.view.caption.value
    shown.widgets["dihedral"].value = False
    shown.widgets["rotate"].value = 15.0
    assert "turned by up to 15 degrees. Each of these could have been taken" in shown.caption
