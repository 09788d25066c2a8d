"""The sample world of tiles: every label can be drawn, the set lies as published, truth fits."""

import csv
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from worlds import tiles


@pytest.fixture(scope="module")
def many():
    """Return 400 tiles as ``render`` returns them."""
    return [tiles.render(np.random.default_rng([1, number])) for number in range(400)]


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_layout_and_truth_are_those_of_the_set(carried):
    """Names or columns that differ from planet, or a truth of other tiles."""
    folder = carried("planet")
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*.[jc]*")}
    pictures = {f"train-jpg/train_{i}.jpg" for i in range(1200)}
    pictures |= {f"test-jpg/test_{i}.jpg" for i in range(120)}
    assert files - {".coursekit.json"} == pictures | {"train_v2.csv", "truth/tiles.csv"}
    truth = {row["image_name"]: row for row in rows(folder / "truth" / "tiles.csv")}
    table = rows(folder / "train_v2.csv")
    assert [row["image_name"] for row in table] == [f"train_{i}" for i in range(1200)]
    assert all(truth[row["image_name"]]["tags"] == row["tags"] for row in table)
    assert {word for row in table for word in row["tags"].split()} == set(tiles.LABELS)
    for row in truth.values():
        assert set(row["seen"].split()) <= set(row["tags"].split())


def test_labels_of_a_tile_make_sense(many):
    """Two kinds of weather at once, or labels that the published set never joins."""
    for _, tags, _, _ in many:
        weather = set(tags) & set(tiles.WEATHER)
        assert len(weather) == 1
        assert tags == sorted(set(tags))
        assert "cloudy" not in tags or tags == ["cloudy"]
        assert "artisinal_mine" not in tags or "water" in tags
        assert "conventional_mine" not in tags or "road" in tags


def test_clouds_hide_and_clear_air_does_not(many):
    """A truth by which things can be seen through clouds, or nothing is ever hidden."""
    hidden = Counter(weather(tags) for _, tags, seen, _ in many if tags != seen)
    assert not hidden["clear"]
    assert hidden["partly_cloudy"] >= 5
    for _, tags, seen, cover in many:
        assert weather(tags) in seen
        assert ("clear" in tags) <= (cover == 0)
        assert ("cloudy" in tags) <= (cover > 0.9)


def weather(tags):
    return next(tag for tag in tags if tag in tiles.WEATHER)


@pytest.mark.parametrize("label", tiles.PAINTERS)
def test_what_is_labelled_is_painted(label):
    """A label whose thing was never drawn, or drawn elsewhere than its mask says."""
    for number in range(4):
        facts = [3, number]
        bare, _ = tiles._paint(np.random.default_rng(facts), ["primary"])
        ground, masks = tiles._paint(np.random.default_rng(facts), ["primary", label])
        changed = np.abs(ground - bare).max(2) > 12
        assert masks[label].sum() >= 6
        assert (changed & masks[label]).sum() > 0.4 * masks[label].sum()
        assert (changed & ~masks[label]).sum() < 0.05 * changed.size


@pytest.mark.parametrize("name", ["train_0", "train_7", "train_1199", "test_0", "test_119"])
def test_the_archive_holds_what_is_drawn(name, carried, look_alike):
    """A program that was changed after the archive was made: nobody could make it again."""
    part, number = name.split("_")
    folder = carried("planet")
    pixels, tags, seen, cover = tiles.draw(part, int(number))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=92)
    with Image.open(folder / f"{part}-jpg" / f"{name}.jpg") as kept:
        assert look_alike(Image.open(stream), kept)
    assert not look_alike(
        *(Image.fromarray(tiles.draw(part, int(number), seed=s)[0]) for s in (0, 1))
    )
    truth = {row["image_name"]: row for row in rows(folder / "truth" / "tiles.csv")}
    assert len(truth) == 1320
    assert truth[name]["tags"] == " ".join(tags)
    assert truth[name]["seen"] == " ".join(seen)
    assert float(truth[name]["cover"]) == pytest.approx(cover, abs=0.002)
