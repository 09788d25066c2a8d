"""Folders or tables of pictures -> ``Data``: decoded once, in parallel, to one array on disk."""

from __future__ import annotations

import itertools
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import torch

from coursekit.console import CourseError, nearest, note, progress, reason
from coursekit.data.batches import Batches, Data
from coursekit.data.cache import cache_file, digest, keep_array, keep_facts, load_array
from coursekit.data.cleaning import read_corrections
from coursekit.data.picture import RESIZES, check_choice, read_picture, why_unreadable
from coursekit.data.split import fewer, split

if TYPE_CHECKING:
    import pandas

Items = list[tuple[Path, Any]]  # files and labels, str; None for a picture without one

SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
QUICK_TRAIN, QUICK_VALID = 256, 128


@dataclass(repr=False)
class ImageData(Data):
    """Pictures, ready to train on: x (B, 3, size, size) float32 in 0..1, y (B,) int64.

    Attributes:
        size: side of the squares, in pixels.
        resize: how they became squares, "crop" or "squish".
        multi_label: whether a picture may have several labels; y is then (B, classes) float32.
    """

    size: int = 224
    resize: str = "crop"
    multi_label: bool = False


def images(
    path: str | Path,
    *,
    labels: str | Path | pandas.DataFrame | dict[str, str] = "folders",
    multi_label: bool = False,
    size: int = 224,
    valid: float | str | None = None,
    test: str | None = None,
    batch_size: int = 64,
    augment: Callable | None = None,
    resize: str = "crop",
    errors: str = "skip",
    corrections: str | Path | None = None,
    seed: int = 0,
) -> ImageData:
    """Read labelled pictures into ``ImageData``: square bytes on disk, batches on the device.

    Each picture is decoded once, turned upright (EXIF), made 8-bit RGB and resized to a square; the
    arrays are kept under ``runtime.home()/cache`` and used again while the files stay the same.

    Args:
        path: folder with ``train/<class>/`` and ``valid/<class>/``, or with ``<class>/`` alone.
        labels: "folders" (the folder is the class), or a table: a DataFrame or CSV file whose first
            column names the file (with or without its ending) and whose second holds the label, or
            a dict from file name to label.
        multi_label: True where a label is several words separated by spaces.
        size: side of the squares, in pixels.
        valid: name of the validation folder, or the fraction of pictures drawn at random for
            validation; None takes the folder ``valid`` where there is one, else a fifth.
        test: name of a folder of pictures without labels, or None.
        batch_size: pictures in a mini-batch.
        augment: ``Augment`` for the training pictures, such as ``ck.side_on``; None for none.
        resize: "crop" cuts the longer side, "squish" keeps everything and changes the shape.
        errors: "skip" leaves out files that cannot be read, with a note; "raise" raises.
        corrections: CSV file written by ``ck.Corrections``: labels changed, pictures dropped.
        seed: of the random validation part.

    Raises:
        CourseError: a path, label or picture is not what it should be.
    """
    path = _existing(Path(path).expanduser())
    check_choice("resize", resize, RESIZES)
    check_choice("errors", errors, ("skip", "raise"))
    if type(size) is not int or size < 8:
        raise CourseError(f"size={size!r} makes no picture; give a side in pixels, such as 224.")
    if augment is not None and not callable(augment):
        raise CourseError(f"augment={augment!r} cannot be called; use ck.side_on or ck.top_down.")
    by_folder = isinstance(labels, str) and labels == "folders"
    if by_folder and multi_label:
        raise CourseError("multi_label=True needs a table: a folder gives each picture one label.")
    train, held_out = (
        _from_folders(path, valid, test) if by_folder else (_from_table(path, labels, valid), [])
    )
    if corrections is not None:
        changes, known = read_corrections(corrections), _words(train + held_out, multi_label)
        train, held_out = (  # a dropped picture keeps its row, with the label None
            [(file, changes.get(_relative(file, path), label)) for file, label in part]
            for part in (train, held_out)
        )
        if unknown := _words(train + held_out, multi_label) - known:
            hint = nearest(min(unknown), known)
            raise CourseError(f"{min(unknown)!r} in {corrections} is no class of {path}.{hint}")
    classes = _class_names(_words(train + held_out, multi_label))
    if not held_out:
        rows = split(len(train), 0.2 if valid is None else valid, seed)
        train, held_out = ([train[row] for row in part] for part in rows)
    train, held_out = fewer(train, QUICK_TRAIN, seed), fewer(held_out, QUICK_VALID, seed)

    def read(items: Items, **options: Any) -> tuple[Batches, list[int]]:
        files = [file for file, _ in items]
        array, good = decode(files, size=size, resize=resize, errors=errors, root=path)
        targets = _targets([label for _, label in items], classes, multi_label)
        names = [_relative(file, path) for file in files]
        options |= {"batch_size": batch_size, "transform": to_floats, "filenames": names}
        return Batches(array, targets, **options), good

    whole, good = read(train + held_out, shuffle=True, augment=augment)
    kept = [row for row in good if (train + held_out)[row][1] is not None]  # others are dropped
    test_part = None
    if test is not None:
        unlabelled = [(file, None) for file in _pictures_in(_existing(path / test))]
        if not unlabelled:
            raise CourseError(f"{path / test} holds no pictures; leave out test=.")
        test_part, good = read(fewer(unlabelled, QUICK_VALID, seed))
        test_part = test_part.subset(good)
    return ImageData(
        whole.subset([row for row in kept if row < len(train)]),
        whole.subset([row for row in kept if row >= len(train)]).sequential(),
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
    files: Sequence[Path], *, size: int, resize: str, errors: str, root: Path
) -> tuple[numpy.ndarray, list[int]]:
    """Decode ``files`` into (one (N, size, size, 3) uint8 array kept on disk, readable rows).

    Raises:
        CourseError: a file cannot be read and ``errors`` is "raise", or none can be read.
    """
    facts = [(str(file), file.stat()) for file in files]
    stamps = json.dumps([(name, fact.st_size, fact.st_mtime_ns) for name, fact in facts])
    cache = cache_file("pictures", digest(stamps, size, resize))
    array, broken = load_array(cache) or _decode_all(files, size, resize, cache)
    if broken:
        told = [f"{_relative(files[row], root)} ({why})" for row, why in broken]
        first = ", ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")
        if errors == "raise":
            raise CourseError(f"Cannot be read: {first}; remove them, or pass errors='skip'.")
        if len(broken) == len(files):
            raise CourseError(f"None of the {len(files)} pictures can be read: {first}.")
        note(f"left out {len(told)} of {len(files)} files that cannot be read: {first}.")
    unreadable = {row for row, _ in broken}
    return array, [row for row in range(len(files)) if row not in unreadable]


def _decode_all(files: Sequence[Path], size: int, resize: str, cache: Path) -> tuple[Any, list]:
    """Decode to the cache; return (array, [[row, reason]] of what could not be read)."""
    broken: dict[int, str] = {}
    passing = set()  # failures of the machine, not of the file: it may work the next time

    def one(row: int) -> numpy.ndarray:
        try:
            return numpy.asarray(read_picture(files[row], size=size, resize=resize))
        except (CourseError, MemoryError) as error:
            cause = error.__cause__ or error
            broken[row] = why_unreadable(cause)
            if isinstance(cause, MemoryError) or getattr(cause, "errno", None) is not None:
                passing.add(row)
            return numpy.zeros((size, size, 3), numpy.uint8)

    def rows() -> Iterator[numpy.ndarray]:
        with (
            warnings.catch_warnings(),
            ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool,
            progress(total=len(files), label="reading pictures", unit=" pictures") as bar,
        ):
            warnings.simplefilter("ignore")  # PIL warns of odd EXIF; the pixels are good enough
            for start in range(0, len(files), 256):  # an interrupt waits for that many
                for picture in pool.map(one, range(len(files))[start : start + 256]):
                    bar.update()
                    yield picture

    array = keep_array(cache, rows, (len(files), size, size, 3), "uint8", "The pictures")
    facts = [[row, broken[row]] for row in sorted(broken)]
    if not passing:
        keep_facts(cache, facts)
    return array, facts


# Labels from folders --------------------------------------------------------------------------


def _existing(path: Path) -> Path:
    """Return ``path`` where it is a folder; otherwise say which folder may be meant."""
    if path.is_dir():
        return path
    if path.exists():
        raise CourseError(f"{path} is a file, not a folder of pictures; give its folder.")
    above = next(parent for parent in path.parents if parent.is_dir())
    missing = path.relative_to(above).parts[0]
    names = [folder.name for folder in above.iterdir() if folder.is_dir()]
    raise CourseError(f"There is no folder {path}; check the path.{nearest(missing, names)}")


def _pictures_in(folder: Path) -> list[Path]:
    """List the pictures in and below ``folder``; names that begin with a dot are hidden."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    )


def _class_folders(root: Path, without: Iterable = ()) -> Items:
    """List (file, class name) of all class folders below ``root``, in order of their names."""
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
    folders = [f for f in folders if not f.name.startswith(".") and f.name not in without]
    return [(file, folder.name) for folder in folders for file in _pictures_in(folder)]


def _from_folders(path: Path, valid: float | str | None, test: str | None) -> tuple[Items, Items]:
    """List (training items, validation items); the second is empty where it is to be drawn."""
    root = path / "train" if (path / "train").is_dir() else path
    train = _class_folders(root, without=(valid, test) if root == path else ())
    held_out: Items = []
    if isinstance(valid, str) or (valid is None and root != path and (path / "valid").is_dir()):
        folder = _existing(path / (valid or "valid"))
        held_out = _class_folders(folder)
        if valid and not held_out:
            raise CourseError(f"{folder} holds no pictures in folders like those of training.")
    if not train:
        raise CourseError(f"{root} holds no pictures in folders of classes; make cats/ and dogs/.")
    known = {label for _, label in train}
    if unknown := sorted({label for _, label in held_out} - known):
        hint = nearest(unknown[0], known)
        raise CourseError(f"Training lacks classes of validation: {', '.join(unknown)}.{hint}")
    return train, held_out


# Labels from a table --------------------------------------------------------------------------


def _from_table(path: Path, labels: Any, valid: Any) -> Items:
    """List the items of a table, whose names are paths below ``path``, file names or stems."""
    import pandas

    if isinstance(valid, str):
        raise CourseError("With a table of labels valid= is the fraction to hold out, such as 0.2.")
    table = _read_table(path, labels)
    files = _pictures_in(path)
    paths = [_relative(file, path) for file in files]
    known = [*paths, *(file.name for file in files), *(file.stem for file in files)]
    names = pandas.DataFrame({"name": known, "path": paths * 3}).drop_duplicates()
    # What is the whole path of a picture means no other one.
    names = names[(names["name"] == names["path"]) | ~names["name"].isin(paths)]
    found = table.reset_index().merge(names, on="name", how="left")
    if missing := found["name"][found["path"].isna()].tolist():
        raise CourseError(
            f"{len(missing)} of {len(table)} labels have no picture in {path}, the first is "
            f"{missing[0]!r}.{nearest(missing[0], names['name'].head(2000))}"
        )
    vague = found[found["index"].duplicated(keep=False)].head(2)
    if len(vague):
        both = " and ".join(vague["path"])
        raise CourseError(f"{vague['name'].iloc[0]!r} in the table may be {both}; write its path.")
    if twice := found["path"][found["path"].duplicated()].tolist():
        raise CourseError(f"The picture {twice[0]} stands in several rows of the table; leave one.")
    if without := len(files) - len(found):
        note(f"{without} of {len(files)} pictures in {path.name} have no label: left out.")
    return [(path / name, label) for name, label in zip(found["path"], found["label"], strict=True)]


def _read_table(path: Path, labels: Any) -> pandas.DataFrame:
    """Read the columns name and label, both as text."""
    import pandas

    if isinstance(labels, dict):
        labels = pandas.DataFrame(list(labels.items()))
    elif isinstance(labels, (str, Path)):
        file = next((file for file in (Path(labels), path / labels) if file.is_file()), None)
        if file is None:
            hint = nearest(labels, ["folders"])
            raise CourseError(f"There is no table {labels}; check its name.{hint}")
        try:
            labels = pandas.read_csv(file, dtype=str, keep_default_na=False)  # 007 and NA: words
        except (OSError, ValueError) as error:
            why = reason(error)
            raise CourseError(f"{file} cannot be read ({why}); save it as CSV.") from error
        labels = labels.mask(labels == "")
    if not isinstance(labels, pandas.DataFrame) or labels.shape[1] < 2:
        raise CourseError("labels= is 'folders', a dict, or a table of two columns: file, label.")
    labels = labels.iloc[:, :2].set_axis(["name", "label"], axis=1).reset_index(drop=True)
    empty = labels.isna().any(axis=1)
    if empty.any():
        raise CourseError(
            f"{empty.sum()} of {len(labels)} rows of the table lack a file or a label, the first "
            f"is row {empty.argmax()} ({labels['name'][empty.argmax()]}); use table.dropna()."
        )
    return labels.map(str)


def _words(items: Items, multi_label: bool) -> set[str]:
    labels = [label for _, label in items if label is not None]
    return {word for label in labels for word in (label.split() if multi_label else [label])}


def _class_names(names: set[str]) -> tuple[str, ...]:
    if len(names) < 2:
        found = f"only {min(names)!r}" if names else "none"
        raise CourseError(f"At least two classes are needed and there is {found}; add another.")
    for first, second in itertools.pairwise(sorted(names, key=str.lower)):
        if first.lower() == second.lower():
            both = " and ".join(map(repr, sorted((first, second))))
            raise CourseError(f"The classes {both} differ in case only; give both the same name.")
    return tuple(sorted(names))


def _targets(labels: list, classes: Sequence[str], multi_label: bool) -> torch.Tensor | None:
    """Class numbers (N,), or zeros and ones (N, classes); None without labels."""
    if all(label is None for label in labels):
        return None
    number = {name: position for position, name in enumerate(classes)}
    if not multi_label:
        return torch.tensor([number.get(label, -1) for label in labels])
    targets = torch.zeros(len(labels), len(classes))
    for row, label in enumerate(labels):
        targets[row, [number[name] for name in (label or "").split()]] = 1
    return targets


def _relative(file: Path, root: Path) -> str:
    """Name of a picture below ``root``, or its path where it lies elsewhere, as test= may."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
