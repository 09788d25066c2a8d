"""Which data sets exist: where they are published, how a copy is checked, what they hold.

Every number in the table was copied from the publisher or from a project that checks it. A source
without a sum says so, in its ``checked`` and in the line that ``fetch`` prints.
"""

import csv
import functools
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One published file, and all that is known to check a copy of it.

    Args:
        url: where it is; ``.zip``, ``.tgz`` and ``.tar.gz`` are unpacked, anything else is kept.
        bytes: its size; None where it is not known.
        sha256, md5: hexadecimal sums of the whole file.
        md5_first: md5 of the first 2**20 bytes, all that fast.ai published for its archives.
        inside: the folder of the archive that becomes the data set's folder.
        arrange: ``arrange(folder, progress)`` brings another layout into the published one, in
            place, and returns a sentence on what it left out, or None.
    """

    url: str
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    md5_first: str | None = None
    inside: str = ""
    arrange: Callable | None = None

    @property
    def host(self):
        """The machine that serves it."""
        return urlsplit(self.url).netloc

    @property
    def checked(self):
        """What a copy is checked against, in words."""
        if self.sha256 or self.md5:
            return "checked by sha256" if self.sha256 else "checked by md5"
        if self.md5_first:
            return "checked by size and by md5 of its first MiB"
        return "checked by size only" if self.bytes else "no published sum to check it against"


@dataclass(frozen=True)
class DataSet:
    """A data set: sources in the order in which they are tried, layout, terms.

    Args:
        layout: glob pattern -> how many matches a folder needs at least to pass for this data set.
        sample: name of the archive in ``data/samples`` that holds the sample edition, or None.
        sample_licence: the terms of what the sample is made of.
    """

    name: str
    title: str
    licence: str
    citation: str
    layout: dict[str, int]
    sources: tuple[Source, ...] = field(default=(), repr=False)
    sample: str | None = None
    sample_licence: str = "MIT, as the course"


def rename(folder, progress, *, moves, drop=()):
    """Move files or folders within ``folder``, and delete those that the published set lacks."""
    for name in drop:
        shutil.rmtree(folder / name, ignore_errors=True)
    for old, new in moves.items():
        if (folder / old).exists():  # where it is missing, the check of the layout says so
            (folder / old).rename(folder / new)


def _decodes(path):
    """Return True for a JPEG that decodes to its last row."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.draft("RGB", (64, 64))  # reads every byte, computes few pixels
            picture.load()
            return picture.format == "JPEG"
    except Exception:  # a damaged file may raise anything
        return False


def arrange_pet_images(folder, progress):
    """Turn Microsoft's PetImages/{Cat,Dog} into train and valid; a seeded 8 % goes to valid."""
    found = kept = 0
    for kind in ("cat", "dog"):
        published = folder / "PetImages" / kind.capitalize()
        pictures = sorted(published.glob("*.jpg"), key=lambda path: (len(path.name), path.name))
        whole = [path for path in progress(pictures, label=f"{kind}s") if _decodes(path)]
        found, kept = found + len(pictures), kept + len(whole)
        valid = set(random.Random(0).sample(whole, round(0.08 * len(whole))))
        for part in ("train", "valid"):
            (folder / part / f"{kind}s").mkdir(parents=True)
        for path in whole:
            part = "valid" if path in valid else "train"
            path.rename(folder / part / f"{kind}s" / f"{kind}.{path.name}")
    shutil.rmtree(folder / "PetImages", ignore_errors=True)
    return f"{found - kept} damaged pictures were left out." if found > kept else None


def arrange_cifar10(folder, progress):
    """Write the pictures of CIFAR-10's binary files as {train,test}/<class>/<number>.png."""
    import numpy
    from PIL import Image

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


def arrange_ml_100k(folder, progress):
    """Write u.data, u.item and u.genre as ratings.csv and movies.csv, as in ml-latest-small."""

    def rows(name, separator):
        text = (folder / name).read_text("latin-1")
        return [line.split(separator) for line in text.splitlines() if line.strip()]

    def write(name, header, lines):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *lines])

    genres = [name for name, _ in rows("u.genre", "|")]
    films = []
    for number, title, _, _, _, *flags in rows("u.item", "|"):
        kinds = [name for name, flag in zip(genres, flags, strict=True) if flag == "1"]
        films.append([number, title, "|".join(kinds)])
    write("movies.csv", ["movieId", "title", "genres"], films)
    write("ratings.csv", ["userId", "movieId", "rating", "timestamp"], rows("u.data", "\t"))


_KAGGLE_PETS = "Kaggle's competition terms, see kaggle.com/c/dogs-vs-cats/rules"
_ASIRRA = "Elson, Douceur, Howell and Saul (2007): Asirra"
_PETS = {f"{part}/{kind}/*.jpg": 100 for part in ("train", "valid") for kind in ("cats", "dogs")}
_S3 = "https://s3.amazonaws.com"
_FASTAI = "https://files.fast.ai"
_MICROSOFT = "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F"


# fmt: off
_DATA_SETS = (
    DataSet(
        "dogscats", "25,000 photographs of cats and dogs", _KAGGLE_PETS, _ASIRRA, _PETS,
        sources=(
            Source(f"{_S3}/fast-ai-sample/dogscats.tgz", 839_285_364,
                   md5_first="3e483c8d6ef2175e9d395a6027eb92b7", inside="dogscats"),
            Source(f"{_FASTAI}/data/dogscats.zip", 857_214_334,
                   md5="aef22ec7d472dd60e8ee79eecc19f131", inside="dogscats"),
            Source(f"{_MICROSOFT}/kagglecatsanddogs_5340.zip", 824_887_076,
                   sha256="b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
                   arrange=arrange_pet_images),
        ),
        sample="dogscats",
    ),
    DataSet(
        "dogscats-small", "3,000 of the photographs of dogscats", _KAGGLE_PETS, _ASIRRA, _PETS,
        sources=(
            Source("https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip",
                   68_606_236, inside="cats_and_dogs_filtered",
                   arrange=functools.partial(rename, moves={"validation": "valid"})),
        ),
        sample="dogscats",
    ),
    DataSet(
        "planet", "aerial tiles of the Amazon, several labels each (fast.ai's selection)",
        "Kaggle's competition terms, see kaggle.com/c/planet-understanding-the-amazon-from-space",
        "Planet: Understanding the Amazon from Space (Kaggle, 2017)",
        {"train-jpg/*.jpg": 100, "train_v2.csv": 1},
        sources=tuple(
            Source(f"{folder}/planet_sample.tgz", 15_523_994,
                   md5_first="8bfb174b3162f07fbde09b54555bdb00", inside="planet_sample",
                   arrange=functools.partial(
                       rename, moves={"train": "train-jpg", "labels.csv": "train_v2.csv"}))
            for folder in (f"{_S3}/fast-ai-sample", f"{_FASTAI}/data/examples")
        ),
        sample="planet",
    ),
    DataSet(
        "rossmann", "daily sales of 1,115 shops, with weather and search trends",
        "Kaggle's competition terms, see kaggle.com/c/rossmann-store-sales",
        "Rossmann Store Sales (Kaggle, 2015); Guo and Berkhahn (2016), arXiv 1604.06737",
        dict.fromkeys(("train.csv", "test.csv", "store.csv", "store_states.csv", "state_names.csv",
                       "googletrend.csv", "weather.csv"), 1),
        sources=(Source(f"{_FASTAI}/part2/lesson14/rossmann.tgz"),),
        sample="rossmann",
    ),
    DataSet(
        "aclImdb", "50,000 labelled and 50,000 unlabelled film reviews",
        "no licence stated, please cite the paper",
        "Maas et al. (2011): Learning Word Vectors for Sentiment Analysis",
        {"train/pos/*.txt": 100, "train/neg/*.txt": 100, "train/unsup/*.txt": 100,
         "test/pos/*.txt": 100, "test/neg/*.txt": 100},
        sources=(
            Source("http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz", 84_125_825,
                   sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
                   inside="aclImdb"),
            Source(f"{_S3}/fast-ai-nlp/imdb.tgz", 144_440_600,
                   md5_first="90f9b1c4ff43a90d67553c9240dc0249", inside="imdb",
                   arrange=functools.partial(
                       rename, moves={"unsup": "train/unsup"}, drop=("tmp_lm", "tmp_clas"))),
        ),
        sample="aclImdb",
    ),
    DataSet(
        "ml-latest-small", "100,836 ratings of 9,742 films by 610 people",
        "research use with acknowledgement, no commercial use without GroupLens' permission",
        "Harper and Konstan (2015): The MovieLens Datasets, doi 10.1145/2827872",
        {"ratings.csv": 1, "movies.csv": 1},
        sources=tuple(  # the certificate of this host has expired three times; the sum has not
            Source(f"{scheme}://files.grouplens.org/datasets/movielens/ml-latest-small.zip",
                   978_202, inside="ml-latest-small",
                   sha256="696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436")
            for scheme in ("https", "http")
        ),
        sample="ml-latest-small",
    ),
    DataSet(
        "ml-100k", "100,000 ratings of 1,682 films by 943 people, of 1997 and 1998",
        "no redistribution and no commercial use without GroupLens' permission",
        "Harper and Konstan (2015): The MovieLens Datasets, doi 10.1145/2827872",
        {"ratings.csv": 1, "movies.csv": 1},
        sources=tuple(
            Source(f"{scheme}://files.grouplens.org/datasets/movielens/ml-100k.zip",
                   4_924_029, inside="ml-100k", arrange=arrange_ml_100k,
                   sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229")
            for scheme in ("https", "http")
        ),
        sample="ml-latest-small",
    ),
    DataSet(
        "nietzsche", "600,893 characters of Nietzsche in English",
        "no licence stated, an old translation out of copyright in most countries",
        "Nietzsche: Beyond Good and Evil (1886), Human, All Too Human (1878)",
        {"*.txt": 1},  # one text, of whatever name
        sources=(
            Source(f"{_S3}/text-datasets/nietzsche.txt", 600_901,
                   sha256="23cf69874ab69d3d256099ab530ea4be24d47d9675b673bcc67cbcd6298ec647"),
        ),
        sample="nietzsche", sample_licence="Python's own manual, PSF licence",
    ),
    DataSet(
        "cifar10", "60,000 pictures of 32 x 32 pixels in ten classes",
        "no licence stated, please cite the report",
        "Krizhevsky (2009): Learning Multiple Layers of Features from Tiny Images",
        {"train/*/*.*g": 1000, "test/*/*.*g": 1000},
        sources=(
            Source("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170_052_171,
                   sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                   inside="cifar-10-batches-bin", arrange=arrange_cifar10),
            Source(f"{_S3}/fast-ai-sample/cifar10.tgz", 168_168_549,
                   md5_first="a5f8c31371b63a406b23368042812d3c", inside="cifar10"),
        ),
        sample="cifar10",
    ),
)
# fmt: on

CATALOGUE = {data_set.name: data_set for data_set in _DATA_SETS}
