"""One file from a server that cuts, lies, forgets and errs."""

import hashlib
import random
import types

import pytest

from coursekit.console import CourseError
from coursekit.data import download as module
from coursekit.data.download import Source, SourceError, download
from tests.servers import Page, serve

BODY = random.Random(0).randbytes(500_000)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Wait for nothing, and ask no proxy for loopback."""
    monkeypatch.setattr(module, "PAUSES", (0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def digest(body, kind="sha256"):
    return hashlib.new(kind, body).hexdigest()


def source_of(url, body=BODY, **facts):
    return Source(url, **{"bytes": len(body), "sum": f"sha256:{digest(body)}"} | facts)


def part_of(source, folder):
    return folder / f"{source.host}-x.zip.part".replace(":", "-")


def bring(page, folder, body=BODY, **facts):
    """Download ``page`` from a server that lives as long as that takes."""
    with serve({"x.zip": page}) as url:
        return download(source_of(url("x.zip"), body, **facts), folder, "x")


def fails(page, folder, **facts):
    with pytest.raises(SourceError) as caught:
        bring(page, folder, **facts)
    assert not list(folder.glob("*.zip"))
    return str(caught.value)


@pytest.mark.parametrize("known", [True, False], ids=["size-known", "size-unknown"])
def test_a_cut_download_goes_on_where_it_was_cut(tmp_path, known):
    """Starting over costs 800 MB at every cut; halves of two files, put together, look whole."""
    page = Page(BODY, cuts=[200_000, 100_000])
    assert bring(page, tmp_path, **({} if known else {"bytes": None})).read_bytes() == BODY
    again = ["bytes=200000-", "bytes=300000-"] if known else [None, None]
    assert page.requests == [None, *again]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("code", [200, 400, 403, 412, 416, 431])
def test_a_server_that_knows_no_range_is_read_from_the_start(tmp_path, code):
    """A whole file (200) appended to a part is too long; a refusal would be the same for ever."""
    page = Page(BODY, ranges=False, cuts=[200_000], codes=[200, code])
    assert bring(page, tmp_path).read_bytes() == BODY
    assert page.requests[:2] == [None, "bytes=200000-"]


@pytest.mark.parametrize("says", [len(BODY) // 2, len(BODY) * 2, ""])
@pytest.mark.parametrize("known", [True, False], ids=["size-known", "size-unknown"])
def test_a_wrong_length_is_not_believed(tmp_path, says, known):
    """A server that announces too little must not end in half a file that looks whole."""
    page = Page(BODY, says=says)
    facts = {} if known else {"bytes": None}  # then too little is found out by the sum alone
    assert bring(page, tmp_path, **facts).read_bytes() == BODY


def test_more_than_there_is_to_send_stops_the_download(tmp_path):
    """An endless answer must not fill the disk before anybody looks at it."""
    assert "500,000 bytes" in fails(Page(BODY * 4), tmp_path)


@pytest.mark.parametrize("kind", ["sha256", "md5", "md5 of the first MiB"])
def test_wrong_bytes_are_asked_for_once_more_and_then_refused(tmp_path, kind):
    """A damaged download that is kept fails for ever; whatever is known of a file must count."""
    body = BODY * 3  # longer than the MiB that the archives of fast.ai are checked by
    first = body[: 1 << 20] if "MiB" in kind else body
    facts = {"sum": f"{kind}:{digest(first, kind.split()[0])}"}
    page = Page(body, wrong=1)
    assert bring(page, tmp_path, body, **facts).read_bytes() == body
    assert page.requests == [None, None]
    assert f"wrong {kind}" in fails(Page(body, wrong=9), tmp_path / "x", bytes=len(body), **facts)
    assert not list(tmp_path.rglob("*.part"))


def test_a_busy_server_is_asked_again_and_one_without_the_file_is_not(tmp_path):
    """503 for a moment is the commonest fault of all; 404 will be 404 in a second, too."""
    assert bring(Page(BODY, codes=[503, 429]), tmp_path).read_bytes() == BODY
    for code, times in ((503, 3), (404, 1)):
        page = Page(BODY, codes=[code] * 9)
        assert f"answers {code}" in fails(page, tmp_path / str(code))
        assert len(page.requests) == times


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "cannot be reached"),
        (
            {"HTTP_PROXY": "http://me:secret@127.0.0.1:9", "NO_PROXY": ""},
            "cannot be reached through the proxy 127.0.0.1:9",
        ),
        ({"HTTP_PROXY": "[", "NO_PROXY": ""}, "through the proxy"),
    ],
)
def test_nobody_listens(tmp_path, monkeypatch, settings, words):
    """Forty lines of urllib3; a proxy that nobody thinks of, or its password in a notebook."""
    with serve({}) as url:
        gone = url("x.zip")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SourceError, match=words) as caught:
        download(Source(gone), tmp_path, "x")
    assert "secret" not in str(caught.value)


def test_a_silent_server_is_given_up_and_gone_on_from(tmp_path, monkeypatch):
    """Without a timeout a dead connection hangs a notebook for ever."""
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    page = Page(BODY, hold=131_072)
    assert bring(page, tmp_path).read_bytes() == BODY
    assert page.requests == [None, "bytes=131072-"]
    page.go.set()


def test_a_step_down_from_encryption_needs_a_sum(tmp_path, monkeypatch):
    """Whoever stands between could put his own archive in the place of one without a sum."""
    import requests

    real = requests.get
    with serve({"x.zip": Page(BODY)}) as url:
        there = url("x.zip")
        monkeypatch.setattr(requests, "get", lambda _, **options: real(there, **options))
        secure = there.replace("http:", "https:")
        assert download(source_of(secure), tmp_path, "x").read_bytes() == BODY
        with pytest.raises(SourceError, match="without encryption"):
            download(Source(secure, len(BODY)), tmp_path / "other", "x")


@pytest.mark.parametrize("known", [True, False], ids=["size-known", "size-unknown"])
def test_a_disk_too_small_is_told_before_it_is_full(tmp_path, monkeypatch, known):
    """Twenty minutes of download that end in a full disk; an endless body that fills it."""
    free = types.SimpleNamespace(free=750_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: free)
    with pytest.raises(CourseError, match=r"x needs about 1\.0 MB of disk and 750 kB are free"):
        bring(Page(BODY), tmp_path, **({} if known else {"bytes": None, "sum": ""}))
    assert not list(tmp_path.glob("*.zip"))


def test_a_server_that_always_cuts_at_the_start_is_given_up(tmp_path):
    """Trying again after every try that brought nothing would never end."""
    assert "cuts the connection" in fails(Page(BODY, cuts=[0] * 50), tmp_path)
    page = Page(BODY, cuts=[100_000] * 50, ranges=False)
    assert "cuts the connection" in fails(page, tmp_path / "other")
    assert len(page.requests) == 3  # the first brought something, two brought nothing new


def test_what_is_finished_is_not_asked_for_again(tmp_path):
    """A kill between the last byte and the sum, or while unpacking, must not cost the download."""
    page = Page(BODY)
    with serve({"x.zip": page}) as url:
        source = source_of(url("x.zip"))
        part_of(source, tmp_path).write_bytes(BODY)
        for _ in range(2):
            assert download(source, tmp_path, "x").read_bytes() == BODY
    assert not page.requests


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_server_that_drips_is_given_up(tmp_path, monkeypatch, where):
    """Each byte starts the timeout of a socket anew: one a second holds a notebook for days."""
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    monkeypatch.setattr(module, "PAUSES", ())
    late = pytest.raises(SourceError, match="does not answer in time")
    with serve({"x.zip": Page(BODY, drips=where)}) as url, late:
        download(Source(url("x.zip")), tmp_path, "x")


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_missing_certificate_file_is_named(tmp_path, monkeypatch, name):
    """requests raises a plain OSError, and the disk would be blamed."""
    monkeypatch.setenv(name, "/no/such/file.pem")
    with pytest.raises(CourseError, match=f"{name} names /no/such/file.pem"):
        download(Source("https://127.0.0.1:9/x.zip"), tmp_path, "x")
