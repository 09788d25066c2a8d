"""One published file -> a verified copy on disk, resumed wherever a connection was cut."""

import functools
import hashlib
import json
import os
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

from coursekit.console import progress

TIMEOUT = (10, 30)  # seconds until the connection stands, seconds without a byte
PAUSES = (1, 3)  # seconds before each new try that follows one without progress
BLOCK = 1 << 16  # bytes
MOST_BYTES = 5 << 30  # of a file whose size is not published


class SourceError(Exception):
    """A source that cannot serve, with the reason in a few words."""


class _TryAgainError(Exception):
    """A try that came to nothing; the next one may not."""


def size(path):
    """Return the bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def read_json(path):
    """Return the dict in a JSON file; an empty one where there is none that can be read."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path, content):
    """Write a dict as JSON, whole or not at all."""
    half_done = path.with_name(path.name + ".new")
    half_done.write_text(json.dumps(content), "utf-8")
    os.replace(half_done, path)


def download(source, folder, label):
    """Return the path of a verified copy of ``source`` in ``folder``.

    What arrived before a cut, a kill or a lost session is kept beside it and gone on from. A copy
    that arrives with a wrong size or sum is deleted and asked for once more.

    Args:
        source: a ``catalogue.Source``.
        folder: where the copy and its parts lie; nothing else may.
        label: a word or two for the progress bar.

    Raises:
        SourceError: the source cannot serve it.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    folder.mkdir(parents=True, exist_ok=True)
    archive = f"{source.host}-{Path(urlsplit(source.url).path).name}".replace(":", "-")
    part = folder / f"{archive}.part"
    for stray in folder.glob("tmp*"):  # pooch's, of a session that was killed
        stray.unlink()
    known = f"sha256:{source.sha256}" if source.sha256 else source.md5 and f"md5:{source.md5}"
    downloader = functools.partial(_hand_over, source, part, label)
    for _ in range(2):
        try:
            path = pooch.retrieve(source.url, known, archive, folder, downloader=downloader)
            part.unlink(missing_ok=True)
            return Path(path)
        except ValueError:  # pooch's word for a wrong sum, and ours
            part.unlink(missing_ok=True)
    raise SourceError("sent a file of the wrong size or sum, twice")


def _hand_over(source, part, label, url, output, pooch):
    """Complete ``part`` and give it to pooch, which checks the sum and then moves it."""
    _complete(source, part, label)
    with open(part, "rb") as file:
        first = hashlib.md5(file.read(1 << 20)).hexdigest()
    if source.bytes not in (None, size(part)) or source.md5_first not in (None, first):
        raise ValueError("size or first MiB")
    os.unlink(output)
    try:
        os.link(part, output)  # so that a kill while the sum is computed loses nothing
    except OSError:
        os.replace(part, output)


def _complete(source, part, label):
    """Ask for what ``part`` lacks until it is whole, or until tries bring nothing more."""
    import requests
    import urllib3

    longest, pauses = size(part), iter(PAUSES)
    while True:
        try:
            return _receive(source, part, label)
        except requests.exceptions.SSLError:
            raise SourceError("has a certificate that is not valid") from None
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            reason = "does not answer in time"
        except requests.RequestException:
            reason = "cannot be reached"
        except urllib3.exceptions.HTTPError:
            reason = "cuts the connection"
        except _TryAgainError as error:
            reason = str(error)
        if size(part) > longest:
            longest, pauses = size(part), iter(PAUSES)
        pause = next(pauses, None)
        if pause is None:
            raise SourceError(reason)
        time.sleep(pause)


def _receive(source, part, label):
    """Send one request and append what comes; returns when ``part`` is whole.

    RFC 9110, 14.2: a server may answer a Range with the whole file (200) or with that range (206).
    """
    import requests

    known = part.with_name(part.name + ".json")  # what the server said of the file
    have, said = size(part), read_json(known)
    whole = source.bytes or said.get("total")  # the table is trusted more than the server
    if have and have == whole:
        return
    headers = {"User-Agent": "coursekit", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    if have and said.get("tag"):
        headers["If-Range"] = said["tag"]
    with requests.get(source.url, headers=headers, stream=True, timeout=TIMEOUT) as reply:
        start, total = _where(reply, have, whole, part)
        whole = source.bytes or total
        if start and start == total:
            return
        if not start:
            part.write_bytes(b"")
            tag = reply.headers.get("ETag", "W/")
            tag = reply.headers.get("Last-Modified") if tag.startswith("W/") else tag
            write_json(known, {"tag": tag, "total": total})
        _append(reply, part, whole, label)
    if size(part) < (whole or 0):
        raise _TryAgainError(f"sends only {size(part):,} of {whole:,} bytes")


def _where(reply, have, whole, part):
    """Return at which byte a reply starts and how long the whole file is (None: not said)."""
    code = reply.status_code
    if code == 200:
        length = reply.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    span = reply.headers.get("Content-Range", "")
    if code == 206 and (said := re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", span)):
        total = whole if said[2] == "*" else int(said[2])
        if int(said[1]) == have and whole in (None, total):
            return have, total
    if code == 416 and span == f"bytes */{have}" and have:  # there was no more to send
        return have, have
    if code in (206, 416):  # another file than the one begun, or more than there is
        part.unlink(missing_ok=True)
        raise _TryAgainError("has changed the file")
    kind = _TryAgainError if code in (408, 429) or code >= 500 else SourceError
    raise kind(f"answers {code} {reply.reason or ''}".rstrip())


def _append(reply, part, total, label):
    most = total or MOST_BYTES
    bar = progress(total=total, label=label, unit="B", unit_scale=True)
    with bar, open(part, "ab") as file:
        bar.update(file.tell())
        for block in reply.raw.stream(BLOCK, decode_content=False):  # an archive stays packed
            file.write(block)
            bar.update(len(block))
            if file.tell() > most:
                break
    if size(part) > most:
        part.unlink()
        raise SourceError(f"sends more than the {most:,} bytes expected")
