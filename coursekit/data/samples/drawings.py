"""The sample edition of dogscats: drawings of cats and dogs, with their outlines as the truth.

``train/{cats,dogs}``, ``valid/{cats,dogs}`` and ``test1`` lie as in the published set. Beside
them, ``truth`` holds one mask a picture, the labels of ``test1``, and the near-duplicates that were
planted.
"""

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import ImageEnhance

from coursekit.console import progress
from coursekit.data.samples.scenes import KINDS, render

__all__ = ["COUNTS", "KINDS", "VERSION", "build", "render"]

VERSION = 6  # raised when the pictures change: a folder built by another version is built anew
PER_PROCESS = 100  # fewer pictures than this are not worth another process
COUNTS = {"train": 600, "valid": 300, "test1": 100}  # train and valid: of each kind


@dataclass(frozen=True)
class Drawing:
    """One picture of the set; ``kind`` is "cats" or "dogs"."""

    part: str
    kind: str
    number: int

    @property
    def name(self):
        """Where it lies in the set, without its suffix."""
        if self.part == "test1":
            return f"test1/{self.number}"
        return f"{self.part}/{self.kind}/{self.kind[:-1]}.{self.number}"

    def draw(self, seed):
        """Return (picture, mask); nothing but the seed and the drawing's own facts decides them."""
        facts = [seed, self.number, *(zlib.crc32(word.encode()) for word in (self.part, self.kind))]
        return render(self.kind, np.random.default_rng(facts))


def build(folder, *, seed=0, counts=None):
    """Build the set into ``folder``, with progress; the same seed gives the same bytes.

    The parts are drawn into a hidden folder and moved in when all are done, train as the last.

    Args:
        seed: another seed, other pictures.
        counts: pictures a part, such as ``{"train": 10, "valid": 5, "test1": 5}``; train and valid
            hold that many of each kind, four at least. Default: ``COUNTS``.
    """
    folder, counts = Path(folder), counts or COUNTS
    staging = folder / ".unfinished"
    shutil.rmtree(staging, ignore_errors=True)
    for name in {str(Path(drawing.name).parent) for drawing in _drawings(seed, counts)}:
        (staging / name).mkdir(parents=True)
        (staging / "truth" / name).mkdir(parents=True)
    _draw_together(staging, seed, counts)
    _write_truth(staging / "truth", seed, counts)
    for part in ("truth", "test1", "valid", "train"):
        shutil.rmtree(folder / part, ignore_errors=True)
        os.replace(staging / part, folder / part)
    staging.rmdir()


def _drawings(seed, counts):
    """Return all drawings of the set, in order."""
    train, valid = counts["train"], counts["valid"]
    numbers = {"train": range(train), "valid": range(train, train + valid)}
    drawings = [
        Drawing(part, kind, number)
        for part, part_numbers in numbers.items()
        for number in part_numbers
        for kind in ("cats", "dogs")
    ]
    labels = np.random.default_rng([seed, zlib.crc32(b"labels")]).integers(0, 2, counts["test1"])
    test = [Drawing("test1", ("cats", "dogs")[label], i) for i, label in enumerate(labels, 1)]
    return drawings + test


def _near_duplicates(counts):
    """Return {copy: original}; the last pair crosses from train to valid."""
    train, valid = counts["train"], counts["valid"]
    return {
        Drawing("train", "cats", train - 1): Drawing("train", "cats", train // 4),
        Drawing("train", "dogs", train - 2): Drawing("train", "dogs", train // 3),
        Drawing("valid", "dogs", train + valid // 2): Drawing("train", "dogs", train // 2),
    }


def _copied(picture, mask):
    """Return a near-duplicate: a pixel or two less at each edge, a little brighter."""
    edges = (1, 1, picture.width - 2, picture.height - 1)
    return ImageEnhance.Brightness(picture.crop(edges)).enhance(1.06), mask.crop(edges)


def _save(drawing, folder, seed, copies):
    original = copies.get(drawing, drawing)
    picture, mask = original.draw(seed)
    if original != drawing:
        picture, mask = _copied(picture, mask)
    picture.save(folder / f"{drawing.name}.jpg", quality=80 if original != drawing else 90)
    mask.convert("1").save(folder / "truth" / f"{drawing.name}.png")


def _write_truth(truth, seed, counts):
    tests = [drawing for drawing in _drawings(seed, counts) if drawing.part == "test1"]
    rows = [(f"{drawing.name}.jpg", drawing.kind) for drawing in tests]
    _write_table(truth / "test1.csv", ("picture", "label"), rows)
    pairs = _near_duplicates(counts).items()
    rows = [(f"{original.name}.jpg", f"{copy.name}.jpg") for copy, original in pairs]
    _write_table(truth / "near_duplicates.csv", ("original", "copy"), rows)


def _write_table(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


# --- several processors ---------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """Every ``step``-th drawing from ``start`` on: what one process draws."""

    folder: str
    seed: int
    counts: dict
    start: int
    step: int

    def draw(self, bar=None):
        """Draw this share; ``bar`` moves for all shares, as they run side by side."""
        copies = _near_duplicates(self.counts)
        for drawing in _drawings(self.seed, self.counts)[self.start :: self.step]:
            _save(drawing, Path(self.folder), self.seed, copies)
            if bar is not None:
                bar.update(self.step)


def _draw_together(folder, seed, counts):
    """Draw one share here and the others in new processes; a share that fails is drawn here.

    The processes are started by command line, which is safe in a notebook on any system and in
    scripts without a main guard.
    """
    total = 2 * (counts["train"] + counts["valid"]) + counts["test1"]
    step = min(_processors(), 1 + total // PER_PROCESS)
    shares = [Share(str(folder), seed, counts, start, step) for start in range(step)]
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(_process(share)) for share in shares[1:]]
        with progress(total=total, label="drawing", unit=" pictures") as bar:
            shares[0].draw(bar)
        for share, process in zip(shares[1:], others, strict=True):
            if process is None or process.wait() != 0:
                share.draw()


def _processors():
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), 8)
    return min(os.cpu_count() or 1, 8)


@contextlib.contextmanager
def _process(share):
    """Start a process for ``share`` and end it on the way out; None where none can be started."""
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, json.dumps(asdict(share))],
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # no black box on Windows
        )
    except (OSError, ValueError):
        yield None
        return
    try:
        yield process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    Share(**json.loads(sys.argv[1])).draw()
