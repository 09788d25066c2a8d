"""One published file -> a verified copy on disk, resumed wherever a connection was cut."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from coursekit.console import progress
from coursekit.data.cache import write_whole
from coursekit.data.catalogue import Source

if TYPE_CHECKING:
    import requests

TIMEOUT = (10, 30)  # seconds until the connection stands, seconds without a byte
PAUSES = (1, 3)  # seconds before each new try that follows one without progress
BLOCK = 1 << 16  # bytes
MOST_BYTES = 5 << 30  # of a file whose size is not published


class SourceError(Exception):
    """A source that cannot serve, with the reason in a few words."""


class _PassingError(SourceError):
    """A try that came to nothing; the next one may not."""


def download(source: Source, folder: Path, label: str) -> Path:
    """Bring a verified copy of a file into ``folder``.

    What arrived before a cut, a kill or a lost session is kept there and continued. A copy with a
    wrong size or sum is deleted. Tries go on as long as they bring something, and twice after that.

    Args:
        source: what to download, and how to check it.
        folder: holds the copy and its parts, and nothing else.
        label: a word or two for the progress bar.

    Raises:
        SourceError: the source cannot serve it.
        OSError: the disk is full or cannot be written.
    """
    import requests
    import urllib3

    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{source.host}-{source.name}".replace(":", "-")
    if archive.exists():  # verified before it got its name
        return archive
    part = archive.with_name(f"{archive.name}.part")
    longest, pauses = _size(part), iter(PAUSES)
    while True:
        try:
            _receive(source, part, label)
            _check(source, part)
            os.replace(part, archive)
            return archive
        except requests.exceptions.SSLError:
            raise SourceError("has a certificate that is not valid") from None
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            reason = "does not answer in time"
        except requests.RequestException:
            reason = "cannot be reached"
        except urllib3.exceptions.HTTPError:
            reason = "cuts the connection"
        except _PassingError as error:
            reason = str(error)
        if _size(part) > longest:
            longest, pauses = _size(part), iter(PAUSES)
        pause = next(pauses, None)
        if pause is None:
            raise SourceError(reason)
        time.sleep(pause)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check(source: Source, part: Path) -> None:
    """Delete a file that lacks the size or a sum that are known of its source, and raise."""
    with part.open("rb") as file:
        sums = {"md5_first": hashlib.md5(file.read(1 << 20)).hexdigest()}
        for name in ("md5", "sha256"):
            if getattr(source, name):
                file.seek(0)
                sums[name] = hashlib.file_digest(file, name).hexdigest()
    wrong = [name for name, found in sums.items() if getattr(source, name) not in (None, found)]
    if wrong or source.bytes not in (None, _size(part)):
        part.unlink()
        raise _PassingError(f"sends a file of the wrong {wrong[0] if wrong else 'size'}")


def _receive(source: Source, part: Path, label: str) -> None:
    """Send one request and append what comes; ends when ``part`` is whole, else raises.

    RFC 9110, 14.2: a server may answer a Range with the whole file (200) or with that range (206).
    """
    import requests

    have, tag_file = _size(part), part.with_name(f"{part.name}.tag")
    if have and have == source.bytes:
        return
    headers = {"User-Agent": "coursekit", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag_file.exists() and (tag := tag_file.read_text()):
            headers["If-Range"] = tag  # the rest of that very file, or the whole of another
    with requests.get(source.url, headers=headers, stream=True, timeout=TIMEOUT) as reply:
        start, total = _span(reply, have, source.bytes, part)
        if start and start == total:
            return
        if not start:
            part.write_bytes(b"")
            tag = reply.headers.get("ETag", "W/")  # RFC 9110, 13.1.5: a weak tag is no validator
            tag = reply.headers.get("Last-Modified", "") if tag.startswith("W/") else tag
            write_whole(tag_file, tag)
        whole = source.bytes or total
        with (
            progress(total=whole, label=label, unit="B", unit_scale=True) as bar,
            open(part, "ab") as file,
        ):
            bar.update(start)
            for block in reply.raw.stream(BLOCK, decode_content=False):  # an archive stays packed
                bar.update(file.write(block))
                if file.tell() > (whole or MOST_BYTES):
                    break
    if _size(part) > (whole or MOST_BYTES):
        part.unlink()
        raise SourceError(f"sends more than the {whole or MOST_BYTES:,} bytes expected")
    if _size(part) < (whole or 0):
        raise _PassingError(f"sends only {_size(part):,} of {whole:,} bytes")


def _span(
    reply: requests.Response, have: int, whole: int | None, part: Path
) -> tuple[int, int | None]:
    """The byte at which a reply starts, and how long the whole file is (None: not said)."""
    code, span = reply.status_code, reply.headers.get("Content-Range", "")
    if code == 200:
        length = reply.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    if code == 206 and (match := re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", span)):
        total = whole if match[2] == "*" else int(match[2])
        if int(match[1]) == have and whole in (None, total):
            return have, total
    if code == 416 and span == f"bytes */{have}" and have:  # there was no more to send
        return have, have
    if code in (206, 416):  # another file than the one begun, or more than there is
        part.unlink(missing_ok=True)
        raise _PassingError("has changed the file")
    kind = _PassingError if code in (408, 429) or code >= 500 else SourceError
    raise kind(f"answers {code} {reply.reason or ''}".rstrip())
