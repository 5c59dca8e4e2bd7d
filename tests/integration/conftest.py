# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated Macs for tests: a fleet of this test run's own, which shares the store with every other fleet."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import metal
from tests.conda import Channel, of_mac
from tests.integration.environments import SmallEnvironment, SmallWheels
from tests.integration.fleets import Site
from tests.integration.hosts import HOME, PLAYBOOKS, SETUP, changes, listing, on, send
from tests.integration.native_python.shared import UV
from tests.kept import download
from tests.simulated_mac.fleet import Fleet, Mac, temporary_fleet

NewMac = Callable[..., Mac]
NewEnvironments = Callable[[Iterable[str]], dict[str, SmallEnvironment]]


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """A fleet that ends with this run."""
    with temporary_fleet("test") as mine:
        yield mine


@pytest.fixture(scope="module", autouse=True)
def no_host_outlives_its_file(fleet: Fleet) -> Iterator[None]:
    """Playbooks of other files may be run for all hosts that are up, and hosts take memory."""
    yield
    for left in list(fleet):
        left.delete()


@pytest.fixture
def mac(fleet: Fleet) -> Iterator[NewMac]:
    """Makes fresh simulated Macs: ``mac("m1-fresh")``, ``mac("m1-fresh@template")``. They end with the test."""
    made: list[Mac] = []
    numbers = itertools.count(1)

    def new(profile: str, name: str | None = None) -> Mac:
        name = name or f"{profile.replace('@', '-')}-{next(numbers)}"
        made.append(fleet[name])
        return fleet.up({name: profile})[name]

    yield new
    for each in made:
        each.delete()


@pytest.fixture(scope="session")
def native_python_template(fleet: Fleet) -> str:
    """A template for ``mac``: the native standalone Python unpacked in ``~/python``, with uv in ``~/uv``."""
    host = fleet.up({"template": "m1-fresh"})["template"]
    unpack_archive(host)
    host.run("python/bin/python3 -m venv uv && uv/bin/pip install --quiet uv", check=True)
    fleet.snapshot("template", "native-python")
    host.delete()
    return "native-python"


def unpack_archive(host: Mac) -> None:
    """Unpack the test bed's standalone Python into the home of the host's user, as a user would: with tar."""
    archive = next(host.fleet.store.archives.glob("*/*.tar.gz"))
    host.run("tar -xzf -", input=archive.read_bytes(), check=True)


@pytest.fixture(scope="session")
def small_wheels(tmp_path_factory: pytest.TempPathFactory) -> SmallWheels:
    """Wheels and a lock of our own, for environments that need no TensorFlow."""
    return SmallWheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def managed_python_template(fleet: Fleet) -> str:
    """A template for ``mac``: the managed Python and uv, and nothing else."""
    host = fleet.up({"managed": "m1-fresh"})["managed"]
    on(host, PLAYBOOKS / "native_python.yml")
    fleet.snapshot("managed", "managed-python")
    host.delete()
    return "managed-python"


@pytest.fixture(scope="session")
def uv_wheel() -> Path:
    """The wheel of the pinned uv for a Mac, fetched once and kept between runs."""
    return next(download("uv", UV, "--platform=macosx_11_0_arm64").glob("*.whl"))


@pytest.fixture(scope="session")
def small_template(fleet: Fleet, managed_python_template: str, small_wheels: SmallWheels) -> str:
    """A template for ``mac``: that, the small wheels in ``~/wheels``, and the small environment in order."""
    host = fleet.up({"small": f"m1-fresh@{managed_python_template}"})["small"]
    send(host, small_wheels.folder, "wheels")
    assert SmallEnvironment(host, small_wheels).run().reasons == ["absent"]
    fleet.snapshot("small", "small-environment")
    host.delete()
    return "small-environment"


@pytest.fixture
def environments(fleet: Fleet, small_template: str, small_wheels: SmallWheels) -> Iterator[NewEnvironments]:
    """Makes small environments in order, by name, each on a Mac of its own."""
    made: list[Mac] = []

    def new(names: Iterable[str]) -> dict[str, SmallEnvironment]:
        macs = {name: fleet[f"host-{name}"] for name in names}
        made.extend(macs.values())
        fleet.up({mac.name: f"m1-fresh@{small_template}" for mac in macs.values()})
        return {name: SmallEnvironment(mac, small_wheels) for name, mac in macs.items()}

    yield new
    for mac in made:
        mac.delete()


@pytest.fixture
def environment(environments: NewEnvironments) -> SmallEnvironment:
    """One small environment in order, on a Mac of its own."""
    return environments(["small"])["small"]


@pytest.fixture
def site(fleet: Fleet, tmp_path: Path, small_wheels: SmallWheels) -> Site:
    """A user's folder that declares the small environment."""
    return Site(fleet, tmp_path, small_wheels)


@pytest.fixture(scope="session")
def converged(fleet: Fleet) -> str:
    """A template for ``mac``: a fresh M1 after setup.yml, made and judged in four runs."""
    mac = fleet.up({"converged": "m1-fresh"})["converged"]
    metal.use(mac, "ok")
    before = listing(mac, HOME)
    foreseen = on(mac, SETUP, "--check", "--diff")
    assert listing(mac, HOME) == before
    assert foreseen.recap[mac.name]["changed"] == 2
    for word in ("python3.", "tensorflow-metal", "2.18.1", "absent"):
        assert word in foreseen.output
    assert [changes(mac), changes(mac), changes(mac, "--check")] == [2, 0, 0]
    assert mac.shim_calls() == []
    fleet.snapshot("converged", "converged")
    mac.delete()
    return "converged"


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of requests."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder over HTTP, by its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def channel(
    fleet: Fleet, managed_python_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Channel, str]]:
    """A channel with a Mac's Python and two packages, and where it is served."""
    channel = of_mac(next(fleet.store.archives.glob("*/*.tar.gz")), tmp_path_factory.mktemp("conda"))
    with served(channel.folder) as url:
        yield channel, url
