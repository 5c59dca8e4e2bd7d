# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import CUDA
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils import _resolver
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import SHIPPED
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair
from packaging.requirements import Requirement

from tools import locks

PAIR = default_pair()
LITERT = _resolver.shipped_litert()
LOCKS = sorted(locks.LOCKS.glob("*/*.txt"))
HOST_LISTS = [locks.HOSTS_UV, *LOCKS]
LISTS = [*sorted(locks.REQUIREMENTS.glob("*.txt")), *HOST_LISTS]

PYLOCK = """
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "numpy"
version = "2.0.2"
wheels = [
    { url = "https://index.example/numpy-2.0.2-cp312-cp312-macosx_11_0_arm64.whl", hashes = { sha256 = "bb" } },
    { url = "https://index.example/numpy-2.0.2-py3-none-any.whl", hashes = { sha256 = "aa" } },
]

[[packages]]
name = "absl-py"
version = "2.5.1"
wheels = [{ url = "https://index.example/absl_py-2.5.1-py3-none-any.whl", hashes = { sha256 = "cc" } }]
"""


def name(path: Path) -> str:
    return str(path.relative_to(locks.CHECKOUT))


def entries(path: Path) -> dict[str, set[str]]:
    """The pins of a list, each with its digests; a line of no known form is an error."""
    found: dict[str, set[str]] = {}
    for line in path.read_text().replace("\\\n", "").splitlines():
        if line and not line.startswith(("#", "--only-binary ")):
            requirement, *hashes = re.split(r"\s+--hash=sha256:", line.rstrip())
            assert not found.get(requirement), f"{requirement} is there twice"
            assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes), requirement
            found[requirement] = set(hashes)
    return found


def versions(path: Path) -> dict[str, str]:
    return dict(pin.split("==") for pin in entries(path))


def pins(path: Path) -> set[tuple[str, str]]:
    """Name and version of all packages, whatever the environment that they are for."""
    return {(requirement.name, str(requirement.specifier)) for requirement in map(Requirement, entries(path))}


def test_a_resolved_set_becomes_a_hashed_list_in_order() -> None:
    assert rendered_lines(PYLOCK) == [
        "absl-py==2.5.1 \\",
        "    --hash=sha256:cc",
        "numpy==2.0.2 \\",
        "    --hash=sha256:aa \\",
        "    --hash=sha256:bb",
    ]


def rendered_lines(pylock: str) -> list[str]:
    text = _resolver.rendered(["For a test."], _resolver.packages_of(pylock))
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_pinned_version_is_that_of_the_very_package() -> None:
    listing = "uv-build==1.0 \\\n    --hash=sha256:aa\nuv==0.13.9 ; python_version > '3' \\\n    --hash=sha256:bb\n"
    assert locks.pinned_version("uv", listing) == "0.13.9"
    with pytest.raises(LookupError, match="pip is not pinned"):
        locks.pinned_version("pip", listing)


@pytest.mark.parametrize("path", LISTS, ids=name)
def test_every_package_is_pinned_with_its_hashes(path: Path) -> None:
    packages = entries(path)
    assert packages
    for requirement, digests in packages.items():
        assert digests, f"{requirement} has no hash"
        assert re.fullmatch(r"===?[^,]+", str(Requirement(requirement).specifier)), requirement


@pytest.mark.parametrize("path", LISTS, ids=name)
def test_no_list_names_where_its_packages_came_from(path: Path) -> None:
    assert "://" not in path.read_text()
    assert not re.search(r"^\s*--?(i|f|index|extra|find|trusted)", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", HOST_LISTS, ids=name)
def test_the_order_of_a_hosts_list_is_fixed(path: Path) -> None:
    assert all(one < other for one, other in pairwise(versions(path)))


def test_the_default_pair_and_litert_have_their_locks_and_there_are_no_others() -> None:
    folder = locks.folder_of(PAIR)
    assert folder.parent.samefile(SHIPPED)
    wanted = {
        base / f"{platform}-py{minor}.txt"
        for base, minors in ((folder, PAIR.pythons), (locks.LOCKS / LITERT.folder, LITERT.pythons))
        for platform, target in _resolver.targets().items()
        for minor in minors
        if base == folder or not target.has_cuda
    }
    assert wanted == set(LOCKS)
    assert LOCKS


@pytest.mark.parametrize("python", PAIR.pythons)
def test_a_mac_gets_the_pair_and_linux_the_same_but_for_the_plugin(python: str) -> None:
    mac, linux = (versions(locks.folder_of(PAIR) / f"{of}-py{python}.txt") for of in ("macos-arm64", "linux-x86_64"))
    assert (mac.pop("tensorflow"), mac.pop("tensorflow-metal")) == (PAIR.tensorflow, PAIR.metal)
    assert linux.pop("tensorflow-cpu") == PAIR.tensorflow
    assert linux == mac


@pytest.mark.parametrize("python", PAIR.pythons)
def test_a_host_with_an_nvidia_gpu_gets_the_same_and_cuda(python: str) -> None:
    usual, cuda = (versions(locks.folder_of(PAIR) / f"linux-x86_64{kind}-py{python}.txt") for kind in ("", CUDA))
    assert usual.pop("tensorflow-cpu") == cuda.pop("tensorflow") == PAIR.tensorflow
    assert usual.items() <= cuda.items()
    added = cuda.keys() - usual.keys()
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12", "nvidia-cuda-runtime-cu12"} < added
    assert all(re.fullmatch(r"nvidia-.*-cu12", package) for package in added)


@pytest.mark.parametrize("path", LOCKS, ids=name)
def test_the_declared_constraints_are_kept(path: Path) -> None:
    found = versions(path)
    is_litert = path.parent.name == LITERT.folder
    constraints = LITERT.constraints if is_litert else _resolver.constraints_for(PAIR.tensorflow)
    assert constraints
    for requirement in map(Requirement, constraints):
        if requirement.name in found or not is_litert:  # backports of Python 3.11 are for 3.10 alone, in some releases
            assert requirement.specifier.contains(found[requirement.name])


@pytest.mark.parametrize("python", LITERT.pythons)
def test_litert_is_the_same_everywhere(python: str) -> None:
    mac, *others = (
        versions(locks.LOCKS / LITERT.folder / f"{platform}-py{python}.txt")
        for platform, target in _resolver.targets().items()
        if not target.has_cuda
    )
    assert mac["ai-edge-litert"] == LITERT.version
    assert [each["ai-edge-litert"] for each in others] == [LITERT.version] * len(others)


def test_the_controller_and_the_hosts_have_the_same_uv() -> None:
    assert versions(locks.HOSTS_UV)["uv"] == locks.pinned_version(
        "uv", (locks.REQUIREMENTS / "controller.txt").read_text()
    )


def test_the_list_for_development_holds_the_controllers() -> None:
    controller, development = (pins(locks.REQUIREMENTS / f"{kind}.txt") for kind in ("controller", "development"))
    assert controller < development
