"""A web server on loopback that misbehaves as it is told, and archives in published layouts."""

import contextlib
import io
import re
import tarfile
import threading
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """One file and how it is served.

    Args:
        body: the true bytes.
        ranges: whether a Range is answered with 206; else the whole file is sent.
        cuts: after how many bytes of each successive reply the connection is cut; None: not.
        codes: the status of each successive reply, until the list is used up.
        says: the Content-Length of the first reply, where it is to lie; "" leaves it out.
        wrong: how many replies carry inverted bytes.
        drips: "headers" or "body", of which a byte comes every tenth of a second.
        hold: after how many bytes the first reply waits until ``go`` is set; None: not.
    """

    body: bytes
    ranges: bool = True
    cuts: list = field(default_factory=list)
    codes: list = field(default_factory=list)
    says: object = None
    wrong: int = 0
    drips: str = ""
    hold: int | None = None
    go: threading.Event = field(default_factory=threading.Event)
    requests: list = field(default_factory=list)  # the Range of each request, or None
    sent: int = 0  # bytes of body that left


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Stay silent."""

    def do_GET(self):
        """Serve a page with the faults it was given."""
        page = self.server.pages.get(self.path)
        if page is None:
            return self._bare(404)
        page.requests.append(self.headers.get("Range"))
        if page.codes and (code := page.codes.pop(0)) != 200:
            return self._bare(code)
        if page.drips == "headers":
            return self._drip(b"HTTP/1.1 200 OK\r\nX: " + bytes(300))
        start, code = self._start(page)
        if code == 416:
            return self._bare(416, {"Content-Range": f"bytes */{len(page.body)}"})
        body = page.body[start:]
        if page.wrong:
            page.wrong -= 1
            body = body.translate(bytes(range(255, -1, -1)))
        says, page.says = (len(body) if page.says is None else page.says), None
        self.send_response(code)
        if says != "":
            self.send_header("Content-Length", str(says))
        if code == 206:
            span = f"bytes {start}-{len(page.body) - 1}/{len(page.body)}"
            self.send_header("Content-Range", span)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self._send(page, body[: page.cuts.pop(0)] if page.cuts else body)

    def _start(self, page):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked or not page.ranges:
            return 0, 200
        start = int(asked[1])
        return start, 206 if start < len(page.body) else 416

    def _send(self, page, body):
        hold, page.hold = page.hold or len(body), None
        with contextlib.suppress(ConnectionError):  # the client may be gone
            self._write(page, body[:hold])
            if hold < len(body):
                page.go.wait(60)
                self._write(page, body[hold:])

    def _drip(self, body):
        with contextlib.suppress(OSError):
            for byte in body:
                self.connection.sendall(bytes([byte]))
                time.sleep(0.1)

    def _write(self, page, body):
        if page.drips:
            return self._drip(body)
        for begin in range(0, len(body), 1 << 16):
            page.sent += self.wfile.write(body[begin : begin + (1 << 16)])

    def _bare(self, code, headers=None):
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Say nothing of clients that went away."""


@contextlib.contextmanager
def serve(pages):
    """Serve a dict of name -> Page at /name; yields a function from name to address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.pages = {f"/{name}": page for name, page in pages.items()}
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield lambda name: f"http://127.0.0.1:{server.server_port}/{name}"
    finally:
        server.shutdown()
        server.server_close()


def make_zip(files):
    """Return a zip of name -> bytes; a ``ZipInfo`` may stand for a name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def make_tgz(files):
    """Return a tar.gz of name -> bytes; a ``TarInfo`` may stand for a name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
