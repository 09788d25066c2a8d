"""The sample edition of cifar10: ten kinds of things, drawn, in pictures of 32 x 32 pixels.

``train/<class>`` and ``test/<class>`` lie as in the published set; the classes are other ones.
"""

import os
import shutil
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from coursekit.console import progress
from coursekit.data.samples.scenes import render

VERSION = 1  # raised when the pictures change: a folder built by another version is built anew
CLASSES = ("bears", "cars", "cats", "dogs", "ducks", "fish", "foxes", "frogs", "horses", "sheep")
COUNTS = {"train": 300, "test": 60}  # pictures of each class
LAYOUT = tuple(f"{part}/{kind}/*.png" for part in COUNTS for kind in CLASSES)
SIDE = 32
SCALE = 0.4  # drawn at 40 to 64 pixels a side, then reduced


def build(folder, *, seed=0, counts=None):
    """Build the set into ``folder``, with progress; the same seed gives the same bytes.

    The parts are drawn into a hidden folder and moved in when both are done.

    Args:
        seed: another seed, other pictures.
        counts: pictures of each class in each part; default ``COUNTS``.
    """
    folder, counts = Path(folder), counts or COUNTS
    staging = folder / ".unfinished"
    shutil.rmtree(staging, ignore_errors=True)
    jobs = [(p, kind, n) for p in counts for kind in CLASSES for n in range(counts[p])]
    for part, kind, number in progress(jobs, label="drawing", unit=" pictures"):
        file = staging / part / kind / f"{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        draw(part, kind, number, seed=seed).save(file)
    for part in counts:
        shutil.rmtree(folder / part, ignore_errors=True)
        os.replace(staging / part, folder / part)
    staging.rmdir()


def draw(part, kind, number, *, seed=0):
    """Return one picture (32 x 32, RGB); its place in the set and the seed alone decide it."""
    facts = [seed, number, *(zlib.crc32(word.encode()) for word in (f"cifar10/{part}", kind))]
    picture, _ = render(kind, np.random.default_rng(facts), scale=SCALE)
    return ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.LANCZOS)
