"""The name of a data set -> a verified local folder: downloaded or carried, and unpacked."""

import contextlib
import errno
import hashlib
import os
import shutil
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from coursekit import runtime
from coursekit.console import CourseError, nearest, note, progress
from coursekit.data.catalogue import CATALOGUE
from coursekit.data.download import SourceError, download, read_json, write_json
from coursekit.data.unpack import ArchiveError, unpack

SAMPLES = Path(__file__).parent / "samples"  # one archive a data set, made by worlds/
MARKER = ".coursekit.json"  # in a finished folder: edition, origin, files, bytes


def fetch(name, *, edition=None):
    """Return the folder of a data set, which is downloaded or unpacked where it is not there yet.

    Prints one line: edition, size, source and licence. A folder that lies in ``full/NAME`` of
    ``runtime.home()`` already, in the published layout, is used as it is.

    Args:
        name: one of the catalogue, such as ``"dogscats"``.
        edition: "full" (published), "sample" (carried by the course, without a network), or None:
            what ``COURSEKIT_DATA`` says, else full where there is a GPU. A full edition that was
            not asked for by name and cannot be had is replaced by the sample, with a note.

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
    facts = read_json(folder / MARKER) or _count(folder) | {"origin": f"found in full/{name}"}
    licence = data_set.licence if wanted == "full" else data_set.sample_licence
    many = f"{facts['files']:,} files" if facts["files"] != 1 else "1 file"
    size = f"{many}, {_size_in_words(facts['bytes'])}"
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
        except (SourceError, ArchiveError) as error:
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
    downloads.mkdir(parents=True, exist_ok=True)
    _check_room(data_set.name, source, downloads)
    archive = download(source, downloads, f"{data_set.name} from {source.host}")
    try:
        unpack(archive, staging, Path(urlsplit(source.url).path).name)
        unpacked = staging / source.inside
        left_out = source.arrange(unpacked, progress) if source.arrange else None
        if lacking := _lacking(unpacked, data_set.layout):
            raise ArchiveError(f"serves another archive than expected: it lacks {lacking}")
        _put_in_place(unpacked, folder, origin=f"from {source.host}, {source.checked}")
    except ArchiveError:
        archive.unlink()
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    shutil.rmtree(downloads, ignore_errors=True)
    if left_out:
        note(left_out)


def _sample(data_set):
    """Return the folder of the sample edition, unpacked anew where the course carries another."""
    archive = SAMPLES / f"{data_set.sample}.tar.xz"
    folder = runtime.home() / "sample" / data_set.name
    some_of_each = dict.fromkeys(data_set.layout, 1)
    version = hashlib.sha256(archive.read_bytes()).hexdigest()

    def is_current():
        known = read_json(folder / MARKER).get("version")
        return known == version and not _lacking(folder, some_of_each)

    if not is_current():
        with _storage(), _alone(data_set.name, "sample"):
            if not is_current():
                staging = folder.with_name(f".{data_set.name}.unpacking")
                shutil.rmtree(staging, ignore_errors=True)
                unpack(archive, staging, archive.name)
                _put_in_place(staging, folder, origin="carried by the course", version=version)
    return folder


def _put_in_place(finished, folder, **facts):
    """Mark a finished folder and move it to its name; what was there before goes."""
    write_json(finished / MARKER, _count(finished) | facts)
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


def _check_room(name, source, downloads):
    """Refuse to begin what the disk cannot hold: the archive, and about as much unpacked."""
    needed = 2 * (source.bytes or 0) - _count(downloads)["bytes"]
    free = shutil.disk_usage(downloads).free
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


def _size_in_words(size):
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"
