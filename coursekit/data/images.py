"""Folders or tables of pictures -> ``Data``: decoded once, in parallel, to one array on disk."""

import contextlib
import hashlib
import json
import os
import random
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch

from coursekit import runtime
from coursekit.console import CourseError, nearest, note, progress, reason
from coursekit.data.batches import Batches, Data
from coursekit.data.cleaning import read_corrections
from coursekit.data.picture import read_picture, why_unreadable

SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
QUICK_TRAIN, QUICK_VALID = 256, 128


@dataclass(repr=False)
class ImageData(Data):
    """Pictures, ready to train on: x (B, 3, size, size) float32 in 0..1.

    Attributes:
        size: side of the squares, in pixels.
        resize: how they became squares, "crop" or "squish".
        multi_label: whether a picture may have several labels; y is (B, classes) zeros and ones.
    """

    size: int = 224
    resize: str = "crop"
    multi_label: bool = False


def images(
    path,
    *,
    labels="folders",
    multi_label=False,
    size=224,
    valid=None,
    test=None,
    batch_size=64,
    augment=None,
    resize="crop",
    errors="skip",
    corrections=None,
    seed=0,
):
    """Read labelled pictures into ``ImageData``: square bytes on disk, whole batches on the device.

    Each picture is decoded once, turned upright (EXIF), made 8-bit RGB and resized to a square; the
    arrays are kept under ``runtime.home()/cache`` and used again while the files stay the same.

    Args:
        path: folder with ``train/<class>/`` and ``valid/<class>/``, or with ``<class>/`` alone.
        labels: "folders" (the folder is the class), or a table: a DataFrame or CSV file whose first
            column names the file (with or without its ending) and whose second holds the label, or
            a dict from file name to label.
        multi_label: True where a label is several words separated by spaces; targets become
            (N, classes) zeros and ones.
        size: side of the squares, in pixels.
        valid: name of the validation folder, or the share (0 to 1) of pictures drawn at random for
            validation; None takes the folder ``valid`` where there is one, else a fifth.
        test: name of a folder of pictures without labels, or None.
        batch_size: pictures in a mini-batch.
        augment: ``Augment`` for the training pictures, such as ``ck.side_on``; None for none.
        resize: "crop" cuts the longer side, "squish" keeps all of the picture and bends its shape.
        errors: "skip" leaves out files that cannot be read, with a note; "raise" raises.
        corrections: CSV file written by ``ck.Corrections``: labels changed, pictures dropped.
        seed: decides the random validation share.

    Returns:
        ImageData: x (B, 3, size, size) float32 in 0..1, y (B,) int64; with ``multi_label``
        (B, classes) float32.

    Raises:
        CourseError: a path, label or picture is not what it should be; the sentence says which.
    """
    path = Path(path).expanduser()
    _check_arguments(path, size, resize, errors, augment)
    train, held_out = _labelled(path, labels, multi_label, valid, test)
    if not held_out:
        train, held_out = _split_at_random(train, 0.2 if valid is None else valid, seed)
    train, held_out = _shorten(train, QUICK_TRAIN, seed), _shorten(held_out, QUICK_VALID, seed)
    items = train + held_out
    if corrections is not None:
        items = _corrected(items, path, corrections, multi_label)
    classes = _class_names([label for _, label in items if label is not None], multi_label)
    unlabelled = [] if test is None else _shorten(_unlabelled(path / test), QUICK_VALID, seed)

    def build(items):
        pixels = decode(
            [file for file, _ in items], size=size, resize=resize, errors=errors, root=path
        )
        names = [_relative(file, path) for file, _ in items]
        targets = _targets([label for _, label in items], classes, multi_label)
        options = {"batch_size": batch_size, "transform": to_floats, "filenames": names}
        return Batches(pixels.array, targets, **options), pixels.good

    whole, good = build(items)
    rows = [row for row in good if items[row][1] is not None]
    learned = whole.subset([row for row in rows if row < len(train)])
    learned.shuffle, learned.augment = True, augment
    checked = whole.subset([row for row in rows if row >= len(train)])
    test_part = None
    if unlabelled:
        test_part, good = build(unlabelled)
        test_part = test_part.subset(good)
    return ImageData(learned, checked, test_part, classes, path, size, resize, multi_label)


def to_floats(pixels):
    """Turn (B, H, W, C) bytes into (B, C, H, W) float32 in 0..1, channels last in memory."""
    return pixels.permute(0, 3, 1, 2).float().div_(255)


# Reading all of them --------------------------------------------------------------------------


@dataclass
class Pixels:
    """All pictures of one part: (N, size, size, 3) bytes, rows that could be read, their hash."""

    array: numpy.ndarray
    good: list
    identity: str


def decode(files, *, size, resize="crop", errors="skip", root=None):
    """Decode ``files`` into one (N, size, size, 3) uint8 array, kept on disk for the next time.

    Where the cache cannot be written (full disk, read-only folder) the array stays in memory and a
    note says so.

    Raises:
        CourseError: a file cannot be read and ``errors`` is "raise", or none can be read.
    """
    files = [Path(file) for file in files]
    stamps = [(str(file), *_stamp(file)) for file in files]
    key = hashlib.blake2b(json.dumps([stamps, size, resize]).encode(), digest_size=12).hexdigest()
    cache = runtime.home() / "cache" / "pictures" / f"{key}.npy"
    array, content, broken = _kept(cache) or _decode_all(files, size, resize, cache)
    _report_broken(broken, len(files), errors, root)
    good = [row for row in range(len(files)) if str(row) not in broken]
    return Pixels(array, good, content)


def _stamp(file):
    try:
        facts = file.stat()
    except OSError as error:
        raise CourseError(f"The picture {file} cannot be found; check its name.") from error
    return facts.st_size, facts.st_mtime_ns


def _kept(cache):
    """Return what ``_decode_all`` left on disk, or None where it is not there or damaged."""
    with contextlib.suppress(OSError, ValueError, EOFError):
        return numpy.load(cache, mmap_mode="c"), *json.loads(cache.with_suffix(".json").read_text())
    return None


def _decode_all(files, size, resize, cache):
    """Return (array, hash of it, {row: [file, reason]} of what could not be read)."""
    shape = (len(files), size, size, 3)
    broken, passing = {}, []

    def one(row):
        try:
            return numpy.asarray(read_picture(files[row], size=size, resize=resize))
        except (CourseError, MemoryError) as error:
            cause = error.__cause__ or error
            broken[str(row)] = [str(files[row]), why_unreadable(cause)]
            if isinstance(cause, MemoryError) or getattr(cause, "errno", None) is not None:
                passing.append(row)  # of the machine, not of the file: it may work the next time
            return numpy.zeros(shape[1:], numpy.uint8)

    def in_order():
        return {row: broken[row] for row in sorted(broken, key=int)}

    try:
        content = _write_array(_in_parallel(one, len(files)), shape, cache)
        array = numpy.load(cache, mmap_mode="c")
        if not passing:
            _replace_text(cache.with_suffix(".json"), json.dumps([content, in_order()]))
        return array, content, in_order()
    except OSError as error:
        note(
            f"The pictures stay in memory, since {cache.parent} cannot be written "
            f"({reason(error)}); make room there, or set COURSEKIT_HOME."
        )
    array = numpy.empty(shape, numpy.uint8)
    for row, picture in enumerate(_in_parallel(one, len(files))):
        array[row] = picture
    return array, hashlib.blake2b(array, digest_size=12).hexdigest(), in_order()


def _in_parallel(one, count):
    """Yield ``one(row)`` of all rows in order, some at a time: an interrupt is not kept waiting."""
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool,
        progress(total=count, label="reading pictures", unit=" pictures") as bar,
    ):
        warnings.simplefilter("ignore")  # PIL warns of odd EXIF; what it can read is good enough
        for start in range(0, count, 256):
            for picture in pool.map(one, range(start, min(start + 256, count))):
                bar.update()
                yield picture


def _write_array(rows, shape, cache):
    """Write rows one by one (a full disk is an error then, no crash) and return their hash."""
    digest = hashlib.blake2b(digest_size=12)
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_name(f"{cache.name}.{os.getpid()}.part")
    try:
        with open(partial, "wb") as out:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            numpy.lib.format.write_array_header_1_0(out, header)
            for row in rows:
                out.write(row.tobytes())
                digest.update(row)
        os.replace(partial, cache)
        return digest.hexdigest()
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _replace_text(file, text):
    partial = file.with_name(f"{file.name}.{os.getpid()}.part")
    partial.write_text(text)
    os.replace(partial, file)


def _report_broken(broken, count, errors, root):
    if not broken:
        return
    told = [f"{_relative(Path(file), root)} ({why})" for file, why in broken.values()]
    first = ", ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")
    if errors == "raise":
        raise CourseError(f"Cannot be read: {first}; mend or remove them, or pass errors='skip'.")
    if len(broken) == count:
        raise CourseError(f"None of the {count} pictures can be read: {first}; check the folder.")
    note(f"left out {len(told)} of {count} files that cannot be read: {first}.")


# Which pictures, with which label -------------------------------------------------------------


def _check_arguments(path, size, resize, errors, augment):
    _existing(path)
    if not isinstance(size, int) or size < 8:
        raise CourseError(f"size={size!r} makes no picture; give a side in pixels, such as 224.")
    if augment is not None and not callable(augment):
        raise CourseError(f"augment={augment!r} cannot be called; use ck.side_on or ck.top_down.")
    for name, value, allowed in (
        ("resize", resize, ("crop", "squish")),
        ("errors", errors, ("skip", "raise")),
    ):
        if value not in allowed:
            options = " or ".join(repr(option) for option in allowed)
            raise CourseError(
                f"{name}={value!r} is not known; use {options}.{nearest(value, allowed)}"
            )


def _existing(path):
    """Return ``path`` where it is a folder; otherwise say which folder there may be meant."""
    if path.is_dir():
        return path
    if path.exists():
        raise CourseError(
            f"{path} is a file, not a folder of pictures; give the folder it lies in."
        )
    above = next(parent for parent in path.parents if parent.is_dir())
    missing = path.relative_to(above).parts[0]
    names = [folder.name for folder in above.iterdir() if folder.is_dir()]
    raise CourseError(f"There is no folder {path}; check the path.{nearest(missing, names)}")


def _pictures_in(folder):
    """Return the pictures in and below ``folder``; names that begin with a dot are hidden."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES and not _hidden(file, folder) and file.is_file()
    )


def _hidden(file, folder):
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _class_folders(root, without=()):
    """Return [(file, class name)] of all class folders below ``root``, in order of their names."""
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
    folders = [f for f in folders if not f.name.startswith(".") and f.name not in without]
    return [(file, folder.name) for folder in folders for file in _pictures_in(folder)]


def _labelled(path, labels, multi_label, valid, test):
    """Return (training items, validation items), each a list of (file, label)."""
    if not (isinstance(labels, str) and labels == "folders"):
        return _from_table(path, labels, valid)
    if multi_label:
        raise CourseError(
            "multi_label=True needs labels=table: a folder gives each picture one label."
        )
    return _from_folders(path, valid, test)


def _unlabelled(folder):
    files = _pictures_in(_existing(folder))
    if not files:
        raise CourseError(f"{folder} holds no pictures; leave out test=, or name another folder.")
    return [(file, None) for file in files]


def _from_folders(path, valid, test):
    """Return (training items, validation items); the second is empty where it is to be drawn."""
    root = path / "train" if (path / "train").is_dir() else path
    train = _class_folders(root, without=(valid, test) if root == path else ())
    held_out = []
    if isinstance(valid, str):
        held_out = _class_folders(_existing(path / valid))
        if not held_out:
            raise CourseError(
                f"{path / valid} holds no pictures in class folders; give it the class folders of "
                "training, or pass a share such as valid=0.2."
            )
    elif valid is None and root != path and (path / "valid").is_dir():
        held_out = _class_folders(path / "valid")
    if not train:
        raise CourseError(
            f"{root} holds no pictures in class folders; "
            "make one folder a class, such as cats/ and dogs/, and put the pictures there."
        )
    unknown = sorted({label for _, label in held_out} - {label for _, label in train})
    if unknown:
        raise CourseError(
            f"The validation folder has classes that training lacks: {', '.join(unknown)}; "
            f"give both the same class folders.{nearest(unknown[0], {name for _, name in train})}"
        )
    return train, held_out


def _from_table(path, labels, valid):
    """Return items of a table (DataFrame, CSV file or dict); validation is drawn afterwards."""
    if isinstance(valid, str):
        raise CourseError("With labels=table, valid= is the share to hold out, such as 0.2.")
    pairs = _read_table(path, labels)
    files = _pictures_in(path)
    by_name = _by_name(files, path)
    _check_names([name for name, _ in pairs], by_name, path)
    items = [(by_name[name][0], label) for name, label in pairs]
    if len({file for file, _ in items}) < len(items):
        twice = Counter(file for file, _ in items).most_common(1)[0][0]
        raise CourseError(
            f"The picture {_relative(twice, path)} stands in several rows of the table; "
            "leave one row for each picture."
        )
    if len(files) > len(items):
        unlabelled = len(files) - len(items)
        note(f"{unlabelled} of {len(files)} pictures in {path.name} have no label: left out.")
    return items, []


def _by_name(files, path):
    """Return {name: files that it may mean}: by the path below ``path``, the name, the stem."""
    by_name = {}
    for file in files:
        for name in {file.name, file.stem}:
            by_name.setdefault(name, []).append(file)
    return by_name | {_relative(file, path): [file] for file in files}


def _check_names(names, by_name, path):
    missing = [name for name in names if name not in by_name]
    if missing:
        raise CourseError(
            f"{len(missing)} of {len(names)} labels have no picture in {path}, the first is "
            f"{missing[0]!r}; check that the first column names the files."
            + nearest(missing[0], list(by_name)[:2000])
        )
    vague = next((name for name in names if len(by_name[name]) > 1), None)
    if vague is not None:
        found = " and ".join(_relative(file, path) for file in by_name[vague][:2])
        raise CourseError(
            f"{vague!r} in the table may be {found}; write the path of each picture below {path}."
        )


def _read_table(path, labels):
    """Return [(file name, label)], both as text."""
    import pandas

    if isinstance(labels, dict):
        labels = pandas.DataFrame({"file": list(labels), "label": list(labels.values())})
    elif isinstance(labels, (str, Path)):
        labels = _read_csv(path, labels)
    if not isinstance(labels, pandas.DataFrame) or labels.shape[1] < 2:
        raise CourseError(
            "labels= needs a DataFrame or CSV of two columns (file, label), a dict, or 'folders'."
        )
    empty = labels.iloc[:, :2].isna().any(axis=1)
    if empty.any():
        raise CourseError(
            f"{empty.sum()} of {len(labels)} rows of the table lack a file or a label, the first "
            f"is row {empty.argmax()} ({labels[empty].iloc[0, 0]}); fill them in, or remove them "
            "by table.dropna()."
        )
    return [(str(name), str(label)) for name, label in labels.iloc[:, :2].to_numpy(object)]


def _read_csv(path, labels):
    import pandas

    file = next((file for file in (Path(labels), path / labels) if file.is_file()), None)
    if file is None:
        raise CourseError(
            f"There is no table {labels}; labels= takes 'folders', a CSV file, a DataFrame or "
            f"a dict.{nearest(labels, ['folders'])}"
        )
    try:
        table = pandas.read_csv(file, dtype=str, keep_default_na=False)  # 007 and NA stay words
    except (OSError, ValueError) as error:
        raise CourseError(
            f"The table {file} cannot be read ({reason(error)}); save it as CSV in UTF-8."
        ) from error
    return table.mask(table == "")


def _class_names(labels, multi_label):
    names = sorted(_words(labels, multi_label))
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        raise CourseError(f"At least two classes are needed and there is {found}; add another.")
    lowered = {}
    for name in names:
        twin = lowered.setdefault(name.lower(), name)
        if twin != name:
            raise CourseError(
                f"The classes {twin!r} and {name!r} differ in upper and lower case only; "
                "give both the same name."
            )
    return tuple(names)


def _words(labels, multi_label):
    return {name for label in labels for name in (label.split() if multi_label else [label])}


def _targets(labels, classes, multi_label):
    """Return (N,) numbers of classes, or (N, classes) zeros and ones; None without labels.

    Dropped pictures have no label; their rows are never handed out.
    """
    if all(label is None for label in labels):
        return None
    number = {name: position for position, name in enumerate(classes)}
    if not multi_label:
        return torch.tensor([number.get(label, -1) for label in labels])
    targets = torch.zeros(len(labels), len(classes))
    for row, label in enumerate(labels):
        targets[row, [number[name] for name in (label or "").split()]] = 1
    return targets


def _split_at_random(items, share, seed):
    if not isinstance(share, (int, float)) or not 0 < share < 1:
        raise CourseError(
            f"valid={share!r} is no share; use a number between 0 and 1, such as 0.2."
        )
    order = list(range(len(items)))
    random.Random(seed).shuffle(order)
    held_out = set(order[: max(1, round(len(items) * share))])
    train = [item for row, item in enumerate(items) if row not in held_out]
    return train, [item for row, item in enumerate(items) if row in held_out]


def _shorten(items, count, seed):
    """Keep ``count`` items drawn at random under the quick profile, all of them otherwise."""
    if not runtime.quick() or len(items) <= count:
        return items
    return [items[row] for row in sorted(random.Random(seed).sample(range(len(items)), count))]


def _corrected(items, path, corrections, multi_label):
    """Apply the labels of a CSV file of corrections to the items; None stands for dropped."""
    changes = read_corrections(corrections)
    known = _words([label for _, label in items], multi_label)
    unknown = _words([label for label in changes.values() if label], multi_label) - known
    if unknown:
        name = min(unknown)
        raise CourseError(
            f"{name!r} in {corrections} is no class of {path}; write one that is."
            + nearest(name, known)
        )
    return [(file, changes.get(_relative(file, path), label)) for file, label in items]


def _relative(file, root):
    return file.relative_to(root).as_posix() if root and file.is_relative_to(root) else str(file)
