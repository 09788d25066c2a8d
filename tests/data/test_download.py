"""One file from a server that cuts, lies, forgets and errs."""

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


def source_of(url, body=BODY, **facts):
    return Source(url, **{"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} | facts)


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
@pytest.mark.parametrize("tag", ['"one"', 'W/"weak"', None])
def test_a_cut_download_goes_on_where_it_was_cut(tmp_path, tag, known):
    """Starting over costs a learner on a slow line 800 MB at every cut."""
    page = Page(BODY, tag=tag, cuts=[200_000, 100_000])
    facts = {} if known else {"bytes": None}
    assert bring(page, tmp_path, **facts).read_bytes() == BODY
    assert page.requests == [None, "bytes=200000-", "bytes=300000-"]
    assert page.sent == len(BODY)


@pytest.mark.parametrize("seed", range(8))
def test_any_series_of_cuts_ends_in_the_same_bytes(tmp_path, seed):
    """An offset wrong by one shows only at some cuts, with some answers to Range."""
    rng = random.Random(seed)
    cuts = [rng.randrange(len(BODY)) for _ in range(2)]
    page = Page(BODY, cuts=cuts, ranges=seed % 2 == 0, tag=rng.choice(['"a"', None]))
    assert bring(page, tmp_path).read_bytes() == BODY


def test_a_server_that_ignores_range_is_read_from_the_start(tmp_path):
    """Appending a whole file (200) to a part gives a file that is too long."""
    page = Page(BODY, ranges=False, cuts=[200_000])
    assert bring(page, tmp_path).read_bytes() == BODY
    assert page.requests == [None, "bytes=200000-"]


def test_a_file_that_changed_meanwhile_is_read_from_the_start(tmp_path):
    """Half of the old file and half of the new one is neither."""
    with serve({"x.zip": Page(BODY, tag='"new"')}) as url:
        source = source_of(url("x.zip"), sha256=None, bytes=None)  # only the tag tells
        part = part_of(source, tmp_path)
        part.write_bytes(BODY[200_000::-1])
        part.with_name(f"{part.name}.tag").write_text('"old"')
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
    assert "500,000 bytes" in fails(Page(BODY * 4), tmp_path)


def sums(body):
    """Every way to check a copy: sha256, md5, md5 of the first MiB."""
    first = hashlib.md5(body[: 1 << 20]).hexdigest()
    whole = {"sha256": None, "md5": hashlib.md5(body).hexdigest()}
    return [{}, whole, {"sha256": None, "md5_first": first}]


@pytest.mark.parametrize("way", range(3), ids=["sha256", "md5", "md5_first"])
def test_wrong_bytes_are_asked_for_once_more_and_then_refused(tmp_path, way):
    """A damaged download that is kept fails for ever; whatever is known of a file must count."""
    body = BODY * 3  # longer than the MiB that the archives of fast.ai are checked by
    page = Page(body, wrong=1)
    assert bring(page, tmp_path, body, **sums(body)[way]).read_bytes() == body
    assert page.requests == [None, None]
    assert "the wrong" in fails(Page(BODY, wrong=9), tmp_path / "other", **sums(BODY)[way])
    assert not list(tmp_path.rglob("*.part"))


def test_a_busy_server_is_asked_again_and_one_without_the_file_is_not(tmp_path):
    """503 for a moment is the commonest fault of all; 404 will be 404 in a second, too."""
    assert bring(Page(BODY, codes=[503, 429]), tmp_path).read_bytes() == BODY
    for code, times in ((503, 3), (404, 1)):
        page = Page(BODY, codes=[code] * 9)
        assert f"answers {code}" in fails(page, tmp_path / str(code))
        assert len(page.requests) == times


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


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
def test_a_full_disk_says_so(tmp_path):
    """ENOSPC taken for a network fault would be retried for ever."""
    page = Page(BODY)
    with serve({"x.zip": page}) as url:
        source = source_of(url("x.zip"))
        part_of(source, tmp_path).symlink_to("/dev/full")
        with pytest.raises(OSError, match="No space left"):
            download(source, tmp_path, "x")
    assert len(page.requests) == 1
