"""Files that are whole or not there, arrays kept on disk, hashes that follow content and code."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

from coursekit import runtime
from coursekit.data import cache
from coursekit.data.cache import digest
from coursekit.learners import checkpoints


def test_a_cut_leaves_the_old_file(tmp_path):
    """Guards against half a file under the name of a whole one, and against leftovers."""
    file = tmp_path / "new folder" / ("ü" * 120 + ".json")
    cache.write_whole(file, "old ü")
    with pytest.raises(TypeError), cache.writing(file) as out:
        out.write("text where bytes are due")
    assert file.read_text("utf-8") == "old ü"
    cache.write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert os.listdir(file.parent) == [file.name]


def test_parts_of_killed_kernels_are_swept(tmp_path):
    """Each kill would leave up to 4 GB that nobody finds; a part that is written would go, too."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone, here = f"{cache.HOST}-{ended.pid}", f"{cache.HOST}-{os.getppid()}"
    for name, old in {
        f".a.coursekit-{gone}.part": False,
        ".b.coursekit-elsewhere-7.part": True,
        ".c.coursekit-elsewhere-7.part": False,
        f".d.coursekit-{here}.part": False,
        ".e.part": True,
        f"f.coursekit-{gone}.part": True,
    }.items():
        (tmp_path / name).write_text("x")
        if old:
            os.utime(tmp_path / name, (0, 0))
    cache.write_whole(tmp_path / "file", "x")
    kept = ["c", "d", "e", "f", "file"]
    assert sorted(file.name.strip(".").split(".")[0] for file in tmp_path.iterdir()) == kept


def rows():
    """Rows of an array, one at a time."""
    yield from numpy.arange(12, dtype="uint8").reshape(3, 2, 2)


def keep(file, facts=None):
    """Keep an array of 12 bytes, and facts."""
    made = cache.keep_array(file, rows, (3, 2, 2), "uint8", "The pictures")
    cache.keep_facts(file, facts)
    return made


def test_arrays_are_kept_and_found_again(monkeypatch, tmp_path):
    """Guards against pictures decoded again every time, and half an array taken for a whole one."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))
    file = cache.cache_file("pictures", "key")
    assert file.is_relative_to(runtime.home())
    made = cache.keep_array(file, rows, (3, 2, 2), "uint8", "The pictures")
    assert isinstance(made, numpy.memmap)
    assert cache.load_array(file) is None, "nothing is found before its facts are there"
    cache.keep_facts(file, {"classes": ["é"]})
    array, facts = cache.load_array(file)
    assert facts == {"classes": ["é"]}
    numpy.testing.assert_array_equal(array, numpy.arange(12).reshape(3, 2, 2))


def facts_of(text):
    return lambda file: file.with_suffix(".json").write_text(text)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-5]),
        lambda file: numpy.save(file, numpy.zeros((3, 2), "uint8")),
        lambda file: file.unlink(),
        *map(
            facts_of,
            ["5", "null", "[]", '{"facts": 1}', "[" * 100_000],
        ),
        lambda file: facts_of(file.with_suffix(".json").read_text().replace("1", "2"))(file),
    ],
)
def test_a_damaged_array_is_none(tmp_path, spoil):
    """A file cut or mended by hand, or of another version, is a TypeError in every lesson."""
    file = tmp_path / "key.npy"
    keep(file, {"lengths": [1, 1]})
    assert cache.load_array(file)
    spoil(file)
    assert cache.load_array(file) is None


def test_what_was_unused_for_longest_makes_room(monkeypatch, tmp_path, capsys):
    """Caches that only grow: 4 GB for every size of the pictures, until the disk is full."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))
    one, two, three, four = (
        cache.cache_file(k, n * 32) for k, n in zip("aabb", "1234", strict=True)
    )
    for file in (one, two, three):
        keep(file)
        os.utime(file, (10, 10))
    mine = one.with_name("mine.npy")
    mine.write_bytes(bytes(10_000))
    os.utime(two, (5, 5))
    assert cache.load_array(one), "which is used now"
    monkeypatch.setattr(cache, "ROOM", 3 * one.stat().st_size)
    capsys.readouterr()
    keep(four)
    assert "unused for longest were removed" in capsys.readouterr().out
    left = {file.stem[0] for file in tmp_path.rglob("*.*")}
    assert left == {"1", "3", "4", "m"}, "neither the newest nor what the course did not write goes"
    monkeypatch.setattr(cache, "ROOM", 1)
    keep(two)
    assert cache.load_array(two), "one that is larger than the room stays"


@pytest.mark.parametrize("trouble", ["no folder", "full"])
def test_without_a_disk_the_array_stays_in_memory(tmp_path, capsys, trouble):
    """A read-only home or a full disk that ends a lesson, or that is told of again and again."""
    home, calls = tmp_path / trouble, []
    if trouble == "no folder":
        home.write_text("a file")

    def filling():
        for number, row in enumerate(rows()):
            if trouble == "full" and number == 1 and not calls.count("again"):
                calls.append("again")
                raise OSError(errno.ENOSPC, "No space left on device")
            yield row

    for _ in range(2):
        calls.clear()
        made = cache.keep_array(home / "key.npy", filling, (3, 2, 2), "uint8", "The pictures")
        numpy.testing.assert_array_equal(made, numpy.arange(12).reshape(3, 2, 2))
        cache.keep_facts(home / "key.npy", {})
    assert capsys.readouterr().out.count(str(home)) == 1
    assert not home.is_dir() or not os.listdir(home)


def test_the_readme_says_how_much_is_kept():
    """A promise about other people's disks that nobody keeps."""
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    assert f"at most {cache.ROOM // 10**9} GB of arrays are kept" in readme
    assert f"at most {checkpoints.ROOM >> 30} GB of trainings are kept" in readme


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (numpy.zeros(3), numpy.zeros(3, "float32")),
        (numpy.zeros((2, 3)), numpy.zeros((3, 2))),
        (torch.zeros(3), torch.tensor([0, 0, 1e-9])),
        ([1, [2, 3]], [[1, 2], 3]),
        (1, True),
        ("1", 1),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        (torch.relu, torch.sigmoid),
    ],
)
def test_another_content_has_another_hash(first, second):
    """Guards against an edited array, setting or function that counts as the old one."""
    assert digest(first) != digest(second)


def test_sharing_and_circles_are_no_content():
    """A cache missed because one array stands in two places, or a list that is gone round in."""
    first, second = numpy.arange(3.0), numpy.arange(3.0)
    assert digest([first, first]) == digest([first, second])
    loops = [1]
    loops.append(loops)
    assert digest(loops) == digest(loops)
