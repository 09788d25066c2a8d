"""The sample world of drawings: every kind can be drawn, the set lies as published, truth fits."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from coursekit.data.samples import drawings

TINY = {"train": 6, "valid": 4, "test1": 5}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return a folder with a set of 25 pictures."""
    folder = tmp_path_factory.mktemp("tiny")
    drawings.build(folder, counts=TINY)
    return folder


def contents(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", drawings.KINDS)
def test_every_kind_can_be_drawn(kind):
    """A shape that fails for a rare draw, or a thing painted outside of its picture."""
    for number in range(4):
        picture, mask = drawings.render(kind, np.random.default_rng([7, number]))
        assert picture.mode == "RGB"
        assert mask.size == picture.size
        assert min(picture.size) >= 100
        assert max(picture.size) <= 160
        values = np.unique(np.asarray(mask))
        assert set(values.tolist()) <= {0, 255}
        assert np.asarray(picture).std() > 10


def test_kinds():
    """A world that became poorer than the course says."""
    assert len(drawings.KINDS) == 22
    assert len(set(drawings.KINDS)) == 22
    assert drawings.KINDS[:2] == ("cats", "dogs")


def test_layout_is_the_published_one(tiny):
    """Names or folders that differ from dogscats, so that lesson and data set part ways."""
    names = set(contents(tiny))
    for kind, word in (("cats", "cat"), ("dogs", "dog")):
        assert {f"train/{kind}/{word}.{i}.jpg" for i in range(6)} <= names
        assert {f"valid/{kind}/{word}.{i}.jpg" for i in range(6, 10)} <= names
    assert {f"test1/{i}.jpg" for i in range(1, 6)} <= names
    assert not (tiny / ".unfinished").exists()
    pictures = {name for name in names if name.endswith(".jpg")}
    assert len(pictures) == 25
    masks = {name for name in names if name.endswith(".png")}
    assert masks == {f"truth/{name[:-4]}.png" for name in pictures}
    for name in pictures:
        with (
            Image.open(tiny / name) as picture,
            Image.open(tiny / f"truth/{name[:-4]}.png") as mask,
        ):
            assert picture.format == "JPEG"
            assert picture.size == mask.size


def test_labels_of_the_test_pictures(tiny):
    """Test pictures whose truth is lost, or lies in their folder for all to see."""
    table = rows(tiny / "truth" / "test1.csv")
    assert [row["picture"] for row in table] == [f"test1/{i}.jpg" for i in range(1, 6)]
    assert {row["label"] for row in table} <= {"cats", "dogs"}


def test_masks_cover_the_animal():
    """A mask that is empty, flipped, or elsewhere: colour has to change at its edge."""
    shares, contrast = [], []
    for number in range(30):
        picture, mask = drawings.render("dogs", np.random.default_rng([3, number]))
        inside = np.asarray(mask) > 0
        pixels = np.asarray(picture, dtype=float)
        shares.append(inside.mean())
        edge = inside[:, 1:] != inside[:, :-1]
        steps = np.abs(np.diff(pixels, axis=1)).sum(2)
        contrast.append(steps[edge].mean() / steps[~edge].mean())
    assert 0.2 < np.median(shares) < 0.6
    assert min(shares) > 0.005
    assert np.median(contrast) > 2


def test_near_duplicates_are_planted(tiny):
    """Copies that are the same file, or no copies at all."""
    table = rows(tiny / "truth" / "near_duplicates.csv")
    assert len(table) == 3
    assert sum(row["copy"].startswith("valid/") for row in table) == 1
    for row in table:
        original, copy = (Image.open(tiny / row[word]) for word in ("original", "copy"))
        assert (tiny / row["original"]).read_bytes() != (tiny / row["copy"]).read_bytes()
        small = [np.asarray(p.convert("L").resize((16, 16)), float) for p in (original, copy)]
        assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.95


def test_same_seed_same_bytes(tiny, tmp_path, monkeypatch):
    """Pictures that depend on how many processes drew them, on their order, or on the clock."""
    monkeypatch.setattr(drawings, "_processors", lambda: 1)
    drawings.build(tmp_path, counts=TINY)
    assert contents(tmp_path) == contents(tiny)


def test_another_seed_other_pictures(tiny, tmp_path):
    """A seed that is not used."""
    drawings.build(tmp_path, seed=1, counts={"train": 4, "valid": 4, "test1": 1})
    assert contents(tmp_path)["train/cats/cat.0.jpg"] != contents(tiny)["train/cats/cat.0.jpg"]


def test_a_share_in_another_process(tiny, tmp_path):
    """A worker that draws other pictures than this process, or a build that needs a main guard."""
    source = (
        "from coursekit.data.samples import drawings\n"
        "drawings._processors, drawings.PER_PROCESS = lambda: 2, 20\n"
        f"drawings.build({str(tmp_path)!r}, counts={TINY})\n"
    )
    subprocess.run([sys.executable, "-c", source], check=True)
    assert contents(tmp_path) == contents(tiny)


@pytest.mark.parametrize("python", ["/no/such/python", ""])
def test_no_process_can_be_started(tiny, tmp_path, monkeypatch, python):
    """A set with holes where the system refuses to start processes."""
    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setattr(drawings, "_processors", lambda: 2)
    monkeypatch.setattr(drawings, "PER_PROCESS", 5)
    drawings.build(tmp_path, counts=TINY)
    assert contents(tmp_path) == contents(tiny)


def test_a_broken_build_leaves_no_set(tmp_path, monkeypatch):
    """Half a set that looks whole after a fault or Ctrl+C."""

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(drawings, "_write_truth", stop)
    with pytest.raises(KeyboardInterrupt):
        drawings.build(tmp_path, counts={"train": 4, "valid": 4, "test1": 1})
    assert not (tmp_path / "train").exists()
    monkeypatch.undo()
    drawings.build(tmp_path, counts={"train": 4, "valid": 4, "test1": 1})
    assert len(list(tmp_path.glob("train/*/*.jpg"))) == 8
