"""Tests of reading pictures: every kind of file, every kind of label, decoded once."""

import errno
import io
import json
import os
import shutil
import struct
import threading
import zlib

import numpy
import pandas
import pytest
import torch
from PIL import Image
from sklearn.preprocessing import MultiLabelBinarizer

from coursekit.console import CourseError
from coursekit.data import images as module
from coursekit.data.images import decode, images
from tests.data.pictures import drawn, save
from tests.sentences import refuses


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path):
    """Return an empty folder for pictures."""
    there = tmp_path / "pictures"
    there.mkdir()
    return there


def two_classes(root, count=6, ending="png", size=(40, 40)):
    """Write ``count`` pictures of cats and as many of dogs."""
    for number in range(count):
        save(drawn(*size, seed=number), root / "cats" / f"cat.{number}.{ending}")
        save(drawn(*size, seed=100 + number), root / "dogs" / f"dog.{number}.{ending}")
    return root


def small(root, **options):
    """Read pictures of 16 pixels a side."""
    return images(root, **{"size": 16, **options})


def pixels_of(data):
    """Return {name: pixels} of training and validation."""
    parts = (data.train, data.valid)
    return {
        name: part.inputs[n].numpy().copy()
        for part in parts
        for n, name in enumerate(part.filenames)
    }


# Layouts ---------------------------------------------------------------------------------------


def test_train_and_valid_folders(folder):
    """Pictures of the validation folder would slip into training, or targets be numbered wrong."""
    two_classes(folder / "train", 4)
    two_classes(folder / "valid", 2)
    data = small(folder)
    assert data.classes == ("cats", "dogs")
    assert (data.train.num_examples, data.valid.num_examples) == (8, 4)
    assert all(name.startswith("train/") for name in data.train.filenames)
    assert all(name.startswith("valid/") for name in data.valid.filenames)
    for part in (data.train, data.valid):
        assert part.targets.tolist() == [int("dogs" in name) for name in part.filenames]


def test_a_batch_is_what_the_docstring_says(folder):
    """Bytes would reach the net, or the planes would stand last."""
    x, y = small(two_classes(folder), batch_size=5).valid.one_batch()
    assert x.shape == (2, 3, 16, 16)
    assert x.dtype == torch.float32
    assert 0 <= x.min() <= x.max() <= 1
    assert y.dtype == torch.int64


def test_classes_alone_give_a_random_fifth_that_the_seed_decides(folder):
    """A validation part drawn anew in every session would leak training pictures into it."""
    two_classes(folder, 10)
    one, two, other = small(folder), small(folder), small(folder, seed=1)
    assert one.valid.num_examples == 4
    assert not set(one.train.filenames) & set(one.valid.filenames)
    assert len({*one.train.filenames, *one.valid.filenames}) == 20
    assert one.valid.filenames == two.valid.filenames != other.valid.filenames


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_valid_is_a_share(folder, share):
    """A share would be rounded to nothing, or be taken as a number of pictures."""
    data = small(two_classes(folder, 10), valid=share)
    assert data.valid.num_examples == max(1, round(20 * share))
    assert data.train.num_examples + data.valid.num_examples == 20


def test_valid_is_the_name_of_a_folder(folder):
    """Another name than "valid" would be passed over."""
    two_classes(folder / "train", 4)
    two_classes(folder / "validation", 2)
    assert small(folder, valid="validation").valid.num_examples == 4


def test_named_folders_beside_the_classes_are_no_classes(folder):
    """Where there is no train/, the validation and test folders would become classes."""
    two_classes(folder, 4)
    two_classes(folder / "held", 2)
    save(drawn(), folder / "test1" / "1.png")
    data = small(folder, valid="held", test="test1")
    assert data.classes == ("cats", "dogs")
    assert (data.train.num_examples, data.valid.num_examples, data.test.num_examples) == (8, 4, 1)


def test_test_pictures_have_no_targets(folder):
    """Unlabelled pictures would get the first class as their label."""
    two_classes(folder / "train")
    for number in range(3):
        save(drawn(seed=number), folder / "test1" / f"{number}.png")
    data = small(folder, test="test1")
    assert data.test.targets is None
    assert data.test.filenames == ["test1/0.png", "test1/1.png", "test1/2.png"]
    x, y = data.test.one_batch()
    assert x.shape == (3, 3, 16, 16)
    assert y is None


def test_hidden_files_and_folders_are_left_alone(folder):
    """macOS's ._x.jpg and Jupyter's .ipynb_checkpoints would be read as pictures, or as classes."""
    two_classes(folder, 4)
    (folder / "cats" / "._cat.0.png").write_bytes(b"resource fork")
    save(drawn(), folder / "cats" / ".ipynb_checkpoints" / "cat.0-checkpoint.png")
    save(drawn(), folder / ".ipynb_checkpoints" / "cat.png")
    (folder / "cats" / "Thumbs.db").write_bytes(b"no picture")
    data = small(folder, errors="raise")
    assert data.classes == ("cats", "dogs")
    assert data.train.num_examples + data.valid.num_examples == 8


def test_names_with_spaces_and_japanese_letters(folder):
    """Names outside ASCII would be lost, or mangled in the class list."""
    save(drawn(), folder / "黒い 猫" / "写真 1.png")
    save(drawn(seed=1), folder / "犬" / "ポチ.png")
    data = small(folder, valid=0.5)
    assert data.classes == ("犬", "黒い 猫")
    assert {*data.train.filenames, *data.valid.filenames} == {"黒い 猫/写真 1.png", "犬/ポチ.png"}


def test_symlinked_pictures_and_classes(folder, tmp_path):
    """A folder of links, as classrooms share data, would look empty."""
    elsewhere = two_classes(tmp_path / "elsewhere", 3)
    (folder / "cats").mkdir()
    for file in (elsewhere / "cats").iterdir():
        (folder / "cats" / file.name).symlink_to(file)
    (folder / "dogs").symlink_to(elsewhere / "dogs")
    data = small(folder)
    assert data.train.num_examples + data.valid.num_examples == 6


def test_quick_profile_takes_fewer_pictures(folder, monkeypatch):
    """Under COURSEKIT_QUICK the whole set would be decoded."""
    two_classes(folder / "train", 6)
    two_classes(folder / "valid", 4)
    save(drawn(), folder / "test1" / "1.png")
    monkeypatch.setenv("COURSEKIT_QUICK", "1")
    monkeypatch.setattr(module, "QUICK_TRAIN", 8)
    monkeypatch.setattr(module, "QUICK_VALID", 4)
    one, two = small(folder, test="test1"), small(folder)
    assert (one.train.num_examples, one.valid.num_examples, one.test.num_examples) == (8, 4, 1)
    assert one.train.filenames == two.train.filenames
    assert set(one.train.targets.tolist()) == {0, 1}


# Paths and arguments that are not what they should be ------------------------------------------


def test_an_empty_folder(folder):
    """An empty folder would end in a division by zero deep inside."""
    with refuses(str(folder), "holds no pictures", "make one folder a class"):
        images(folder)


def test_pictures_without_class_folders(folder):
    """Loose pictures would be taken as a data set without classes."""
    save(drawn(), folder / "1.png")
    with refuses("no pictures in class folders", "make one folder a class"):
        images(folder)


def test_one_class_only(folder):
    """A classifier of one class would train to perfect accuracy."""
    save(drawn(), folder / "cats" / "1.png")
    (folder / "dogs").mkdir()
    with refuses("At least two classes", "only 'cats'", "add another"):
        images(folder)


def test_classes_that_differ_in_case_only(folder):
    """Cats and cats would be two classes on Linux and one on Windows."""
    save(drawn(), folder / "Cats" / "1.png")
    save(drawn(seed=1), folder / "cats" / "1.png")
    with refuses("'Cats' and 'cats'", "give both the same name"):
        images(folder)


def test_a_path_that_is_not_there(folder):
    """The message would not say which part of the path is wrong, or what may be meant."""
    (folder / "dogscats").mkdir()
    with refuses(str(folder / "dogcats" / "train"), "check the path", "Did you mean 'dogscats'?"):
        images(folder / "dogcats" / "train")


def test_a_relative_path_that_is_not_there(folder, monkeypatch):
    """A relative path has no absolute parent to look through."""
    (folder / "dogscats").mkdir()
    monkeypatch.chdir(folder)
    with refuses("Did you mean 'dogscats'?"):
        images("dogcats")


def test_a_file_given_for_a_folder(folder):
    """A path to one picture would end in NotADirectoryError."""
    file = save(drawn(), folder / "cats" / "1.png")
    with refuses("1.png is a file, not a folder", "give the folder"):
        images(file)


def test_a_validation_folder_that_is_not_there(folder):
    """A misspelt name would silently draw a random share."""
    two_classes(folder / "train")
    two_classes(folder / "validation")
    with refuses("validatoin", "Did you mean 'validation'?"):
        images(folder, valid="validatoin")


def test_a_validation_folder_that_is_empty(folder):
    """A named but empty folder would be taken for a share."""
    two_classes(folder / "train")
    (folder / "held").mkdir()
    with refuses("held holds no pictures", "valid=0.2"):
        images(folder, valid="held")


def test_a_validation_class_that_training_lacks(folder):
    """A class that is never trained would be counted as wrong for ever."""
    two_classes(folder / "train")
    save(drawn(), folder / "valid" / "dog" / "1.png")
    with refuses("classes that training lacks: dog", "Did you mean 'dogs'?"):
        images(folder)


def test_a_test_folder_without_pictures(folder):
    """An empty test folder would make empty batches."""
    two_classes(folder / "train")
    (folder / "test1").mkdir()
    with refuses("test1 holds no pictures", "leave out test="):
        images(folder, test="test1")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"resize": "corp"}, ("resize='corp'", "'crop' or 'squish'", "Did you mean 'crop'?")),
        ({"errors": "ignore"}, ("errors='ignore'", "'skip' or 'raise'")),
        ({"size": 0}, ("size=0", "such as 224")),
        ({"size": 22.4}, ("size=22.4", "such as 224")),
        ({"size": True}, ("size=True", "such as 224")),
        ({"valid": 1.5}, ("valid=1.5", "such as 0.2")),
        ({"valid": 0}, ("valid=0", "such as 0.2")),
        ({"augment": "side_on"}, ("augment='side_on'", "use ck.side_on")),
        ({"batch_size": 0}, ("batch_size=0", "whole number")),
        ({"multi_label": True}, ("multi_label=True", "labels=table")),
        ({"labels": "folder"}, ("no table folder", "Did you mean 'folders'?")),
        ({"labels": ["cats", "dogs"]}, ("two columns (file, label)",)),
    ],
)
def test_option_values_that_cannot_be_meant(folder, option, words):
    """A misspelt option value would take the other branch of an if."""
    two_classes(folder)
    with refuses(*words):
        images(folder, **{"size": 16, **option})


def test_a_misspelt_keyword(folder):
    """**kwargs would swallow it."""
    with pytest.raises(TypeError, match="augmnet"):
        images(folder, augmnet=None)


# Every kind of file ----------------------------------------------------------------------------


def left_out(folder, capsys, **options):
    data = small(folder, **options)
    return data, capsys.readouterr().out


def spoil(folder, kind):
    """Put one file that is no good among the cats and return its path below the folder."""
    file = folder / "cats" / "bad.jpg"
    good = io.BytesIO()
    drawn(400, 300).save(good, "JPEG")
    good = good.getvalue()
    content = {
        "cut": good[: len(good) // 2],
        "text": b"<html>404 not found</html>",
        "empty": b"",
        "header": good[:20],
        "bomb": _png_of_declared_size(40_000, 40_000),
    }[kind]
    file.write_bytes(content)
    return "cats/bad.jpg"


def _png_of_declared_size(width, height):
    def chunk(kind, content):
        summed = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + summed

    facts = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", facts) + ends


KINDS = ["cut", "text", "empty", "header", "bomb"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_file_is_named_and_left_out(folder, capsys, kind):
    """One broken download among thousands would end the lesson, or train as a black square."""
    two_classes(folder, 5, ending="jpg")
    name = spoil(folder, kind)
    data, said = left_out(folder, capsys)
    assert said.count("Note:") == said.count("\n") == 1
    assert name in said
    assert "1 of 11" in said
    assert data.train.num_examples + data.valid.num_examples == 10
    assert name not in [*data.train.filenames, *data.valid.filenames]
    assert (pixels_of(data)["cats/cat.0.jpg"] > 0).any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_file_is_refused_where_asked(folder, capsys, kind):
    """errors="raise" would only warn; the second time the cache would hide the broken file."""
    two_classes(folder, 3, ending="jpg")
    name = spoil(folder, kind)
    for _ in range(2):
        with refuses(name, "mend or remove", "errors='skip'"):
            small(folder, errors="raise")
    assert small(folder).train.num_examples
    assert name in capsys.readouterr().out


def test_many_broken_files_are_told_in_one_sentence_and_in_order(folder, capsys, monkeypatch):
    """A thousand names would fill the page; threads would shuffle them from run to run."""
    two_classes(folder / "train", 5)
    two_classes(folder / "valid", 2)
    for number in range(6):
        (folder / "train" / "dogs" / f"x{number}.jpg").write_bytes(b"no")
    last, kept = threading.Event(), module.read_picture

    def read(file, **options):
        if file.name == "x0.jpg":
            last.wait(60)  # the first fails after the last
        elif file.name == "x5.jpg":
            last.set()
        return kept(file, **options)

    monkeypatch.setattr(module.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(module, "read_picture", read)
    for _ in range(2):
        said = left_out(folder, capsys)[1]
        assert "x0.jpg (it is no picture), train/dogs/x1.jpg" in said
        assert "and 3 more" in said
        assert "x3" not in said


def test_no_picture_at_all_can_be_read(folder):
    """All files broken would give empty training data without a word."""
    for name in ("cats/1.jpg", "dogs/1.jpg"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(b"no")
    with refuses("None of the 2 pictures", "check the folder"):
        small(folder)


def test_a_picture_deleted_after_it_was_listed(folder, monkeypatch, capsys):
    """A file that vanishes would raise FileNotFoundError out of a thread."""
    two_classes(folder, 5)
    victim, kept = folder / "cats" / "cat.3.png", module.read_picture

    def read(file, **options):
        if file == victim:
            victim.unlink(missing_ok=True)
        return kept(file, **options)

    monkeypatch.setattr(module, "read_picture", read)
    data, said = left_out(folder, capsys)
    assert data.train.num_examples + data.valid.num_examples == 9
    assert "cat.3.png (No such file or directory)" in said


def test_a_file_that_is_not_there_is_named(folder):
    """decode() of a list of files would raise FileNotFoundError."""
    with refuses("nothing.png cannot be found", "check its name"):
        decode([folder / "nothing.png"], size=16)


def test_a_failure_of_the_machine_is_not_kept(folder, monkeypatch, capsys):
    """A moment without memory or network drive would leave pictures out for ever."""
    two_classes(folder, 5)
    kept = module.read_picture

    def read(file, **options):
        if file.name == "cat.3.png":
            raise CourseError("no picture") from OSError(errno.EIO, "Input/output error")
        return kept(file, **options)

    monkeypatch.setattr(module, "read_picture", read)
    assert "cat.3.png (Input/output error)" in left_out(folder, capsys)[1]
    monkeypatch.setattr(module, "read_picture", kept)
    data, said = left_out(folder, capsys)
    assert said == ""
    assert data.train.num_examples + data.valid.num_examples == 10


def test_damaged_exif_writes_nothing_to_stderr(folder, capfd):
    """PIL's warnings would stand in red above the lesson's output."""
    two_classes(folder, 2, ending="jpg")
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x09\x01\x12\x00\x03\xff\xff\xff\xff"
    save(drawn(), folder / "cats" / "odd.jpg", exif=exif)
    small(folder)
    assert capfd.readouterr().err == ""


# Pixels ----------------------------------------------------------------------------------------


def test_png_of_the_same_size_is_read_exactly(folder):
    """Resizing to the same size would blur; the order of the planes would be swapped."""
    two_classes(folder, 3, size=(24, 24))
    data = small(folder, size=24)
    for name, found in pixels_of(data).items():
        assert (found == numpy.asarray(Image.open(folder / name))).all()


# Decoded once ----------------------------------------------------------------------------------


def never(*_, **__):
    raise AssertionError("a picture was read again")


def test_pictures_are_decoded_once(folder, monkeypatch):
    """Every run of the cell would decode all pictures anew."""
    first = small(two_classes(folder))
    monkeypatch.setattr(module, "read_picture", never)
    second = small(folder)
    before, after = pixels_of(first), pixels_of(second)
    assert all((before[name] == after[name]).all() for name in before)
    assert first.train.fingerprint() == second.train.fingerprint()


def test_the_array_lies_on_disk(folder):
    """25,000 pictures would be read into memory at once."""
    two_classes(folder)
    small(folder)
    array = decode(sorted(folder.rglob("*.png")), size=16).array
    assert isinstance(array, numpy.memmap)
    array[0] = 0  # writing into a copy is allowed, and does not reach the disk
    again = decode(sorted(folder.rglob("*.png")), size=16).array
    assert (again[0] > 0).any()


@pytest.mark.parametrize("change", ["content", "time", "size", "resize", "more"])
def test_a_change_is_noticed(folder, change):
    """Old pixels would be handed out for new files."""
    two_classes(folder)
    before = pixels_of(small(folder))
    file, options = folder / "cats" / "cat.0.png", {}
    if change == "content":
        save(drawn(seed=77), file)
    elif change == "time":  # same number of bytes, other pixels
        facts = file.stat()
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    elif change == "size":
        options = {"size": 20}
    elif change == "resize":
        options = {"resize": "squish"}
    else:
        save(drawn(seed=78), folder / "cats" / "cat.9.png")
    reads, kept = [], module.read_picture

    def read(file, **options):
        reads.append(file)
        return kept(file, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_picture", read)
        after = pixels_of(small(folder, **options))
    assert len(reads) == len(after)
    if change == "content":
        changed = [name for name in before if (before[name] != after[name]).any()]
        assert changed == ["cats/cat.0.png"]


def test_a_fit_may_go_on_with_the_same_pictures_elsewhere(folder, tmp_path):
    """Data unpacked anew (other path, other times) would start the training afresh."""
    two_classes(folder)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere, copy_function=shutil.copy)
    one, two = small(folder), small(elsewhere)
    assert one.train.fingerprint() == two.train.fingerprint()
    assert one.valid.fingerprint() == two.valid.fingerprint()
    save(drawn(seed=77), elsewhere / "cats" / "cat.0.png")
    changed = small(elsewhere)
    assert one.train.fingerprint() != changed.train.fingerprint()


@pytest.mark.parametrize("damage", [b"", b"half", b"\x93NUMPY\x01\x00v\x00{'descr': '|u1'"])
@pytest.mark.parametrize("which", [".npy", ".json"])
def test_a_damaged_cache_is_made_again(folder, tmp_path, damage, which):
    """A cache cut short by a power failure would raise in every later session."""
    wanted = pixels_of(small(two_classes(folder)))
    for file in (tmp_path / "home").rglob(f"*{which}"):
        file.write_bytes(damage)
    found = pixels_of(small(folder))
    assert all((wanted[name] == found[name]).all() for name in wanted)


def test_a_cache_cut_in_the_middle_is_made_again(folder, tmp_path):
    """A memory map of a short file would end the kernel with a bus error."""
    wanted = pixels_of(small(two_classes(folder)))
    for file in (tmp_path / "home").rglob("*.npy"):
        file.write_bytes(file.read_bytes()[:-1000])
    found = pixels_of(small(folder))
    assert all((wanted[name] == found[name]).all() for name in wanted)


def test_nothing_half_written_is_left(folder, tmp_path, monkeypatch):
    """An interrupt while decoding would leave gigabytes of parts behind, or a cache with holes."""
    two_classes(folder)
    kept = module.read_picture

    def interrupted(file, **options):
        if file.name == "dog.3.png":
            raise KeyboardInterrupt
        return kept(file, **options)

    monkeypatch.setattr(module, "read_picture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small(folder)
    assert not [file for file in (tmp_path / "home").rglob("*") if file.is_file()]
    monkeypatch.setattr(module, "read_picture", kept)
    assert small(folder).train.num_examples


# Nowhere to write ------------------------------------------------------------------------------


def stays_in_memory(folder, capsys, reference):
    data, said = left_out(folder, capsys)
    assert said.count("Note:") == said.count("\n") == 1
    assert "stay in memory" in said
    assert "set COURSEKIT_HOME" in said
    found = pixels_of(data)
    assert all((found[name] == reference[name]).all() for name in reference)
    return said


def test_a_file_where_the_cache_folder_should_be(folder, tmp_path, capsys, monkeypatch):
    """A cache that cannot be written would end the lesson."""
    reference = pixels_of(small(two_classes(folder)))
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "taken"))
    stays_in_memory(folder, capsys, reference)


def test_a_read_only_cache_folder(folder, tmp_path, capsys, monkeypatch):
    """The same, where the folder is there and only reading is allowed."""
    reference = pixels_of(small(two_classes(folder)))
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "other"))

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(module.Path, "mkdir", refuse)
    assert "Read-only file system" in stays_in_memory(folder, capsys, reference)


def test_a_full_disk_while_writing(folder, tmp_path, capsys, monkeypatch):
    """A disk that fills up in the middle would leave a cache with holes, or end the lesson."""
    reference = pixels_of(small(two_classes(folder, 20)))
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "other"))
    rows = []

    def header(out, _):
        class Full:
            def tobytes(self):
                raise OSError(errno.ENOSPC, "No space left on device")

        rows.append(Full())

    kept = module._in_parallel

    def filling(one, count):
        for row, picture in enumerate(kept(one, count)):
            yield rows.pop() if row == 30 and rows else picture

    monkeypatch.setattr(numpy.lib.format, "write_array_header_1_0", header)
    monkeypatch.setattr(module, "_in_parallel", filling)
    assert "No space left on device" in stays_in_memory(folder, capsys, reference)
    assert not [file for file in (tmp_path / "other").rglob("*") if file.is_file()]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_device_that_is_really_full(folder, tmp_path, capsys, monkeypatch):
    """The same with the operating system's own error."""
    reference = pixels_of(small(two_classes(folder)))
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "other"))
    really = open

    def full(file, mode="r", **options):
        return really("/dev/full" if mode == "wb" else file, mode, **options)

    monkeypatch.setattr(module, "open", full, raising=False)
    assert "No space left" in stays_in_memory(folder, capsys, reference)


# Labels from a table ---------------------------------------------------------------------------


@pytest.fixture
def tiles(folder):
    """Write eight pictures below ``folder``/jpg and return their labels by stem."""
    tags = ["clear road", "cloudy", "clear water", "haze road water", "clear", "water", "road", ""]
    for number in range(8):
        save(drawn(seed=number), folder / "jpg" / f"train_{number}.png")
    return {f"train_{number}": tag for number, tag in enumerate(tags)}


def as_table(labels, kind, folder):
    frame = pandas.DataFrame({"image_name": list(labels), "tags": list(labels.values())})
    if kind == "csv":
        frame.to_csv(folder / "labels.csv", index=False)
        return "labels.csv"
    if kind == "path":
        frame.to_csv(folder / "labels.csv", index=False)
        return folder / "labels.csv"
    return frame if kind == "frame" else labels


KINDS_OF_TABLE = ["frame", "csv", "path", "dict"]


@pytest.mark.parametrize("kind", KINDS_OF_TABLE)
@pytest.mark.parametrize("ending", ["", ".png"])
def test_one_label_from_a_table(folder, tiles, kind, ending):
    """Labels would be matched by order instead of by name."""
    labels = {f"{name}{ending}": tag for name, tag in tiles.items() if " " not in tag and tag}
    data = small(folder, labels=as_table(labels, kind, folder), valid=0.25)
    assert data.classes == ("clear", "cloudy", "road", "water")
    for part in (data.train, data.valid):
        for name, target in zip(part.filenames, part.targets.tolist(), strict=True):
            stem = name.removeprefix("jpg/").removesuffix(".png")
            assert data.classes[target] == tiles[stem]


@pytest.mark.parametrize("kind", ["frame", "dict"])
def test_several_labels_equal_scikit_learn(folder, tiles, kind):
    """The columns of the targets would not stand in the order of the classes."""
    data = small(folder, labels=as_table(tiles, kind, folder), multi_label=True, valid=0.25)
    binarizer = MultiLabelBinarizer().fit([tag.split() for tag in tiles.values()])
    assert data.classes == tuple(binarizer.classes_)
    assert data.multi_label
    for part in (data.train, data.valid):
        stems = [name.removeprefix("jpg/").removesuffix(".png") for name in part.filenames]
        wanted = binarizer.transform([tiles[stem].split() for stem in stems])
        assert part.targets.dtype == torch.float32
        assert (part.targets.numpy() == wanted).all()


def test_numbers_as_file_names_keep_their_zeros(folder):
    """pandas would read 007 as 7, and the class NA as missing."""
    for number in range(6):
        save(drawn(seed=number), folder / f"{number:03}.png")
    lines = ["file,label", *(f"{number:03},{['NA', '01'][number % 2]}" for number in range(6))]
    (folder / "labels.csv").write_text("\n".join(lines))
    data = small(folder, labels="labels.csv", valid=0.5)
    assert data.classes == ("01", "NA")
    for name, target in zip(data.train.filenames, data.train.targets.tolist(), strict=True):
        assert data.classes[target] == ("NA", "01")[int(name[:3]) % 2]


def test_pictures_without_a_label_are_left_out_with_a_note(folder, tiles, capsys):
    """They would be given the first class."""
    labels = {name: "ab"[number % 2] for number, name in enumerate(list(tiles)[:5])}
    data, said = left_out(folder, capsys, labels=labels)
    assert "3 of 8 pictures in pictures have no label" in said
    assert data.train.num_examples + data.valid.num_examples == 5


def test_labels_that_do_not_match_files(folder, tiles):
    """A misspelt column would give an empty data set, or a KeyError."""
    labels = {name.replace("train_7", "tran_7"): "ab"[len(tag) % 2] for name, tag in tiles.items()}
    with refuses("1 of 8 labels have no picture", "'tran_7'", "Did you mean 'train_7"):
        small(folder, labels=labels)


def test_labels_that_may_mean_two_files(folder, tiles):
    """Two pictures of the same name in two folders would both get the label of one."""
    save(drawn(seed=50), folder / "other" / "train_1.png")
    with refuses("'train_1'", "jpg/train_1.png and other/train_1.png", "write the path"):
        small(folder, labels={"train_1": "a", "train_2": "b"})
    whole = {"jpg/train_1.png": "a", "other/train_1.png": "b", "train_2": "b"}
    data = small(folder, labels=whole, valid=0.4)
    assert {*data.train.filenames, *data.valid.filenames} == {
        "jpg/train_1.png",
        "other/train_1.png",
        "jpg/train_2.png",
    }


def test_a_picture_that_is_labelled_twice(folder, tiles):
    """A doubled row would put the same picture into training and validation."""
    table = pandas.DataFrame({"file": ["train_1", "train_2", "train_1.png"], "label": list("aba")})
    with refuses("jpg/train_1.png stands in several rows", "one row for each"):
        small(folder, labels=table)


@pytest.mark.parametrize("kind", KINDS_OF_TABLE)
@pytest.mark.parametrize("many", [False, True])
def test_labels_that_are_missing(folder, tiles, kind, many):
    """NaN would become a class of the name nan."""
    labels = tiles | {"train_3": None, "train_7": None}
    with refuses("2 of 8 rows", "row 3 (train_3)", "fill them in"):
        small(folder, labels=as_table(labels, kind, folder), multi_label=many)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"image_name\ntrain_0\n", ("two columns (file, label)",)),
        (b"", ("labels.csv cannot be read", "save it as CSV in UTF-8")),
        ("ファイル,種類\ntrain_0,猫\n".encode("shift-jis"), ("labels.csv cannot be read", "UTF-8")),
        (b'a,b\n"train_0,x\n', ("labels.csv cannot be read", "UTF-8")),
        (b"a,b\n", ("At least two classes", "add another")),
    ],
)
def test_tables_of_the_wrong_shape(folder, tiles, content, words):
    """Errors of pandas, several lines long, would reach the learner."""
    (folder / "labels.csv").write_bytes(content)
    with refuses(*words):
        small(folder, labels="labels.csv")


def test_a_frame_of_one_column(folder, tiles):
    """IndexError: positional indexer out of bounds."""
    with refuses("two columns (file, label)"):
        small(folder, labels=pandas.DataFrame({"file": list(tiles)}))


def test_a_validation_folder_with_a_table(folder, tiles):
    """The name of the folder would be ignored."""
    with refuses("With labels=table", "such as 0.2"):
        small(folder, labels=tiles, multi_label=True, valid="valid")


def test_facts_of_the_cache_are_json(folder, tmp_path):
    """A cache that runs code when it is read could be handed around by anyone."""
    small(two_classes(folder))
    (facts,) = (tmp_path / "home").rglob("*.json")
    content, broken = json.loads(facts.read_text())
    assert len(content) == 24
    assert broken == {}
