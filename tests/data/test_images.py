"""Reading pictures: layouts, labels, broken files, decoded once and kept on disk."""

import io
import os
import shutil
import unicodedata

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


@pytest.mark.parametrize(
    ("train", "valid"),
    [("train", "valid"), ("Train", "Valid"), ("training", "validation"), ("training_set", "val")],
)
def test_parts_are_found_under_the_names_that_people_give_them(folder, train, valid, capsys):
    """Parts would become classes, or a validation folder slip into training or be passed over."""
    two_classes(folder / train, 4)
    two_classes(folder / valid, 2)
    data = small(folder)
    assert data.classes == ("cats", "dogs")
    assert (data.train.num_examples, data.valid.num_examples) == (8, 4)
    assert all(name.startswith(f"{train}/") for name in data.train.filenames)
    assert all(name.split("/")[1] == label for name, label in labels_of(data).items())
    assert (data.train.shuffle, data.valid.shuffle) == (True, False)
    said = capsys.readouterr().out
    assert said.count("Note: the folder") == (train != "train") + (valid != "valid")


def test_a_batch_is_what_the_docstring_says(folder):
    """Bytes would reach the net, the planes stand last, or validation be augmented."""
    data = small(two_classes(folder), batch_size=5, augment=lambda x: x - 5)
    x, y = data.valid.one_batch()
    assert (x.shape, x.dtype, y.dtype) == ((2, 3, 16, 16), torch.float32, torch.int64)
    assert 0 <= x.min() <= x.max() <= 1
    assert data.train.one_batch()[0].max() < 0
    assert (data.size, data.multi_label) == (16, False)


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
    assert small(beside, test=folder / "held").test.targets.tolist() == [0, 0, 1, 1]


def test_what_is_left_out_is_counted_and_named(folder, capsys):
    """A class of an iPhone's pictures would vanish without a word, and the net never know it."""
    two_classes(folder)
    for name in ("birds/1.HEIC", "birds/2.heic", "cats/notes", "._x.jpg", "cats/Thumbs.db"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    save(drawn(), folder / "beside.png")
    os.mkfifo(folder / "cats" / "pipe.jpg")  # would be waited for
    save(drawn(), folder / "cats" / ".ipynb_checkpoints" / "cat.0-checkpoint.png")
    save(drawn(), folder / ".ipynb_checkpoints" / "cat.png")
    save(drawn(), folder / "cats" / "a.jfif", format="JPEG")
    data = small(folder)
    assert (data.classes, len(names(data))) == (("cats", "dogs"), 13)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "2 .heic, 1 .png, 1 without ending, 1 .jpg, folder birds without any" in said


def test_a_folder_that_may_not_be_looked_into(folder, monkeypatch):
    """Its class would be missing without a word."""
    two_classes(folder)
    real = os.scandir

    def scandir(place):
        if str(place).endswith("dogs"):
            raise PermissionError(13, "Permission denied", str(place))
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(CourseError, match=r"dogs cannot be looked into \(Permission denied\)"):
        small(folder)


def test_one_name_in_two_spellings_is_one_class(folder):
    """A blank, or macOS's two signs for one Japanese letter, would make another class."""
    spellings = [unicodedata.normalize(form, "ガゼル") for form in ("NFC", "NFD")]
    for number, name in enumerate([*spellings, "dogs", "dogs "]):
        save(drawn(seed=number), folder / "train" / name / f"{number}.png")
    save(drawn(seed=9), folder / "valid" / spellings[1] / "9.png")
    assert small(folder).classes == ("dogs", spellings[0])
    labels = {"9": "cat", f"valid/{spellings[0]}/9.png": "cat "}
    files = {**dict.fromkeys("0123", "dog"), f"valid\\{spellings[0]}\\9.png": " cat"}
    assert small(folder, labels=files, valid=0.4).classes == ("cat", "dog")
    with pytest.raises(CourseError, match="stands in several rows"):
        small(folder, labels=labels)


def test_a_class_that_cannot_be_learned_is_named(folder, capsys):
    """The net would have an output that is never trained, and be wrong whenever it is asked for."""
    two_classes(folder, 10)
    save(drawn(), folder / "birds" / "1.png")
    said = ""
    for seed in range(20):
        birds = "birds" in {n.split("/")[0] for n in small(folder, seed=seed).train.filenames}
        said = capsys.readouterr().out
        assert ("1 of 3 classes have no picture in training" in said and "birds" in said) != birds
    (folder / "birds" / "1.png").write_bytes(b"broken")
    small(folder, valid=0.1)
    assert "cannot be learned: birds" in capsys.readouterr().out


def test_a_test_folder_that_is_not_used_is_named(folder, capsys):
    """training_set/ and test_set/: a share of training would stand for the test, silently."""
    two_classes(folder / "training_set", 4)
    two_classes(folder / "test_set", 2)
    assert len(names(small(folder))) == 8
    assert "valid='test_set'" in capsys.readouterr().out
    assert len(small(folder, valid="test_set").valid.filenames) == 4


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
        ("", {}, "pictures holds nothing to read"),
        ("1.png", {}, "pictures holds nothing to read"),
        ("cats/1.png", {}, "only 'cats'"),
        ("Cats/1.png cats/1.png", {}, "'Cats' and 'cats'"),
        ("train/a/1.png train/b/1.png", {"valid": "tarin"}, "Did you mean 'train'"),
        ("train/a/1.png train/b/1.png", {"valid": "train"}, "the folder of training"),
        ("train/a/1.png held/x.txt", {"valid": "held"}, "held holds nothing to read"),
        ("train/dogs/1.png valid/dog/1.png", {}, r"dog\. Did you mean 'dogs'"),
        ("train/a/1.png val/a/1.png validation/a/1.png", {}, "val and validation .* rename one"),
        ("a/1.png b/1.png test1/x.txt", {"test": "test1"}, "test1 holds no pictures"),
        ("a/1.png b/1.png", {"test": 5}, "test=5"),
        ("a/1.png b/1.png test/a/1.png test/b/1.png", {}, "test in .* look like parts"),
        ("train/1.png test/1.png", {}, "test and train in .* look like parts"),
    ],
)
def test_folders_without_what_is_needed(folder, files, options, says):
    """A division by zero deep inside, a class that is never trained, or a silent random split."""
    for number, name in enumerate(files.split()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
        if name.endswith("png"):
            save(drawn(seed=number), folder / name)
    with pytest.raises(CourseError, match=says):
        small(folder, **options)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("dogscats/1.png", r"1\.png is a file"),
        ("dogcats/train", "Did you mean 'dogscats'"),
        ("x" * 300, "no folder"),
        ("a\0b", "no folder"),
        (None, "path=None"),
    ],
)
def test_a_path_that_is_no_folder(folder, monkeypatch, path, says):
    """The message would not say which part of the path is wrong, or what may be meant."""
    save(drawn(), folder / "dogscats" / "1.png")
    monkeypatch.chdir(folder)  # a relative path has no absolute parent to look through
    with pytest.raises(CourseError, match=says):
        images(path)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"size": 0}, "size=0"),
        ({"multi_label": True}, "multi_label=True"),
        ({"labels": "folder"}, "labels= is 'folders'.*not 'folder'"),
        ({"labels": ["cats", "dogs"]}, "labels="),
        ({"labels": {"cat.0": "a", "dog.0": "b"}, "valid": "valid"}, "valid="),
        ({"labels": {"cat.0": ["a", "b"], "dog.0": "b"}}, "multi_label=True"),
        ({"corrections": 5.5}, "corrections 5.5"),
    ],
)
def test_option_values_that_cannot_be_meant(folder, option, says):
    """A misspelt option value would take the other branch of an if."""
    two_classes(folder)
    with pytest.raises(CourseError, match=says):
        images(folder, **{"size": 16, **option})


# Broken files ----------------------------------------------------------------------------------


def cut_short():
    """The first half of a JPEG."""
    stream = io.BytesIO()
    drawn(400, 300).save(stream, "JPEG")
    return stream.getvalue()[: len(stream.getvalue()) // 2]


@pytest.mark.parametrize("content", [cut_short(), b"<html>404 not found</html>", b""])
def test_a_broken_file_is_named_and_left_out(folder, capsys, content):
    """One broken download among thousands would end the lesson, or train as a black square."""
    two_classes(folder, 5, ending="jpg")
    (folder / "cats" / "bad.jpg").write_bytes(content)
    for _ in range(2):  # the second time from the cache
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
    for file in folder.rglob("*.png"):
        file.write_bytes(b"no")
    with pytest.raises(CourseError, match="None of 20 pictures"):
        small(folder)


def test_a_picture_deleted_after_it_was_listed(folder, monkeypatch, capsys):
    """A file that vanishes would raise FileNotFoundError out of a thread, or stay left out."""
    two_classes(folder, 5)
    victim, real = folder / "cats" / "cat.3.png", module.read_picture

    def read(file, **options):
        if file == victim:
            raise CourseError("gone") from OSError(5, "Input/output error")
        return real(file, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "read_picture", read)
        assert len(names(small(folder))) == 9
        assert "cat.3.png (Input/output error)" in capsys.readouterr().out
    assert len(names(small(folder))) == 10  # it is back: a failure of the machine is not kept


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


def test_pictures_are_decoded_once(folder, reads, tmp_path):
    """Every run of the cell would decode all pictures anew, or hold 25,000 in memory."""
    first = small(two_classes(folder))
    reads.clear()
    second = small(folder)
    assert not reads
    assert same_pixels(first, second)
    # Data unpacked anew (other path, other times) must not start the training afresh.
    shutil.copytree(folder, tmp_path / "elsewhere", copy_function=shutil.copy)
    third = small(tmp_path / "elsewhere")
    for other in (second, third):
        assert first.train.fingerprint() == other.train.fingerprint()
        assert first.valid.fingerprint() == other.valid.fingerprint()


@pytest.mark.parametrize("change", ["content", "time", "size", "more"])
def test_a_change_is_noticed(folder, reads, change):
    """Old pixels would be handed out for new files."""
    before = pixels_of(small(two_classes(folder, ending="bmp")))
    file, options = folder / "cats" / "cat.0.bmp", {}
    facts = file.stat()
    if change == "content":  # of the same size and time, as by cp -p or rsync -t
        save(drawn(seed=77), file)
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    elif change == "time":
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    elif change == "more":
        save(drawn(seed=78), folder / "cats" / "cat.9.bmp")
    else:
        options = {"size": 20}
    reads.clear()
    after = pixels_of(small(folder, **options))
    assert len(reads) == len(after)
    if change == "content":
        changed = [name for name in before if (before[name] != after[name]).any()]
        assert changed == ["cats/cat.0.bmp"]


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


# Labels from a table ---------------------------------------------------------------------------


@pytest.fixture
def tiles(folder):
    """Write eight pictures below ``folder``/jpg and return their labels by stem."""
    tags = ["clear road", "cloudy", "clear water", "haze road water", "clear", "water", "road", ""]
    for number in range(8):
        save(drawn(seed=number), folder / "jpg" / f"train_{number}.png")
    return {f"train_{number}": tag for number, tag in enumerate(tags)}


def as_table(labels, kind):
    """Labels as a dict, a Series, or a DataFrame with an index of its own."""
    frame = pandas.DataFrame({"image_name": list(labels), "tags": list(labels.values())})
    if kind == "frame":
        return frame.set_index(frame.index * 3 + 5)
    return pandas.Series(labels) if kind == "series" else labels


def stems(part):
    """Names of the pictures of a part, without folder and ending."""
    return [name.removeprefix("jpg/").removesuffix(".png") for name in part.filenames]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("frame", "{}"),
        ("frame", "{}.png"),
        ("dict", "jpg/{}"),
        ("dict", "jpg\\{}.png"),
        ("series", "ROOT/jpg/{}.png"),
    ],
)
def test_one_label_from_a_table(folder, tiles, kind, name, capsys):
    """Labels would be matched by order instead of by name."""
    one = {stem: tag for stem, tag in tiles.items() if tag and " " not in tag}
    name = name.replace("ROOT", str(folder))
    labels = {name.format(stem): tag for stem, tag in reversed(one.items())}
    data = small(folder, labels=as_table(labels, kind), valid=0.25)
    assert "4 of 8 pictures" in capsys.readouterr().out, "others have no label: left out"
    assert data.classes == ("clear", "cloudy", "road", "water")
    assert labels_of(data) == {f"jpg/{stem}.png": tag for stem, tag in one.items()}


@pytest.mark.parametrize("way", [" ", ", ", "|", ";", "list", "columns"])
def test_several_labels_equal_scikit_learn(folder, tiles, way, capsys):
    """The comma would stay in the name of a class, and columns of flags be the classes 0 and 1."""
    words = {stem: tag.split() for stem, tag in tiles.items()}
    binarizer = MultiLabelBinarizer().fit(words.values())
    table = pandas.DataFrame({"file": list(words)})
    if way == "columns":
        table[list(binarizer.classes_)] = binarizer.transform(words.values())
    else:
        table["tags"] = [row if way == "list" else way.join(row) for row in words.values()]
    data = small(folder, labels=table, multi_label=True, valid=0.25)
    assert data.classes == tuple(binarizer.classes_)
    assert data.multi_label
    for part in (data.train, data.valid):
        wanted = binarizer.transform([words[stem] for stem in stems(part)])
        assert part.targets.dtype == torch.float32
        assert (part.targets.numpy() == wanted).all()
    assert ("taken apart at" in capsys.readouterr().out) == (way in (", ", "|", ";"))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"train_1": "a|b", "train_2": "a, b"}, r"Labels have , and \| in them"),
        ({"train_1": "['a', 'b']", "train_2": "['b']"}, r"Labels have , and \[ in them"),
        ({"train_1": "[a]", "train_2": "[b]"}, r"Labels have \[ in them"),
    ],
)
def test_several_labels_written_in_a_way_that_is_not_known(folder, tiles, labels, says):
    """Signs between the words would become parts of the names of classes."""
    with pytest.raises(CourseError, match=says):
        small(folder, labels=labels, multi_label=True)


def test_numbers_as_file_names_and_columns_too_many(folder, capsys):
    """Zeros at the front would be lost, or a third column be taken for the label."""
    for number in range(6):
        save(drawn(seed=number), folder / f"{number:03}.png")
    table = {"file": [f"{n:03}" for n in range(6)], "label": ["NA", "01"] * 3, "x": [1.5] * 6}
    found = labels_of(small(folder, labels=pandas.DataFrame(table), valid=0.5))
    assert found == {f"{number:03}.png": ["NA", "01"][number % 2] for number in range(6)}
    assert "columns file and label are used, 1 are left out" in capsys.readouterr().out


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
        ({"train_1": "a", "phone.heic": "b"}, r"'phone\.heic'.*does not read"),
        ({"train_1": "a", "train_2": "b", "train_1.png": "a"}, r"jpg/train_1\.png"),
        ({"train_1": "a", "train_2": None, "train_3": pandas.NA}, r"2 of 3 rows.*row 1 \(train_2"),
        ({"train_1": "a", float("nan"): "b"}, r"1 of 2 rows.*row 1 \(None"),
        ({"train_1": "a"}, "only 'a'"),
        ({"train_1": "a", "train_2": "A"}, "'A' and 'a'"),
        (pandas.DataFrame({"file": ["train_1"]}), "columns file and label"),
        (pandas.DataFrame({"a": [], "b": []}), "At least two classes"),
        ("labels.csv", r"pandas\.read_csv"),
    ],
)
def test_tables_that_do_not_fit(folder, tiles, labels, says):
    """An empty data set, NaN as a class, or errors of pandas, several lines long."""
    (folder / "phone.heic").touch()
    for multi_label in (False, True):
        with pytest.raises(CourseError, match=says):
            small(folder, labels=labels, multi_label=multi_label)
