# SPDX-License-Identifier: GPL-3.0-or-later
"""A package index on this machine that can be told to misbehave."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import threading
import time
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from pathlib import Path

SLOW = 0.5  # seconds before each answer
JSON = "application/vnd.pypi.simple.v1+json"
FILE = "application/octet-stream"


class Fault(Enum):
    """What the index does wrong."""

    NONE = auto()
    SLOW = auto()
    TRUNCATED = auto()  # half of a wheel, then the connection ends
    NO_RANGES = auto()  # always the whole file
    CUT_OFF = auto()  # half of what is asked for, so that going on helps
    STALLED = auto()  # half of a wheel, and then nothing until the fault is over
    WRONG = auto()  # another file under the right name
    MISSING = auto()  # listed, but 404
    BROKEN = auto()  # 500 for everything
    REFUSED = auto()  # 401 for everything
    GARBLED = auto()  # a page that is not packed as it says
    PORTAL = auto()  # a web page for everything
    GONE = auto()  # nobody listens


STATUS = {Fault.BROKEN: 500, Fault.REFUSED: 401}


class Index:
    """Serves a folder's files at `url` while it is entered: a simple index (PEP 503), with `digests` also PEP 691.

    `withdrawn` gives reasons for files, by their names ("yanked", PEP 592).

    `/flat/` is a page of all files, `/moved/` an index elsewhere: each address of it redirects to `moved_to`.
    """

    def __init__(
        self,
        folder: Path,
        fault: Fault = Fault.NONE,
        *,
        digests: bool = False,
        withdrawn: Mapping[str, str] | None = None,
        moved_to: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.scheme = "https" if tls else "http"
        self.fault, self.digests, self.moved_to = fault, digests, moved_to
        self.withdrawn = withdrawn or {}
        self.downloads: list[str] = []
        self.resumed = 0
        """Downloads that went on where another had ended."""
        self.sent = 0
        """Bytes of files."""
        self.requests: list[tuple[str, str]] = []
        """Path and credentials of each."""
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.answer(self, folder)

            def do_HEAD(self) -> None:
                index.answer(self, folder)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing: what is expected to fail need not be shown."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.server_bind()
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        if fault is not Fault.GONE:
            self._server.server_activate()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """With credentials that nobody may see."""
        return f"{self.scheme}://user:secret@{self.address}/simple"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()
        return self

    def restore(self) -> None:
        """Be a sound index from now on."""
        self._server.server_activate()
        self.fault = Fault.NONE

    def __exit__(self, *_: object) -> None:
        self.fault = Fault.NONE
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, folder: Path) -> None:
        """One request."""
        self.requests.append((request.path, _credentials(request)))
        if self.fault is Fault.SLOW:
            time.sleep(SLOW)
        kind, _, name = request.path.strip("/").partition("/")
        if self.fault in STATUS:
            request.send_error(STATUS[self.fault])
        elif self.fault is Fault.PORTAL:
            self._send(request, "text/html", b"<html><body><form>Please log in: <input></form></body></html>")
        elif kind == "moved":
            request.send_response(302)
            request.send_header("Location", f"{self.moved_to}/{name}/")
            request.end_headers()
        elif kind in ("simple", "flat"):
            self._send_listing(request, [file for file in sorted(folder.iterdir()) if _is_of(file.name, name)])
        elif self.fault is Fault.MISSING:
            request.send_error(404)
        else:
            self._send_file(request, folder / name)

    def _send_file(self, request: BaseHTTPRequestHandler, file: Path) -> None:
        if not file.is_file():
            request.send_error(404)
            return
        self.downloads.append(file.name)
        content = file.read_bytes()
        if self.fault is Fault.WRONG:
            content = content[:-2] + b"\1\0!"  # a sound archive still, with a comment of one character
        self._send(request, FILE, content)

    def _send_listing(self, request: BaseHTTPRequestHandler, files: list[Path]) -> None:
        if self.digests and JSON in request.headers.get("Accept", ""):
            entries = [
                {
                    "filename": file.name,
                    "url": f"/files/{file.name}",
                    "size": file.stat().st_size,
                    "hashes": {"sha256": _sha256(file)},
                    "yanked": (self.withdrawn[file.name] or True) if file.name in self.withdrawn else False,
                }
                for file in files
            ]
            page = json.dumps({"meta": {"api-version": "1.0"}, "files": entries}).encode()
            return self._send(request, JSON, page[:9] if self.fault is Fault.GARBLED else gzip.compress(page))
        links = []
        for file in files:
            fragment = f"#sha256={_sha256(file)}" if self.digests else ""
            yanked = f' data-yanked="{self.withdrawn[file.name]}"' if file.name in self.withdrawn else ""
            links.append(f'<a href="/files/{file.name}{fragment}"{yanked}>{file.name}</a>')
        return self._send(request, "text/html", f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode())

    def _send(self, request: BaseHTTPRequestHandler, kind: str, content: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", "")) if kind == FILE else None
        if self.fault in (Fault.TRUNCATED, Fault.NO_RANGES):
            asked = None
        begin, past = (int(asked[1]), int(asked[2] or len(content)) + 1) if asked else (0, len(content))
        end = past = min(past, len(content))
        if kind == FILE and self.fault in (Fault.TRUNCATED, Fault.STALLED):
            end //= 2
        if kind == FILE and self.fault is Fault.CUT_OFF and end - begin > 100:
            end -= (end - begin) // 2
        self.resumed += begin > 0
        request.send_response(206 if asked else 200)
        request.send_header("Content-Type", kind)
        if kind == JSON:
            request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(past - begin))
        if asked:
            request.send_header("Content-Range", f"bytes {begin}-{past - 1}/{len(content)}")
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(content[begin:end])
            self.sent += (end - begin) * (kind == FILE)
            request.wfile.flush()
            while self.fault is Fault.STALLED and kind == FILE:
                time.sleep(0.05)


def _is_of(filename: str, name: str) -> bool:
    """Whether a file is of a package, whose name is normalized; no name is every package's."""
    if not filename.endswith((".whl", ".tar.gz")):
        return False
    return not name or re.sub(r"[-_.]+", "-", filename).lower().startswith(f"{name.strip('/')}-")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _credentials(request: BaseHTTPRequestHandler) -> str:
    """As user:password; of nobody, nothing."""
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    return base64.b64decode(value).decode() if kind == "Basic" else ""
