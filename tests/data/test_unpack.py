"""Archives that are whole, damaged or malicious."""

import gzip
import io
import lzma
import random
import stat
import tarfile
import zipfile

import pytest

from coursekit.data import unpack as module
from coursekit.data.unpack import ArchiveError, unpack
from tests.servers import make_tgz, make_zip

GOOD = {"set/train/a.jpg": b"a" * 70_000, "./set/b.csv": b"", "set/日本/ü (1).txt": b"c"}


def make_txz(files):
    return lzma.compress(gzip.decompress(make_tgz(files)))


MAKERS = {"x.zip": make_zip, "x.tgz": make_tgz, "x.tar.gz": make_tgz, "x.tar.xz": make_txz}
both = pytest.mark.parametrize("name", ["x.zip", "x.tgz"])


def write(folder, name, content):
    """Write an archive where nothing else is and return its path."""
    archive = folder / "archives" / name
    archive.parent.mkdir(exist_ok=True)
    archive.write_bytes(content)
    return archive


def refused(folder, name, content):
    """Unpack what must be refused, and look that nothing but the target folder has changed."""
    archive, inner = write(folder, name, content), folder / "deep" / "inner"
    with pytest.raises(ArchiveError) as caught:
        unpack(archive, inner / "target", name)
    outside = [path for path in folder.rglob("*") if inner / "target" not in (path, *path.parents)]
    assert {path.name for path in outside} <= {"archives", name, "deep", "inner"}
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    return str(caught.value)


@pytest.mark.parametrize("name", MAKERS)
def test_a_good_archive_is_unpacked_whole(tmp_path, name):
    """Refusing too much is as bad as refusing too little."""
    unpack(write(tmp_path, name, MAKERS[name](GOOD)), tmp_path / "target", name)
    for file, content in GOOD.items():
        assert (tmp_path / "target" / file).read_bytes() == content


UNSAFE = [
    "/etc/evil", "//evil", "../evil", "a/../../evil", "a/..", "..", "a/.. /evil", "a/.../evil",
    "C:/evil", "C:evil", "..\\evil", "a\\..\\..\\evil", "\\\\host\\evil", "a/b:stream", " ", "a/. ",
]  # fmt: skip


@pytest.mark.parametrize("unsafe", UNSAFE)
@both
def test_a_path_that_leads_outside_is_refused(tmp_path, name, unsafe):
    """One such member may overwrite a learner's keys (CVE-2007-4559)."""
    content = MAKERS[name]({"good.txt": b"good", unsafe: b"evil"})
    assert "unsafe path" in refused(tmp_path, name, content)


KINDS = {
    "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE,
    "character-device": tarfile.CHRTYPE, "block-device": tarfile.BLKTYPE,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_tar_with_a_link_or_device_is_refused(tmp_path, kind):
    """A link that leads outside makes every later member a write outside."""
    member = tarfile.TarInfo("set/evil")
    member.type, member.linkname = KINDS[kind], "../../../outside"
    content = make_tgz({member: b"", "set/evil/through.txt": b"evil"})
    assert "link or device" in refused(tmp_path, "x.tgz", content)


def test_what_is_written_is_a_plain_file(tmp_path):
    """A link in a zip, which keeps it in the mode; a file that runs as root, or nobody may read."""
    link, rooted = zipfile.ZipInfo("set/link"), tarfile.TarInfo("set/a")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    rooted.mode, rooted.uid = 0o4777, 0
    unpack(write(tmp_path, "x.zip", make_zip({link: b"../outside"})), tmp_path / "one", "x.zip")
    unpack(write(tmp_path, "x.tgz", make_tgz({rooted: b"1"})), tmp_path / "two", "x.tgz")
    assert not (tmp_path / "one/set/link").is_symlink()
    assert (tmp_path / "one/set/link").read_bytes() == b"../outside"
    assert not (tmp_path / "two/set/a").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)


@both
@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"set/Photo.jpg": b"1", "set/photo.JPG": b"2"}, "photo.JPG"),
        ({"set/a": b"1", "set/a/b": b"2"}, "damaged"),
        ({".": b"1"}, "twice"),
        ({"./.": b"1"}, "twice"),
        ({"a" * 300: b"1"}, "damaged"),
    ],
    ids=[
        "names that differ in case only",
        "a file used as a folder",
        "no name",
        "none",
        "too long",
    ],
)
def test_members_that_cannot_lie_side_by_side_are_refused(tmp_path, name, files, word):
    """Windows lets the second take the place of the first; a name too long is not the disk's fault.

    A member without a name would make the folder itself a file.
    """
    assert word in refused(tmp_path, name, MAKERS[name](files))


@both
def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path, name, monkeypatch):
    """A few kB may unpack to any size; what counts is what comes out, not what is declared."""
    monkeypatch.setattr(module, "ROOM", 1_000_000)
    content = MAKERS[name]({f"set/{n}": bytes(500_000) for n in range(10)})
    assert "far more than its size" in refused(tmp_path, name, content)
    written = sum(path.stat().st_size for path in (tmp_path / "deep").rglob("*") if path.is_file())
    assert written <= 1_000_000 + 20 * len(content)


def test_what_follows_the_end_of_a_tar_is_bounded(tmp_path):
    """gzip's own sum is read to the end, but not through an endless row of zeros."""
    content = make_tgz({"set/a": b"1"}) + gzip.compress(bytes(65 << 20), 1)
    assert "after its end" in refused(tmp_path, "x.tgz", content)


@both
@pytest.mark.parametrize("kind", ["set/{}", "{}/", "{}/a/"])
def test_too_many_files_or_folders_are_refused(tmp_path, name, kind, monkeypatch):
    """Millions of empty files fill a disk that has room for any number of bytes."""
    monkeypatch.setattr(module, "MOST_FILES", 10)
    member = str if name == "x.zip" else as_tar_member
    content = MAKERS[name]({member(kind.format(n)): b"" for n in range(20)})
    assert "too many files" in refused(tmp_path, name, content)
    assert len(list((tmp_path / "deep").rglob("*"))) <= 14


def as_tar_member(name):
    """A tar must be told what a folder is; a zip knows it by the name."""
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    return member


@pytest.mark.parametrize("draw", range(12))
@both
def test_a_damaged_archive_is_noticed(tmp_path, name, draw):
    """Archives of which only the first MiB is checked must be caught by their own sums."""
    chance = random.Random(draw)
    files = {f"set/{n}": chance.randbytes(3_000) for n in range(20)}
    content = bytearray(MAKERS[name](files))
    if draw % 3 == 0:
        content = content[: chance.randrange(1, len(content) - 1)]
    else:
        at = chance.randrange(200, len(content) - 1_600)  # the index of a zip lies behind that
        content[at] ^= 0xFF
    archive = write(tmp_path, name, bytes(content))
    try:
        unpack(archive, tmp_path / "target", name)
    except ArchiveError:
        return
    assert {f"set/{path.name}": path.read_bytes() for path in tmp_path.glob("target/*/*")} == files


def spoilt_zip(kind):
    """A zip with damaged content; bz2 raises an OSError for it and lzma an error of its own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        archive.writestr("a", random.Random(0).randbytes(300))
    return buffer.getvalue()[:45] + b"\xff" * 20 + buffer.getvalue()[65:]


def locked_zip():
    """A zip with a password, which zipfile answers with a bare RuntimeError."""
    content = bytearray(make_zip({"set/a": b"1"}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("x.zip", spoilt_zip(zipfile.ZIP_BZIP2), "Invalid data stream"),
        ("x.zip", spoilt_zip(zipfile.ZIP_LZMA), ""),
        ("x.zip", locked_zip(), "encrypted"),
        ("x.zip", b"<html>please log in</html>", ""),
        ("x.tgz", b"<html>please log in</html>", ""),
        ("x.tgz", b"", ""),
    ],
)
def test_what_is_no_whole_archive_is_not_blamed_on_the_disk(tmp_path, name, content, word):
    """The log-in page of a hotel is what a download often is."""
    sentence = refused(tmp_path, name, content)
    assert "damaged archive" in sentence
    assert word in sentence
