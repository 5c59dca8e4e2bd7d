# SPDX-License-Identifier: GPL-3.0-or-later
"""A package index on this machine that can be told to misbehave."""

from __future__ import annotations

import threading
import time
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

SLOW = 0.5  # seconds before each answer


class Fault(Enum):
    """What the index does wrong."""

    NONE = auto()
    SLOW = auto()
    TRUNCATED = auto()  # half of a wheel, then the connection ends
    WRONG = auto()  # another file under the right name
    MISSING = auto()  # listed, but 404
    BROKEN = auto()  # 500 for everything
    GONE = auto()  # nobody listens


class Index:
    """Serves the wheels of a folder as a simple index (PEP 503) at `url`, while it is entered."""

    def __init__(self, folder: Path, fault: Fault = Fault.NONE) -> None:
        self.fault = fault
        self.downloads: list[str] = []
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
        if fault is not Fault.GONE:
            self._server.server_activate()

    @property
    def url(self) -> str:
        """With credentials that nobody may see."""
        return f"http://user:secret@127.0.0.1:{self._server.server_port}/simple"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()
        return self

    def mend(self) -> None:
        """Be a sound index from now on."""
        self._server.server_activate()
        self.fault = Fault.NONE

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, folder: Path) -> None:
        """One request."""
        if self.fault is Fault.SLOW:
            time.sleep(SLOW)
        kind, _, name = request.path.strip("/").partition("/")
        if self.fault is Fault.BROKEN:
            return request.send_error(500)
        if kind == "simple":
            links = "".join(f'<a href="/files/{wheel.name}">{wheel.name}</a>' for wheel in folder.glob(f"{name}-*.whl"))
            return self._send(request, "text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
        if self.fault is Fault.MISSING:
            return request.send_error(404)
        self.downloads.append(name)
        content = (folder / name).read_bytes()
        if self.fault is Fault.WRONG:
            content = content[:-2] + b"\1\0!"  # a sound archive still, with a comment of one character
        return self._send(request, "application/octet-stream", content)

    def _send(self, request: BaseHTTPRequestHandler, kind: str, content: bytes) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command == "GET":
            is_cut = self.fault is Fault.TRUNCATED and kind != "text/html"
            request.wfile.write(content[: len(content) // 2] if is_cut else content)
