"""From a name to a folder: editions, sources, locks, kills and what a learner is told."""

import dataclasses
import errno
import hashlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tarfile
import time
import types
from pathlib import Path

import pytest

import coursekit.data.download
import coursekit.data.unpack
from coursekit import runtime
from coursekit.console import CourseError
from coursekit.data import fetch as module
from coursekit.data.download import Source
from coursekit.data.fetch import DataSet, catalogue, fetch
from tests.servers import Page, make_tgz, make_zip, serve

rng = random.Random(0)
FILES = {f"toy/{kind}/{n}.bin": rng.randbytes(20_000) for kind in "ab" for n in range(60)}
LAYOUT = {"a/*.bin": 50, "b/*.bin": 50}
TGZ, ZIP = make_tgz(FILES), make_zip(FILES)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Return a home of this test's own; no waiting, no proxy, no edition from outside."""
    home = tmp_path / "home"
    monkeypatch.setenv("COURSEKIT_HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("COURSEKIT_DATA", raising=False)
    monkeypatch.setattr(coursekit.data.download, "PAUSES", (0, 0))
    return home


@pytest.fixture(autouse=True)
def carry(monkeypatch, tmp_path):
    """Carry a sample of toy; ``carry(content)`` puts another one in its place."""
    monkeypatch.setattr(module, "SAMPLES", tmp_path)

    def carry(content):
        with tarfile.open(tmp_path / "toy.tar.xz", "w:xz") as tar:
            for name in ("a/1.bin", "b/1.bin"):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))

    carry(b"one")
    return carry


def source(url, body=TGZ, **facts):
    total = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return Source(url, len(body), total, inside="toy", **facts)


def nowhere():
    with serve({}) as url:
        return source(url("toy.tgz"))


@pytest.fixture
def register(monkeypatch):
    """Return a function that puts the data set toy into the catalogue."""

    def put(*sources):
        row = DataSet("toy", "free to use", LAYOUT, sources, "toy")
        monkeypatch.setitem(catalogue(), "toy", row)

    return put


def is_whole(folder):
    return all((folder.parent / name).read_bytes() == content for name, content in FILES.items())


def refusal(edition=None):
    """Fetch what must fail and return what the learner reads."""
    with pytest.raises(CourseError) as caught:
        fetch("toy", edition=edition)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "edition", "words"),
    [
        ("dogcats", None, "'dogcats'.* Did you mean 'dogscats'"),
        ("dogscats", "sampel", "'sampel'.* Did you mean 'sample'"),
        (["dogscats"], None, "name="),
        ("dogscats", 5, "edition=5"),
    ],
)
def test_what_is_no_name_is_answered_with_the_nearest(name, edition, words):
    """A learner who types dogcats should not have to search."""
    with pytest.raises(CourseError, match=words):
        fetch(name, edition=edition)


def test_a_full_edition_is_fetched_once_and_told_in_one_line(home, register, capsys):
    """The line must be the same on every run: stored notebooks are compared."""
    page = Page(TGZ)
    (home / "full" / "toy").mkdir(parents=True)  # made in advance
    with serve({"toy.tgz": page}) as url:
        register(source(url("toy.tgz")))
        folder = fetch("toy", edition="full")
    first = capsys.readouterr().out
    assert folder == home / "full" / "toy"
    assert is_whole(folder)
    assert re.fullmatch(
        r"toy, full edition: 120 files, 2\.4 MB, from 127\.0\.0\.1:\d+, checked by sha256; "
        r"free to use\.\n",
        first,
    )
    assert fetch("toy", edition="full") == folder  # the server is gone
    assert capsys.readouterr().out == first
    assert page.requests == [None]
    left = {path.name for path in home.rglob("*") if path.suffix != ".bin"}
    assert left <= {"full", "toy", "a", "b", ".coursekit.json", "cache", "downloads", "locks",
                    "toy-full.lock"}  # fmt: skip


def test_the_sample_is_unpacked_once_and_again_for_a_new_archive(home, register, carry, capsys):
    """A lesson on the pictures of last year's course shows last year's faults."""
    register(nowhere())
    folder = fetch("toy", edition="sample")
    assert folder == home / "sample" / "toy"
    assert "sample edition: 2 files, 0 kB, carried by the course; MIT" in capsys.readouterr().out
    before = (folder / "a/1.bin").stat().st_ino
    fetch("toy", edition="sample")
    assert (folder / "a/1.bin").stat().st_ino == before
    carry(b"two")
    fetch("toy", edition="sample")
    assert (folder / "a/1.bin").read_bytes() == b"two"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["toy"]


def add(folder):
    (folder / "my notes.txt").write_text("hours of work")


def edit(folder):
    (folder / "a/1.bin").write_bytes(b"own")
    os.utime(folder / "a/1.bin", (2**31, 2**31))


def lose(folder):
    (folder / "b/1.bin").unlink()


def spoil(folder):
    (folder / ".coursekit.json").write_text("[" * 100_000)


@pytest.mark.parametrize("change", [add, edit, lose, spoil])
def test_a_sample_that_was_changed_is_set_aside(home, register, carry, capsys, change):
    """A new version of the course would delete the hours of work of whoever took notes there."""
    register(nowhere())
    for times in ("yours", "yours1"):
        change(fetch("toy", edition="sample"))
        before = (home / "sample/toy/a/1.bin").read_bytes()
        carry(times.encode())
        assert (fetch("toy", edition="sample") / "a/1.bin").read_bytes() == times.encode()
        assert f"toy.{times}." in capsys.readouterr().out
        assert (home / "sample" / f"toy.{times}" / "a/1.bin").read_bytes() == before
    assert change is not add or (home / "sample/toy.yours/my notes.txt").exists()


def test_a_sample_that_cannot_be_unpacked_is_one_sentence(register, tmp_path):
    """The course was copied without its large files: a traceback of lzma."""
    register(nowhere())
    (tmp_path / "toy.tar.xz").write_text("version https://git-lfs.github.com/spec/v1")
    assert "Install the course again" in refusal("sample")


def test_a_sample_whose_unpacking_is_cut_is_not_there(home, register, monkeypatch):
    """Half a sample that is taken for a whole one trains a worse model, silently."""
    register(nowhere())

    def cut(archive, folder, name):
        (folder / "a").mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(coursekit.data.unpack, "unpack", cut)
        with pytest.raises(KeyboardInterrupt):
            fetch("toy", edition="sample")
    assert not (home / "sample" / "toy").exists()
    assert (fetch("toy", edition="sample") / "b/1.bin").exists()


def test_which_edition_is_chosen(register, monkeypatch, capsys):
    """A keyword beats the variable, the variable beats the machine."""
    register(nowhere())
    monkeypatch.setattr(runtime, "device", lambda: types.SimpleNamespace(type="cpu"))
    assert fetch("toy").parent.name == "sample"
    assert fetch("toy", edition="auto").parent.name == "sample"
    monkeypatch.setenv("COURSEKIT_DATA", "full")
    assert "could not be downloaded" in refusal()
    assert fetch("toy", edition="sample").parent.name == "sample"
    capsys.readouterr()
    monkeypatch.delenv("COURSEKIT_DATA")
    monkeypatch.setattr(runtime, "device", lambda: types.SimpleNamespace(type="cuda"))
    assert fetch("toy").parent.name == "sample"
    told, line = capsys.readouterr().out.splitlines()
    assert told.startswith("Note: toy could not be downloaded")
    assert "cannot be reached" in told
    assert told.endswith("the sample edition is used.")
    assert line.startswith("toy, sample edition")
    assert "edition='sample'" in refusal(edition="full")


def hand_around(home, names):
    for name in names:
        path = home / "full" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES[name])


def test_a_folder_from_a_stick_is_used_as_it_is(home, register, capsys, monkeypatch):
    """A classroom without a network hands the data around; nothing may be written into it."""
    hand_around(home, FILES)
    register(nowhere())
    before = sorted(home.rglob("*"))
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: pytest.fail("wrote"))
    assert fetch("toy", edition="full") == home / "full" / "toy"
    assert sorted(home.rglob("*")) == before
    assert "120 files, 2.4 MB, found in full/toy; free to use" in capsys.readouterr().out


def test_a_folder_that_is_incomplete_is_named_and_left_alone(home, register):
    """Training on half the classes, or deleting what a learner copied, would both be worse."""
    hand_around(home, [name for name in FILES if "/a/" in name or name.endswith("/b/7.bin")])
    register(nowhere())
    sentence = refusal(edition="full")
    assert "lacks b/*.bin (1 found, at least 50 expected)" in sentence
    assert str(home / "full" / "toy") in sentence
    assert len(list((home / "full" / "toy").rglob("*.bin"))) == 61


def test_the_next_source_is_taken_and_every_reason_told(home, register, tmp_path):
    """Hosts of data sets move and die; "could not be downloaded" alone leaves nothing to do."""
    evil, other = make_tgz({"../evil": b"evil"}), make_zip({"toy/a/1.bin": b"1"})
    bodies = {"1.zip": ZIP, "2.zip": ZIP, "3.zip": ZIP, "4.tgz": evil, "5.zip": other}
    pages = {name: Page(body) for name, body in bodies.items()}
    pages["1.zip"].codes, pages["2.zip"].codes, pages["3.zip"].wrong = [404] * 2, [503] * 9, 9
    with serve(pages | {"good.tgz": Page(TGZ)}) as url:
        failing = [nowhere(), *(source(url(name), body) for name, body in bodies.items())]
        register(*failing)
        sentence = refusal("full")
        for reason in ("be reached", "404", "503", "sha256", "(../evil)", "a/*.bin (1 found"):
            assert reason in sentence
        assert not (home / "full" / "toy").exists()
        assert not list(tmp_path.rglob("evil"))
        assert not [path for path in home.rglob("*") if path.suffix in (".zip", ".tgz")]
        register(*failing, source(url("good.tgz")))
        assert is_whole(fetch("toy", edition="full"))


@pytest.mark.parametrize("where", ["download", "unpack"])
def test_a_disk_that_fills_up_is_told_and_nothing_is_lost(home, register, monkeypatch, where):
    """No space left on device must reach the learner as a remedy, and the download must stay."""

    def full(path, mode="r"):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    page = Page(TGZ, cuts=[400_000] if where == "download" else [])
    with serve({"toy.tgz": page}) as url:
        register(source(url("toy.tgz")))
        with monkeypatch.context() as patch:
            patch.setattr(getattr(coursekit.data, where), "open", full, raising=False)
            sentence = refusal("full")
        assert str(home) in sentence
        assert "COURSEKIT_HOME" in sentence
        assert not (home / "full" / "toy").exists()
        asked = len(page.requests)
        assert is_whole(fetch("toy", edition="full"))
        assert asked == len(page.requests) or where == "download"


@pytest.mark.parametrize("edition", ["full", "sample"])
@pytest.mark.parametrize(
    "answer", [*(OSError(n, os.strerror(n)) for n in (13, 30, 5, 28)), NotImplementedError()]
)
def test_every_answer_of_the_disk_is_a_sentence(home, register, monkeypatch, answer, edition):
    """A shared folder that is read-only, a broken stick, a network's disk that knows no locks."""
    register(nowhere())

    def refuse(*_, **__):
        raise answer

    monkeypatch.setattr(module.FileLock, "acquire", refuse)
    sentence = refusal(edition)
    assert sentence.startswith(str(home))
    assert "COURSEKIT_HOME" in sentence


# --- kills and neighbours -------------------------------------------------------------------

# Fetching needs no torch, whose import would take most of the time of these tests.
CHILD = """
import json, os, signal, sys, types, unittest.mock
sys.modules["torch"] = unittest.mock.MagicMock()
sys.modules["coursekit"] = types.ModuleType("coursekit")
sys.modules["coursekit"].__path__ = json.loads(sys.argv[2])
from coursekit.data import download, fetch, unpack
facts = json.loads(sys.argv[1])
source = download.Source(**facts["source"])
row = fetch.DataSet("toy", "free", facts["layout"], (source,), "toy")
fetch.catalogue()["toy"] = row
if facts["kill_at_file"]:
    count, inside = [], unpack._inside
    def dying(folder, name):
        count.append(name)
        if len(count) == facts["kill_at_file"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return inside(folder, name)
    unpack._inside = dying
fetch.fetch("toy", edition="full")
"""


def child(row, kill_at_file=0):
    """Start another process that fetches toy from the same server into the same home."""
    facts = {"layout": LAYOUT, "source": dataclasses.asdict(row), "kill_at_file": kill_at_file}
    command = [sys.executable, "-c", CHILD, json.dumps(facts), json.dumps(coursekit.__path__)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for_part(home, size, process):
    """Return once the part has ``size`` bytes; the server holds the rest back."""
    while sum(path.stat().st_size for path in home.rglob("*.part")) < size:
        assert process.poll() is None
        time.sleep(0.02)


def test_a_download_that_was_killed_goes_on(home, register):
    """A session on Colab ends without a word in the middle of 800 MB."""
    page = Page(TGZ, hold=1 << 20)
    with serve({"toy.tgz": page}) as url:
        row = source(url("toy.tgz"))
        process = child(row)
        wait_for_part(home, 1 << 20, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        page.go.set()
        assert not (home / "full" / "toy").exists()
        register(row)
        assert is_whole(fetch("toy", edition="full"))
    assert page.requests == [None, f"bytes={1 << 20}-"]
    assert page.sent < len(TGZ) + (1 << 20)


def test_an_unpacking_that_was_killed_is_done_again_without_a_download(home, register):
    """Half an archive in place of the data set would look like the data set."""
    page = Page(TGZ)
    with serve({"toy.tgz": page}) as url:
        row = source(url("toy.tgz"))
        process = child(row, kill_at_file=70)
        assert process.wait() == -signal.SIGKILL
        assert len(list(home.rglob("*.bin"))) == 69
        assert not (home / "full" / "toy").exists()
        register(row)
        assert is_whole(fetch("toy", edition="full"))
    assert page.requests == [None]
    assert [path.name for path in (home / "full").iterdir()] == ["toy"]


def test_two_notebooks_fetch_once(home):
    """Two kernels that write one file at once leave neither."""
    page = Page(TGZ, hold=1 << 20)
    with serve({"toy.tgz": page}) as url:
        first = child(source(url("toy.tgz")))
        wait_for_part(home, 1 << 20, first)
        second = child(source(url("toy.tgz")))
        assert second.stdout.readline().startswith("Note: Another notebook is fetching toy")
        page.go.set()
        line = second.communicate()[0]
        assert first.communicate()[0] == line
        assert first.returncode == second.returncode == 0
    assert line.startswith("toy, full edition: 120 files")
    assert page.requests == [None]
    assert page.sent == len(TGZ)
    assert is_whole(home / "full" / "toy")
