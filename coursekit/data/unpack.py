"""An archive -> files in a folder, and never a byte outside it."""

from __future__ import annotations

import contextlib
import errno
import functools
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from coursekit.console import progress, reason
from coursekit.data.cache import remove

BLOCK = 1 << 16  # bytes
ROOM = 1 << 30  # bytes; an archive may unpack to this and 20 times its own size
MOST_FILES = 500_000  # and folders
# What a disk answers to names and places that an archive made up; any other answer is the disk's.
ODD_NAMES = {
    None, errno.EINVAL, errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EILSEQ,
}  # fmt: skip

Member = tuple[str, bool, Callable[[], Any]]  # name, whether it is a folder, what opens it


class ArchiveError(Exception):
    """An archive that is damaged, unsafe or another than expected, in a few words."""


@contextlib.contextmanager
def unpacked(archive: Path, folder: Path, name: str) -> Iterator[Path]:
    """``unpack`` to a hidden place beside ``folder``, which is gone when the block ends."""
    place = folder.with_name(f".{folder.name}.unpacking")
    remove(place)
    try:
        unpack(archive, place, name)
        yield place
    finally:
        remove(place)


def unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack a .zip, .tgz, .tar.gz or .tar.xz into ``folder``; any other file is copied there.

    Members are written here, as plain files, and not by ``extract``: the filters of tarfile are
    missing in Python 3.11.0 to 3.11.3, and no library guards against archives that fill a disk.

    Args:
        name: the published name, whose end tells the kind of archive.

    Raises:
        ArchiveError: the archive is damaged, leads outside of ``folder``, or unpacks to too much.
        OSError: the disk is full or cannot be written.
    """
    room = ROOM + 20 * archive.stat().st_size
    folder.mkdir(parents=True)
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                _write(_zip_members(opened), folder, room)
        elif name.endswith((".tgz", ".tar.gz", ".tar.xz")):
            with tarfile.open(archive) as opened:
                _write(_tar_members(opened), folder, room)
        else:
            shutil.copyfile(archive, folder / name)
    except ArchiveError:
        raise
    except Exception as error:  # readers of archives raise every kind of exception
        if isinstance(error, OSError) and error.errno not in ODD_NAMES:
            raise
        raise ArchiveError(f"sent a damaged archive ({reason(error)})") from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for member in archive.infolist():
        yield member.filename, member.is_dir(), functools.partial(archive.open, member)


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    for member in archive:
        if not (member.isdir() or member.isreg()):
            raise ArchiveError(f"sent an archive with a link or device in it ({member.name})")
        yield member.name, member.isdir(), functools.partial(archive.extractfile, member)
    # what follows the last member is read for the sum at the end of the compressed file
    if archive.fileobj and all(archive.fileobj.read(1 << 20) for _ in range(64)):
        raise ArchiveError("sent an archive that goes on after its end")


def _write(members: Iterable[Member], folder: Path, room: int) -> None:
    """Write members below ``folder`` while they stay within ``room`` bytes."""
    known = {"."}  # no file can be the folder itself
    for name, is_folder, open_member in progress(members, label="unpacking", unit=" files"):
        path = _inside(folder, name)
        inner = path.relative_to(folder)
        # Windows and macOS take A and a for the same file
        own, *above = (str(place).casefold() for place in (inner, *inner.parents))
        if (own in known and not is_folder) or len(known) > MOST_FILES:
            raise ArchiveError(f"sent an archive with too many files or one twice ({name})")
        known.update((own, *above))
        if is_folder:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_member() as reader, open(path, "xb") as writer:
            while block := reader.read(BLOCK):
                room -= len(block)
                if room < 0:
                    raise ArchiveError("sent an archive that unpacks to far more than its size")
                writer.write(block)


def _inside(folder: Path, name: str) -> Path:
    """The path of a member; a name that could lead out of the folder is refused.

    Windows drops dots and spaces at the end of a name, and knows drives and backslashes.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    outside = name.startswith("/") or any(not part.strip(". ") for part in parts)
    if outside or any(sign in name for sign in "\\:\0"):
        raise ArchiveError(f"sent an archive with an unsafe path in it ({name})")
    return folder.joinpath(*parts)
