# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels that are built on the controller, by uv, from sources that bring all that they need for it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from ansible import constants
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import parse_lock
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._building import BuiltWheel, build
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._index import resolver_for
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import Locks, Making
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import Source

from tests.index import Index
from tests.wheels import make_source, make_wheel

MAC = "macos-arm64-py3.12"
DECLARED = {"name": "lab", "packages": ["lab"], "build": ["promised"]}


def built(path: Path, url: str = "", *, sha256: str = "") -> BuiltWheel:
    digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    network = Network(wheels=path.parent.as_uri())
    with resolver_for(network) as resolver:
        return build(Source("promised", "1.0", url or path.as_uri(), digest), resolver, network)


def test_a_wheel_for_all_is_made_of_a_source(tmp_path: Path) -> None:
    path = make_source(tmp_path, "promised")
    wheel = built(path)
    assert wheel.filename == "promised-1.0-py3-none-any.whl"
    assert "promised/__init__.py" in zipfile.ZipFile(io.BytesIO(wheel.content)).namelist()
    assert wheel.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_source_is_fetched_from_an_index(tmp_path: Path) -> None:
    path = make_source(tmp_path, "promised")
    with Index(tmp_path) as index:
        assert built(path, f"{index.url.rpartition('/simple')[0]}/files/{path.name}") == built(path)


@pytest.mark.parametrize(
    ("tag", "backend", "sha256", "words"),
    [
        ("cp312-cp312-linux_x86_64", "", "", "is not pure Python.*cp312-cp312-linux_x86_64.whl"),
        (
            "py3-none-any",
            "def build_wheel(*_, **__): raise SystemExit('no compiler')",
            "",
            "cannot be built.*no compiler",
        ),
        ("py3-none-any", "", "0" * 64, "is another than the package index says"),
    ],
)
def test_what_is_no_wheel_for_all_is_refused(tag: str, backend: str, sha256: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(MetalfleetError, match=words):
        built(make_source(tmp_path, "promised", tag=tag, backend=backend), sha256=sha256)


def locks_of(folder: Path) -> Locks:
    locks = Locks(Path, Making(folder / "locks", Network(wheels=(folder / "wheels").as_uri())))
    locks.read([DECLARED])
    return locks


def test_it_is_built_once_and_kept_beside_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "ansible-local"))
    for minor in ("312", "311"):
        for name, version in (("tensorflow", "2.18.1"), ("tensorflow_metal", "1.2.0")):
            make_wheel(tmp_path / "wheels", name, version, tag=f"cp{minor}-cp{minor}-macosx_12_0_arm64")
    make_wheel(tmp_path / "wheels", "lab", requires="promised")
    source = make_source(tmp_path / "wheels", "promised")
    locks = locks_of(tmp_path)
    assert locks.complete(MAC)
    assert not (tmp_path / "locks").exists()
    locks.keep()
    wheel = tmp_path / "locks/wheels/promised-1.0-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    text = (tmp_path / f"locks/lab-{MAC}.txt").read_text()
    assert {pin.name: pin.hashes for pin in parse_lock(text).pins}["promised"] == {digest}
    assert hashlib.sha256(source.read_bytes()).hexdigest() in text

    later = locks_of(tmp_path)
    assert not later.complete(MAC)
    assert later.built_wheels.keys() == {digest}
    assert later.complete("macos-arm64-py3.11")  # for another Python the same wheel
    assert later.built_wheels.keys() == {digest}

    wheel.write_bytes(b"damaged")
    with pytest.raises(MetalfleetError, match=r"promised-1.0-py3-none-any.whl, .* is not there, or another one"):
        locks_of(tmp_path)
