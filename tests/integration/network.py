# SPDX-License-Identifier: GPL-3.0-or-later
"""A company's network in small: an https server that wants a password, its own certificate authority, and a proxy."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import select
import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "127.0.0.1"
CHUNK = 1 << 16


class Server(http.server.ThreadingHTTPServer):
    """A server in a thread of its own, with what it was asked for."""

    def __init__(self, handler: Callable[..., http.server.BaseHTTPRequestHandler], user: str, password: str) -> None:
        super().__init__((HOST, 0), handler)
        known = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.authorization = f"Basic {known}" if user else None
        self.elsewhere: dict[str, str] = {}
        """Of a proxy: hosts and ports, and where it connects to in their place."""
        self.requests: list[str] = []
        self.while_serving: Callable[[], None] = lambda: None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what some tests are about."""

    @property
    def address(self) -> str:
        """Where it listens, as a URL has it."""
        return f"{HOST}:{self.server_address[1]}"


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """Serve until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Files(http.server.SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.server.authorization not in (None, self.headers.get("Authorization")):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="files"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.server.requests.append(self.path)
        self.server.while_serving()
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


def https_server(folder: Path, authority: Authority, user: str, password: str) -> Server:
    """Serves a folder to whoever has the password; to everybody if there is no user."""
    server = Server(functools.partial(_Files, directory=str(folder)), user, password)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate, authority.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


class _Tunnel(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_CONNECT(self) -> None:
        if self.server.authorization not in (None, self.headers.get("Proxy-Authorization")):
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.server.requests.append(self.path)
        host, _, port = self.server.elsewhere.get(self.path, self.path).partition(":")
        with socket.create_connection((host, int(port))) as other:
            self.send_response(200)
            self.end_headers()
            self._join(self.connection, other)

    @staticmethod
    def _join(one: socket.socket, other: socket.socket) -> None:
        while True:
            for ready in select.select([one, other], [], [])[0]:
                data = ready.recv(CHUNK)
                if not data:
                    return
                (other if ready is one else one).sendall(data)

    def log_message(self, *_: object) -> None:
        pass


def proxy_server(user: str, password: str) -> Server:
    """Lets those who have the password CONNECT to anywhere; everybody if there is no user."""
    return Server(_Tunnel, user, password)


class Authority:
    """A certificate authority that nobody knows yet, and a certificate by it for this machine and further names."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.ca, self.certificate, self.key = (folder / name for name in ("ca.pem", "server.pem", "server.key"))
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Example CA",
            "-keyout", folder / "ca.key", "-out", self.ca,
        )  # fmt: skip
        self._openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={HOST}", "-keyout", self.key, "-out", folder / "csr",
        )  # fmt: skip
        for_names = "".join(f",DNS:{name}" for name in names)
        (folder / "extensions").write_text(f"subjectAltName=IP:{HOST}{for_names}\n")
        self._openssl(
            "x509", "-req", "-in", folder / "csr", "-CA", self.ca, "-CAkey", folder / "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", folder / "extensions", "-out", self.certificate,
        )  # fmt: skip

    @staticmethod
    def _openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
