"""The sample edition of cifar10: its layout, its size, and that nothing but the seed decides it."""

import numpy as np
import pytest
from PIL import Image

import coursekit as ck
from coursekit.data.catalogue import CATALOGUE
from coursekit.data.samples import miniatures

FEW = {"train": 3, "test": 2}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("miniatures")
    miniatures.build(folder, counts=FEW)
    return folder


def _bytes(folder):
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*.png"))}


def test_layout_is_the_published_one(built):
    """Folders that the code of the lesson does not find in the full edition, or the other way."""
    assert sorted(folder.name for folder in built.iterdir()) == ["test", "train"]
    for part, count in FEW.items():
        assert sorted(f.name for f in (built / part).iterdir()) == sorted(miniatures.CLASSES)
        for kind in miniatures.CLASSES:
            assert len(list((built / part / kind).glob("*.png"))) == count
    assert all(any(built.glob(pattern)) for pattern in miniatures.LAYOUT)
    assert len(miniatures.CLASSES) == 10


def test_pictures_are_small_and_all_different(built):
    """One picture drawn a thousand times, or test pictures that training has seen."""
    files = sorted(built.rglob("*.png"))
    pictures = [np.asarray(Image.open(file)) for file in files]
    assert {picture.shape for picture in pictures} == {(32, 32, 3)}
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert min(picture.std() for picture in pictures) > 5


def test_the_seed_decides(built, tmp_path):
    """Another picture in every kernel: no stored output could be compared."""
    miniatures.build(tmp_path / "again", counts=FEW)
    miniatures.build(tmp_path / "other", seed=1, counts=FEW)
    assert _bytes(tmp_path / "again") == _bytes(built)
    assert _bytes(tmp_path / "other").keys() == _bytes(built).keys()
    assert _bytes(tmp_path / "other") != _bytes(built)


def test_fetch_accepts_other_classes_than_the_published(tmp_path, monkeypatch, capsys):
    """A sample that is drawn anew each time, since its classes are not those of the full set."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))
    monkeypatch.setattr(miniatures, "COUNTS", FEW)
    folder = ck.fetch("cifar10", edition="sample")
    before = (folder / "train").stat().st_mtime_ns
    assert ck.fetch("cifar10", edition="sample") == folder
    assert (folder / "train").stat().st_mtime_ns == before
    assert "sample edition: 50 files" in capsys.readouterr().out
    (folder / "test" / "cars").rename(folder / "test" / "carts")
    ck.fetch("cifar10", edition="sample")
    assert (folder / "test" / "cars").is_dir()
    assert CATALOGUE["cifar10"].sample == "miniatures"
