"""Folders or tables of pictures -> ``Data``: decoded once, in parallel, to one array on disk."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import torch

from coursekit.arguments import checked
from coursekit.console import CourseError, choose, nearest, note, progress
from coursekit.data.batches import Batches, Data, check_count, fewer, split
from coursekit.data.cache import cache_file, digest, keep_array, keep_facts, load_array
from coursekit.data.cleaning import Corrections, read_corrections
from coursekit.data.folders import class_folders, composed, files_below, folder_at, part_folder
from coursekit.data.picture import RESIZES, check_size, read_picture, why_unreadable

if TYPE_CHECKING:
    import pandas

Items = list[tuple[Path, Any]]  # files and what the table or the folder says of them, or None

SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
QUICK_TRAIN, QUICK_VALID = 256, 128


@dataclass(repr=False)
class ImageData(Data):
    """Pictures, ready to train on: x (B, 3, size, size) float32 in 0..1, y (B,) int64.

    Attributes:
        size: side of the squares, in pixels.
        resize: how pictures became squares, "crop" or "squish".
        multi_label: whether a picture may have several labels; y is then (B, classes) float32.
    """

    size: int = 224
    resize: str = "crop"
    multi_label: bool = False


@checked
def images(
    path: str | Path,
    *,
    labels: str | pandas.DataFrame | pandas.Series | dict[str, Any] = "folders",
    multi_label: bool = False,
    size: int = 224,
    resize: str = "crop",
    valid: float | str | None = None,
    test: str | Path | None = None,
    batch_size: int = 64,
    augment: Callable | None = None,
    corrections: str | Path | Corrections | None = None,
    seed: int = 0,
) -> ImageData:
    """Read labelled pictures into ``ImageData``: square bytes on disk, batches on the device.

    Each picture is decoded once, by ``ck.read_picture``, into a square; the arrays are
    kept under ``runtime.home()/cache`` and used again while names, sizes and times of the files
    stay the same. Files that cannot be read or fit nowhere are left out, with a note.

    Args:
        path: folder with ``train/<class>/`` and ``valid/<class>/``, or with ``<class>/`` alone.
        labels: "folders" (the folder is the class), or a DataFrame whose first column names the
            file (with or without its ending) and whose second holds the label, or such a dict.
        multi_label: True where a label is a list of words, or text with spaces or one other sign
            between words, or where the table has a column of zeros and ones for each word.
        size: side of the squares, in pixels.
        resize: "crop" cuts the middle square out, "squish" keeps everything and changes the shape.
        valid: name of the validation folder, or the fraction of pictures drawn at random by
            ``seed``; None takes the folder ``valid`` where there is one, else a fifth.
        test: folder of more pictures, with labels where it has the folders of the classes.
        batch_size: pictures in a mini-batch.
        augment: ``Augment`` for the training pictures, such as ``ck.side_on``.
        corrections: ``ck.Corrections`` or its CSV file: labels changed, pictures dropped.
        seed: decides the random validation part.

    Raises:
        CourseError: a path, label or picture is not what it should be.
    """
    check_size(size)
    choose("resize", resize, RESIZES)
    check_count("batch_size", batch_size)
    path = folder_at(path)
    tested = None if test is None else folder_at(path / test)
    if not (isinstance(labels, str) and labels == "folders"):
        parts = [_from_table(path, labels, multi_label, valid), []]
    elif multi_label:
        raise CourseError("multi_label=True needs a table; a folder gives one label a picture.")
    else:
        parts = _from_folders(path, valid, tested)
    if corrections is not None:
        parts = _corrected(parts, corrections, path, multi_label)
    classes = _class_names(_words(parts[0] + parts[1]))
    if not parts[1]:
        rows = split(len(parts[0]), 0.2 if valid is None else valid, seed)
        parts = [[parts[0][row] for row in part] for part in rows]
    train, held_out = fewer(parts[0], QUICK_TRAIN, seed), fewer(parts[1], QUICK_VALID, seed)

    def read(items: Items, **options: Any) -> tuple[Batches, list[int]]:
        files = [file for file, _ in items]
        array, good = decode(files, size=size, resize=resize, root=path)
        targets = _targets([words for _, words in items], classes, multi_label)
        names = [_relative(file, path) for file in files]
        options |= {"batch_size": batch_size, "transform": to_floats, "filenames": names}
        return Batches(array, targets, **options), good

    items = train + held_out
    whole, good = read(items, shuffle=True, augment=augment)
    kept = [row for row in good if items[row][1] is not None]  # others are dropped
    trained = [row for row in kept if row < len(train)]
    if missing := sorted(set(classes) - _words([items[row] for row in trained])):
        note(
            f"{len(missing)} of {len(classes)} classes have no picture in training and cannot be "
            f"learned: {', '.join(missing[:5])}. Add pictures, or pass another valid= or seed=."
        )
    test_part = None
    if tested is not None:
        test_part, good = read(fewer(_test_items(tested, classes), QUICK_VALID, seed))
        test_part = test_part.subset(good)
    return ImageData(
        whole.subset(trained),
        whole.subset(kept[len(trained) :]).sequential(),
        test_part,
        classes,
        path,
        size=size,
        resize=resize,
        multi_label=multi_label,
    )


def to_floats(pixels: torch.Tensor) -> torch.Tensor:
    """Turn (B, H, W, C) bytes into (B, C, H, W) float32 in 0..1, channels last in memory."""
    return pixels.permute(0, 3, 1, 2).float().div_(255)


# Decoding -------------------------------------------------------------------------------------


def decode(
    files: Sequence[Path], *, size: int, resize: str, root: Path
) -> tuple[numpy.ndarray, list[int]]:
    """Decode ``files`` into (one (N, size, size, 3) uint8 array kept on disk, readable rows)."""
    facts = [(str(file), file.stat()) for file in files]
    # The time of the inode tells a file put in place of another of the same size and time.
    stamps = json.dumps([(n, f.st_size, f.st_mtime_ns, f.st_ctime_ns) for n, f in facts])
    cache = cache_file("pictures", digest(stamps, size, resize))
    array, broken = load_array(cache) or _decode_all(files, size, resize, cache)
    if broken:
        told = [f"{_relative(files[row], root)} ({why})" for row, why in broken[:3]]
        told += [f"and {len(broken) - 3} more"] if len(broken) > 3 else []
        if len(broken) == len(files):
            raise CourseError(f"None of {len(files)} pictures can be read: {', '.join(told)}.")
        note(f"left out {len(broken)} of {len(files)} files, not readable: {', '.join(told)}.")
    return array, sorted(set(range(len(files))) - {row for row, _ in broken})


def _decode_all(files: Sequence[Path], size: int, resize: str, cache: Path) -> tuple[Any, list]:
    """Decode to the cache; return (array, [[row, reason]] of what could not be read)."""
    broken: dict[int, BaseException] = {}

    def one(row: int) -> numpy.ndarray:
        try:
            return numpy.asarray(read_picture(files[row], size=size, resize=resize))
        except (CourseError, MemoryError) as error:
            broken[row] = error.__cause__ or error
            return numpy.zeros((size, size, 3), numpy.uint8)

    def rows() -> Iterator[numpy.ndarray]:
        with (
            warnings.catch_warnings(action="ignore"),  # PIL warns of odd EXIF
            ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool,
            progress(total=len(files), label="reading pictures", unit=" pictures") as bar,
        ):
            for start in range(0, len(files), 256):  # an interrupt waits for that many
                for picture in pool.map(one, range(len(files))[start : start + 256]):
                    bar.update()
                    yield picture

    array = keep_array(cache, rows, (len(files), size, size, 3), "uint8", "The pictures")
    facts = [[row, why_unreadable(broken[row])] for row in sorted(broken)]
    # Failures of the machine, not of the file, are not kept: it may work the next time.
    if not any(isinstance(e, MemoryError) or getattr(e, "errno", None) for e in broken.values()):
        keep_facts(cache, facts)
    return array, facts


# Labels from folders --------------------------------------------------------------------------


def _from_folders(path: Path, valid: float | str | None, test: Path | None) -> list[Items]:
    """List training items and validation items; the latter are none where they are to be drawn."""
    root = part_folder(path, "train") or path
    held = folder_at(path / valid) if isinstance(valid, str) else None
    if valid is None and root != path:
        held = part_folder(path, "valid")
        if not held and not test and (unused := part_folder(path, "test")):
            note(f"a fifth of training is held out; valid={unused.name!r} takes that folder.")
    if held == root:
        raise CourseError(f"valid={valid!r} is the folder of training; give another, or 0.2.")
    parts = [class_folders(root, SUFFIXES, [folder for folder in (held, test) if folder])]
    parts.append(class_folders(held, SUFFIXES) if held else [])
    known = {name for _, name in parts[0]}
    if unknown := sorted({name for _, name in parts[1]} - known):
        hint = nearest(unknown[0], known)
        raise CourseError(f"Training lacks classes of validation: {', '.join(unknown)}.{hint}")
    return [[(file, (name,)) for file, name in part] for part in parts]


def _test_items(folder: Path, classes: Sequence[str]) -> Items:
    """List the pictures of a test folder, with labels where it has folders of known classes."""
    files, _ = files_below(folder, SUFFIXES)
    if not files:
        raise CourseError(f"{folder} holds no pictures; leave out test=.")
    names = [(composed(file.relative_to(folder).parts[0]),) for file in files]
    known = {name for (name,) in names} <= set(classes)
    return [(file, name if known else None) for file, name in zip(files, names, strict=True)]


# Labels from a table --------------------------------------------------------------------------


def _from_table(path: Path, labels: Any, multi_label: bool, valid: Any) -> Items:
    """List the items of a table, whose names are paths below ``path``, file names or stems."""
    import pandas

    if isinstance(valid, str):
        raise CourseError("With a table of labels valid= is the fraction to hold out, such as 0.2.")
    if isinstance(labels, (dict, pandas.Series)):
        labels = pandas.DataFrame(list(labels.items()))
    if not isinstance(labels, pandas.DataFrame) or labels.shape[1] < 2:
        raise CourseError(
            "labels= is 'folders', a dict, or a table with the columns file and label; read a file "
            f"by pandas.read_csv(file, dtype=str), not {str(labels)[:60]!r}."
        )
    labels = labels.astype(object).mask(labels.isna(), None)
    words = _labels_of(labels, multi_label)
    rows = list(zip(labels.iloc[:, 0], words, strict=True))
    if gaps := [row for row, pair in enumerate(rows) if None in pair]:
        raise CourseError(
            f"{len(gaps)} of {len(rows)} rows of the table lack a file or a label, the first is "
            f"row {gaps[0]} ({rows[gaps[0]][0]}); use table.dropna()."
        )
    names = [_key(name, path) for name, _ in rows]
    files, others = files_below(path, SUFFIXES)
    meant: dict[str, set[Path]] = {}
    for file in files:
        for name in (file.name, file.stem, file.relative_to(path).with_suffix("")):
            meant.setdefault(_key(name, path), set()).add(file)
    meant |= {_key(file, path): {file} for file in files}  # a whole path means no other picture
    found = {name: sorted(meant.get(name, ())) for name in names}
    if missing := [name for name in names if not found[name]]:
        hint = nearest(missing[0], [*meant][:4000])
        if Path(missing[0]).stem in {other.stem for other in others}:
            hint = " That file is of a kind the course does not read; save it as JPEG."
        raise CourseError(
            f"{len(missing)} of {len(names)} labels have no picture in {path}, the first is "
            f"{missing[0]!r}.{hint}"
        )
    if vague := [name for name in names if len(found[name]) > 1]:
        both = " and ".join(_relative(file, path) for file in found[vague[0]][:2])
        raise CourseError(f"{vague[0]!r} in the table may be {both}; write its path.")
    chosen = [found[name][0] for name in names]
    if len(set(chosen)) < len(chosen):
        twice = _relative(Counter(chosen).most_common(1)[0][0], path)
        raise CourseError(f"The picture {twice} stands in several rows of the table; leave one.")
    if unnamed := len(files) - len(chosen):
        note(f"{unnamed} of {len(files)} pictures in {path.name} have no label: left out.")
    return list(zip(chosen, words, strict=True))


def _labels_of(table: pandas.DataFrame, multi_label: bool) -> list[tuple | None]:
    """Words of the label in each row, None for a gap: of the second column, or of flags."""
    cells, flags = table.iloc[:, 1].tolist(), table.iloc[:, 1:]
    if multi_label and flags.shape[1] > 1 and flags.isin([0, 1, "0", "1"]).all(axis=None):
        cells = [list(flags.columns[row]) for row in flags.astype(int).to_numpy() == 1]
    elif flags.shape[1] > 1:
        used = " and ".join(map(str, table.columns[:2]))
        note(f"of the table the columns {used} are used, {flags.shape[1] - 1} are left out.")
    signs = [s for s in ",;|[{" if multi_label and any(s in c for c in cells if isinstance(c, str))]
    if len(signs) > 1 or signs in (["["], ["{"]):
        raise CourseError(
            f"Labels have {' and '.join(signs)} in them; leave words with spaces between them, by "
            r"""column.str.replace(r"\W+", " ", regex=True)."""
        )
    if signs:
        note(f"labels are taken apart at {signs[0]!r}.")
    return [_apart(cell, *signs, multi_label=multi_label) for cell in cells]


def _apart(cell: Any, sign: str | None = None, *, multi_label: bool) -> tuple[str, ...] | None:
    """Words of a label, a list or text with ``sign`` or spaces between them; None for a gap."""
    if isinstance(cell, (list, tuple, set, numpy.ndarray)):
        if not multi_label:
            raise CourseError(f"The label {cell} is a list; pass multi_label=True.")
        return tuple(map(composed, cell))
    if cell is None:
        return None
    words = map(composed, str(cell).split(sign) if multi_label else [cell])
    return tuple(word for word in words if word) or (() if multi_label else None)


# Labels ---------------------------------------------------------------------------------------


def _corrected(parts: list[Items], given: Any, root: Path, multi_label: bool) -> list[Items]:
    """Change labels by ``Corrections``; a dropped picture keeps its row, with the label None."""
    file, known = getattr(given, "file", given), _words(parts[0] + parts[1])
    changes: dict[str, Any] = {}
    for name, label in read_corrections(file).items():
        sign = [sign for sign in ",;|" if sign in (label or "")][:1]
        several = multi_label and composed(label) not in known
        changes[_key(name, root)] = _apart(label, *sign, multi_label=several)
    names = {_key(picture, root) for part in parts for picture, _ in part}
    if idle := [name for name in changes if name not in names]:
        note(
            f"{len(idle)} of {len(changes)} corrections in {file} name no picture for training or "
            f"validation in {root}, the first is {idle[0]!r}.{nearest(idle[0], names)}"
        )
    corrected = [[(p, changes.get(_key(p, root), old)) for p, old in part] for part in parts]
    if unknown := _words(corrected[0] + corrected[1]) - known:
        hint = nearest(min(unknown), known)
        raise CourseError(f"{min(unknown)!r} in {file} is no class of {root}.{hint}")
    return corrected


def _words(items: Items) -> set[str]:
    return {word for _, words in items for word in words or ()}


def _class_names(names: set[str]) -> tuple[str, ...]:
    if len(names) < 2:
        found = f"only {min(names)!r}" if names else "none"
        raise CourseError(f"At least two classes are needed and there is {found}; add another.")
    spelled: dict[str, str] = {}
    for name in sorted(names):
        if (other := spelled.setdefault(name.lower(), name)) != name:
            raise CourseError(f"The classes {other!r} and {name!r} differ in case only; use one.")
    return tuple(sorted(names))


def _targets(labels: list, classes: Sequence[str], multi_label: bool) -> torch.Tensor | None:
    """Class numbers (N,), or zeros and ones (N, classes); None without labels."""
    if all(words is None for words in labels):
        return None
    number = {name: position for position, name in enumerate(classes)}
    if not multi_label:
        return torch.tensor([number[words[0]] if words else -1 for words in labels])
    targets = torch.zeros(len(labels), len(classes))
    for row, words in enumerate(labels):
        targets[row, [number[word] for word in words or ()]] = 1
    return targets


def _relative(file: Path, root: Path) -> str:
    """Name of a picture below ``root``, or its path where it lies elsewhere, as test= may."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def _key(name: object, root: Path) -> str:
    """One spelling of the name of a picture: from ``root`` on, composed, with slashes."""
    text = composed(name).replace("\\", "/")
    return text.removeprefix(composed(root) + "/").removeprefix("./")
