"""The table of data sets, and the steps that bring other layouts into the published ones."""

import dataclasses
import re
import warnings

import numpy
import pytest
from PIL import Image

from coursekit.data.catalogue import CIFAR10_CLASSES, Source, catalogue, write_pictures
from coursekit.data.fetch import SAMPLES, fetch
from tests.servers import Page, make_tgz, make_zip, serve


@pytest.mark.parametrize("data_set", catalogue().values(), ids=lambda data_set: data_set.name)
def test_every_row_is_complete(data_set):
    """A sum copied with a digit lost would refuse every download; a row without terms is unfair."""
    assert data_set.license
    assert data_set.layout
    assert data_set.sources
    assert (SAMPLES / f"{data_set.sample}.tar.xz").is_file()
    for source in data_set.sources:
        assert re.fullmatch(r"https?://[\w.-]+/\S+", source.url)
        sums = r"|sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}|md5 of the first MiB:[0-9a-f]{32}"
        assert re.fullmatch(sums, source.sum)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "no published sum"),
        ({"bytes": 9}, "by size only"),
        ({"bytes": 9, "sum": "md5 of the first MiB:0"}, "by size and by md5 of the first MiB"),
        ({"sum": "sha256:0"}, "checked by sha256"),
    ],
)
def test_what_is_checked_is_said_honestly(facts, words):
    """A copy that nobody can check must not be printed as checked."""
    assert words in Source("http://host/x.zip", **facts).checked


def test_cifar10_pictures_are_the_bytes_of_the_binary_file(tmp_path):
    """Colour planes taken for rows would turn every picture into stripes."""
    pixels = numpy.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), dtype=numpy.uint8)
    labels = numpy.arange(20, dtype=numpy.uint8) % 10
    rows = numpy.concatenate([labels[:, None], pixels.reshape(20, -1)], axis=1)
    rows.tofile(tmp_path / "test_batch.bin")
    write_pictures(tmp_path)
    for number, label in enumerate(labels):
        path = tmp_path / "test" / CIFAR10_CLASSES[label] / f"test_batch_{number:05d}.png"
        shown = numpy.asarray(Image.open(path))
        assert (shown == pixels[number].transpose(1, 2, 0)).all()
    assert not list(tmp_path.glob("*.bin"))


def published(url):
    """Return the small content of an archive in the layout of the one at ``url``: name -> bytes."""
    name, some = url.rsplit("/", 1)[1], range(100)
    pets = [f"{kind}/{kind[:3]}.{n}.jpg" for kind in ("cats", "dogs") for n in some]
    if name in ("dogscats.tgz", "dogscats.zip"):
        files = [f"dogscats/{part}/{pet}" for part in ("train", "valid") for pet in pets]
        return dict.fromkeys([*files, "dogscats/test1/1.jpg", "dogscats/models/x"], b"picture")
    if name == "cats_and_dogs_filtered.zip":
        parts = ("train", "validation")
        files = [f"cats_and_dogs_filtered/{part}/{pet}" for part in parts for pet in pets]
        return dict.fromkeys(files, b"picture")
    if name == "planet_sample.tgz":
        files = [f"planet_sample/train/train_{n}.jpg" for n in some]
        return dict.fromkeys([*files, "planet_sample/labels.csv"], b"tile")
    if name == "rossmann.tgz":
        return dict.fromkeys(catalogue()["rossmann"].layout, b"table")
    if name in ("aclImdb_v1.tar.gz", "imdb.tgz"):
        top, unsup = ("aclImdb", "train/unsup") if "acl" in name else ("imdb", "unsup")
        kinds = ["train/pos", "train/neg", "test/pos", "test/neg", unsup]
        kinds += ["tmp_lm"] if top == "imdb" else []
        return dict.fromkeys([f"{top}/{kind}/{n}_7.txt" for kind in kinds for n in some], b"film")
    if name == "ml-latest-small.zip":
        tables = ("links.csv", "movies.csv", "ratings.csv", "tags.csv", "README.txt")
        return dict.fromkeys([f"ml-latest-small/{table}" for table in tables], b"table")
    if name == "cifar-10-binary.tar.gz":
        rows = b"".join(bytes([n % 10]) + bytes(3072) for n in range(1000))
        top = "cifar-10-batches-bin/"
        return {f"{top}data_batch_1.bin": rows, f"{top}test_batch.bin": rows}
    assert name == "cifar10.tgz"
    files = [f"{part}/{kind}/{n}.png" for part in ("train", "test") for kind in CIFAR10_CLASSES
             for n in some]  # fmt: skip
    return dict.fromkeys([f"cifar10/{file}" for file in files], b"picture")


SOURCES = [(name, source) for name, row in catalogue().items() for source in row.sources]


@pytest.mark.parametrize(("name", "source"), SOURCES, ids=[f"{n}-{s.host}" for n, s in SOURCES])
def test_every_source_ends_in_the_layout_of_its_data_set(name, source, tmp_path, monkeypatch):
    """A second source in another layout must not need other code in a lesson."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    if source.url.endswith(".txt"):
        body = b"SUPPOSING that Truth is a woman"
    else:
        make = make_zip if source.url.endswith(".zip") else make_tgz
        body = make(published(source.url))
    file = source.url.rsplit("/", 1)[1]
    with serve({file: Page(body)}) as url, warnings.catch_warnings():
        warnings.simplefilter("error")
        local = dataclasses.replace(source, url=url(file), bytes=len(body), sum="")
        row = dataclasses.replace(catalogue()[name], sources=(local,))
        monkeypatch.setitem(catalogue(), name, row)
        folder = fetch(name, edition="full")
    assert folder == tmp_path / "full" / name
    assert all(len(list(folder.glob(pattern))) >= least for pattern, least in row.layout.items())
    assert not (folder / "tmp_lm").exists()
