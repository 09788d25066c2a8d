"""The sample edition of cifar10: ten kinds of things, drawn, in pictures of 32 x 32 pixels.

``train/<class>`` and ``test/<class>`` lie as in the published set. The classes are other ones, and
the pictures are JPEG files of high quality: as PNG they would take more than all the other built-in
data sets together allow.
"""

import functools
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from worlds.files import on_all_processors
from worlds.scenes import render

CLASSES = ("bears", "cars", "cats", "dogs", "ducks", "fish", "foxes", "frogs", "horses", "sheep")
COUNTS = {"train": 300, "test": 60}  # pictures of each class
SIDE = 32
SCALE = 0.4  # drawn at 40 to 64 pixels a side, then reduced


def build(folder, *, seed=0, counts=None):
    """Build the set into ``folder``; the same seed gives the same pictures.

    Args:
        counts: pictures of each class in each part; default ``COUNTS``.
    """
    counts = counts or COUNTS
    for part in counts:
        for kind in CLASSES:
            (Path(folder) / part / kind).mkdir(parents=True)
    jobs = [(p, kind, n) for p in counts for kind in CLASSES for n in range(counts[p])]
    save = functools.partial(_save, folder=Path(folder), seed=seed)
    list(on_all_processors(save, jobs, "drawing"))


def draw(part, kind, number, *, seed=0):
    """Draw one picture (32 x 32, RGB), which depends on its place in the set and the seed alone."""
    facts = [seed, number, *(zlib.crc32(word.encode()) for word in (f"cifar10/{part}", kind))]
    picture, _ = render(kind, np.random.default_rng(facts), scale=SCALE)
    return ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.LANCZOS)


def _save(job, folder, seed):
    part, kind, number = job
    picture = draw(part, kind, number, seed=seed)
    file = folder / part / kind / f"{number:04}.jpg"
    picture.save(file, quality=95, subsampling=0, optimize=True)
