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


def test_masks_cover_the_animal():
    """A mask that is empty, flipped, or elsewhere: color has to change at its edge."""
    fractions, contrast = [], []
    for number in range(30):
        picture, mask = render("dogs", np.random.default_rng([3, number]))
        inside = np.asarray(mask) > 0
        fractions.append(inside.mean())
        edge = inside[:, 1:] != inside[:, :-1]
        steps = np.abs(np.diff(np.asarray(picture, float), axis=1)).sum(2)
        contrast.append(steps[edge].mean() / steps[~edge].mean())
    assert 0.2 < np.median(fractions) < 0.6
    assert min(fractions) > 0.005
    assert np.median(contrast) > 2


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


def test_near_duplicates_are_planted(carried):
    """Copies that are the same file, or no copies at all."""
    folder = carried("dogscats")
    table = pd.read_csv(folder / "truth" / "near_duplicates.csv")
    assert len(table) == 3
    assert table["copy"].str.startswith("valid/").sum() == 1
    for original, copy in zip(table["original"], table["copy"], strict=True):
        pictures = [Image.open(folder / name) for name in (original, copy)]
        assert pictures[0].size != pictures[1].size
        small = [np.asarray(p.convert("L").resize((16, 16)), float).ravel() for p in pictures]
        assert np.corrcoef(*small)[0, 1] > 0.95
