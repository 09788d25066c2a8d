"""Reading pictures: layouts, labels, broken files, decoded once and kept on disk."""

import io
import os
import shutil

import pandas
import pytest
import torch
from sklearn.preprocessing import MultiLabelBinarizer

from coursekit.console import CourseError
from coursekit.data import images as module
from coursekit.data.images import images
from tests.data.pictures import drawn, save


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path):
    """An empty folder for pictures."""
    (tmp_path / "pictures").mkdir()
    return tmp_path / "pictures"


def two_classes(root, count=6, ending="png", size=(40, 40)):
    """Write ``count`` pictures of cats and as many of dogs."""
    for number in range(count):
        save(drawn(*size, seed=number), root / "cats" / f"cat.{number}.{ending}")
        save(drawn(*size, seed=100 + number), root / "dogs" / f"dog.{number}.{ending}")
    return root


def small(root, **options):
    """Read pictures of 16 pixels a side."""
    return images(root, **{"size": 16, **options})


def names(data):
    """Names of all pictures of training and validation."""
    return [*data.train.filenames, *data.valid.filenames]


def labels_of(data):
    """{name: class} of training and validation."""
    targets = [*data.train.targets.tolist(), *data.valid.targets.tolist()]
    return {name: data.classes[n] for name, n in zip(names(data), targets, strict=True)}


def pixels_of(data):
    """{name: pixels} of training and validation."""
    rows = [row.numpy().copy() for part in (data.train, data.valid) for row in part.inputs[:]]
    return dict(zip(names(data), rows, strict=True))


def same_pixels(one, other):
    """Whether two Data hold the same pictures, pixel by pixel."""
    first, second = pixels_of(one), pixels_of(other)
    return first.keys() == second.keys() and all((first[n] == second[n]).all() for n in first)


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
    assert all(name.split("/")[1] == label for name, label in labels_of(data).items())
    assert (data.train.shuffle, data.valid.shuffle) == (True, False)
    assert (data.size, data.resize, data.multi_label) == (16, "crop", False)


def test_a_batch_is_what_the_docstring_says(folder):
    """Bytes would reach the net, the planes stand last, or validation be augmented."""
    data = small(two_classes(folder), batch_size=5, augment=lambda x: x - 5)
    x, y = data.valid.one_batch()
    assert (x.shape, x.dtype, y.dtype) == ((2, 3, 16, 16), torch.float32, torch.int64)
    assert 0 <= x.min() <= x.max() <= 1
    assert data.train.one_batch()[0].max() < 0


def test_classes_alone_give_a_random_fifth_that_the_seed_decides(folder):
    """A validation part drawn anew in every session would leak training pictures into it."""
    two_classes(folder, 10)
    one, two, other = small(folder), small(folder), small(folder, seed=1)
    assert len(one.valid.filenames) == 4
    assert len(set(names(one))) == 20
    assert one.valid.filenames == two.valid.filenames != other.valid.filenames
    assert len(small(folder, valid=0.5).valid.filenames) == 10


def test_named_folders(folder):
    """Without train/, the validation and test folders would become classes."""
    two_classes(folder, 4)
    two_classes(folder / "held", 2)
    for number in range(3):
        save(drawn(seed=number), folder / "test1" / f"{number}.png")
    data = small(folder, valid="held", test="test1")
    assert data.classes == ("cats", "dogs")
    assert (len(data.train.filenames), len(data.valid.filenames)) == (8, 4)
    assert data.test.targets is None
    assert data.test.filenames == ["test1/0.png", "test1/1.png", "test1/2.png"]
    x, y = data.test.one_batch()
    assert x.shape == (3, 3, 16, 16)
    assert y is None
    beside = two_classes(folder.parent / "beside", 4)  # as planet's test-jpg lies beside train-jpg
    elsewhere = small(beside, test=folder / "test1").test
    assert elsewhere.filenames == [str(folder / "test1" / f"{number}.png") for number in range(3)]


def test_hidden_files_and_folders_are_left_alone(folder):
    """macOS's ._x.jpg and Jupyter's .ipynb_checkpoints would be read as pictures, or as classes."""
    two_classes(folder, 4)
    (folder / "cats" / "._cat.0.png").write_bytes(b"resource fork")
    save(drawn(), folder / "cats" / ".ipynb_checkpoints" / "cat.0-checkpoint.png")
    save(drawn(), folder / ".ipynb_checkpoints" / "cat.png")
    (folder / "cats" / "Thumbs.db").write_bytes(b"no picture")
    data = small(folder, errors="raise")
    assert data.classes == ("cats", "dogs")
    assert len(names(data)) == 8


def test_links_spaces_and_japanese_letters(folder, tmp_path):
    """A folder of links, as classrooms share data, would look empty; names would be mangled."""
    elsewhere = two_classes(tmp_path / "elsewhere", 1)
    (folder / "黒い 猫").mkdir()
    (folder / "黒い 猫" / "写真 1.png").symlink_to(elsewhere / "cats" / "cat.0.png")
    (folder / "犬").symlink_to(elsewhere / "dogs")
    data = small(folder, valid=0.5)
    assert data.classes == ("犬", "黒い 猫")
    assert set(names(data)) == {"黒い 猫/写真 1.png", "犬/dog.0.png"}


def test_quick_profile_takes_fewer_pictures(folder, monkeypatch):
    """Under COURSEKIT_QUICK the whole set would be decoded."""
    two_classes(folder / "train", 6)
    two_classes(folder / "valid", 4)
    save(drawn(), folder / "test1" / "1.png")
    monkeypatch.setenv("COURSEKIT_QUICK", "1")
    monkeypatch.setattr(module, "QUICK_TRAIN", 8)
    monkeypatch.setattr(module, "QUICK_VALID", 4)
    one, two = small(folder, test="test1"), small(folder)
    assert (len(one.train.filenames), len(one.valid.filenames)) == (8, 4)
    assert names(one) == names(two)
    assert set(one.train.targets.tolist()) == {0, 1}


# Paths and arguments that are not what they should be ------------------------------------------


@pytest.mark.parametrize(
    ("files", "options", "says"),
    [
        ((), {}, "pictures holds no pictures"),
        (("1.png",), {}, "pictures holds no pictures"),
        (("cats/1.png",), {}, "only 'cats'"),
        (("Cats/1.png", "cats/1.png"), {}, "'Cats' and 'cats'"),
        (("train/a/1.png", "train/b/1.png"), {"valid": "tarin"}, "Did you mean 'train'"),
        (("train/a/1.png", "held/x.txt"), {"valid": "held"}, "held holds no pictures"),
        (("train/dogs/1.png", "valid/dog/1.png"), {}, r"dog\. Did you mean 'dogs'"),
        (("a/1.png", "b/1.png", "test1/x.txt"), {"test": "test1"}, "test1 holds no pictures"),
    ],
)
def test_folders_without_what_is_needed(folder, files, options, says):
    """A division by zero deep inside, a class that is never trained, or a silent random split."""
    for number, name in enumerate(files):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
        if name.endswith("png"):
            save(drawn(seed=number), folder / name)
    with pytest.raises(CourseError, match=says):
        small(folder, **options)


def test_a_path_that_is_no_folder(folder, monkeypatch):
    """The message would not say which part of the path is wrong, or what may be meant."""
    file = save(drawn(), folder / "dogscats" / "1.png")
    with pytest.raises(CourseError, match=r"1\.png is a file"):
        images(file)
    with pytest.raises(CourseError, match="Did you mean 'dogscats'"):
        images(folder / "dogcats" / "train")
    monkeypatch.chdir(folder)  # a relative path has no absolute parent to look through
    with pytest.raises(CourseError, match="Did you mean 'dogscats'"):
        images("dogcats")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"resize": "corp"}, "'corp'.*Did you mean 'crop'"),
        ({"errors": "ignore"}, "'ignore'"),
        ({"size": 0}, "size=0"),
        ({"size": 22.4}, "size=22.4"),
        ({"size": True}, "size=True"),
        ({"valid": 1.5}, "valid=1.5"),
        ({"augment": "side_on"}, "'side_on'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"multi_label": True}, "multi_label=True"),
        ({"labels": "folder"}, "Did you mean 'folders'"),
        ({"labels": ["cats", "dogs"]}, "labels="),
        ({"labels": {"cat.0": "a", "dog.0": "b"}, "valid": "valid"}, "valid="),
    ],
)
def test_option_values_that_cannot_be_meant(folder, option, says):
    """A misspelt option value would take the other branch of an if."""
    two_classes(folder)
    with pytest.raises(CourseError, match=says):
        images(folder, **{"size": 16, **option})
    with pytest.raises(TypeError, match="augmnet"):
        images(folder, augmnet=None)


# Broken files ----------------------------------------------------------------------------------


def cut_short():
    """The first half of a JPEG."""
    stream = io.BytesIO()
    drawn(400, 300).save(stream, "JPEG")
    return stream.getvalue()[: len(stream.getvalue()) // 2]


@pytest.mark.parametrize("content", [cut_short(), b"<html>404 not found</html>", b""])
def test_a_broken_file_is_named_and_left_out_or_refused(folder, capsys, content):
    """One broken download among thousands would end the lesson, or train as a black square."""
    two_classes(folder, 5, ending="jpg")
    (folder / "cats" / "bad.jpg").write_bytes(content)
    for _ in range(2):  # the second time from the cache
        with pytest.raises(CourseError, match=r"cats/bad\.jpg"):
            small(folder, errors="raise")
        data = small(folder)
        said = capsys.readouterr().out
        assert said.count("Note:") == said.count("\n") == 1
        assert "cats/bad.jpg" in said
        assert "1 of 11" in said
        assert len(names(data)) == 10
        assert "cats/bad.jpg" not in names(data)
        assert (pixels_of(data)["cats/cat.0.jpg"] > 0).any()


def test_many_broken_files_are_told_in_one_sentence_and_in_order(folder, capsys):
    """A thousand names would fill the page; threads would shuffle them from run to run."""
    two_classes(folder / "train", 5)
    two_classes(folder / "valid", 2)
    for number in range(6):
        (folder / "train" / "dogs" / f"x{number}.jpg").write_bytes(b"no")
    for _ in range(2):
        small(folder)
        said = capsys.readouterr().out
        assert said.index("x0.jpg") < said.index("x1.jpg") < said.index("and 3 more")
        assert "x3" not in said


def test_no_picture_at_all_can_be_read(folder):
    """All files broken would give empty training data without a word."""
    for name in ("cats/1.jpg", "dogs/1.jpg"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(b"no")
    with pytest.raises(CourseError, match="None of the 2 pictures"):
        small(folder)


def test_a_picture_deleted_after_it_was_listed(folder, monkeypatch, capsys):
    """A file that vanishes would raise FileNotFoundError out of a thread, or stay left out."""
    two_classes(folder, 5)
    victim, real = folder / "cats" / "cat.3.png", module.read_picture
    content, facts = victim.read_bytes(), victim.stat()

    def read(file, **options):
        if file == victim:
            victim.unlink(missing_ok=True)
        return real(file, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "read_picture", read)
        assert len(names(small(folder))) == 9
        assert "cat.3.png" in capsys.readouterr().out
    victim.write_bytes(content)  # it is back: a failure of the machine is not kept
    os.utime(victim, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert len(names(small(folder))) == 10


def test_damaged_exif_writes_nothing_to_stderr(folder, capfd):
    """PIL's warnings would stand in red above the lesson's output."""
    two_classes(folder, 2, ending="jpg")
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x09\x01\x12\x00\x03\xff\xff\xff\xff"
    save(drawn(), folder / "cats" / "odd.jpg", exif=exif)
    small(folder)
    assert capfd.readouterr().err == ""


# Decoded once ----------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch):
    """The files that are read from now on."""
    found, real = [], module.read_picture

    def read(file, **options):
        found.append(file.name)
        return real(file, **options)

    monkeypatch.setattr(module, "read_picture", read)
    return found


def test_pictures_are_decoded_once(folder, reads):
    """Every run of the cell would decode all pictures anew, or hold 25,000 in memory."""
    first = small(two_classes(folder))
    reads.clear()
    second = small(folder)
    assert not reads
    assert same_pixels(first, second)
    assert first.train.fingerprint() == second.train.fingerprint()


@pytest.mark.parametrize("change", ["content", "time", "size", "resize", "more"])
def test_a_change_is_noticed(folder, reads, change):
    """Old pixels would be handed out for new files."""
    before = pixels_of(small(two_classes(folder)))
    file, options = folder / "cats" / "cat.0.png", {}
    if change == "content":
        save(drawn(seed=77), file)
    elif change == "time":  # same number of bytes, other pixels
        facts = file.stat()
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    elif change == "more":
        save(drawn(seed=78), folder / "cats" / "cat.9.png")
    else:
        options = {"size": 20} if change == "size" else {"resize": "squish"}
    reads.clear()
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


@pytest.mark.parametrize("which", [".npy", ".json"])
@pytest.mark.parametrize("share", [0, 0.5])
def test_a_damaged_cache_is_made_again(folder, tmp_path, share, which):
    """A cache cut short by a power failure would raise, or end the kernel with a bus error."""
    wanted = pixels_of(small(two_classes(folder)))
    for file in (tmp_path / "home").rglob(f"*{which}"):
        content = file.read_bytes() if which == ".npy" else b"[[1, "
        file.unlink()  # the mapped one stays as it is
        file.write_bytes(content[: int(share * len(content))])
    found = pixels_of(small(folder))
    assert all((wanted[name] == found[name]).all() for name in wanted)


def test_an_interrupt_leaves_nothing_half_written(folder, tmp_path, monkeypatch):
    """Gigabytes of parts would be left behind, or a cache with holes."""
    two_classes(folder)
    real = module.read_picture

    def interrupted(file, **options):
        if file.name == "dog.3.png":
            raise KeyboardInterrupt
        return real(file, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "read_picture", interrupted)
        with pytest.raises(KeyboardInterrupt):
            small(folder)
    assert not [file for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert small(folder).train.num_examples


def test_without_a_disk_the_pictures_stay_in_memory(folder, tmp_path, capsys, monkeypatch):
    """A cache that cannot be written would end the lesson."""
    reference = small(two_classes(folder, 20))
    home = tmp_path / "file"
    home.write_text("no folder")
    monkeypatch.setenv("COURSEKIT_HOME", str(home))
    found = small(folder)
    said = capsys.readouterr().out
    assert said.count("Note:") == said.count("\n") == 1
    assert str(home) in said
    assert same_pixels(found, reference)


# Labels from a table ---------------------------------------------------------------------------


@pytest.fixture
def tiles(folder):
    """Write eight pictures below ``folder``/jpg and return their labels by stem."""
    tags = ["clear road", "cloudy", "clear water", "haze road water", "clear", "water", "road", ""]
    for number in range(8):
        save(drawn(seed=number), folder / "jpg" / f"train_{number}.png")
    return {f"train_{number}": tag for number, tag in enumerate(tags)}


def as_table(labels, kind, folder):
    """Labels as a dict, a DataFrame with an index of its own, or a CSV file."""
    frame = pandas.DataFrame({"image_name": list(labels), "tags": list(labels.values())})
    if kind in ("csv", "path"):
        frame.to_csv(folder / "labels.csv", index=False)
        return "labels.csv" if kind == "csv" else folder / "labels.csv"
    return frame.set_index(frame.index * 3 + 5) if kind == "frame" else labels


def stems(part):
    """Names of the pictures of a part, without folder and ending."""
    return [name.removeprefix("jpg/").removesuffix(".png") for name in part.filenames]


@pytest.mark.parametrize("kind", ["frame", "csv", "path", "dict"])
@pytest.mark.parametrize("name", ["{}", "{}.png", "jpg/{}.png"])
def test_one_label_from_a_table(folder, tiles, kind, name, capsys):
    """Labels would be matched by order instead of by name."""
    one = {stem: tag for stem, tag in tiles.items() if tag and " " not in tag}
    labels = {name.format(stem): tag for stem, tag in reversed(one.items())}
    data = small(folder, labels=as_table(labels, kind, folder), valid=0.25)
    assert "4 of 8 pictures" in capsys.readouterr().out, "others have no label: left out"
    assert data.classes == ("clear", "cloudy", "road", "water")
    assert labels_of(data) == {f"jpg/{stem}.png": tag for stem, tag in one.items()}


@pytest.mark.parametrize("kind", ["frame", "dict"])
def test_several_labels_equal_scikit_learn(folder, tiles, kind):
    """The columns of the targets would not stand in the order of the classes."""
    data = small(folder, labels=as_table(tiles, kind, folder), multi_label=True, valid=0.25)
    binarizer = MultiLabelBinarizer().fit([tag.split() for tag in tiles.values()])
    assert data.classes == tuple(binarizer.classes_)
    assert data.multi_label
    for part in (data.train, data.valid):
        wanted = binarizer.transform([tiles[stem].split() for stem in stems(part)])
        assert part.targets.dtype == torch.float32
        assert (part.targets.numpy() == wanted).all()


def test_numbers_as_file_names_keep_their_zeros(folder):
    """pandas would read 007 as 7, and the class NA as missing."""
    for number in range(6):
        save(drawn(seed=number), folder / f"{number:03}.png")
    lines = ["file,label", *(f"{number:03},{['NA', '01'][number % 2]}" for number in range(6))]
    (folder / "labels.csv").write_text("\n".join(lines))
    found = labels_of(small(folder, labels="labels.csv", valid=0.5))
    assert found == {f"{number:03}.png": ["NA", "01"][number % 2] for number in range(6)}


def test_names_that_may_mean_two_files(folder, tiles):
    """Two pictures of the same name in two folders would both get the label of one."""
    save(drawn(seed=50), folder / "other" / "train_1.png")
    save(drawn(seed=51), folder / "train_2.png")
    whole = {"jpg/train_1.png": "a", "other/train_1.png": "b", "train_2.png": "b"}
    assert set(names(small(folder, labels=whole, valid=0.4))) == set(whole)  # a path means itself
    with pytest.raises(CourseError, match=r"'train_1'.*jpg/train_1\.png and other/train_1\.png"):
        small(folder, labels={"train_1": "a", "train_3": "b"})


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"train_1": "a", "tran_7": "b"}, "1 of 2 .*'tran_7'.*Did you mean 'train_7"),
        ({"train_1": "a", "train_2": "b", "train_1.png": "a"}, r"jpg/train_1\.png"),
        ({"train_1": "a", "train_2": None, "train_3": None}, r"2 of 3 rows.*row 1 \(train_2\)"),
        ({"train_1": "a"}, "only 'a'"),
        (pandas.DataFrame({"file": ["train_1"]}), "two columns"),
        (b"image_name\ntrain_0\n", "two columns"),
        (b"", r"labels\.csv cannot be read"),
        ("ファイル,種類\ntrain_0,猫\n".encode("shift-jis"), r"labels\.csv cannot be read"),
        (b'a,b\n"train_0,x\n', r"labels\.csv cannot be read"),
        (b"a,b\n", "At least two classes"),
        (b"a,b\ntrain_0,\n", "1 of 1 rows"),
    ],
)
def test_tables_that_do_not_fit(folder, tiles, labels, says):
    """An empty data set, NaN as a class, or errors of pandas, several lines long."""
    if isinstance(labels, bytes):
        (folder / "labels.csv").write_bytes(labels)
        labels = "labels.csv"
    for multi_label in (False, True):
        with pytest.raises(CourseError, match=says):
            small(folder, labels=labels, multi_label=multi_label)
