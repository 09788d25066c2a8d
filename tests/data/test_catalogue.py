"""The table of data sets."""

import dataclasses
import re
import warnings

import pytest

from coursekit.data.download import Source
from coursekit.data.fetch import SAMPLES, catalogue, fetch
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


def published(source, layout):
    """Return name -> bytes as ``source`` packs them: the layout, with its moves undone."""
    files = []
    for pattern, least in layout.items():
        for new, old in {new: old for old, new in source.moves.items()}.items():
            pattern = re.sub(f"^{re.escape(new)}(?=/|$)", old, pattern)
        name = pattern.replace("/*/", "/a/").replace("*.*g", "{}.png").replace("*", "{}")
        files += [f"{source.inside}/{name.format(n)}".lstrip("/") for n in range(least)]
    return dict.fromkeys(files, b"content")


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
        body = make(published(source, catalogue()[name].layout))
    file = source.url.rsplit("/", 1)[1]
    with serve({file: Page(body)}) as url, warnings.catch_warnings():
        warnings.simplefilter("error")
        local = dataclasses.replace(source, url=url(file), bytes=len(body), sum="")
        row = dataclasses.replace(catalogue()[name], sources=(local,))
        monkeypatch.setitem(catalogue(), name, row)
        folder = fetch(name, edition="full")
    assert folder == tmp_path / "full" / name
    assert all(len(list(folder.glob(pattern))) >= least for pattern, least in row.layout.items())
