"""The sample edition of dogscats: drawings of cats and dogs, with their outlines as the truth.

``train/{cats,dogs}``, ``valid/{cats,dogs}`` and ``test1`` lie as in the published set. Beside
them, ``truth`` holds one mask a picture, the labels of ``test1``, and the near-duplicates that were
planted.
"""

import functools
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageEnhance

from worlds.files import on_all_processors, write_table
from worlds.scenes import render

COUNTS = {"train": 600, "valid": 300, "test1": 100}  # train and valid: of each kind


@dataclass(frozen=True)
class Drawing:
    """One picture of the set; ``kind`` is "cats" or "dogs"."""

    part: str
    kind: str
    number: int

    @property
    def name(self):
        """Path in the set, without its suffix."""
        if self.part == "test1":
            return f"test1/{self.number}"
        return f"{self.part}/{self.kind}/{self.kind[:-1]}.{self.number}"

    def draw(self, seed=0):
        """Draw (picture, mask), which depend on nothing but the seed and the drawing's fields."""
        facts = [seed, self.number, *(zlib.crc32(word.encode()) for word in (self.part, self.kind))]
        return render(self.kind, np.random.default_rng(facts))


def build(folder, *, seed=0, counts=None):
    """Build the set into ``folder``; the same seed gives the same pictures.

    Args:
        counts: pictures a part, such as ``{"train": 10, "valid": 5, "test1": 5}``; train and valid
            hold that many of each kind, four at least. Default: ``COUNTS``.
    """
    folder, counts = Path(folder), counts or COUNTS
    drawings, copies = all_drawings(seed, counts), near_duplicates(counts)
    save = functools.partial(_save, folder=folder, seed=seed, copies=copies)
    for parent in {Path(drawing.name).parent for drawing in drawings}:
        (folder / parent).mkdir(parents=True)
        (folder / "truth" / parent).mkdir(parents=True)
    list(on_all_processors(save, drawings, "drawing"))
    tests = [(f"{test.name}.jpg", test.kind) for test in drawings if test.part == "test1"]
    write_table(folder / "truth" / "test1.csv", ("picture", "label"), tests)
    pairs = [(f"{original.name}.jpg", f"{copy.name}.jpg") for copy, original in copies.items()]
    write_table(folder / "truth" / "near_duplicates.csv", ("original", "copy"), pairs)


def all_drawings(seed=0, counts=COUNTS):
    """List every ``Drawing`` of the set."""
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


def near_duplicates(counts=COUNTS):
    """Map each planted copy to its original; the last pair crosses from train to valid."""
    train, valid = counts["train"], counts["valid"]
    return {
        Drawing("train", "cats", train - 1): Drawing("train", "cats", train // 4),
        Drawing("train", "dogs", train - 2): Drawing("train", "dogs", train // 3),
        Drawing("valid", "dogs", train + valid // 2): Drawing("train", "dogs", train // 2),
    }


def draw(drawing, seed, copies):
    """Draw (picture, mask) of a drawing, or of the original that it is a near-duplicate of."""
    if drawing not in copies:
        return drawing.draw(seed)
    picture, mask = copies[drawing].draw(seed)
    edges = (1, 1, picture.width - 2, picture.height - 1)
    return ImageEnhance.Brightness(picture.crop(edges)).enhance(1.06), mask.crop(edges)


def _save(drawing, folder, seed, copies):
    picture, mask = draw(drawing, seed, copies)
    quality = 80 if drawing in copies else 90
    picture.save(folder / f"{drawing.name}.jpg", quality=quality, optimize=True)
    mask.convert("1").save(folder / "truth" / f"{drawing.name}.png")
