"""The drawings of cats and dogs: every kind can be drawn, the set lies as published, truth fits."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from worlds import drawings
from worlds.drawings import COUNTS, Drawing
from worlds.scenes import KINDS, render


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_drawn(kind):
    """A shape that fails for a rare draw, or a thing painted outside of its picture."""
    for number in range(4):
        picture, mask = render(kind, np.random.default_rng([7, number]))
        assert picture.mode == "RGB"
        assert mask.size == picture.size
        assert min(picture.size) >= 100
        assert max(picture.size) <= 160
        assert set(np.unique(np.asarray(mask)).tolist()) <= {0, 255}
        assert np.asarray(picture).std() > 10


COPIES = drawings.near_duplicates()
SOME = [
    *(Drawing("train", kind, number) for kind in ("cats", "dogs") for number in (0, 299)),
    *(Drawing("valid", kind, number) for kind in ("cats", "dogs") for number in (600, 899)),
    *(drawing for drawing in drawings.all_drawings() if drawing.name in ("test1/1", "test1/100")),
    *COPIES,
]


@pytest.mark.parametrize("drawing", SOME, ids=lambda drawing: drawing.name)
def test_the_archive_holds_what_is_drawn(drawing, carried, look_alike):
    """A program that was changed after the archive was made: nobody could make it again."""
    folder = carried("dogscats")
    picture, mask = drawings.draw(drawing, 0, COPIES)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80 if drawing in COPIES else 90)
    with (
        Image.open(folder / f"{drawing.name}.jpg") as kept,
        Image.open(folder / "truth" / f"{drawing.name}.png") as kept_mask,
    ):
        assert look_alike(Image.open(stream), kept)
        assert look_alike(mask, kept_mask.convert("L"), tolerance=0.01 * 255)
    neighbor = Drawing(drawing.part, drawing.kind, drawing.number + 1).draw()[0]
    assert not look_alike(neighbor.resize(picture.size), picture)


def test_layout_is_the_published_one(carried):
    """Names or folders that differ from dogscats, so that lesson and data set part ways."""
    folder = carried("dogscats")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*g")}
    wanted = {f"test1/{i}" for i in range(1, COUNTS["test1"] + 1)}
    for kind, word in (("cats", "cat"), ("dogs", "dog")):
        wanted |= {f"train/{kind}/{word}.{i}" for i in range(600)}
        wanted |= {f"valid/{kind}/{word}.{i}" for i in range(600, 900)}
    assert names == {f"{n}.jpg" for n in wanted} | {f"truth/{n}.png" for n in wanted}


def test_labels_of_the_test_pictures(carried):
    """Test pictures whose truth is lost, or is of other pictures."""
    table = pd.read_csv(carried("dogscats") / "truth" / "test1.csv")
    assert table.picture.tolist() == [f"test1/{i}.jpg" for i in range(1, 101)]
    tests = [drawing.kind for drawing in drawings.all_drawings() if drawing.part == "test1"]
    assert table.label.tolist() == tests
    assert 30 < tests.count("cats") < 70
