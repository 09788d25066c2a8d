"""Tests of corrections, which must never be lost, and of near-duplicates."""

import errno
import io
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageEnhance

from coursekit.data import cleaning
from coursekit.data.cleaning import Corrections, near_duplicates, read_corrections
from coursekit.data.images import images, read_picture
from tests.sentences import refuses


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path):
    """Return where the corrections are to be written."""
    return tmp_path / "fixes.csv"


@pytest.fixture
def folder(tmp_path):
    """Write eight pictures of cats and dogs."""
    for number in range(4):
        for shift, kind in enumerate(("cats", "dogs")):
            there = tmp_path / "pictures" / kind / f"{kind[:-1]}.{number}.png"
            there.parent.mkdir(parents=True, exist_ok=True)
            drawn(seed=10 * number + shift).save(there)
    return tmp_path / "pictures"


def drawn(width=120, height=100, seed=0):
    noise = numpy.random.default_rng(seed).integers(0, 256, (7, 7, 3), numpy.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def of_files(data):
    """Return {name: class} of everything that data hands out."""
    parts = (data.train, data.valid)
    return {
        name: data.classes[number]
        for part in parts
        for name, number in zip(part.filenames, part.targets.tolist(), strict=True)
    }


# Corrections -----------------------------------------------------------------------------------


def test_relabelled_and_dropped_pictures(folder, file):
    """A correction would be written and never read, or the picture itself be deleted."""
    fixes = Corrections(file, classes=("cats", "dogs"))
    fixes.relabel("cats/cat.1.png", "dogs")
    fixes.drop("dogs/dog.2.png")
    before = of_files(images(folder, size=16))
    after = of_files(images(folder, size=16, corrections=file))
    assert after == {
        name: "dogs" if name == "cats/cat.1.png" else label
        for name, label in before.items()
        if name != "dogs/dog.2.png"
    }
    assert (folder / "dogs" / "dog.2.png").exists()
    assert "1 relabelled, 1 dropped" in repr(fixes)


def test_the_split_stays_where_it_was(folder, file):
    """Dropping a picture would shuffle training pictures into the validation part."""
    before = images(folder, size=16)
    Corrections(file, classes=("cats", "dogs")).drop(before.train.filenames[0])
    after = images(folder, size=16, corrections=file)
    assert after.valid.filenames == before.valid.filenames
    assert after.train.filenames == before.train.filenames[1:]


def test_undo_goes_back_step_by_step(file):
    """Undo would take the change back on the screen and not in the file."""
    fixes = Corrections(file, classes=("cats", "dogs"))
    fixes.relabel("a.png", "cats")
    fixes.relabel("a.png", "dogs")
    fixes.drop("b.png")
    assert fixes.undo() == "b.png"
    assert read_corrections(file) == {"a.png": "dogs"}
    assert fixes.undo() == "a.png"
    assert read_corrections(file) == {"a.png": "cats"}
    assert fixes.undo() == "a.png"
    assert read_corrections(file) == {}
    assert fixes.undo() is None


def test_a_new_kernel_goes_on(file):
    """The work of yesterday would be overwritten by the first change of today."""
    Corrections(file, classes=("cats", "dogs")).relabel("猫, 黒い.png", "dogs")
    again = Corrections(file, classes=("cats", "dogs"))
    assert again.changes == {"猫, 黒い.png": "dogs"}
    again.drop("b.png")
    assert read_corrections(file) == {"猫, 黒い.png": "dogs", "b.png": None}


def test_a_folder_that_is_not_there_yet_is_made(tmp_path):
    """The first click of the learner would raise FileNotFoundError."""
    fixes = Corrections(tmp_path / "my" / "fixes.csv", classes=("cats",))
    fixes.drop("a.png")
    assert read_corrections(tmp_path / "my" / "fixes.csv") == {"a.png": None}


def test_a_label_that_is_no_class(file):
    """A misspelt label would become a class of its own."""
    fixes = Corrections(file, classes=("cats", "dogs"))
    with refuses("'dgos' is no class", "use cats, dogs", "Did you mean 'dogs'?"):
        fixes.relabel("a.png", "dgos")
    assert not file.exists()


def test_a_label_written_by_hand_that_is_no_class(folder, file):
    """The same, typed into the CSV file."""
    file.write_text("file,label\ncats/cat.1.png,dgos\n")
    with refuses("'dgos' in", "no class", "Did you mean 'dogs'?"):
        images(folder, size=16, corrections=file)


def test_a_correction_of_several_labels(folder, file):
    """A label may be several words, and a new combination of them is no new class."""
    labels = {f"cat.{number}": tags for number, tags in enumerate(("a b", "a", "b c", "c"))}
    file.write_text("file,label\ncats/cat.1.png,a c\n")
    data = images(folder / "cats", labels=labels, multi_label=True, size=16)
    assert data.classes == ("a", "b", "c")
    file.write_text("file,label\ncat.1.png,a c\n")
    data = images(folder / "cats", labels=labels, multi_label=True, size=16, corrections=file)
    wanted = dict(zip(data.train.filenames, data.train.targets.tolist(), strict=True))
    wanted |= dict(zip(data.valid.filenames, data.valid.targets.tolist(), strict=True))
    assert wanted["cat.1.png"] == [1, 0, 1]
    file.write_text("file,label\ncat.1.png,a z\n")
    with refuses("'z' in"):
        images(folder / "cats", labels=labels, multi_label=True, size=16, corrections=file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ("cannot be read", "check the path")),
        (b"", ("no list of corrections", "file,label")),
        (b"name,class\na,b\n", ("no list of corrections", "file,label")),
        (b"file,label\na,b,c\n", ("no list of corrections", "file,label")),
        ("file,label\n猫.png,dogs\n".encode("shift-jis"), ("no text in UTF-8", "save it as CSV")),
    ],
)
def test_files_that_are_no_corrections(folder, file, content, words):
    """Another CSV would be taken for corrections, or a UnicodeDecodeError reach the learner."""
    if content is not None:
        file.write_bytes(content)
    with refuses(*words):
        images(folder, size=16, corrections=file)


def test_what_excel_saved_is_read(file):
    """Excel writes an invisible mark before the first column, and other line ends."""
    file.write_bytes("file,label\r\na.png,cats\r\n\r\nb.png,\r\n".encode("utf-8-sig"))
    assert read_corrections(file) == {"a.png": "cats", "b.png": None}


def test_a_full_disk_loses_nothing(file, monkeypatch):
    """The corrections of an hour would be cut short by the last one."""
    fixes = Corrections(file, classes=("cats", "dogs"))
    fixes.relabel("a.png", "dogs")

    class Full(io.StringIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cleaning, "open", lambda *_, **__: Full(), raising=False)
        with refuses("No space left on device", "make room"):
            fixes.drop("b.png")
    assert read_corrections(file) == {"a.png": "dogs"}
    fixes.drop("c.png")
    assert read_corrections(file) == {"a.png": "dogs", "b.png": None, "c.png": None}


def test_a_folder_that_cannot_be_written(tmp_path):
    """NotADirectoryError in the middle of the widget."""
    (tmp_path / "taken").write_text("a file")
    fixes = Corrections(tmp_path / "taken" / "fixes.csv", classes=("cats",))
    with refuses("cannot be written", "give another file"):
        fixes.drop("a.png")


# Near-duplicates -------------------------------------------------------------------------------


def copies_of(picture):
    """Return the picture brighter, darker, re-encoded, and with 3 % cut off all round."""
    width, height = picture.size
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=40)
    x, y = round(width * 0.03), round(height * 0.03)
    return {
        "brighter": ImageEnhance.Brightness(picture).enhance(1.2),
        "darker": ImageEnhance.Brightness(picture).enhance(0.7),
        "encoded": Image.open(stream).convert("RGB"),
        "smaller": picture.resize((width // 2, height // 2), Image.Resampling.BICUBIC),
        "cut": picture.crop((x, y, width - x, height - y)),
    }


def squares(pictures, size=64):
    return numpy.stack([numpy.asarray(read_picture(one, size=size)) for one in pictures])


@pytest.mark.parametrize("kind", list(copies_of(drawn())))
def test_planted_copies_are_found_and_nothing_else(kind):
    """A copy brighter or slightly cut would pass for another picture, or others for copies."""
    originals = [drawn(seed=number) for number in range(60)]
    copies = [copies_of(one)[kind] for one in originals[:10]]
    found = near_duplicates(squares([*originals, *copies]), limit=100)
    assert {pair[:2] for pair in found} == {(number, 60 + number) for number in range(10)}
    alike = [pair[2] for pair in found]
    assert alike == sorted(alike, reverse=True)


def test_pictures_of_one_colour_are_not_all_the_same():
    """Two blue skies would count as one picture, and black ones divide by zero."""
    noise = numpy.random.default_rng(0)
    skies = 40 * noise.random((20, 64, 64, 3)) + (60, 120, 200)
    black = numpy.zeros((2, 64, 64, 3))
    assert near_duplicates(numpy.concatenate([skies, black]).astype(numpy.uint8)) == []


def test_limit_and_threshold():
    """The list would be cut at the wrong end."""
    pictures = squares([drawn(seed=number // 2) for number in range(20)])
    pictures[1] = numpy.roll(pictures[1], 1, 0)
    assert len(near_duplicates(pictures)) == 10
    best = near_duplicates(pictures, limit=3)
    assert all(alike > 0.9999 for *_, alike in best)
    assert (0, 1) not in [pair[:2] for pair in near_duplicates(pictures, threshold=0.9999)]


def test_it_reads_what_data_hands_out(folder):
    """The rows of a subset are looked up when they are asked for."""
    drawn(seed=0).save(folder / "dogs" / "copy.png")
    data = images(folder, size=32, valid=0.1)
    found = near_duplicates(data.train.inputs)
    assert [{data.train.filenames[row] for row in pair[:2]} for pair in found] == [
        {"cats/cat.0.png", "dogs/copy.png"}
    ]


@pytest.mark.real
def test_on_real_photographs(real_data):
    """A threshold tuned on noise would miss real copies, or drown them in look-alikes."""
    files = sorted(Path(real_data, "dogscats", "train").rglob("*.jpg"))[::4]
    originals = [Image.open(file).convert("RGB") for file in files]
    plain = squares(originals, 96)
    assert near_duplicates(plain) == []
    for kind in ("brighter", "encoded", "cut"):
        copies = squares([copies_of(one)[kind] for one in originals[:100]], 96)
        found = near_duplicates(numpy.concatenate([plain, copies]), limit=1000)
        right = {(row, len(plain) + row) for row in range(100)}
        pairs = {pair[:2] for pair in found}
        assert len(pairs & right) >= 90, kind
        assert pairs <= right, kind
