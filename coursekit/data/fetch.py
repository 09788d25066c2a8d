"""The name of a data set -> a verified local folder: downloaded or carried, and unpacked."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from coursekit import runtime
from coursekit.console import CourseError, nearest, note
from coursekit.data.cache import write_whole
from coursekit.data.catalogue import DataSet, Source, catalogue
from coursekit.data.download import SourceError, download
from coursekit.data.unpack import ArchiveError, unpack

SAMPLES = Path(__file__).parent / "samples"  # one archive a data set, made by worlds/
MARKER = ".coursekit.json"  # in a finished folder: origin, files, bytes, version of the sample


def fetch(name: str, *, edition: str | None = None) -> Path:
    """Download a data set, or unpack the sample of it, where it is not there yet.

    Prints one line: edition, size, source and license. A folder that lies in ``full/NAME`` of
    ``runtime.home()`` already, in the published layout, is used as it is.

    Args:
        name: one of the catalogue, such as ``"dogscats"``.
        edition: "full" (published), "sample" (carried by the course, without a network), or None:
            what ``COURSEKIT_DATA`` says, else full where there is a GPU. A full edition that was
            not asked for by name and cannot be had is replaced by the sample, with a note.

    Returns:
        The folder of the data set.

    Raises:
        CourseError: no such data set; offline; a server that fails; a sum or a layout that does
            not match; a disk that is full or read-only.
    """
    if name not in catalogue():
        hint = nearest(name, catalogue())
        raise CourseError(f"There is no data set {name!r}. Take {', '.join(catalogue())}.{hint}")
    if edition not in (None, "auto", "full", "sample"):
        hint = nearest(edition, ["full", "sample"])
        raise CourseError(f"There is no edition {edition!r}. Take 'full' or 'sample'.{hint}")
    data_set = catalogue()[name]
    named = edition in ("full", "sample")
    wanted, by_name = (edition, True) if named else runtime.edition()
    try:
        folder = _full(data_set) if wanted == "full" else _sample(data_set)
    except CourseError as error:
        if by_name or wanted == "sample":
            raise
        note(f"{error} Until then, the sample edition is used.")
        wanted, folder = "sample", _sample(data_set)
    facts = _marker(folder) or _count(folder) | {"origin": f"found in full/{name}"}
    terms = data_set.license if wanted == "full" else data_set.sample_license
    files = f"{facts['files']:,} files" if facts["files"] != 1 else "1 file"
    size = f"{files}, {_in_words(facts['bytes'])}"
    print(f"{name}, {wanted} edition: {size}, {facts['origin']}; {terms}.", flush=True)
    return folder


# The two editions -------------------------------------------------------------------------------


def _full(data_set: DataSet) -> Path:
    """Folder of the full edition; the first source that serves is used."""
    folder = runtime.home() / "full" / data_set.name
    if _is_there(folder, data_set):
        return folder
    with _locked(data_set.name, "full"):
        if _is_there(folder, data_set):  # another notebook has fetched it meanwhile
            return folder
        reasons = []
        for source in data_set.sources:
            try:
                return _from_source(data_set, source, folder)
            except (SourceError, ArchiveError) as error:
                reasons.append(f"{source.host} {error}")
    raise CourseError(
        f"{data_set.name} could not be downloaded ({'; '.join(reasons)}). Check the connection and "
        "run this cell again, it goes on where it stopped, or take "
        f"ck.fetch({data_set.name!r}, edition='sample')."
    )


def _is_there(folder: Path, data_set: DataSet) -> bool:
    """Whether ``folder`` holds the data set; a folder that holds something else raises."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    if lacking := _lacking(folder, data_set.layout):
        raise CourseError(
            f"{folder} is not the published {data_set.name}: it lacks {lacking}. Complete it, or "
            "delete it and run this cell again."
        )
    return True


def _lacking(folder: Path, layout: dict[str, int]) -> str:
    """What ``folder`` lacks of a layout, in words, or an empty string."""
    for pattern, least in layout.items():
        found = sum(1 for _ in islice(folder.glob(pattern), least))
        if found < least:
            return f"{pattern} ({found} found, at least {least} expected)"
    return ""


def _from_source(data_set: DataSet, source: Source, folder: Path) -> Path:
    """Download, check, unpack, arrange; the folder appears by one move, whole or not at all."""
    downloads = runtime.home() / "cache" / "downloads" / data_set.name
    downloads.mkdir(parents=True, exist_ok=True)
    needed = 2 * (source.bytes or 0) - _count(downloads)["bytes"]  # the archive, and unpacked
    free = shutil.disk_usage(downloads).free
    if needed > free:
        raise CourseError(
            f"{data_set.name} needs about {_in_words(needed)} of disk and {_in_words(free)} are "
            "free. Free some space, or set COURSEKIT_HOME to a folder elsewhere."
        )
    archive = download(source, downloads, f"{data_set.name} from {source.host}")
    try:
        with _staging(folder) as staging:
            unpack(archive, staging, source.name)
            unpacked = staging / source.inside
            left_out = source.to_published_layout(unpacked)
            if lacking := _lacking(unpacked, data_set.layout):
                raise ArchiveError(f"serves another archive than expected: it lacks {lacking}")
            _put_in_place(unpacked, folder, origin=f"from {source.host}, {source.checked}")
    except ArchiveError:
        archive.unlink()
        raise
    shutil.rmtree(downloads, ignore_errors=True)
    if left_out:
        note(left_out)
    return folder


def _sample(data_set: DataSet) -> Path:
    """Folder of the sample edition, unpacked anew where the course carries another one."""
    folder = runtime.home() / "sample" / data_set.name
    archive = SAMPLES / f"{data_set.sample}.tar.xz"
    version = hashlib.sha256(archive.read_bytes()).hexdigest()
    some_of_each = dict.fromkeys(data_set.layout, 1)

    def is_current() -> bool:
        return _marker(folder).get("version") == version and not _lacking(folder, some_of_each)

    if not is_current():
        with _locked(data_set.name, "sample"):
            if not is_current():
                with _staging(folder) as staging:
                    unpack(archive, staging, archive.name)
                    _put_in_place(staging, folder, origin="carried by the course", version=version)
    return folder


# The disk ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A hidden place beside ``folder`` to unpack to; what a kill left there goes."""
    staging = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _put_in_place(finished: Path, folder: Path, **facts: str) -> None:
    """Mark a finished folder and move it to its name; an older sample there goes."""
    write_whole(finished / MARKER, json.dumps(_count(finished) | facts))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(finished, folder)


def _marker(folder: Path) -> dict[str, Any]:
    """The facts in the marker of a folder; none where it was not fetched."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads((folder / MARKER).read_text("utf-8"))
    return {}


@contextlib.contextmanager
def _locked(name: str, edition: str) -> Iterator[None]:
    """Keep other notebooks from fetching the same, and turn the disk's errors into CourseErrors."""
    home = runtime.home()
    try:
        locks = home / "cache" / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{name}-{edition}.lock")
        try:
            held = lock.acquire(blocking=False)
        except Timeout:
            note(f"Another notebook is fetching {name}. This one waits for it.")
            held = lock.acquire()
        with held:
            yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            problem = f"The disk of {home} is full. Free some space"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            problem = f"{home} cannot be written to. Give yourself the right to"
        else:
            problem = f"{error.filename or home} cannot be used ({error}). Look at that folder"
        remedy = "or set COURSEKIT_HOME to a folder elsewhere, and run this cell again"
        raise CourseError(f"{problem}, {remedy}.") from error


def _count(folder: Path) -> dict[str, int]:
    """Number of files below a folder and their bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _in_words(size: float) -> str:
    """A number of bytes as a learner reads it: ``2.4 MB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"
