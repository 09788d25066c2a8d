"""Wrong labels and doubled pictures: corrections kept in a CSV file, near-duplicates found."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from coursekit.arguments import checked
from coursekit.console import CourseError, choose, reason
from coursekit.data.cache import write_whole

AS_IT_WAS = object()  # the label of a picture that is not corrected

_FORMULA = re.compile(r"^(?=[=+@'\t\r-])")  # where an apostrophe is put before a cell ...
_WRITTEN = re.compile(r"^'(?=[=+@'\t\r-])")  # ... and taken away


@checked
class Corrections:
    """Labels changed and pictures dropped, written down in a CSV file; no picture is ever deleted.

    The file is read anew before each change, so that two notebooks may keep one. A cell that a
    spreadsheet would compute, such as ``=a.jpg``, is written with an apostrophe before it.

    Args:
        file: the CSV file (columns file, label; an empty label drops the picture); read where it
            exists, so that work goes on where it stopped.
        classes: names that a label may have.

    Attributes:
        changes: {file name: new label, or None for a dropped picture}.
    """

    def __init__(self, file: str | Path, *, classes: Sequence[str]):
        self.file, self.classes = Path(file), tuple(classes)
        self.changes = read_corrections(file) if self.file.exists() else {}
        self._history: list[tuple[str, Any]] = []  # (picture, what was written of it before)

    @checked
    def relabel(self, name: str, label: str) -> None:
        """Give the picture ``name`` (as in ``batches.filenames``) another label."""
        self._change(name, choose("class", label, self.classes))

    @checked
    def drop(self, name: str) -> None:
        """Leave the picture ``name`` out of training and validation."""
        self._change(name, None)

    @checked
    def keep(self, name: str) -> None:
        """Take a correction of the picture ``name`` back, if there is one: it stays as it was."""
        self._change(name, AS_IT_WAS)

    def undo(self) -> str | None:
        """Take the last change back and return the name of its picture; None where none is left."""
        if not self._history:
            return None
        name, label = self._history[-1]
        self._change(name, label)
        del self._history[-2:]
        return name

    def _change(self, name: str, label: Any) -> None:
        """Write one change to the file; it is kept in mind only when that is done."""
        changes = read_corrections(self.file) if self.file.exists() else {}
        before = changes.pop(name, AS_IT_WAS)
        changes |= {} if label is AS_IT_WAS else {name: label}
        rows = [("file", "label"), *((name, label or "") for name, label in changes.items())]
        lines = io.StringIO()
        csv.writer(lines).writerows([_FORMULA.sub("'", cell) for cell in row] for row in rows)
        try:
            write_whole(self.file, lines.getvalue())
        except (OSError, UnicodeEncodeError) as error:
            why = f"{reason(error)}); make room there, and give pictures names in UTF-8."
            raise CourseError(f"{self.file} cannot be written ({why}") from error
        self.changes = changes
        self._history.append((name, before))

    def __repr__(self) -> str:
        dropped = sum(label is None for label in self.changes.values())
        changed = len(self.changes) - dropped
        return f"Corrections({changed} relabeled, {dropped} dropped, in {self.file.name})"


def read_corrections(file: str | Path) -> dict[str, str | None]:
    """Read {file name: label, or None for a dropped picture} of a CSV written by Corrections.

    Raises:
        CourseError: the file cannot be read, or is no list of corrections.
    """
    try:
        with open(file, newline="", encoding="utf-8-sig") as lines:  # Excel puts a mark first
            rows = [[_WRITTEN.sub("", cell) for cell in row] for row in csv.reader(lines) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"{file} is no text in UTF-8; save it as CSV in UTF-8.") from error
    except (OSError, TypeError, ValueError) as error:
        raise CourseError(f"The corrections {file} cannot be read; check the path.") from error
    if not rows or rows[0] != ["file", "label"] or any(len(row) != 2 for row in rows):
        raise CourseError(f"{file} is no list of corrections; its first line must be file,label.")
    return {name: label or None for name, label in rows[1:]}


@checked
def near_duplicates(
    pictures: Any, *, threshold: float = 0.95, limit: int = 20
) -> list[tuple[int, int, float]]:
    """Find pairs of pictures that are alike but for light, compression or a slight crop.

    Every picture is shrunk to averages of 8 x 8, without the mean of each color plane, and pairs
    are compared by the correlation of these.

    Args:
        pictures: (N, H, W, 3) uint8 array, such as ``data.train.inputs``.
        threshold: least correlation, 0 to 1.
        limit: pairs at most.

    Returns:
        list of (row, row, correlation), most alike first.
    """
    shape = tuple(getattr(pictures, "shape", ()))
    if len(shape) != 4 or shape[3] != 3 or not shape[0]:
        raise CourseError(f"Give pictures (N, H, W, 3), such as data.train.inputs, not {shape}.")
    parts = (torch.as_tensor(pictures[at : at + 512]) for at in range(0, len(pictures), 512))
    shrunk = [F.adaptive_avg_pool2d(part.permute(0, 3, 1, 2).float(), 8) for part in parts]
    prints = torch.cat(shrunk).flatten(2)  # (N, 3, 64)
    # Without its mean a plane tells shapes only: two blue skies are not the same picture.
    prints = F.normalize((prints - prints.mean(2, keepdim=True)).flatten(1), dim=1)
    pairs = []
    for start in range(0, len(prints), 2048):
        alike = (prints[start : start + 2048] @ prints.T).triu(start + 1)  # each pair once
        for row, other in torch.nonzero(alike > threshold).tolist():
            pairs.append((start + row, other, alike[row, other].item()))
    return sorted(pairs, key=lambda pair: -pair[2])[:limit]
