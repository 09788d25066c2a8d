"""One published file -> a verified copy on disk, resumed wherever a connection was cut."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from coursekit.console import CourseError, progress, size
from coursekit.data.cache import remove

if TYPE_CHECKING:
    import requests

Value = TypeVar("Value")

TIMEOUT = 30.0  # seconds in which a connection must stand, a reply begin and each block arrive
PAUSES = (1, 3)  # seconds before each new try that follows one without progress
BLOCK = 1 << 16  # bytes
MOST_BYTES = 5 << 30  # of a file whose size is not published
LATE = ("ConnectTimeout", "ReadTimeout", "ReadTimeoutError", "TimeoutError")
FAULTS = dict.fromkeys(LATE, "does not answer in time") | {  # what libraries raise, by name
    "SSLError": "has a certificate that is not valid",
    "TooManyRedirects": "leads in a circle",
    "ProtocolError": "cuts the connection",
}


@dataclass(frozen=True)
class Source:
    """One published file; ``catalogue.toml`` says what the fields mean."""

    url: str
    bytes: int | None = None
    sum: str = ""
    inside: str = ""
    moves: dict[str, str] = field(default_factory=dict)

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


class SourceError(Exception):
    """A source that cannot serve, with the reason in a few words."""


class _PassingError(SourceError):
    """A try that came to nothing; the next one may not."""


def download(source: Source, folder: Path, label: str) -> Path:
    """Bring a verified copy of a file into ``folder``.

    What arrived of a file of known size before a cut, a kill or a lost session is kept there and
    continued. A copy with a wrong size or sum is deleted. Tries go on as long as they bring
    something, and twice after that. ``label`` stands before the progress bar.

    Raises:
        SourceError: the source cannot serve it.
        CourseError: the disk has no room for it, or a certificate file that is set is missing.
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
    with contextlib.ExitStack() as end:
        if source.bytes is None:  # nothing would tell one file from halves of two
            end.callback(remove, part)
        while True:
            try:
                _receive(source, part, label)
                _check(source, part)
                os.replace(part, archive)
                return archive
            except (requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError) as error:
                reason = FAULTS.get(type(error).__name__, "cannot be reached") + _way(source)
            except _PassingError as error:
                reason = str(error)
            if _size(part) > longest:
                longest, pauses = _size(part), iter(PAUSES)
            if (pause := next(pauses, None)) is None:
                raise SourceError(reason)
            time.sleep(pause)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _way(source: Source) -> str:
    """What of this machine's settings lies on the way to a source, without a proxy's password."""
    import requests

    proxies = requests.utils.get_environ_proxies(source.url)
    proxy = requests.utils.select_proxy(source.url, proxies)
    return f" through the proxy {proxy.rpartition('@')[2]}" if proxy else ""


def _check(source: Source, part: Path) -> None:
    """Delete a file that lacks the size or the sum that is known of its source, and raise."""
    kind, _, wanted = source.sum.partition(":")
    with part.open("rb") as file:
        if kind == "md5 of the first MiB":
            found = hashlib.md5(file.read(1 << 20)).hexdigest()
        else:
            found = hashlib.file_digest(file, kind).hexdigest() if kind else ""
    if found != wanted or source.bytes not in (None, _size(part)):
        part.unlink()
        raise _PassingError(f"sends a file of the wrong {'size' if found == wanted else kind}")


def _receive(source: Source, part: Path, label: str) -> None:
    """Send one request and append what comes; ends when ``part`` is whole, else raises."""
    have = _size(part) if source.bytes else 0
    if have and have == source.bytes:
        return
    reply, start = _ask(source, have)
    length = reply.headers.get("Content-Length", "")
    total = source.bytes or (int(length) if length.isdigit() else 0)
    most = source.bytes or min(total or MOST_BYTES, MOST_BYTES)
    needed, free = 2 * total - start, shutil.disk_usage(part.parent).free
    if needed > free:  # the archive, and what it holds
        raise CourseError(
            f"{label} needs about {size(needed)} of disk and {size(free)} are free. Free some "
            "space, or set COURSEKIT_HOME to a folder elsewhere."
        )
    blocks = reply.raw.stream(BLOCK, decode_content=False)  # an archive stays packed
    with (
        open(part, "ab" if start else "wb") as file,
        progress(total=total or None, label=label, unit="B", unit_scale=True) as bar,
    ):
        bar.update(start)
        while block := _in_time(lambda: next(blocks, b"")):
            bar.update(file.write(block))
            if file.tell() > most:
                break
    reply.close()
    if _size(part) > most:
        part.unlink()
        raise SourceError(f"sends more than the {most:,} bytes expected")
    if _size(part) < total:
        raise _PassingError(f"sends only {_size(part):,} of {total:,} bytes")


def _ask(source: Source, have: int) -> tuple[requests.Response, int]:
    """Ask for what comes after ``have`` bytes; (reply, byte at which it starts).

    RFC 9110, 14.2: a server may answer a Range with the whole file (200) or with that range (206).
    One that answers anything else is asked for the whole file.
    """
    import requests

    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if (bundle := os.environ.get(name)) and not os.path.exists(bundle):
            raise CourseError(
                f"{name} names {bundle}, and there is no such file of certificates. Unset it, or "
                "set it to the file that your network's administrator gave you."
            )
    headers = {"User-Agent": "coursekit", "Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={have}-"} if have else {}
    options: dict = {"headers": headers, "stream": True, "timeout": TIMEOUT}
    reply = _in_time(lambda: requests.get(source.url, **options))
    code, span = reply.status_code, reply.headers.get("Content-Range")
    plain = any(step.url.startswith("http:") for step in (*reply.history, reply))
    if plain and source.url.startswith("https:") and not source.sum:
        raise SourceError("leads to an address without encryption, and no sum is published")
    if code == 200:
        return reply, 0
    if code == 206 and span == f"bytes {have}-{(source.bytes or 0) - 1}/{source.bytes}":
        return reply, have
    reply.close()
    passing = code in (408, 429) or code >= 500
    if have and not passing:
        return _ask(source, 0)
    kind = _PassingError if passing else SourceError
    raise kind(f"answers {code} {reply.reason or ''}".rstrip())


def _in_time(call: Callable[[], Value]) -> Value:
    """Call in a thread and wait for ``TIMEOUT`` seconds at most.

    The timeout of a socket starts again with each byte, so that a slow server holds it for days.
    """
    future: Future[Value] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future.result(TIMEOUT)
