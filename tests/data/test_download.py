"""One file from a server that cuts, lies, forgets and errs."""

import errno
import hashlib
import os
import random

import pytest

from coursekit.data import download as module
from coursekit.data.catalogue import Source
from coursekit.data.download import SourceError, download
from tests.servers import Page, serve

BODY = random.Random(0).randbytes(500_000)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Wait for nothing, and ask no proxy for loopback."""
    monkeypatch.setattr(module, "PAUSES", (0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def bring(page, folder, body=BODY, **facts):
    """Download ``page`` from a server that lives as long as that takes."""
    with serve({"x.zip": page}) as url:
        facts = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} | facts
        folder.mkdir(exist_ok=True)
        return download(Source(url("x.zip"), **facts), folder, "x")


def fails(page, folder, **facts):
    with pytest.raises(SourceError) as caught:
        bring(page, folder, **facts)
    assert not list(folder.glob("*.zip"))
    assert not list(folder.glob("tmp*"))
    return str(caught.value)


@pytest.mark.parametrize("known", [True, False], ids=["size-known", "size-unknown"])
@pytest.mark.parametrize("tag", ['"one"', 'W/"weak"', None])
def test_a_cut_download_goes_on_where_it_was_cut(tmp_path, tag, known):
    """Starting over costs a learner on a slow line 800 MB at every cut."""
    page = Page(BODY, tag=tag, cuts=[200_000, 100_000])
    facts = {} if known else {"bytes": None}
    assert bring(page, tmp_path, **facts).read_bytes() == BODY
    assert page.requests == [None, "bytes=200000-", "bytes=300000-"]
    assert page.sent == len(BODY)


@pytest.mark.parametrize("draw", range(8))
def test_any_series_of_cuts_ends_in_the_same_bytes(tmp_path, draw):
    """An offset wrong by one shows only at some cuts, with some answers to Range."""
    chance = random.Random(draw)
    cuts = [chance.randrange(len(BODY)) for _ in range(2)]
    page = Page(BODY, cuts=cuts, ranges=draw % 2 == 0, tag=chance.choice(['"a"', None]))
    assert bring(page, tmp_path).read_bytes() == BODY


def test_a_server_that_ignores_range_is_read_from_the_start(tmp_path):
    """Appending a whole file (200) to a part gives a file that is too long."""
    page = Page(BODY, ranges=False, cuts=[200_000])
    assert bring(page, tmp_path).read_bytes() == BODY
    assert page.requests == [None, "bytes=200000-"]


def test_a_file_that_changed_meanwhile_is_read_from_the_start(tmp_path):
    """Half of the old file and half of the new one is neither."""
    old = Page(BODY[::-1], tag='"old"', cuts=[200_000] + [0] * 9)
    fails(old, tmp_path)
    (part,) = tmp_path.glob("*.part")
    assert part.stat().st_size == 200_000
    with serve({"x.zip": Page(BODY, tag='"new"')}) as url:
        source = Source(url("x.zip"), len(BODY), sha256=hashlib.sha256(BODY).hexdigest())
        renamed = f"{source.host}-x.zip.part".replace(":", "-")
        os.rename(f"{part}.json", tmp_path / f"{renamed}.json")
        os.rename(part, tmp_path / renamed)
        assert download(source, tmp_path, "x").read_bytes() == BODY


@pytest.mark.parametrize("says", [len(BODY) // 2, len(BODY) * 2, ""])
@pytest.mark.parametrize("known", [True, False], ids=["size-known", "size-unknown"])
def test_a_wrong_length_is_not_believed(tmp_path, says, known):
    """A server that announces too little must not end in half a file that looks whole."""
    page = Page(BODY, says=says)
    facts = {} if known else {"bytes": None}  # then too little is found out by the sum alone
    assert bring(page, tmp_path, **facts).read_bytes() == BODY


def test_more_than_there_is_to_send_stops_the_download(tmp_path):
    """An endless answer must not fill the disk before anybody looks at it."""
    page = Page(BODY * 4)
    assert "sends more than the 500,000 bytes" in fails(page, tmp_path)


def test_wrong_bytes_are_deleted_and_asked_for_once_more(tmp_path):
    """A damaged download that is kept fails for ever."""
    page = Page(BODY, wrong=1)
    assert bring(page, tmp_path).read_bytes() == BODY
    assert page.requests == [None, None]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"sha256": None, "md5": hashlib.md5(BODY).hexdigest()},
        {"sha256": None, "md5_first": hashlib.md5(BODY[: 1 << 20]).hexdigest()},
    ],
    ids=["sha256", "md5", "md5-of-the-first-MiB"],
)
def test_bytes_that_stay_wrong_are_refused(tmp_path, facts):
    """Whatever is known of a file must be looked at, not only sha256."""
    page = Page(BODY, wrong=9)
    assert "wrong size or sum, twice" in fails(page, tmp_path, **facts)
    assert not list(tmp_path.glob("*.part"))
    assert bring(Page(BODY), tmp_path, **facts).read_bytes() == BODY


def test_the_first_mib_is_not_taken_for_the_whole(tmp_path):
    """The archives of fast.ai carry a sum of 2**20 bytes, longer ones must pass with it."""
    body = BODY * 3
    facts = {"sha256": None, "md5_first": hashlib.md5(body[: 1 << 20]).hexdigest()}
    assert bring(Page(body), tmp_path, body, **facts).read_bytes() == body


def test_a_busy_server_is_asked_again(tmp_path):
    """503 for a moment is the commonest fault of all, and no reason to give up."""
    page = Page(BODY, codes=[503, 429])
    assert bring(page, tmp_path).read_bytes() == BODY
    page = Page(BODY, codes=[503] * 9)
    assert fails(page, tmp_path / "other").startswith("answers 503 Service Unavailable")
    assert len(page.requests) == 3


def test_a_missing_file_is_not_asked_for_again(tmp_path):
    """404 will be 404 in a second, too."""
    page = Page(BODY, codes=[404] * 9)
    assert fails(page, tmp_path).startswith("answers 404 Not Found")
    assert len(page.requests) == 1


def test_nobody_listens(tmp_path):
    """A refused connection must not surface as forty lines of urllib3."""
    with serve({}) as url:
        gone = url("x.zip")
    with pytest.raises(SourceError, match="cannot be reached"):
        download(Source(gone), tmp_path, "x")


def test_a_silent_server_is_given_up_and_gone_on_from(tmp_path, monkeypatch):
    """Without a timeout a dead connection hangs a notebook for ever."""
    monkeypatch.setattr(module, "TIMEOUT", (5, 0.3))
    page = Page(BODY, hold=131_072)
    assert bring(page, tmp_path).read_bytes() == BODY
    assert page.requests == [None, "bytes=131072-"]
    page.go.set()


def test_a_server_that_always_cuts_at_the_start_is_given_up(tmp_path):
    """Trying again after every try that brought nothing would never end."""
    page = Page(BODY, cuts=[0] * 50)
    assert "cuts the connection" in fails(page, tmp_path)
    page = Page(BODY, cuts=[100_000] * 50, ranges=False)
    assert "cuts the connection" in fails(page, tmp_path / "other")
    assert len(page.requests) == 3  # the first brought something, two brought nothing new


def test_a_finished_part_is_not_asked_for_again(tmp_path):
    """A kill between the last byte and the sum must not cost the download."""
    page = Page(BODY)
    with serve({"x.zip": page}) as url:
        source = Source(url("x.zip"), len(BODY), sha256=hashlib.sha256(BODY).hexdigest())
        (tmp_path / f"{source.host}-x.zip.part".replace(":", "-")).write_bytes(BODY)
        (tmp_path / "tmpabc").write_bytes(b"left by a killed session")
        assert download(source, tmp_path, "x").read_bytes() == BODY
    assert not page.requests
    assert not (tmp_path / "tmpabc").exists()


def test_where_links_are_not_to_be_had_the_part_is_moved(tmp_path, monkeypatch):
    """A memory stick has no hard links."""
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no")))
    assert bring(Page(BODY), tmp_path).read_bytes() == BODY
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
def test_a_full_disk_says_so(tmp_path):
    """ENOSPC taken for a network fault would be retried for ever."""
    page = Page(BODY)
    with serve({"x.zip": page}) as url:
        source = Source(url("x.zip"), len(BODY))
        (tmp_path / f"{source.host}-x.zip.part".replace(":", "-")).symlink_to("/dev/full")
        with pytest.raises(OSError, match="No space left"):
            download(source, tmp_path, "x")
    assert len(page.requests) == 1
