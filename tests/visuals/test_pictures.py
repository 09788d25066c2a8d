"""Pictures: what they say and draw, and what an augmentation may make of them."""

import numpy
import pytest
import torch
from PIL import Image

from coursekit.data.augment import Augment, side_on
from coursekit.visuals import explore, pictures
from tests.visuals.figures import noise, readable, refused

PLAIN = {"flip": False, "dihedral": False, "rotate": 0.0, "zoom": 1.0, "brightness_contrast": 0.0}


def batch(count=8):
    """Make a mini-batch of noise, cats and dogs by turns."""
    x = torch.tensor(numpy.stack([noise(32, 32, row) for row in range(count)]))
    return x.permute(0, 3, 1, 2) / 255, torch.arange(count) % 2


AB = ["a", "b"]

test_figures_are_readable = readable(
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
)


test_what_cannot_be_shown_is_named_in_a_sentence = refused(
    (lambda: pictures.show_pictures(["missing.jpg"]), "missing.jpg"),
    (lambda: pictures.show_pictures([torch.rand(2, 3, 4, 4)]), "Give one picture"),
    (lambda: pictures.show_pictures([]), "0 pictures"),
    (lambda: pictures.show_pictures(None), "None is no list"),
    (lambda: pictures.show_pictures(noise(), ["a", "b"]), "1 picture and 2 titles"),
    (lambda: pictures.show_pictures([noise()] * 4, "cats"), "4 pictures and 1 title"),
    (lambda: pictures.show_pictures(noise(), columns=0), "columns is 0"),
    (lambda: pictures.show_pictures(noise(), height="2"), "height='2'"),
    (lambda: pictures.show_batch([], AB), r"such as data\.train"),
    (lambda: pictures.show_batch([(torch.rand(4, 9), None)], AB), "gives no"),
    (lambda: pictures.show_batch([batch()], ["cats"]), "do not fit 1 class name"),
    (lambda: pictures.show_batch([batch()], None), "classes=None"),
    (lambda: pictures.show_batch([(batch(2)[0], ["a", "b"])], AB), "Targets such as 'a'"),
    (lambda: pictures.show_batch([(batch(2)[0], numpy.array([0.5, 1]))], AB), "such as 0.5"),
    (lambda: pictures.show_augmentations("flip", noise()), "augment='flip'"),
    (lambda: pictures.show_augmentations(lambda x: x[..., :5], noise()), "the same shape"),
    (lambda: explore.augmentation(noise(), lambda x: x), r"give a ck\.Augment"),
)


@pytest.mark.parametrize("as_given", [str, lambda file: file, lambda file: file.read_bytes()])
def test_one_picture_is_a_list_of_one(as_given, tmp_path, capsys):
    """A path whose first letter cannot be read; rows of a picture drawn one by one."""
    Image.fromarray(noise()).save(tmp_path / "a.png")
    for one in (as_given(tmp_path / "a.png"), Image.open(tmp_path / "a.png"), noise()):
        (axes,) = pictures.show_pictures(one, "a title")
        assert axes.get_title() == "a title"
        assert capsys.readouterr().out == "1 picture, 60 pixels wide and 40 high.\n"
    assert len(pictures.show_pictures(noise(5, 9)[None].repeat(3, 0))) == 3
    assert len(pictures.show_batch(batch(), ["cats", "dogs"])) == 8


def test_versions_brighter_than_white_stay_white():
    """A byte that wraps round and turns the brightest pixels black."""
    versions, _ = pictures.augmented(lambda x: x * 1.5, noise(), 1)
    assert (versions[0] >= noise()).all()


def test_planes_and_corner_name_the_numbers_of_the_picture(capsys):
    """Red and blue taken for one another."""
    array = numpy.zeros((5, 7, 3), numpy.uint8)
    array[..., 0], array[..., 1] = 200, 30
    array[0, 0] = 1, 2, 3
    planes = pictures.show_planes(array)
    assert "red 194, green 29, blue 0 of 255" in capsys.readouterr().out
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
    drawn = pictures.show_augmentations(lambda x: x, array)
    assert "differs from the original's by 0 of 255" in capsys.readouterr().out
    assert (drawn[2].images[0].get_array() == array).all()
    drawn = pictures.show_augmentations(side_on, array)
    assert len(drawn) == len(drawn[0].figure.axes) == 8
    assert (drawn[1].images[0].get_array() != drawn[2].images[0].get_array()).any()


def test_settings_are_mixed_into_the_augmentation():
    """A mixer that draws another augmentation than it says, or is dead after an error."""
    shown = explore.augmentation(noise(8, 12), Augment(**PLAIN))
    shown.widget()
    assert "by 0 to 0 of 255" in shown.caption
    shown.widgets["dihedral"].value = True  # this picture is not square
    assert "symmetries" in shown.view.caption.value
    shown.widgets["dihedral"].value = False
    shown.widgets["rotate"].value = 15.0
    before = torch.random.get_rng_state()
    shown.presses["another draw"].click()
    assert torch.equal(before, torch.random.get_rng_state()), "a training would go on otherwise"
    expected, _ = pictures.augmented(Augment(**PLAIN | {"rotate": 15.0}), noise(8, 12), 6, 2)
    assert all(
        (axes.images[0].get_array() == version).all()
        for axes, version in zip(shown.axes[1:], expected, strict=True)
    )
