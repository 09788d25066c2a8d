"""Corrections, which must never be lost, and near-duplicates."""

import io

import numpy
import pytest
from PIL import Image, ImageEnhance

from coursekit.console import CourseError
from coursekit.data.cleaning import Corrections, near_duplicates, read_corrections
from coursekit.data.images import images
from coursekit.data.picture import read_picture
from tests.data.pictures import drawn as drawn_small
from tests.data.test_images import labels_of


def drawn(seed=0):
    """A picture that is 120 pixels wide and 100 high."""
    return drawn_small(120, 100, seed, cells=7)


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path):
    """Where the corrections are to be written."""
    return tmp_path / "my" / "fixes.csv"


@pytest.fixture
def folder(tmp_path):
    """Eight pictures of cats and dogs."""
    for number in range(4):
        for shift, kind in enumerate(("cats", "dogs")):
            there = tmp_path / "pictures" / kind / f"{kind[:-1]}.{number}.png"
            there.parent.mkdir(parents=True, exist_ok=True)
            drawn(seed=10 * number + shift).save(there)
    return tmp_path / "pictures"


# Corrections -----------------------------------------------------------------------------------


def test_relabeled_and_dropped_pictures(folder, file):
    """A correction would be written and never read, or the picture itself be deleted."""
    fixes = Corrections(file, classes=("cats", "dogs"))
    fixes.relabel("cats/cat.1.png", "dogs")
    fixes.drop("dogs/dog.2.png")
    before = images(folder, size=16)
    after = images(folder, size=16, corrections=file)
    wanted = labels_of(before) | {"cats/cat.1.png": "dogs"}
    del wanted["dogs/dog.2.png"]
    assert labels_of(after) == wanted
    assert (folder / "dogs" / "dog.2.png").exists()
    assert "1 relabeled, 1 dropped" in repr(fixes)
    # A dropped picture must not shuffle training pictures into the validation part.
    dropped = {"dogs/dog.2.png"}
    assert set(after.valid.filenames) == set(before.valid.filenames) - dropped
    assert set(after.train.filenames) == set(before.train.filenames) - dropped


def test_undo_goes_back_step_by_step(file):
    """Undo would take the change back on the screen and not in the file."""
    fixes = Corrections(file, classes=("cats", "dogs"))
    cats, dogs, dropped = {"a.png": "cats"}, {"a.png": "dogs"}, {"b.png": None}
    states = [{}, cats, dogs, dogs | dropped, dropped]
    fixes.relabel("a.png", "cats")
    fixes.relabel("a.png", "dogs")
    fixes.drop("b.png")
    fixes.keep("a.png")
    assert read_corrections(file) == states.pop()
    for name in ("a.png", "b.png", "a.png", "a.png"):
        assert fixes.undo() == name
        assert read_corrections(file) == states.pop()
    assert fixes.undo() is None


def test_a_new_kernel_goes_on(file):
    """The work of yesterday would be overwritten by the first change of today."""
    Corrections(file, classes=("cats", "dogs")).relabel("猫, 黒い.png", "dogs")
    again = Corrections(file, classes=("cats", "dogs"))
    again.drop("b.png")
    assert read_corrections(file) == {"猫, 黒い.png": "dogs", "b.png": None}
    # Excel writes an invisible mark first, and other line ends.
    file.write_bytes("file,label\r\na.png,cats\r\n\r\nb.png,\r\n".encode("utf-8-sig"))
    assert read_corrections(file) == {"a.png": "cats", "b.png": None}


def test_a_label_that_is_no_class(folder, file):
    """A misspelt label, clicked or typed into the file, would become a class of its own."""
    fixes = Corrections(file, classes=("cats", "dogs"))
    with pytest.raises(CourseError, match="Did you mean 'dogs'"):
        fixes.relabel("a.png", "dgos")
    assert not file.exists()
    with pytest.raises(CourseError, match="classes='cats'"):
        Corrections(file, classes="cats")
    fixes.drop("b.png")
    file.write_text("file,label\ncats/cat.1.png,dgos\n")
    with pytest.raises(CourseError, match="'dgos' in"):
        images(folder, size=16, corrections=file)


def test_a_correction_of_several_labels(folder, tmp_path):
    """A new combination of labels would count as a new class."""
    file = tmp_path / "fixes.csv"
    labels = {f"cat.{number}": tags for number, tags in enumerate(("a b", "a", "b c", "c"))}
    options = {"labels": labels, "multi_label": True, "size": 16, "corrections": file}
    file.write_text("file,label\ncat.1.png,a c\n")
    data = images(folder / "cats", **options)
    assert data.classes == ("a", "b", "c")
    part = data.train if "cat.1.png" in data.train.filenames else data.valid
    assert part.targets[part.filenames.index("cat.1.png")].tolist() == [1, 0, 1]
    file.write_text("file,label\ncat.1.png,a z\n")
    with pytest.raises(CourseError, match="'z' in"):
        images(folder / "cats", **options)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"name,class\na,b\n",
        b"file,label\na,b,c\n",
        "file,label\n猫.png,dogs\n".encode("shift-jis"),
    ],
)
def test_files_that_are_no_corrections(tmp_path, content):
    """Another CSV would be taken for corrections, or a UnicodeDecodeError reach the learner."""
    file = tmp_path / "fixes.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CourseError, match=r"fixes\.csv"):
        read_corrections(file)


def test_corrections_that_name_no_picture_are_counted(folder, file, capsys):
    """The learner would believe that the wrong labels are mended."""
    fixes = Corrections(file, classes=("cats", "dogs"))
    fixes.drop("cats\\cat.1.png")  # written on Windows
    fixes.drop("nowhere/cat.1.png")
    fixes.relabel(str(folder / "dogs" / "dog.1.png"), "cats")
    found = labels_of(images(folder, size=16, corrections=fixes))
    assert "cats/cat.1.png" not in found
    assert found["dogs/dog.1.png"] == "cats"
    said = capsys.readouterr().out
    assert "1 of 3 corrections" in said
    assert "'nowhere/cat.1.png'" in said


def test_two_kernels_on_one_file_keep_the_decisions_of_both(file):
    """The later one would wipe out what the other wrote, also when it takes its own back."""
    one, two = (Corrections(file, classes=("cats", "dogs")) for _ in range(2))
    one.relabel("a.png", "cats")
    two.relabel("b.png", "cats")
    one.drop("c.png")
    assert two.undo() == "b.png"
    assert read_corrections(file) == {"a.png": "cats", "c.png": None}


def test_a_change_that_cannot_be_written_is_not_kept_in_mind(tmp_path):
    """It would be written by the next one, or raise again with each."""
    fixes = Corrections(tmp_path / "fixes.csv", classes=("cats",))
    with pytest.raises(CourseError, match="UTF-8"):
        fixes.drop("\udcff.png")
    fixes.drop("a.png")
    fixes.file.unlink()
    fixes.file.mkdir()
    with pytest.raises(CourseError, match=r"fixes\.csv"):
        fixes.drop("b.png")
    assert fixes.changes == {"a.png": None}
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(CourseError, match="taken"):
        Corrections(tmp_path / "taken" / "fixes.csv", classes=("cats",)).drop("a.png")


# Near-duplicates -------------------------------------------------------------------------------


def copies_of(picture):
    """The picture brighter, darker, re-encoded, smaller, and with 3 % cut off all round."""
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
    """Pictures as one array (N, size, size, 3)."""
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


def test_pictures_of_one_color_are_not_all_the_same():
    """Two blue skies would count as one picture, and black ones divide by zero."""
    noise = numpy.random.default_rng(0)
    skies = 40 * noise.random((20, 64, 64, 3)) + (60, 120, 200)
    black = numpy.zeros((2, 64, 64, 3))
    assert near_duplicates(numpy.concatenate([skies, black]).astype(numpy.uint8)) == []


def test_limit_and_threshold():
    """The list would be cut at the wrong end; pairs of the second block be counted twice."""
    pictures = squares([drawn(seed=number // 2) for number in range(20)])
    pictures[1] = numpy.roll(pictures[1], 1, 0)
    assert len(near_duplicates(pictures)) == 10
    best = near_duplicates(pictures, limit=3)
    assert all(alike > 0.9999 for *_, alike in best)
    assert (0, 1) not in [pair[:2] for pair in near_duplicates(pictures, threshold=0.9999)]
    many = numpy.random.default_rng(0).integers(0, 256, (3000, 8, 8, 3), numpy.uint8)
    many[2999] = many[2500]
    assert [pair[:2] for pair in near_duplicates(many)] == [(2500, 2999)]


@pytest.mark.parametrize(
    "pictures", [["a"], *map(numpy.zeros, [(5, 3, 8, 8), (8, 8, 3), (0, 8, 8, 3)])]
)
def test_what_is_no_array_of_pictures(pictures):
    """An error of torch about dimensions, or about a list of no tensors."""
    with pytest.raises(CourseError, match=r"\(N, H, W, 3\)"):
        near_duplicates(pictures)


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0.jpg", "+a", "-a", "@a", "'=a", "''a", "'a"])
def test_names_that_a_spreadsheet_would_compute(file, name):
    """A file from a download would run a program when its owner opens the CSV."""
    fixes = Corrections(file, classes=("=x",))
    fixes.relabel(name, "=x")
    assert read_corrections(file) == {name: "=x"}
    cells = file.read_text().split("\n")[1].split(",")
    assert all(cell.startswith("'") for cell in cells)
