"""Wrong labels and doubled pictures: corrections kept in a CSV file, near-duplicates found."""

import csv
from pathlib import Path

from coursekit.console import CourseError, nearest, reason

DROPPED = ""


class Corrections:
    """Labels changed and pictures dropped, written down in a CSV file; no picture is ever deleted.

    Args:
        file: the CSV file (columns file, label; an empty label drops the picture); read where it
            exists, so that work goes on where it stopped.
        classes: names that a label may have.
    """

    def __init__(self, file, *, classes):
        self.file, self.classes = Path(file), tuple(classes)
        self.changes = read_corrections(file) if self.file.exists() else {}
        self._history = []

    def relabel(self, name, label):
        """Give the picture ``name`` (as in ``batches.filenames``) another label."""
        if label not in self.classes:
            known = ", ".join(self.classes)
            raise CourseError(f"{label!r} is no class; use {known}.{nearest(label, self.classes)}")
        self._change(name, label)

    def drop(self, name):
        """Leave the picture ``name`` out of training and validation."""
        self._change(name, None)

    def keep(self, name):
        """Take a correction of the picture ``name`` back, if there is one: it stays as it was."""
        self._history.append((name, dict(self.changes)))
        self.changes.pop(str(name), None)
        self._write()

    def undo(self):
        """Take the last change back; without any left, nothing happens."""
        if self._history:
            name, before = self._history.pop()
            self.changes = dict(before)
            self._write()
            return name
        return None

    def _change(self, name, label):
        self._history.append((name, dict(self.changes)))
        self.changes[str(name)] = label
        self._write()

    def _write(self):
        """Write all changes to a file beside, then move it: what was kept is never half gone."""
        partial = self.file.with_name(self.file.name + ".part")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with open(partial, "w", newline="", encoding="utf-8") as out:
                rows = csv.writer(out)
                rows.writerow(["file", "label"])
                for name, label in self.changes.items():
                    rows.writerow([name, DROPPED if label is None else label])
            partial.replace(self.file)
        except OSError as error:
            raise CourseError(
                f"The corrections cannot be written to {self.file} ({reason(error)}); "
                "make room, or give another file."
            ) from error

    def __repr__(self):
        dropped = sum(label is None for label in self.changes.values())
        changed = len(self.changes) - dropped
        return f"Corrections({changed} relabelled, {dropped} dropped, in {self.file.name})"


def read_corrections(file):
    """Return {file name: label, or None for a dropped picture} of a CSV written by Corrections."""
    try:
        with open(file, newline="", encoding="utf-8-sig") as lines:  # Excel puts a mark first
            rows = [row for row in csv.reader(lines) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"{file} is no text in UTF-8; save it as CSV in UTF-8.") from error
    except OSError as error:
        raise CourseError(f"The corrections {file} cannot be read; check the path.") from error
    if not rows or rows[0] != ["file", "label"] or any(len(row) != 2 for row in rows):
        raise CourseError(f"{file} is no list of corrections; its first line must be file,label.")
    return {name: label or None for name, label in rows[1:]}


def near_duplicates(pictures, *, threshold=0.95, limit=20):
    """Return pairs of pictures that look the same but for light, compression or a slight crop.

    Every picture is shrunk to 8x8 averages, the mean of each colour plane is taken off, and pairs
    are compared by the correlation of what is left.

    Args:
        pictures: (N, H, W, 3) uint8 array, such as ``data.train.inputs``.
        threshold: correlation from which two pictures count as the same.
        limit: pairs at most.

    Returns:
        list of (row, row, correlation), most alike first.
    """
    import torch
    import torch.nn.functional as F

    shrunk = []
    for start in range(0, len(pictures), 512):
        part = torch.as_tensor(pictures[start : start + 512])
        shrunk.append(F.adaptive_avg_pool2d(part.permute(0, 3, 1, 2).float(), 8).flatten(2))
    prints = torch.cat(shrunk)  # (N, 3, 64)
    # without its mean a plane tells shapes only: two blue skies are not the same picture
    prints = F.normalize((prints - prints.mean(2, keepdim=True)).flatten(1), dim=1)
    pairs = []
    for start in range(0, len(prints), 2048):
        alike = prints[start : start + 2048] @ prints.T
        rows, others = torch.nonzero(alike > threshold, as_tuple=True)
        for row, other in zip((rows + start).tolist(), others.tolist(), strict=True):
            if row < other:
                pairs.append((row, other, alike[row - start, other].item()))
    return sorted(pairs, key=lambda pair: -pair[2])[:limit]
