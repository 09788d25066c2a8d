"""Folders of a learner's files: parts, classes and files by ending; what is left out is said."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from coursekit.console import CourseError, nearest, note, reason

PARTS = {"train": r"train(ing)?", "valid": r"(val(id(ation)?)?|dev)", "test": r"test(ing)?"}


def composed(text: object) -> str:
    """Text in Unicode's composed form without blanks at its ends: one spelling of a name."""
    return unicodedata.normalize("NFC", str(text)).strip()


def folder_at(path: str | Path) -> Path:
    """Return ``path`` as a folder; where there is none, a CourseError says which may be meant."""
    try:
        path = Path(path).expanduser()
        if path.is_dir():
            return path
        if path.exists():
            raise CourseError(f"{path} is a file, not a folder; give the folder that it is in.")
        above = next(parent for parent in path.parents if parent.is_dir())
        names = [folder.name for folder in _inside(above)]
    except (OSError, RuntimeError, ValueError) as error:
        raise CourseError(
            f"{str(path)!r:.60} is no folder ({reason(error)}); check the path."
        ) from error
    hint = nearest(path.relative_to(above).parts[0], names)
    raise CourseError(f"There is no folder {path}; check the path.{hint}")


def files_below(folder: Path, endings: Collection[str]) -> tuple[list[Path], list[Path]]:
    """List the files below ``folder`` that have one of the endings, and all others.

    Hidden ones (``.x``) count as neither; links to folders are not followed and count as others.
    """
    found: tuple[list[Path], list[Path]] = [], []
    for entry in _inside(folder):
        fits = entry.suffix.lower() in endings and os.path.isfile(entry)
        if not fits and os.path.isdir(entry) and not entry.is_symlink():
            for files, more in zip(found, files_below(entry, endings), strict=True):
                files.extend(more)
        elif entry.name not in ("Thumbs.db", "desktop.ini"):
            found[not fits].append(entry)
    return sorted(found[0]), found[1]


def class_folders(
    root: Path, endings: Collection[str], without: Collection[Path] = ()
) -> list[tuple[Path, str]]:
    """List (file, class) of the folders in ``root``, in order of their names.

    Folders of ``without``, and those that hold one, are no classes. What is left out is noted.

    Raises:
        CourseError: there are none, or one cannot be looked into or looks like a part.
    """
    without = {place for folder in without for place in (folder, *folder.parents)}
    found, others, empty, parts = [], [], [], []
    for entry in _inside(root):
        if not os.path.isdir(entry):
            others += [entry] if entry.suffix.lower() in endings else []
        elif entry not in without:
            files, rest = files_below(entry, endings)
            found += [(file, composed(entry.name)) for file in files]
            others += rest
            empty += [] if files else [entry.name]
            if files and any(_is_part(entry, part) for part in PARTS):
                parts += [entry.name] * (1 if files[0].parent == entry else 2)
    if len(parts) > 1:
        raise CourseError(
            f"{' and '.join(dict.fromkeys(parts))} in {root} look like parts of the data, not "
            "classes; pass the name of one as valid= or test=, and let train hold the classes."
        )
    if not found:
        raise CourseError(f"{root} holds nothing to read in folders of classes, as cats/, dogs/.")
    if others or empty:
        kinds = Counter(file.suffix.lower() or "without ending" for file in others)
        counts = [f"{count} {kind}" for kind, count in kinds.most_common(5)]
        counts += [f"folder {name} without any" for name in empty]
        note(f"left out of {root.name} what is of no class or known kind: {', '.join(counts)}.")
    return found


def part_folder(path: Path, part: str) -> Path | None:
    """Find the folder of folders that is the part "train", "valid" or "test", however spelled."""
    found = [entry for entry in _inside(path) if os.path.isdir(entry) and _is_part(entry, part)]
    found = [entry for entry in found if any(os.path.isdir(inner) for inner in _inside(entry))]
    names = [entry.name for entry in found]
    if part in names:
        return path / part
    if len(found) > 1:
        raise CourseError(f"{' and '.join(names)} may both be the {part} part; rename one {part}.")
    if found:
        note(f"the folder {names[0]} is taken as the part {part}.")
    return found[0] if found else None


def _is_part(folder: Path, part: str) -> bool:
    return bool(
        re.fullmatch(rf"{PARTS[part]}([ _-]?(set|data|images|texts))?", folder.name.lower())
    )


def _inside(folder: Path) -> list[Path]:
    """List what is in a folder and not hidden, in order."""
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.name[0] != ".")
    except OSError as error:
        raise CourseError(
            f"The folder {folder} cannot be looked into ({reason(error)}); allow it or move it."
        ) from error
