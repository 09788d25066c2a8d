"""The data sets of ``catalogue.toml``, and what brings other layouts into the published ones."""

from __future__ import annotations

import functools
import shutil
import tomllib
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import numpy
from PIL import Image

from coursekit.console import progress

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One published file; ``catalogue.toml`` says what the fields mean."""

    url: str
    bytes: int | None = None
    sum: str = ""
    inside: str = ""
    moves: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    binary: bool = False

    @property
    def host(self) -> str:
        """The machine that serves it."""
        return urlsplit(self.url).netloc

    @property
    def name(self) -> str:
        """The name of the published file."""
        return Path(urlsplit(self.url).path).name

    @property
    def checked(self) -> str:
        """What a copy is checked against, in words."""
        if not self.sum:
            return "checked by size only" if self.bytes else "no published sum to check it against"
        kind = self.sum.partition(":")[0]
        return f"checked by {'size and by ' if ' ' in kind else ''}{kind}"

    def to_published_layout(self, folder: Path) -> None:
        """Delete, rename and convert what an unpacked ``folder`` has otherwise than published."""
        for name in self.drop:
            shutil.rmtree(folder / name, ignore_errors=True)
        for old, new in self.moves.items():
            if (folder / old).exists():  # where it is missing, the check of the layout says so
                (folder / old).rename(folder / new)
        if self.binary:
            write_pictures(folder)


@dataclass(frozen=True)
class DataSet:
    """A data set: terms, layout, and the sources in the order in which they are tried."""

    name: str
    license: str
    layout: dict[str, int]
    sources: tuple[Source, ...]
    sample: str
    sample_license: str = "MIT, as the course"

    def lacking(self, folder: Path, enough: int | None = None) -> str:
        """What ``folder`` lacks of the layout, or nothing; ``enough`` replaces the counts."""
        for pattern, least in self.layout.items():
            least = enough or least
            found = sum(1 for _ in islice(folder.glob(pattern), least))
            if found < least:
                return f"{pattern} ({found} found, at least {least} expected)"
        return ""


@functools.cache
def catalogue() -> dict[str, DataSet]:
    """The data sets of ``catalogue.toml`` by name; each address of a file is a source."""
    rows = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    for row in rows.values():
        row["sources"] = tuple(
            Source(url=url, **file) for file in row["sources"] for url in file.pop("urls")
        )
    return {name: DataSet(name=name, **row) for name, row in rows.items()}


def write_pictures(folder: Path) -> None:
    """Write the pictures of CIFAR-10's binary files as {train,test}/<class>/<number>.png."""
    for part in ("train", "test"):
        for name in CIFAR10_CLASSES:
            (folder / part / name).mkdir(parents=True)
    for file in progress(sorted(folder.glob("*_batch*.bin")), label="pictures"):
        rows = numpy.fromfile(file, dtype=numpy.uint8).reshape(-1, 1 + 3 * 32 * 32)
        pictures = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # (N, 32, 32, 3)
        part = "test" if file.name.startswith("test") else "train"
        for number, (label, picture) in enumerate(zip(rows[:, 0], pictures, strict=True)):
            target = folder / part / CIFAR10_CLASSES[label] / f"{file.stem}_{number:05d}.png"
            Image.fromarray(numpy.ascontiguousarray(picture)).save(target, compress_level=1)
        file.unlink()
