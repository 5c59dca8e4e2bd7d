# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel store, filled from real indexes on this machine, and installed from by the real uv."""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import ipaddress
import multiprocessing
import os
import random
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils import _kinds, _wheels
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.fetch import Fetched, fetch
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import wheels_wanted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import (
    Stock,
    WheelStore,
    requirements_of,
    uv_arguments,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import parse_lock
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform, platform_of
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from uv import find_uv_bin

from tests.index import Fault, Index
from tests.waiting import PATIENCE, wait_until
from tests.wheels import Wheel, lock_of, make_wheel


@dataclass(frozen=True)
class Host:
    """A wheel store, and the platform that its wheels are for."""

    store: WheelStore
    platform: Platform

    def fetch(self, lock: str, network: Network) -> Fetched:
        return fetch(self.store, wheels_wanted(lock, self.platform), network, Commands())

    def look(self, lock: str) -> Stock:
        return self.store.look(parse_lock(lock).pins_for(self.platform.markers), self.platform)

    def path_of(self, wheel: Wheel) -> Path:
        return self.store.folder / wheel.sha256 / wheel.path.name

    def start_to_fetch(self, lock: str, network: Network) -> BaseProcess:
        process = multiprocessing.get_context("spawn").Process(target=self.fetch, args=(lock, network))
        process.start()
        return process


@pytest.fixture(scope="session")
def platform() -> Platform:
    return platform_of(Path(sys.executable), Commands())


@pytest.fixture
def host(tmp_path: Path, platform: Platform) -> Host:
    return Host(WheelStore(tmp_path / "root/wheels", tmp_path / "root/set-aside"), platform)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(_wheels.web, "SECONDS_TO_RECOVER", 0.01)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "published"


@pytest.fixture
def wheels(published: Path) -> list[Wheel]:
    """Several, of which the first is too big for one read."""
    content = random.Random(1).randbytes(3_000_000)
    big = make_wheel(published, "alpha", files={"alpha/__init__.py": b"VERSION = '1.0'\n", "alpha/data": content})
    return [big, *(make_wheel(published, name) for name in ("beta_pack", "gamma", "delta"))]


def whole_wheels(store: WheelStore) -> set[str]:
    """The names of the wheels in a store, each of which must be whole."""
    paths = list(store.folder.glob("*/*"))
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name for path in paths)
    return {path.name for path in paths}


def names(wheels: list[Wheel]) -> set[str]:
    return {wheel.path.name for wheel in wheels}


# --- Fetched, and installed from -------------------------------------------------------------------------------------


def test_uv_installs_from_the_store_and_sees_only_the_locks_wheels(
    host: Host, wheels: list[Wheel], published: Path, tmp_path: Path
) -> None:
    newer = make_wheel(published, "alpha", "2.0")
    with Index(published) as index:
        host.fetch(lock_of(newer), Network(index_url=index.url))
        fetched = host.fetch(lock_of(*wheels), Network(index_url=index.url))
    environment, cache = tmp_path / "environment", tmp_path / "cache"
    subprocess.run([find_uv_bin(), "venv", "-q", "--python", sys.executable, environment], check=True)
    lock = tmp_path / "requirements.txt"
    lock.write_text(requirements_of(fetched.stored))
    arguments = [*uv_arguments(fetched.stored, cache), f"--python={environment}/bin/python", str(lock)]
    subprocess.run([find_uv_bin(), "pip", "sync", "-q", *arguments], check=True)
    imported = "import alpha, beta_pack, gamma; print(alpha.VERSION, beta_pack.VERSION)"
    answer = subprocess.run([environment / "bin/python", "-c", imported], check=True, stdout=subprocess.PIPE, text=True)
    assert answer.stdout.split() == ["1.0", "1.0"]
    assert not list(environment.rglob("direct_url.json"))  # as if they came from an index


@pytest.mark.parametrize("digests", [False, True], ids=["html", "json-with-digests"])
def test_a_second_fetch_asks_nobody(host: Host, wheels: list[Wheel], published: Path, digests: bool) -> None:
    with Index(published, digests=digests) as index:
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
        asked = len(index.requests)
        fetched = host.fetch(lock_of(*wheels), Network(index_url=index.url))
        assert len(index.requests) == asked
    assert {stored.path for stored in fetched.stored} == {host.path_of(wheel) for wheel in wheels}
    assert host.look(lock_of(*wheels)).missing == ()


def test_only_what_is_missing_is_fetched(host: Host, wheels: list[Wheel], published: Path) -> None:
    with Index(published) as index:
        host.fetch(lock_of(*wheels[1:]), Network(index_url=index.url))
        index.downloads.clear()
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
        assert index.downloads == [wheels[0].path.name]


@pytest.mark.parametrize("form", ["folder", "file-url", "page"])
def test_wheels_from_a_folder_or_page_instead_of_an_index(
    host: Host, wheels: list[Wheel], published: Path, form: str
) -> None:
    with Index(published) as index:
        places = {"folder": str(published), "file-url": published.as_uri(), "page": f"http://{index.address}/flat/"}
        host.fetch(lock_of(*wheels), Network(wheels=places[form]))
    assert whole_wheels(host.store) == names(wheels)


def test_an_extra_index_has_what_the_first_has_not(host: Host, wheels: list[Wheel], tmp_path: Path) -> None:
    other = make_wheel(tmp_path / "more", "epsilon")
    with Index(tmp_path / "published") as index, Index(tmp_path / "more") as more:
        host.fetch(lock_of(*wheels, other), Network(index_url=index.url, extra_index_urls=(more.url,)))
    assert whole_wheels(host.store) == names([*wheels, other])


def test_an_extra_index_helps_where_the_first_does_not_answer(host: Host, wheels: list[Wheel], published: Path) -> None:
    with Index(published, Fault.GONE) as gone, Index(published) as index:
        host.fetch(lock_of(*wheels), Network(index_url=gone.url, extra_index_urls=(index.url,)))
    assert whole_wheels(host.store) == names(wheels)


def test_pips_configuration_of_the_user_is_used(
    host: Host, wheels: list[Wheel], published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_CONFIG_FILE")
    with Index(published) as index:
        config = tmp_path / "home/.config/pip/pip.conf"
        config.parent.mkdir(parents=True)
        config.write_text(f"[global]\nindex-url = {index.url}\nrequire-virtualenv = yes\nuser = yes\n")
        host.fetch(lock_of(*wheels), Network())
    assert whole_wheels(host.store) == names(wheels)


def test_of_several_platforms_the_one_is_taken(host: Host, published: Path) -> None:
    ours, others = make_wheel(published, "alpha"), []
    for tags in ("cp27-none-any", "py3-none-win_amd64", "cp312-cp312-macosx_99_0_arm64"):
        other = make_wheel(published / "others", "alpha", files={"alpha.py": tags.encode()})
        others.append(Wheel(other.path.rename(published / f"alpha-1.0-{tags}.whl"), other.requirement))
    lock = " ".join([ours.requirement, *(f"--hash=sha256:{wheel.sha256}" for wheel in [*others, ours])])
    with Index(published) as index:
        host.fetch(lock, Network(index_url=index.url))
    assert whole_wheels(host.store) == {ours.path.name}


# --- Credentials -----------------------------------------------------------------------------------------------------


def test_credentials_go_to_their_own_address_only(host: Host, wheels: list[Wheel], published: Path) -> None:
    """After a redirect to another address nobody there learns them."""
    with Index(published) as files, Index(published, moved_to=f"http://{files.address}/simple") as index:
        address = f"http://{index.address}/moved"
        host.fetch(lock_of(*wheels), Network(index_url=address, username="user", password="secret"))
        assert {credentials for _, credentials in index.requests} == {"user:secret"}
        assert {credentials for _, credentials in files.requests} == {""}


def test_credentials_of_netrc(host: Host, wheels: list[Wheel], published: Path, tmp_path: Path) -> None:
    netrc = tmp_path / "home/.netrc"
    netrc.parent.mkdir()
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    with Index(published) as index:
        host.fetch(lock_of(*wheels), Network(index_url=f"http://{index.address}/simple"))
        assert {credentials for _, credentials in index.requests} == {"user:secret"}


def test_a_proxy_is_used(host: Host, wheels: list[Wheel], published: Path) -> None:
    """A plain proxy is asked for whole URLs; this index stands for both."""
    with Index(published) as index:
        network = Network(index_url="http://packages.invalid/simple", proxy=f"http://{index.address}")
        with pytest.raises(MetalfleetError):
            host.fetch(lock_of(*wheels), network)
        assert index.requests[0][0].startswith("http://packages.invalid/simple/")


# --- Certificates ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Certificate:
    """A server's, signed by itself, as companies' are: without what strict checks want."""

    path: Path

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "index")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    path.write_bytes(signed.public_bytes(pem) + secret)
    return Certificate(path)


def test_a_certificate_that_nobody_trusts(
    host: Host, wheels: list[Wheel], published: Path, certificate: Certificate
) -> None:
    with Index(published, tls=certificate.context) as index:
        with pytest.raises(MetalfleetError, match="a certificate is not trusted") as caught:
            host.fetch(lock_of(*wheels), Network(index_url=index.url))
        assert "tensorflow_ca" in caught.value.problem.remedy
        assert index.requests == []


def test_a_certificate_of_an_authority_that_is_declared(
    host: Host, wheels: list[Wheel], published: Path, certificate: Certificate
) -> None:
    with Index(published, tls=certificate.context) as index:
        host.fetch(lock_of(*wheels), Network(index_url=index.url, certificates=certificate.path.read_text()))
    assert whole_wheels(host.store) == names(wheels)


@pytest.mark.parametrize("variable", ["PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "PIP_TRUSTED_HOST"])
def test_a_certificate_that_the_user_trusts(
    host: Host, published: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "127.0.0.1" if variable == "PIP_TRUSTED_HOST" else str(certificate.path))
    wheel = make_wheel(published, "alpha")
    with Index(published, tls=certificate.context) as index:
        host.fetch(lock_of(wheel), Network(index_url=index.url))
    assert whole_wheels(host.store) == {wheel.path.name}


@pytest.mark.parametrize("content", [None, b"no certificate"], ids=["missing", "other"])
def test_a_file_of_pips_without_certificates(
    host: Host, wheels: list[Wheel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content:
        (tmp_path / "ca.pem").write_bytes(content)
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    with pytest.raises(MetalfleetError, match="certificates cannot be used") as caught:
        host.fetch(lock_of(*wheels), Network(index_url="https://127.0.0.1:1/simple"))
    assert str(tmp_path / "ca.pem") in caught.value.problem.evidence


def test_a_declared_text_without_certificates(host: Host, wheels: list[Wheel]) -> None:
    network = Network(index_url="https://127.0.0.1:1/simple", certificates="no certificate")
    with pytest.raises(MetalfleetError, match="certificates cannot be used") as caught:
        host.fetch(lock_of(*wheels), network)
    assert "tensorflow_ca" in caught.value.problem.evidence


# --- Faults ----------------------------------------------------------------------------------------------------------

FAULTS = {
    Fault.BROKEN: ("does not work as it should", "500"),
    Fault.GONE: ("could not be reached", "refused"),
    Fault.MISSING: ("lists a file that it does not have", "404"),
    Fault.PORTAL: ("a web page came instead, as login portals", "names no file"),
    Fault.REFUSED: ("access was refused", "401"),
    Fault.TRUNCATED: ("could not be reached", "the connection ended after"),
    Fault.WRONG: ("is not the one in the lock", "has the SHA-256"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("digests", [False, True], ids=["html", "json-with-digests"])
def test_a_fault_of_the_index_is_called_by_its_name(
    host: Host, wheels: list[Wheel], published: Path, fault: Fault, digests: bool
) -> None:
    cause, evidence = FAULTS[fault]
    with Index(published, fault, digests=digests) as index:
        with pytest.raises(MetalfleetError, match=cause) as caught:
            host.fetch(lock_of(*wheels), Network(index_url=index.url))
        assert evidence in caught.value.problem.evidence
        assert caught.value.problem.remedy
        assert "secret" not in str(caught.value)
        assert whole_wheels(host.store) <= names(wheels)
        index.restore()
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
    assert whole_wheels(host.store) == names(wheels)
    assert not list(host.store.folder.glob("*.part"))


def test_a_page_that_cannot_be_unpacked(host: Host, wheels: list[Wheel], published: Path) -> None:
    with (
        Index(published, Fault.GARBLED, digests=True) as index,
        pytest.raises(MetalfleetError, match="does not work as it should") as caught,
    ):
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
    assert "cannot be unpacked" in caught.value.problem.evidence


def test_a_network_that_goes_away(
    host: Host, wheels: list[Wheel], published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))

    monkeypatch.setattr("http.client.HTTPResponse.read1", read)
    with Index(published) as index, pytest.raises(MetalfleetError, match="could not be reached.*No route to host"):
        host.fetch(lock_of(*wheels), Network(index_url=index.url))


def test_a_connection_that_is_cut_off_goes_on_where_it_was(host: Host, wheels: list[Wheel], published: Path) -> None:
    with Index(published, Fault.CUT_OFF, digests=True) as index:
        host.fetch(lock_of(wheels[0]), Network(index_url=index.url))
        assert index.resumed > 5
    assert whole_wheels(host.store) == {wheels[0].path.name}


def test_no_progress_ends_a_fetch(
    host: Host, wheels: list[Wheel], published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_wheels.web, "SECONDS_OF_SILENCE", 0.2)
    with (
        Index(published, Fault.STALLED) as index,
        pytest.raises(MetalfleetError, match="could not be reached") as caught,
    ):
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
    assert "no answer within 0.2 s" in caught.value.problem.evidence


def test_a_package_that_nobody_has(host: Host, wheels: list[Wheel], published: Path) -> None:
    lock = f"nobody==1.0 --hash=sha256:{'0' * 64}\nalpha==9.0 --hash=sha256:{'0' * 64}\n"
    with Index(published) as index:
        for line, cause in zip(
            lock.splitlines(), ("no package nobody", "no version 9.0 of the package alpha"), strict=True
        ):
            with pytest.raises(MetalfleetError, match=cause):
                host.fetch(line, Network(index_url=index.url))
        assert index.downloads == []


def test_a_package_without_a_wheel_for_this_platform(host: Host, published: Path) -> None:
    wheel = make_wheel(published, "alpha")
    other = Wheel(wheel.path.rename(published / "alpha-1.0-cp27-cp27mu-win_amd64.whl"), wheel.requirement)
    with Index(published) as index, pytest.raises(MetalfleetError, match=r"alpha 1\.0 has no wheel for Python 3"):
        host.fetch(lock_of(other), Network(index_url=index.url))


def test_a_package_without_any_wheel(host: Host, published: Path) -> None:
    published.mkdir()
    (published / "alpha-1.0.tar.gz").write_bytes(b"source")
    lock = f"alpha==1.0 --hash=sha256:{hashlib.sha256(b'source').hexdigest()}"
    with Index(published) as index, pytest.raises(MetalfleetError, match=r"alpha 1\.0 has no wheel for any platform"):
        host.fetch(lock, Network(index_url=index.url))


def test_a_hash_that_the_index_contradicts_is_found_before_a_download(
    host: Host, wheels: list[Wheel], published: Path
) -> None:
    lock = lock_of(*wheels[1:]) + f"alpha==1.0 --hash=sha256:{'0' * 64}\n"
    with Index(published, digests=True) as index:
        with pytest.raises(MetalfleetError, match=r"No wheel of alpha 1\.0 has a hash that is in the lock"):
            host.fetch(lock, Network(index_url=index.url))
        assert index.downloads == []


def test_a_full_disk(host: Host, wheels: list[Wheel], published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_kinds.fetch._Arrival, "append", write)
    with Index(published) as index, pytest.raises(MetalfleetError, match="The disk is full"):
        host.fetch(lock_of(*wheels), Network(index_url=index.url))


# --- Kills and other writers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_request_and_then_run_again(host: Host, wheels: list[Wheel], published: Path, seed: int) -> None:
    with Index(published, digests=True) as index:
        after = random.Random(seed).randrange(1, 2 * len(wheels) + 1)
        process = host.start_to_fetch(lock_of(*wheels), Network(index_url=index.url))
        wait_until(lambda: len(index.requests) >= after or not process.is_alive())
        process.kill()
        process.join()
        assert whole_wheels(host.store) <= names(wheels)
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
    assert whole_wheels(host.store) == names(wheels)
    assert not list(host.store.folder.glob("*.part"))


def test_killed_in_the_middle_of_a_wheel_goes_on_there(host: Host, wheels: list[Wheel], published: Path) -> None:
    big = wheels[0]
    with Index(published, Fault.STALLED, digests=True) as index:
        process = host.start_to_fetch(lock_of(*wheels), Network(index_url=index.url))
        part = host.store.folder / f"{big.path.name}.part"
        wait_until(lambda: part.exists() and part.stat().st_size >= big.path.stat().st_size // 2)
        process.kill()
        process.join()
        index.restore()
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
        assert index.resumed >= 1
    assert whole_wheels(host.store) == names(wheels)


def test_what_is_left_of_another_file_is_not_gone_on_with(host: Host, wheels: list[Wheel], published: Path) -> None:
    big = wheels[0]
    host.store.folder.mkdir(parents=True)
    (host.store.folder / f"{big.path.name}.part").write_bytes(b"x" * 1000)
    with Index(published) as index:
        host.fetch(lock_of(big), Network(index_url=index.url))
    assert whole_wheels(host.store) == {big.path.name}


def test_two_processes_at_once_fetch_each_wheel_once(host: Host, wheels: list[Wheel], published: Path) -> None:
    with Index(published, digests=True) as index:
        index.fault = Fault.SLOW
        processes = [host.start_to_fetch(lock_of(*wheels), Network(index_url=index.url)) for _ in range(3)]
        for process in processes:
            process.join(PATIENCE)
            assert process.exitcode == 0
        assert sorted(index.downloads) == sorted(names(wheels))
    assert whole_wheels(host.store) == names(wheels)


# --- Odd entries -----------------------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replaced_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


def home_replaced_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        path.parent.rmdir()
        make(path.parent)

    return replace


def folder_with_a_note(path: Path) -> None:
    path.mkdir()
    (path / "note").write_text("mine")


def second_wheel(path: Path) -> None:
    (path.parent / "beta_pack-2.0-py3-none-any.whl").write_bytes(b"other")


def part_replaced_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path.parent.with_name(f"{path.name}.part"))

    return replace


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


ODD: dict[str, Callable[[Path], object]] = {
    "damaged": damage,
    "truncated": lambda path: os.truncate(path, 10),
    "empty": lambda path: os.truncate(path, 0),
    "missing": Path.unlink,
    "fifo": replaced_by(os.mkfifo),
    "link": replaced_by(link_to("/dev/zero")),
    "folder": replaced_by(folder_with_a_note),
    "home-is-a-fifo": home_replaced_by(os.mkfifo),
    "home-is-a-file": home_replaced_by(Path.touch),
    "home-is-a-link": home_replaced_by(link_to("/dev")),
    "home-is-empty": home_replaced_by(Path.mkdir),
    "two-wheels": second_wheel,
    "part-is-a-fifo": part_replaced_by(os.mkfifo),
    "part-is-a-link": part_replaced_by(link_to("/dev/zero")),
    "part-is-a-folder": part_replaced_by(folder_with_a_note),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_entry_is_seen_and_replaced(host: Host, wheels: list[Wheel], published: Path, odd: str) -> None:
    beta = wheels[1]
    with Index(published) as index:
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
        ODD[odd](host.path_of(beta))
        assert [pin.name for pin in host.look(lock_of(*wheels)).missing] == ["beta-pack"]
        fetched = host.fetch(lock_of(*wheels), Network(index_url=index.url))
    assert whole_wheels(host.store) == names(wheels)
    assert len(fetched.warnings) == (odd in ("folder", "part-is-a-folder"))
    if fetched.warnings:
        assert [path.read_text() for path in host.store.set_aside.glob("*/note")] == ["mine"]


def test_what_is_a_users_beside_a_wheel_does_not_matter(host: Host, wheels: list[Wheel], published: Path) -> None:
    with Index(published) as index:
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
    (host.path_of(wheels[0]).parent / ".DS_Store").touch()
    assert host.look(lock_of(*wheels)).missing == ()


# --- Prune -----------------------------------------------------------------------------------------------------------


def test_prune_keeps_what_is_named_and_what_is_not_ours(host: Host, wheels: list[Wheel], published: Path) -> None:
    with Index(published) as index:
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
    kept, dropped, touched, _ = wheels
    folder_with_a_note(host.store.folder / "notes")
    (host.store.folder / f"{dropped.path.name}.part").touch()
    (host.path_of(dropped).parent / ".DS_Store").touch()
    (host.path_of(touched).parent / "note").write_text("mine")
    [warning] = host.store.prune({kept.sha256})
    assert touched.sha256 in warning
    assert sorted(path.name for path in host.store.folder.iterdir()) == sorted([kept.sha256, touched.sha256, "notes"])
    assert [path.name for path in host.path_of(touched).parent.iterdir()] == ["note"]


def test_prune_of_odd_entries(host: Host, tmp_path: Path) -> None:
    host.store.folder.mkdir(parents=True)
    theirs = tmp_path / "theirs"
    folder_with_a_note(theirs)
    os.mkfifo(host.store.folder / ("0" * 64))
    (host.store.folder / ("1" * 64)).symlink_to(theirs)
    os.mkfifo(host.store.folder / "a-1-py3-none-any.whl.part")
    assert host.store.prune(set()) == []
    assert list(host.store.folder.iterdir()) == []
    assert (theirs / "note").exists()


def test_prune_leaves_what_is_being_fetched(host: Host, wheels: list[Wheel], published: Path) -> None:
    with Index(published, Fault.STALLED) as index:
        process = host.start_to_fetch(lock_of(wheels[0]), Network(index_url=index.url))
        part = host.store.folder / f"{wheels[0].path.name}.part"
        wait_until(lambda: part.exists() and part.stat().st_size)
        assert host.store.prune(set()) == []
        assert part.exists()
        index.restore()
        process.join(PATIENCE)
        assert process.exitcode == 0


def test_prune_of_nothing(host: Host) -> None:
    assert host.store.prune({"0" * 64}) == []
