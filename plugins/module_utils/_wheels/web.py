# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Reading URLs, local ones included: with the credentials that belong to an address, and with time limits that hold."""

from __future__ import annotations

import base64
import errno
import gzip
import http.client
import netrc
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
import zlib
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import Sources

SECONDS_OF_SILENCE = 60.0  # for one answer of the network
SECONDS_WITHOUT_PROGRESS = 600.0  # for one file
PROGRESS = 64 * 1024  # bytes; what is slower than that in the time above is no progress
ATTEMPTS = 3  # in a row that brought nothing
SECONDS_TO_RECOVER = 0.5  # before the second attempt; more before the third
MAX_PAGE = 256 * 1024 * 1024

_NETWORK_IS_GONE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENOTCONN)
_MAC_KEYCHAINS = (
    "/System/Library/Keychains/SystemRootCertificates.keychain",
    "/Library/Keychains/System.keychain",
)
_MAC_BUNDLE = "/etc/ssl/cert.pem"


T = TypeVar("T")


class FetchFailed(Exception):
    """What could not be read from a URL, in one line without secrets."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotThere(FetchFailed):
    """Who answered has no such thing."""


class AccessRefused(FetchFailed):
    """Who answered wants other credentials, or gives nothing to us."""


class Untrusted(FetchFailed):
    """The certificate is not of anyone whom this host trusts."""


class Unreachable(FetchFailed):
    """Nobody answered, or not to the end."""


class OutOfOrder(Unreachable):
    """Who answered does not work as it should."""


class WebPage(OutOfOrder):
    """A page for people came, and not what was asked for."""


class BadRange(Unreachable):
    """Who answered has not got the part of a file that was asked for."""


def masked(url: str) -> str:
    """A URL without credentials, the token of a conda channel too, without query and fragment."""
    parts = urlsplit(url)
    path = re.sub(r"^/t/[^/]+", "/t/***", parts.path)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))


class Web:
    """Reads URLs by one set of settings. May be used by several threads."""

    def __init__(self, sources: Sources, commands: Commands) -> None:
        self._credentials = _Credentials(sources)
        """Raises MetalfleetError for certificates that cannot be used."""
        is_remote = any(local_path(url) is None for url in (*sources.indexes, *sources.pages))
        verified = _context(sources, commands) if is_remote else ssl.create_default_context()
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.ProxyHandler(_proxies(sources.proxy)),
            _Https(verified, sources.trusted_hosts),
            _Redirects(),
            self._credentials,
        ]
        self._opener = urllib.request.build_opener(*handlers)

    def page(self, url: str, accept: str) -> tuple[str, bytes, str]:
        """The URL after redirects, what it answered, and of which type. Raises FetchFailed."""
        return retried(lambda: self._page(url, accept), lambda: 0)

    def _page(self, url: str, accept: str) -> tuple[str, bytes, str]:
        with self.opened(url, {"Accept": accept, "Accept-Encoding": "gzip"}) as response:
            content = b"".join(chunks(response))
            if response.headers.get("Content-Encoding") == "gzip":
                content = _unpacked(content, masked(url))
            return response.url, content, response.headers.get("Content-Type") or ""

    @contextmanager
    def opened(self, url: str, headers: dict[str, str]) -> Iterator[Any]:
        """What a URL answers. Raises FetchFailed, also for what the body of the `with` meets while reading."""
        bare = self._credentials.learn(url)
        try:
            request = urllib.request.Request(bare, headers={"User-Agent": "metalfleet", **headers})  # noqa: S310
            with closing(self._opener.open(request, timeout=SECONDS_OF_SILENCE)) as response:
                yield response
        except urllib.error.HTTPError as error:
            error.close()
            raise _meaning_of(error, masked(url)) from error
        except urllib.error.URLError as error:
            raise _reason_of(error.reason, masked(url)) from error
        except (ssl.SSLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
            raise _reason_of(error, masked(url)) from error
        except OSError as error:
            if error.errno not in _NETWORK_IS_GONE:  # then it is the disk's
                raise
            raise _reason_of(error, masked(url)) from error


def _unpacked(content: bytes, url: str) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise OutOfOrder(f"{url} sent what cannot be unpacked") from error


def local_path(url: str) -> Path | None:
    """The path that a file: URL, or no URL at all, names."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(url).expanduser() if "://" not in url else None


def chunks(response: Any, limit: int = MAX_PAGE) -> Iterator[bytes]:
    """What is read, as it comes. Raises Unreachable where it comes too slowly to be called progress."""
    read = response.read1 if hasattr(response, "read1") else response.read
    marked, total, seen = time.monotonic(), 0, 0
    while chunk := read(CHUNK):
        total += len(chunk)
        if total > limit:
            raise OutOfOrder(f"more than {limit} bytes came")
        if total - seen >= PROGRESS:
            marked, seen = time.monotonic(), total
        elif time.monotonic() - marked > SECONDS_WITHOUT_PROGRESS:
            raise Unreachable(f"no progress within {SECONDS_WITHOUT_PROGRESS:g} s")
        yield chunk
    expected = response.headers.get("Content-Length")
    if expected and expected.isdigit() and total < int(expected):
        raise Unreachable(f"the connection ended after {total} of {expected} bytes")


def retried(work: Callable[[], T], progress: Callable[[], int]) -> T:
    """The result of what may fail for a moment; it is given up after some attempts that brought no progress."""
    failed, most = 0, progress()
    while True:
        try:
            return work()
        except Unreachable:
            failed, most = (1 if progress() > most else failed + 1), max(most, progress())
            if failed >= ATTEMPTS:
                raise
        time.sleep(SECONDS_TO_RECOVER * failed)


class _Credentials(urllib.request.BaseHandler):
    """Gives each address its own user name and password, and never another's: not even after a redirect."""

    def __init__(self, sources: Sources) -> None:
        self.known: dict[tuple[str, str, int | None], str] = {}
        for url in (*sources.indexes, *sources.pages):
            if local_path(url) is None:
                self.learn(url, sources.username, sources.password)
        self.netrc = _read_netrc()

    def learn(self, url: str, username: str = "", password: str = "") -> str:
        """Keep the credentials that a URL holds, or those given, for its address; returns it without them."""
        parts = urlsplit(url)
        userinfo, at, place = parts.netloc.rpartition("@")
        if at:
            username, _sign, password = (unquote(part) for part in userinfo.partition(":"))
        if username or password:
            self.known[_origin(url)] = _basic(username, password)
        return urlunsplit(parts._replace(netloc=place))

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        url = request.full_url
        value = self.known.get(_origin(url)) or self._of_netrc(urlsplit(url).hostname or "")
        if value and not request.has_header("Authorization"):
            request.add_unredirected_header("Authorization", value)
        return request

    https_request = http_request

    def _of_netrc(self, host: str) -> str:
        found = self.netrc.authenticators(host) if self.netrc else None
        return _basic(found[0], found[2] or "") if found else ""


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        """The same request elsewhere. The proxy's password is given to a proxy only, which may not be asked there."""
        request = super().redirect_request(*arguments)
        if request is not None:
            request.remove_header("Proxy-authorization")
        return request


class _Https(urllib.request.HTTPSHandler):
    """Checks certificates, except those of hosts that the user trusts without."""

    def __init__(self, verified: ssl.SSLContext, trusted_hosts: frozenset[str]) -> None:
        super().__init__(context=verified)
        self._trusted = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())  # noqa: S323, SLF001
        self._trusted_hosts = trusted_hosts

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        if urlsplit(req.full_url).hostname in self._trusted_hosts:
            self._trusted.parent = self.parent
            return self._trusted.https_open(req)
        return super().https_open(req)


def _context(sources: Sources, commands: Commands) -> ssl.SSLContext:
    """Trusts whom this host trusts: on a Mac also whom its administrators do, whose certificates are in a keychain."""
    loading = "the system's"
    try:
        context = ssl.create_default_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which refuses many companies' own authorities
        if sys.platform == "darwin":
            _trust_keychains(context, commands)
        if loading := sources.ca:
            is_folder = Path(sources.ca).is_dir()
            context.load_verify_locations(**({"capath": sources.ca} if is_folder else {"cafile": sources.ca}))
        if sources.certificates:
            loading = "tensorflow_ca"
            context.load_verify_locations(cadata=sources.certificates)
        if loading := sources.client_cert:
            context.load_cert_chain(sources.client_cert)
    except (OSError, ValueError) as error:
        raise MetalfleetError(
            "The certificates cannot be used",
            evidence=f"{loading}: {_words(error)}.",
            remedy="Name a file with certificates in PEM format (tensorflow_ca, or pip's cert and client-cert).",
        ) from error
    return context


def _trust_keychains(context: ssl.SSLContext, commands: Commands) -> None:
    if not context.cert_store_stats()["x509_ca"] and Path(_MAC_BUNDLE).is_file():
        context.load_verify_locations(cafile=_MAC_BUNDLE)
    with suppress(CommandFailed, ssl.SSLError):
        found = commands.run(["/usr/bin/security", "find-certificate", "-a", "-p", *_MAC_KEYCHAINS], timeout=20)
        if found.stdout.strip():
            context.load_verify_locations(cadata=found.stdout)


def _proxies(declared: str) -> dict[str, str]:
    if declared:
        return {"http": declared, "https": declared}
    proxies = urllib.request.getproxies()
    everywhere = {scheme: proxies["all"] for scheme in ("http", "https") if "all" in proxies}
    return {**everywhere, **proxies}


def _read_netrc() -> netrc.netrc | None:
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    with suppress(OSError, RuntimeError, netrc.NetrcParseError, UnicodeDecodeError):
        return netrc.netrc(str(path)) if path.is_file() else None
    return None


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _meaning_of(error: urllib.error.HTTPError, url: str) -> FetchFailed:
    said = f"{url} answered {error.code} {error.reason}".rstrip()
    if error.code in (401, 403, 407):
        return AccessRefused(said)
    if error.code in (404, 410):
        return NotThere(said)
    return BadRange(said) if error.code == 416 else OutOfOrder(said)


def _reason_of(error: Any, url: str) -> FetchFailed:
    if isinstance(error, FetchFailed):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return Untrusted(f"{url}: {error.verify_message}")
    if isinstance(error, OSError) and "407" in str(error):  # how a tunnel's refusal is told
        return AccessRefused(f"the proxy on the way to {url} answered 407")
    return Unreachable(f"{url}: {_words(error)}")


def _words(error: Any) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {SECONDS_OF_SILENCE:g} s"
    return str(
        (getattr(error, "strerror", None) if isinstance(error, OSError) else None) or error or type(error).__name__
    )
