"""An archive -> files in a folder, and never a byte outside it."""

import functools
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib

from coursekit.console import progress

BLOCK = 1 << 16  # bytes
ROOM = 1 << 30  # an archive may unpack to 20 times its size and this many bytes
MOST_FILES = 500_000
_DAMAGED = (  # what the readers of archives raise
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError,
    ValueError, RuntimeError, FileExistsError, NotADirectoryError,
)  # fmt: skip


class ArchiveError(Exception):
    """An archive that is damaged, unsafe or another than expected, in a few words."""


def unpack(archive, folder, name):
    """Unpack an archive into ``folder``, or put a single file there under ``name``.

    Members are read and written here, never by the archive's own extract: no member gets to choose
    a path outside the folder, a link, a device, a mode or an owner.
    """
    room = (
        ROOM + 20 * archive.stat().st_size
    )  # a small archive that unpacks to a full disk is no gift
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                _write(_zip_members(opened), folder, room, len(opened.infolist()))
        elif name.endswith((".tgz", ".tar.gz", ".tar.xz")):
            with tarfile.open(archive, "r:*") as opened:
                _write(_tar_members(opened), folder, room)
        else:
            folder.mkdir(parents=True)
            shutil.copyfile(archive, folder / name)
    except _DAMAGED as error:
        raise ArchiveError(f"sent a damaged archive ({error or type(error).__name__})") from error


def _zip_members(archive):
    """Yield (name, function that opens it); None in place of the function for a folder."""
    for member in archive.infolist():
        if member.is_dir():
            yield member.filename, None
        elif stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG):
            yield member.filename, functools.partial(archive.open, member)
        else:
            raise ArchiveError(f"sent an archive with a link or device in it ({member.filename})")


def _tar_members(archive):
    """Yield as ``_zip_members`` does; what follows the last member is read for gzip's own sum."""
    for member in archive:
        if not (member.isdir() or member.isreg()):
            raise ArchiveError(f"sent an archive with a link or device in it ({member.name})")
        opened = functools.partial(archive.extractfile, member)
        yield member.name, None if member.isdir() else opened
    if not any(not archive.fileobj.read(1 << 20) for _ in range(64)):
        raise ArchiveError("sent an archive that goes on after its end")


def _write(members, folder, room, total=None):
    """Write members below ``folder`` while they stay within ``room`` bytes."""
    seen = set()
    for name, opened in progress(members, total=total, label="unpacking", unit=" files"):
        path = folder.joinpath(*_parts(name))
        if opened is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        key = str(path).casefold()  # Windows and macOS take A and a for the same file
        if key in seen or len(seen) == MOST_FILES:
            raise ArchiveError(f"sent an archive with too many files or one twice ({name})")
        seen.add(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened() as reader, open(path, "xb") as writer:
            while block := reader.read(BLOCK):
                room -= len(block)
                if room < 0:
                    raise ArchiveError("sent an archive that unpacks to far more than its size")
                writer.write(block)


def _parts(name):
    """Return the parts of a member's path; one that could lead out of the folder is refused.

    Windows drops dots and spaces at the end of a name, and knows drives and backslashes.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    outside = name.startswith("/") or any(not part.strip(". ") for part in parts)
    if outside or any(sign in name for sign in "\\:\0"):
        raise ArchiveError(f"sent an archive with an unsafe path in it ({name})")
    return parts
