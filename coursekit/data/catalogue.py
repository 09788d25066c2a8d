"""The data sets of ``catalogue.toml``, and what brings other layouts into the published ones."""

from __future__ import annotations

import functools
import random
import shutil
import tomllib
from dataclasses import dataclass, field
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
    sha256: str | None = None
    md5: str | None = None
    md5_first: str | None = None
    inside: str = ""
    moves: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    arrange: str | None = None

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
        if self.sha256 or self.md5:
            return "checked by sha256" if self.sha256 else "checked by md5"
        if self.md5_first:
            return "checked by size and by md5 of its first MiB"
        return "checked by size only" if self.bytes else "no published sum to check it against"

    def to_published_layout(self, folder: Path) -> str | None:
        """Rename, delete and convert what an unpacked ``folder`` has otherwise than published.

        Returns:
            A sentence on what was left out, or None.
        """
        for name in self.drop:
            shutil.rmtree(folder / name, ignore_errors=True)
        for old, new in self.moves.items():
            if (folder / old).exists():  # where it is missing, the check of the layout says so
                (folder / old).rename(folder / new)
        return ARRANGE[self.arrange](folder) if self.arrange else None


@dataclass(frozen=True)
class DataSet:
    """A data set: terms, layout, and the sources in the order in which they are tried."""

    name: str
    title: str
    license: str
    citation: str
    layout: dict[str, int]
    sources: tuple[Source, ...]
    sample: str
    sample_license: str = "MIT, as the course"


@functools.cache
def catalogue() -> dict[str, DataSet]:
    """The data sets of ``catalogue.toml`` by name; each address of a file is a source."""
    rows = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    for row in rows.values():
        row["sources"] = tuple(
            Source(url=url, **file) for file in row["sources"] for url in file.pop("urls")
        )
    return {name: DataSet(name=name, **row) for name, row in rows.items()}


# Layouts ----------------------------------------------------------------------------------------


def arrange_pet_images(folder: Path) -> str | None:
    """Turn Microsoft's PetImages/{Cat,Dog} into train and valid; a seeded 8 % goes to valid."""
    damaged = 0
    for kind in ("cat", "dog"):
        published = folder / "PetImages" / kind.capitalize()
        pictures = sorted(published.glob("*.jpg"), key=lambda path: (len(path.name), path.name))
        whole = [path for path in progress(pictures, label=f"{kind}s") if _decodes(path)]
        damaged += len(pictures) - len(whole)
        valid = set(random.Random(0).sample(whole, round(0.08 * len(whole))))
        for part in ("train", "valid"):
            (folder / part / f"{kind}s").mkdir(parents=True)
        for path in whole:
            part = "valid" if path in valid else "train"
            path.rename(folder / part / f"{kind}s" / f"{kind}.{path.name}")
    shutil.rmtree(folder / "PetImages", ignore_errors=True)
    return f"{damaged} damaged pictures were left out." if damaged else None


def _decodes(path: Path) -> bool:
    """Whether a file is a JPEG that decodes to its last row."""
    try:
        with Image.open(path) as picture:
            picture.draft("RGB", (64, 64))  # reads every byte, computes few pixels
            picture.load()
            return picture.format == "JPEG"
    except Exception:  # a damaged file may raise anything
        return False


def arrange_cifar10(folder: Path) -> None:
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


def arrange_ml_100k(folder: Path) -> None:
    """Write u.data, u.item and u.genre as ratings.csv and movies.csv, as in ml-latest-small."""
    import pandas

    genres = pandas.read_csv(folder / "u.genre", sep="|", header=None)[0]
    films = pandas.read_csv(folder / "u.item", sep="|", header=None, encoding="latin-1", quoting=3)
    flags = films.iloc[:, 5:].to_numpy(bool)  # (films, genres)
    films = films.set_axis(["movieId", "title", *films.columns[2:]], axis=1)
    films["genres"] = ["|".join(genres[row]) for row in flags]
    films[["movieId", "title", "genres"]].to_csv(folder / "movies.csv", index=False)
    columns = ["userId", "movieId", "rating", "timestamp"]
    ratings = pandas.read_csv(folder / "u.data", sep="\t", names=columns)
    ratings.to_csv(folder / "ratings.csv", index=False)


ARRANGE = {
    "pet_images": arrange_pet_images,
    "cifar10": arrange_cifar10,
    "ml_100k": arrange_ml_100k,
}
