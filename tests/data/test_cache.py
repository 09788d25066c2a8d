"""Files that are whole or not there, arrays kept on disk, hashes that follow content and code."""

import errno
import functools
import os
import subprocess
import sys
import types

import numpy
import pytest
import torch
from torch import nn

from coursekit import runtime
from coursekit.data import cache
from coursekit.data.cache import digest


def test_a_cut_leaves_the_old_file(tmp_path):
    """Guards against half a file under the name of a whole one, and against leftovers."""
    file = tmp_path / "new folder" / "progress.json"
    cache.write_whole(file, "old ü")
    with pytest.raises(TypeError), cache.writing(file) as out:
        out.write("text where bytes are due")
    assert file.read_text("utf-8") == "old ü"
    cache.write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert os.listdir(file.parent) == [file.name]


def rows():
    """Rows of an array, one at a time."""
    yield from numpy.arange(12, dtype="uint8").reshape(3, 2, 2)


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
    file.write_bytes(file.read_bytes()[:-5])
    assert cache.load_array(file) is None


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


class Scale:
    """An object of the learner's own."""

    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        """Scale."""
        return x * self.by


class OtherScale:
    """The same class with another method."""

    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        """Scale, and shift."""
        return x * self.by + 1


OtherScale.__qualname__ = Scale.__qualname__


def written(function, **names):
    """``function`` as a cell of a notebook defines it, where the globals are ``names``."""
    names |= {"__name__": "__main__"}
    return types.FunctionType(function.__code__, names, "f", function.__defaults__)


def linear(**changes):
    """A layer with fixed weights."""
    layer = nn.Linear(2, 2)
    for value in layer.state_dict().values():
        value.fill_(changes.get("weight", 1))
    return layer


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
        (Scale(2), Scale(3)),
        (Scale(2), OtherScale(2)),
        (Scale(2).__call__, Scale(3).__call__),
        (functools.partial(max, 1), functools.partial(max, 2)),
        (linear(), linear(weight=2)),
        (written(lambda x: x + 1), written(lambda x: x + 2)),
        (written(lambda x, k=1: x), written(lambda x, k=2: x)),
        (written(lambda x: x + k, k=1), written(lambda x: x + k, k=2)),  # noqa: F821
        (
            written(lambda x: x - mean, mean=torch.zeros(2)),  # noqa: F821
            written(lambda x: x - mean, mean=torch.ones(2)),  # noqa: F821
        ),
        (
            written(lambda x: [g(y) for y in x], g=written(lambda y: y)),  # noqa: F821
            written(lambda x: [g(y) for y in x], g=written(lambda y: -y)),  # noqa: F821
        ),
        (torch.relu, torch.sigmoid),
    ],
)
def test_another_content_has_another_hash(first, second):
    """Guards against an edited array, setting or function that counts as the old one."""
    assert digest(first) != digest(second)


CONTENT = """
import torch, coursekit as ck
from coursekit.data.cache import digest
class Net(torch.nn.Module):
    words = {"a", "b", "c"}
    def forward(self, x):
        return x if type(x).__name__ in {"q", "r", "s"} else torch.relu(x)
loops = [1]
loops.append(loops)
print(digest(Net(), Net.forward, {"d", "e"}, ck.side_on, loops, torch.float32, lambda x: x + 1))
"""


def test_the_same_content_has_the_same_hash_in_every_process():
    """Guards against addresses, or the order of a set, in a hash."""
    found = {
        subprocess.run(
            [sys.executable, "-c", CONTENT],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(found) == 1
    first, second = numpy.arange(3.0), numpy.arange(3.0)
    assert digest([first, first]) == digest([first, second]), "sharing is no content"
    assert digest(written(lambda x: x + 1)) == digest(written(lambda x: x + 1))


def test_what_cannot_be_compared_is_refused():
    """Guards against two generators taken for the same because neither can be looked into."""
    with pytest.raises(TypeError, match="generator"):
        digest({"source": (x for x in ())})
