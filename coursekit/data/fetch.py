"""The name of a data set -> a verified local folder: downloaded or carried, and unpacked."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from coursekit import runtime
from coursekit.arguments import checked
from coursekit.console import CourseError, choose, note, reason, size
from coursekit.data.cache import remove, write_whole
from coursekit.data.download import Source, SourceError, download
from coursekit.data.unpack import ArchiveError, unpacked

SAMPLES = Path(__file__).parent / "samples"  # one archive a data set, made by worlds/
MARKER = ".coursekit.json"  # in a finished folder: origin, files, bytes, version of the sample


@dataclass(frozen=True)
class DataSet:
    """A data set: terms, layout, and the sources in the order in which they are tried."""

    name: str
    license: str
    layout: dict[str, int]
    sources: tuple[Source, ...]
    sample: str
    sample_license: str = "MIT, as the course"

    def lacking(self, folder: Path, enough: int | None = None) -> str:
        """What ``folder`` lacks of the layout, or nothing; ``enough`` replaces the counts."""
        for pattern, least in self.layout.items():
            least = enough or least
            found = sum(1 for _ in itertools.islice(folder.glob(pattern), least))
            if found < least:
                return f"{pattern} ({found} found, at least {least} expected)"
        return ""


@functools.cache
def catalogue() -> dict[str, DataSet]:
    """The data sets of ``catalogue.toml`` by name; each address of a file is a source."""
    rows = tomllib.loads(Path(__file__).with_name("catalogue.toml").read_text("utf-8"))
    for row in rows.values():
        row["sources"] = tuple(
            Source(url=url, **file) for file in row["sources"] for url in file.pop("urls")
        )
    return {name: DataSet(name=name, **row) for name, row in rows.items()}


@checked
def fetch(name: str, *, edition: str | None = None) -> Path:
    """Download a data set, or unpack the sample of it, where it is not there; return its folder.

    Prints one line: edition, size, source and license. A folder that lies in ``full/NAME`` of
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
    data_set = catalogue()[choose("data set", name, catalogue())]
    wanted, by_name = runtime.edition(edition)
    try:
        folder, facts = _get(data_set, wanted)
    except CourseError as error:
        if by_name or wanted == "sample":
            raise
        note(f"{error} Until then, the sample edition is used.")
        wanted = "sample"
        folder, facts = _get(data_set, wanted)
    terms = data_set.license if wanted == "full" else data_set.sample_license
    files = f"{facts['files']:,} files" if facts["files"] != 1 else "1 file"
    line = f"{files}, {size(facts['bytes'])}, {facts['origin']}; {terms}."
    print(f"{name}, {wanted} edition: {line}", flush=True)
    return folder


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn the disk's errors into CourseErrors."""
    try:
        yield
    except (OSError, NotImplementedError) as error:  # filelock: a disk that knows no locks
        home = runtime.home()
        raise CourseError(
            f"{home} cannot be used ({reason(error)}: {getattr(error, 'filename', None) or home}). "
            "Free some space, give yourself the right to write, or set COURSEKIT_HOME to a folder "
            "elsewhere, and run this cell again."
        ) from error


@_disk_errors()
def _get(data_set: DataSet, wanted: str) -> tuple[Path, dict[str, Any]]:
    """The folder of an edition, and what its marker tells of it."""
    folder = _full(data_set) if wanted == "full" else _sample(data_set)
    found = {"origin": f"found in full/{data_set.name}"}
    return folder, _marker(folder) or _count(folder) | found


def _full(data_set: DataSet) -> Path:
    """Folder of the full edition; the first source that serves is used."""
    folder = runtime.home() / "full" / data_set.name
    if _is_there(folder, data_set):
        return folder
    reasons = []
    with _locked(data_set.name, "full"):
        if _is_there(folder, data_set):  # another notebook has fetched it meanwhile
            return folder
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
    if lacking := data_set.lacking(folder):
        raise CourseError(
            f"{folder} is not the published {data_set.name}: it lacks {lacking}. Complete it, or "
            "rename it and run this cell again."
        )
    return True


def _from_source(data_set: DataSet, source: Source, folder: Path) -> Path:
    """Download, check, unpack, arrange; the folder appears by one move, whole or not at all."""
    downloads = runtime.home() / "cache" / "downloads" / data_set.name
    archive = download(source, downloads, f"{data_set.name} from {source.host}")
    try:
        with unpacked(archive, folder, source.name) as place:
            inside = place / source.inside
            for old, new in source.moves.items():
                if (inside / old).exists():  # where it is missing, the check of the layout says so
                    (inside / old).rename(inside / new)
            if lacking := data_set.lacking(inside):
                raise ArchiveError(f"serves another archive than expected: it lacks {lacking}")
            _put_in_place(inside, folder, origin=f"from {source.host}, {source.checked}")
    except ArchiveError:
        archive.unlink()
        raise
    shutil.rmtree(downloads, ignore_errors=True)
    return folder


def _sample(data_set: DataSet) -> Path:
    """Folder of the sample edition, unpacked anew where the course carries another one."""
    folder = runtime.home() / "sample" / data_set.name
    archive = SAMPLES / f"{data_set.sample}.tar.xz"
    version = hashlib.sha256(archive.read_bytes()).hexdigest()

    def is_current() -> bool:
        return _marker(folder).get("version") == version and not data_set.lacking(folder, 1)

    if is_current():
        return folder
    with _locked(data_set.name, "sample"):
        if is_current():
            return folder
        try:
            with unpacked(archive, folder, archive.name) as place:
                _put_in_place(place, folder, origin="carried by the course", version=version)
        except ArchiveError as error:
            raise CourseError(f"{archive} is damaged. Install the course again.") from error
    return folder


def _put_in_place(finished: Path, folder: Path, **facts: str) -> None:
    """Mark a finished folder and move it to its name, from where an older sample goes.

    A folder to which a learner has added, or in which files were changed, is set aside.
    """
    write_whole(finished / MARKER, json.dumps(_count(finished) | facts))
    if folder.is_dir():
        if any(folder.iterdir()) and not _is_unchanged(folder):
            names = (f"{folder.name}.yours{number or ''}" for number in itertools.count())
            aside = next(place for name in names if not (place := folder.with_name(name)).exists())
            folder.rename(aside)
            note(f"{folder} held files that the course did not write: all of it is now in {aside}.")
        remove(folder)
    os.replace(finished, folder)


def _marker(folder: Path) -> dict[str, Any]:
    """The facts in the marker of a folder; none where it was not fetched, or they are damaged."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        facts = json.loads((folder / MARKER).read_text("utf-8"))
        if (type(facts["files"]), type(facts["bytes"]), type(facts["origin"])) == (int, int, str):
            return facts
    return {}


def _is_unchanged(folder: Path) -> bool:
    """Whether a folder holds what the course unpacked there and nothing else."""
    facts = _marker(folder)
    if any(facts.get(name) != value for name, value in _count(folder).items()):
        return False
    written = (folder / MARKER).stat().st_mtime
    return all(path.lstat().st_mtime <= written for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def _locked(name: str, edition: str) -> Iterator[None]:
    """Keep other notebooks from fetching the same."""
    locks = runtime.home() / "cache" / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{name}-{edition}.lock")
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        note(f"Another notebook is fetching {name}. This one waits for it.")
        held = lock.acquire()
    with held:
        yield


def _count(folder: Path) -> dict[str, int]:
    """Number of files below a folder and their bytes."""
    files = (path for path in folder.rglob("*") if path.name != MARKER and path.is_file())
    sizes = [path.stat().st_size for path in files]
    return {"files": len(sizes), "bytes": sum(sizes)}
