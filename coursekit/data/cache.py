"""Files written whole or not at all, arrays kept on disk, and hashes of content."""

from __future__ import annotations

import contextlib
import copyreg
import dis
import functools
import hashlib
import json
import os
import platform
import random
import re
import shutil
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy
import torch

from coursekit import runtime
from coursekit.console import note, reason, size

ROOM = 10 * 10**9  # bytes that all cached arrays together may take
HOST = re.sub(r"\W", "_", platform.node())[:40]
note_once = functools.cache(note)
PART = re.compile(r"\..*\.coursekit-(\w*)-(\d+)\.part")

GENERATORS = (torch.Generator, random.Random, numpy.random.Generator, numpy.random.RandomState)
# The generators behind torch.rand, random.random and numpy.random.rand.
SHARED = tuple(
    getattr(thing, "__self__", thing)
    for thing in (torch.default_generator, random.random, numpy.random.rand)
)

# Writing --------------------------------------------------------------------------------------


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` for writing; it takes the place of ``path`` when the block ends.

    A cut, a kill or a full disk leaves the old file as it was.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    stem = path.name.encode()[:80].decode(errors="ignore")  # a name has at most 255 bytes
    partial = path.with_name(f".{stem}.coursekit-{HOST}-{os.getpid()}.part")
    try:
        with open(partial, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, path)
    finally:
        remove(partial)


def _sweep(folder: Path) -> None:
    """Remove the parts of ``writing`` that are a day old, or whose process Linux does not know."""
    for part in folder.glob(".*.part"):
        if match := PART.fullmatch(part.name):
            told = match[1] == HOST and os.path.exists("/proc/self")
            gone = told and not os.path.exists(f"/proc/{match[2]}")
            with contextlib.suppress(OSError):
                if gone or time.time() - part.stat().st_mtime > 86_400:
                    part.unlink()


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Write a file that is whole or not there, text as UTF-8; raises OSError like ``writing``."""
    with writing(path) as out:
        out.write(content.encode() if isinstance(content, str) else content)


def remove(path: Path) -> None:
    """Remove a file or folder of the course's own; errors are passed over."""
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


# Arrays on disk -------------------------------------------------------------------------------


def cache_file(kind: str, key: str) -> Path:
    """Path of a cached array: ``runtime.home()/cache/<kind>/<key>.npy``."""
    return runtime.home() / "cache" / kind / f"{key}.npy"


def load_array(file: Path) -> tuple[numpy.ndarray, Any] | None:
    """Map an array of ``keep_array`` into memory, with its facts; None without whole ones."""
    with contextlib.suppress(OSError, EOFError, ValueError, TypeError, KeyError, RecursionError):
        facts = json.loads(file.with_suffix(".json").read_text("utf-8"))
        array = numpy.load(file, mmap_mode="c", allow_pickle=False)
        if facts["sum"] == _sum(facts["facts"], array):
            os.utime(file)  # the arrays unused for longest make room first
            return array, facts["facts"]
    return None


def keep_array(
    file: Path,
    make_rows: Callable[[], Iterable[numpy.ndarray]],
    shape: tuple[int, ...],
    dtype: numpy.typing.DTypeLike,
    things: str,
) -> numpy.ndarray:
    """Write the rows of an array one after another and map the file into memory.

    Where the file cannot be written the rows are made again, in memory, and a note says so, once a
    session, of ``things`` ("The pictures"). ``load_array`` finds the array after ``keep_facts``.
    """
    dtype = numpy.dtype(dtype)
    try:
        with writing(file) as out:
            header = {"descr": dtype.str, "fortran_order": False, "shape": tuple(map(int, shape))}
            numpy.lib.format.write_array_header_1_0(out, header)
            for row in make_rows():
                out.write(numpy.ascontiguousarray(row, dtype).data)
        _make_room(file)
        return numpy.load(file, mmap_mode="c", allow_pickle=False)
    except OSError as error:
        note_once(
            f"{things} stay in memory, since {file.parent} cannot be written ({reason(error)}); "
            "make room there, or set COURSEKIT_HOME."
        )
    array = numpy.empty(shape, dtype)
    flat, end = array.reshape(-1), 0
    for row in make_rows():
        start, end = end, end + row.size
        flat[start:end] = row.reshape(-1)
    return array


def keep_facts(file: Path, facts: Any) -> None:
    """Write JSON facts beside an array of ``keep_array``, where that is on disk."""
    with contextlib.suppress(OSError):
        array = numpy.load(file, mmap_mode="r", allow_pickle=False)
        content = {"facts": facts, "sum": _sum(facts, array)}
        write_whole(file.with_suffix(".json"), json.dumps(content))


def _sum(facts: Any, array: numpy.ndarray) -> str:
    return digest(json.dumps(facts), array.shape, array.dtype.str)


def arrays() -> dict[Path, os.stat_result]:
    """The cached arrays of all kinds, with size in bytes and time of the last use."""
    with contextlib.suppress(OSError):
        files = (runtime.home() / "cache").glob("*/*.npy")
        return {file: file.stat() for file in files if re.fullmatch(r"[0-9a-f]{32}", file.stem)}
    return {}


def _make_room(kept: Path) -> None:
    """Remove the arrays unused for longest, until all but ``kept`` fit into ``ROOM``."""
    facts = arrays()
    total = before = sum(fact.st_size for fact in facts.values())
    for file in sorted(facts.keys() - {kept}, key=lambda file: facts[file].st_mtime):
        if total > ROOM:
            total -= facts[file].st_size
            remove(file.with_suffix(".json"))
            remove(file)
    if total < before:
        note(
            f"the caches take at most {size(ROOM)}, so {size(before - total)} unused for longest "
            "were removed; they are made again when they are needed."
        )


# Hashes of content ----------------------------------------------------------------------------


def digest(*parts: object) -> str:
    """Hash ``parts`` by content, equal in every process, other where content or code differs.

    The hash has 32 hexadecimal digits. Numbers, text, arrays, tensors and containers count by
    value; functions and classes of the learner by their code and the global values it uses, those
    of installed packages by name; every other object by its class and what ``copy`` would carry
    over.

    Raises:
        TypeError: an object has no content to compare, such as a generator or an open file, or has
            another one after each use, such as a generator of random numbers.
    """
    return _digest(parts, {}, []).hex()


def _digest(thing: Any, known: dict[int, tuple[bytes, Any]], around: list[int]) -> bytes:
    """Hash of a thing made of the hashes of its parts; ``around``: ids of what it is a part of."""
    if thing is None or isinstance(thing, (bool, int, float, complex, str)):
        return _sha256(f"{type(thing).__qualname__} {thing!r}")
    if isinstance(thing, (bytes, bytearray)):
        return _sha256("bytes", thing)
    if id(thing) in known:
        return known[id(thing)][0]
    if id(thing) in around:
        return _sha256(f"circle {len(around) - around.index(id(thing))}")
    if isinstance(thing, torch.Tensor):
        content = thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        found = _sha256(f"array {thing.dtype} {tuple(thing.shape)}", content)
    elif isinstance(thing, numpy.ndarray) and not thing.dtype.hasobject:
        content = numpy.ascontiguousarray(thing).reshape(-1).view(numpy.uint8)
        found = _sha256(f"array {thing.dtype} {thing.shape}", content)
    else:
        parts = [_digest(part, known, [*around, id(thing)]) for part in _contents(thing)]
        if isinstance(thing, (set, frozenset)):
            parts.sort()
        found = _sha256(type(thing).__qualname__, b"".join(parts))
    known[id(thing)] = found, thing  # kept alive, so that nothing else gets its id
    return found


def _sha256(kind: str, content: Any = b"") -> bytes:
    hasher = hashlib.sha256(kind.encode("utf-8", "replace") + b"\0")  # in hardware: 1 GB a second
    hasher.update(content)
    return hasher.digest()[:16]


def _contents(thing: Any) -> Iterable[Any]:
    """The parts of a container, function, class, module or other object."""
    if type(thing) in (list, tuple, set, frozenset):
        return thing
    if type(thing) is dict:
        return thing.items()
    if isinstance(thing, types.ModuleType):
        file = None if _installed(thing.__name__) else getattr(thing, "__file__", None)
        return thing.__name__, Path(file).read_bytes() if file else None
    if isinstance(thing, (type, types.FunctionType)) and _importable(thing):
        return thing.__module__, thing.__qualname__
    if isinstance(thing, types.FunctionType):
        inside = [cell.cell_contents for cell in thing.__closure__ or ()]
        inside += [thing.__qualname__, thing.__defaults__, thing.__kwdefaults__, vars(thing)]
        names = () if _installed(thing.__module__) else _global_names(thing.__code__)
        return [*inside, thing.__code__, {name: thing.__globals__.get(name) for name in names}]
    if isinstance(thing, types.CodeType):
        return thing.co_code, thing.co_names, thing.co_varnames, thing.co_consts
    if isinstance(thing, types.MethodType):
        return thing.__func__, thing.__self__
    if isinstance(thing, property):
        return thing.fget, thing.fset
    if isinstance(thing, (classmethod, staticmethod, functools._lru_cache_wrapper)):
        return [thing.__wrapped__]
    if isinstance(thing, type):
        own = {name: value for name, value in vars(thing).items() if _written(name, value)}
        return thing.__qualname__, thing.__bases__, own
    if callable(getattr(thing, "fingerprint", None)):  # of Batches: a hash of what it hands out
        return type(thing), thing.fingerprint()
    if isinstance(thing, GENERATORS):
        if any(thing is generator for generator in SHARED):
            return [type(thing)]
        raise TypeError("a random generator of its own changes while it is used")
    reduce = copyreg.dispatch_table.get(type(thing), lambda thing: thing.__reduce_ex__(4))
    reduced: Any = reduce(thing)  # what pickle would be told; nothing is pickled
    if isinstance(reduced, str):  # the name of a global object, such as a type of numbers
        return type(thing), getattr(thing, "__module__", None), reduced
    return [type(thing), *(list(p) if isinstance(p, Iterator) else p for p in reduced)]


def _importable(thing: Any) -> bool:
    """Whether a function or class is what its name in an installed module stands for."""
    found: Any = sys.modules.get(thing.__module__) if _installed(thing.__module__) else None
    for name in thing.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is thing


def _installed(module: str | None) -> bool:
    """Whether a module belongs to Python, an installed package or the course: known by name."""
    root = (module or "").split(".")[0]
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    packaged = "site-packages" in file or "dist-packages" in file
    return root in {"coursekit", *sys.stdlib_module_names} or (packaged and root != "__main__")


def _global_names(code: types.CodeType) -> list[str]:
    """Names of the globals that a piece of code looks up, functions defined in it included."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return sorted(names.union(*map(_global_names, inner)))


def _written(name: str, value: object) -> bool:
    """Whether an attribute of a class was written in it, and not added by Python."""
    if isinstance(value, (types.FunctionType, property, classmethod, staticmethod)):
        return True
    added = isinstance(value, (types.GetSetDescriptorType, types.MemberDescriptorType))
    return not (added or name.startswith("__") or name == "_abc_impl")
