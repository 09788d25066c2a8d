"""The name of a data set -> a verified local folder: downloaded and unpacked, or built here."""

import contextlib
import errno
import functools
import gzip
import hashlib
import importlib
import json
import os
import re
import shutil
import stat
import tarfile
import time
import zipfile
import zlib
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from coursekit import runtime
from coursekit.console import CourseError, nearest, note, progress
from coursekit.data.catalogue import CATALOGUE

MARKER = ".coursekit.json"  # in a finished folder: edition, origin, files, bytes
TIMEOUT = (10, 30)  # seconds until the connection stands, seconds without a byte
PAUSES = (1, 3)  # seconds before each new try that follows one without progress
BLOCK = 1 << 16  # bytes
ROOM = 1 << 30  # an archive may unpack to 20 times its size and this many bytes
MOST_BYTES = 5 << 30  # of a download whose size is not published
MOST_FILES = 500_000
_DAMAGED = (  # what the readers of archives raise
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, ValueError,
    RuntimeError, FileExistsError, NotADirectoryError,
)  # fmt: skip


class _RefusedError(Exception):
    """A source that cannot serve, with the reason in a few words."""


class _InterruptedError(Exception):
    """A try that came to nothing; the next one may not."""


def fetch(name, *, edition=None):
    """Return the folder of a data set, which is downloaded or built where it is not there yet.

    Prints one line: edition, size, source and licence. A folder that lies in ``full/NAME`` of
    ``runtime.home()`` already, in the published layout, is used as it is.

    Args:
        name: one of the catalogue, such as ``"dogscats"``.
        edition: "full" (published), "sample" (built here, needs no network), or None: what
            ``COURSEKIT_DATA`` says, else full where there is a GPU. A full edition that was not
            asked for by name and cannot be had is replaced by the sample, with a note.

    Raises:
        CourseError: no such data set; offline; a server that fails; a sum or a layout that does
            not match; a disk that is full or read-only.
    """
    if name not in CATALOGUE:
        known = ", ".join(CATALOGUE)
        raise CourseError(f"There is no data set {name!r}; take {known}.{nearest(name, CATALOGUE)}")
    data_set = CATALOGUE[name]
    wanted, by_name = _choose(data_set, edition)
    try:
        folder = _full(data_set) if wanted == "full" else _sample(data_set)
    except CourseError as error:
        if wanted == "sample" or by_name:
            raise
        note(f"{error} Until then, the sample edition is used.")
        wanted, folder = "sample", _sample(data_set)
    facts = _read_json(folder / MARKER) or _count(folder) | {"origin": f"found in full/{name}"}
    licence = data_set.licence if wanted == "full" else "MIT, as the course"
    size = f"{facts['files']:,} files, {_size_in_words(facts['bytes'])}"
    print(f"{name}, {wanted} edition: {size}, {facts['origin']}; {licence}.", flush=True)
    return folder


def _choose(data_set, edition):
    """Return the edition to fetch, and whether nothing else will do."""
    if edition not in (None, "auto", "full", "sample"):
        raise CourseError(
            f"There is no edition {edition!r}; take 'full' or 'sample'."
            + nearest(edition, ["full", "sample"])
        )
    by_keyword = edition in ("full", "sample")
    wanted, by_name = (edition, True) if by_keyword else runtime.edition()
    if wanted == "sample" and data_set.sample is None:
        if by_name:
            remedy = f"ask for ck.fetch({data_set.name!r}, edition='full')"
            raise CourseError(f"{data_set.name} has no sample edition yet; {remedy}.")
        return "full", True
    return wanted, by_name or data_set.sample is None


# --- the two editions -----------------------------------------------------------------------


def _full(data_set):
    """Return the folder of the full edition; the first source that serves is used."""
    folder = runtime.home() / "full" / data_set.name
    if _is_there(folder, data_set):
        return folder
    with _storage(), _alone(data_set.name, "full"):
        if not _is_there(folder, data_set):  # another notebook may have fetched it meanwhile
            _from_sources(data_set, folder)
    return folder


def _is_there(folder, data_set):
    """Return whether ``folder`` holds the data set; a folder that holds something else raises."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    if lacking := _lacking(folder, data_set.layout):
        raise CourseError(
            f"{folder} is not the published {data_set.name}: it lacks {lacking}; complete it, or "
            "delete it and run this cell again."
        )
    return True


def _lacking(folder, layout):
    """Return what ``folder`` lacks of a layout, in words, or an empty string."""
    for pattern, least in layout.items():
        found = sum(1 for _ in islice(folder.glob(pattern), least))
        if found < least:
            return f"{pattern} ({found} found, at least {least} expected)"
    return ""


def _from_sources(data_set, folder):
    reasons = []
    for source in data_set.sources:
        try:
            return _from_source(data_set, source, folder)
        except _RefusedError as error:
            reasons.append(f"{source.host} {error}")
    sample = f", or take ck.fetch({data_set.name!r}, edition='sample')" if data_set.sample else ""
    raise CourseError(
        f"{data_set.name} could not be downloaded ({'; '.join(reasons)}); check the connection and "
        f"run this cell again, it goes on where it stopped{sample}."
    )


def _from_source(data_set, source, folder):
    """Download, check, unpack, arrange; the folder appears by one move, whole or not at all."""
    downloads = runtime.home() / "cache" / "downloads" / data_set.name
    staging = folder.with_name(f".{data_set.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    archive = _download(data_set.name, source, downloads)
    try:
        _unpack(archive, staging, Path(urlsplit(source.url).path).name)
        unpacked = staging / source.inside
        left_out = source.arrange(unpacked, progress) if source.arrange else None
        if lacking := _lacking(unpacked, data_set.layout):
            raise _RefusedError(f"serves another archive than expected: it lacks {lacking}")
        _put_in_place(unpacked, folder, origin=f"from {source.host}, {source.checked}")
    except _RefusedError:
        archive.unlink()
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    shutil.rmtree(downloads, ignore_errors=True)
    if left_out:
        note(left_out)


def _sample(data_set):
    """Return the folder of the sample edition, built anew where its builder has a new version."""
    builder = importlib.import_module(f"coursekit.data.samples.{data_set.sample}")
    folder = runtime.home() / "sample" / data_set.name
    some_of_each = dict.fromkeys(data_set.layout, 1)

    def is_current():
        version = _read_json(folder / MARKER).get("version")
        return version == builder.VERSION and not _lacking(folder, some_of_each)

    if not is_current():
        with _storage(), _alone(data_set.name, "sample"):
            if not is_current():
                staging = folder.with_name(f".{data_set.name}.building")
                shutil.rmtree(staging, ignore_errors=True)
                staging.mkdir(parents=True)
                builder.build(staging, seed=0)
                _put_in_place(staging, folder, origin="built here", version=builder.VERSION)
    return folder


def _put_in_place(finished, folder, **facts):
    """Mark a finished folder and move it to its name; what was there before goes."""
    _write_json(finished / MARKER, _count(finished) | facts)
    folder.parent.mkdir(parents=True, exist_ok=True)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(finished, folder)
    shutil.rmtree(old, ignore_errors=True)


# --- the disk -------------------------------------------------------------------------------


@contextlib.contextmanager
def _storage():
    """Turn what a disk may answer into one sentence."""
    home = runtime.home()
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            problem = f"The disk of {home} is full; free some space"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            problem = f"{home} cannot be written to; give yourself the right to"
        else:
            problem = f"{error.filename or home} cannot be used ({error}); look at that folder"
        remedy = "or set COURSEKIT_HOME to a folder elsewhere, and run this cell again"
        raise CourseError(f"{problem}, {remedy}.") from error


@contextlib.contextmanager
def _alone(name, edition):
    """Hold the lock of a data set, so that two notebooks do not fetch it at once."""
    from filelock import FileLock, Timeout

    locks = runtime.home() / "cache" / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{name}-{edition}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        note(f"Another notebook is fetching {name}; this one waits for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check_room(name, source, folder, have):
    """Refuse to begin what the disk cannot hold: the archive, and about as much unpacked."""
    needed = 2 * (source.bytes or 0) - have
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise CourseError(
            f"{name} needs about {_size_in_words(needed)} of disk and {_size_in_words(free)} are "
            "free; free some space or set COURSEKIT_HOME to a folder elsewhere."
        )


def _count(folder):
    sizes = [
        os.stat(os.path.join(root, file)).st_size
        for root, _, files in os.walk(folder)
        for file in files
    ]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _size_in_words(size):
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"


def _read_json(path):
    """Return the dict in a JSON file; an empty one where there is none that can be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _write_json(path, content):
    half_done = path.with_name(path.name + ".new")
    half_done.write_text(json.dumps(content), "utf-8")
    os.replace(half_done, path)


# --- the download ---------------------------------------------------------------------------


def _download(name, source, folder):
    """Return the verified archive; one that arrives damaged is asked for once more."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    folder.mkdir(parents=True, exist_ok=True)
    archive = f"{source.host}-{Path(urlsplit(source.url).path).name}".replace(":", "-")
    part = folder / f"{archive}.part"
    for stray in folder.glob("tmp*"):  # pooch's, of a session that was killed
        stray.unlink()
    _check_room(name, source, folder, _size(part))
    known = f"sha256:{source.sha256}" if source.sha256 else source.md5 and f"md5:{source.md5}"
    downloader = functools.partial(_hand_over, source, part, f"{name} from {source.host}")
    for _ in range(2):
        try:
            path = pooch.retrieve(source.url, known, archive, folder, downloader=downloader)
            part.unlink(missing_ok=True)
            return Path(path)
        except ValueError:  # pooch's word for a wrong sum, and ours
            part.unlink(missing_ok=True)
    raise _RefusedError("sent a file of the wrong size or sum, twice")


def _hand_over(source, part, label, url, output, pooch):
    """Complete ``part`` and give it to pooch, which checks the sum and then moves it."""
    _complete(source, part, label)
    with open(part, "rb") as file:
        first = hashlib.md5(file.read(1 << 20)).hexdigest()
    if source.bytes not in (None, _size(part)) or source.md5_first not in (None, first):
        raise ValueError("size or first MiB")
    os.unlink(output)
    try:
        os.link(part, output)  # so that a kill while the sum is computed loses nothing
    except OSError:
        os.replace(part, output)


def _complete(source, part, label):
    """Ask for what ``part`` lacks until it is whole, or until tries bring nothing more."""
    import requests
    import urllib3

    longest, pauses = _size(part), iter(PAUSES)
    while True:
        try:
            return _receive(source, part, label)
        except requests.exceptions.SSLError:
            raise _RefusedError("has a certificate that is not valid") from None
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            reason = "does not answer in time"
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            reason = "cuts the connection" if _size(part) else "cannot be reached"
        except _InterruptedError as error:
            reason = str(error)
        if _size(part) > longest:
            longest, pauses = _size(part), iter(PAUSES)
        pause = next(pauses, None)
        if pause is None:
            raise _RefusedError(reason)
        time.sleep(pause)


def _receive(source, part, label):
    """Send one request and append what comes; returns when ``part`` is whole.

    RFC 9110, 14.2: a server may answer a Range with the whole file (200) or with that range (206).
    """
    import requests

    known = part.with_name(part.name + ".json")  # what the server said of the file
    have, said = _size(part), _read_json(known)
    whole = source.bytes or said.get("total")  # the table is trusted more than the server
    if have and have == whole:
        return
    headers = {"User-Agent": "coursekit", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    if have and said.get("tag"):
        headers["If-Range"] = said["tag"]
    with requests.get(source.url, headers=headers, stream=True, timeout=TIMEOUT) as reply:
        start, total = _where(reply, have, whole, part)
        whole = source.bytes or total
        if start and start == total:
            return
        if not start:
            part.write_bytes(b"")
            tag = reply.headers.get("ETag", "W/")
            tag = reply.headers.get("Last-Modified") if tag.startswith("W/") else tag
            _write_json(known, {"tag": tag, "total": total})
        _append(reply, part, whole, label)
    if _size(part) < (whole or 0):
        raise _InterruptedError(f"sends only {_size(part):,} of {whole:,} bytes")


def _where(reply, have, whole, part):
    """Return at which byte a reply starts and how long the whole file is (None: not said)."""
    code = reply.status_code
    if code == 200:
        length = reply.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    span = reply.headers.get("Content-Range", "")
    if code == 206 and (said := re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", span)):
        total = whole if said[2] == "*" else int(said[2])
        if int(said[1]) == have and whole in (None, total):
            return have, total
    if code == 416 and span == f"bytes */{have}" and have:  # there was no more to send
        return have, have
    if code in (206, 416):  # another file than the one begun, or more than there is
        part.unlink(missing_ok=True)
        raise _InterruptedError("has changed the file")
    kind = _InterruptedError if code in (408, 429) or code >= 500 else _RefusedError
    raise kind(f"answers {code} {reply.reason or ''}".rstrip())


def _append(reply, part, total, label):
    most = total or MOST_BYTES
    bar = progress(total=total, label=label, unit="B", unit_scale=True)
    with bar, open(part, "ab") as file:
        bar.update(file.tell())
        for block in reply.raw.stream(BLOCK, decode_content=False):  # an archive stays packed
            file.write(block)
            bar.update(len(block))
            if file.tell() > most:
                break
    if _size(part) > most:
        part.unlink()
        raise _RefusedError(f"sends more than the {most:,} bytes expected")


# --- unpacking ------------------------------------------------------------------------------


def _unpack(archive, folder, name):
    """Unpack an archive into ``folder``, or put a single file there under ``name``.

    Members are read and written here, never by the archive's own extract: no member gets to choose
    a path outside the folder, a link, a device, a mode or an owner.
    """
    room = ROOM + 20 * _size(archive)  # a small archive that unpacks to a full disk is no gift
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(archive) as opened:
                _write(_zip_members(opened), folder, room, len(opened.infolist()))
        elif name.endswith((".tgz", ".tar.gz")):
            with tarfile.open(archive, "r:gz") as opened:
                _write(_tar_members(opened), folder, room)
        else:
            folder.mkdir(parents=True)
            shutil.copyfile(archive, folder / name)
    except _DAMAGED as error:
        raise _RefusedError(f"sent a damaged archive ({error or type(error).__name__})") from error


def _zip_members(archive):
    """Yield (name, function that opens it); None in place of the function for a folder."""
    for member in archive.infolist():
        if member.is_dir():
            yield member.filename, None
        elif stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG):
            yield member.filename, functools.partial(archive.open, member)
        else:
            raise _RefusedError(f"sent an archive with a link or device in it ({member.filename})")


def _tar_members(archive):
    """Yield as ``_zip_members`` does; what follows the last member is read for gzip's own sum."""
    for member in archive:
        if not (member.isdir() or member.isreg()):
            raise _RefusedError(f"sent an archive with a link or device in it ({member.name})")
        opened = functools.partial(archive.extractfile, member)
        yield member.name, None if member.isdir() else opened
    if not any(not archive.fileobj.read(1 << 20) for _ in range(64)):
        raise _RefusedError("sent an archive that goes on after its end")


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
            raise _RefusedError(f"sent an archive with too many files or one twice ({name})")
        seen.add(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened() as reader, open(path, "xb") as writer:
            while block := reader.read(BLOCK):
                room -= len(block)
                if room < 0:
                    raise _RefusedError("sent an archive that unpacks to far more than its size")
                writer.write(block)


def _parts(name):
    """Return the parts of a member's path; one that could lead out of the folder is refused.

    Windows drops dots and spaces at the end of a name, and knows drives and backslashes.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    outside = name.startswith("/") or any(not part.strip(". ") for part in parts)
    if outside or any(sign in name for sign in "\\:\0"):
        raise _RefusedError(f"sent an archive with an unsafe path in it ({name})")
    return parts
