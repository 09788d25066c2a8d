"""The pictures of 32 x 32 pixels: their layout, their size, and that the archive holds them."""

import io

import numpy as np
import pytest
from PIL import Image

from worlds import miniatures
from worlds.miniatures import CLASSES, COUNTS


def test_layout_is_the_published_one(carried):
    """Folders that the code of the lesson does not find in the full edition, or the other way."""
    folder = carried("cifar10")
    assert sorted(part.name for part in folder.iterdir() if part.is_dir()) == ["test", "train"]
    for part, count in COUNTS.items():
        assert sorted(kind.name for kind in (folder / part).iterdir()) == sorted(CLASSES)
        for kind in CLASSES:
            assert len(list((folder / part / kind).glob("*.jpg"))) == count
    assert len(set(CLASSES)) == 10


def test_pictures_are_small_and_all_different(carried):
    """One picture drawn a thousand times, or test pictures that training has seen."""
    pictures = [np.asarray(Image.open(file)) for file in carried("cifar10").rglob("*.jpg")]
    assert {picture.shape for picture in pictures} == {(32, 32, 3)}
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert min(picture.std() for picture in pictures) > 5


@pytest.mark.parametrize("kind", CLASSES)
def test_the_archive_holds_what_is_drawn(kind, carried, look_alike):
    """A program that was changed after the archive was made: nobody could make it again."""
    for part, number in (("train", 0), ("train", 299), ("test", 59)):
        stream = io.BytesIO()
        picture = miniatures.draw(part, kind, number)
        picture.save(stream, "JPEG", quality=95, subsampling=0)
        with Image.open(carried("cifar10") / part / kind / f"{number:04}.jpg") as kept:
            assert look_alike(Image.open(stream), kept)
            assert look_alike(picture, kept, tolerance=5), "JPEG must not be seen"
        assert not look_alike(picture, miniatures.draw(part, kind, number, seed=1), tolerance=5)
