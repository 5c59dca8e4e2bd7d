# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of conda packages on the controller: made with the real py-rattler from a channel of our own, and read."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible import constants
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import Observation
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import make_plan
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import read_document
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._conda import explain, refuse_full_disk
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import cache_folder
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import Locks, Making
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import Order, read_request

from tests.conda import Channel, Package
from tests.index import Index
from tests.unit.plugins.module_utils.kinds.conda_host import engine_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

MAC = "macos-arm64-py3.12"
DIGEST = "a" * 64
CONDA_FORGE = "https://conda.anaconda.org/conda-forge"
SHARDS = "http://host:8080/noarch/repodata_shards.msgpack.zst"


@pytest.fixture(autouse=True)
def run_of_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Begins a new run of Ansible."""

    def begin(name: str) -> None:
        monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / name))

    begin("ansible-local-0")
    return begin


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    """Python and some packages, for Macs and for Linux."""
    channel = Channel(tmp_path / "channel")
    for subdir in ("osx-arm64", "linux-64"):
        channel.add(Package("python", "3.12.1", subdir=subdir))
        channel.add(Package("tool", subdir=subdir, depends=["six"]))
    channel.add(Package("newest", subdir="osx-arm64", depends=["__osx >=14"]))
    channel.add(Package("six", "1.16.0", noarch="python", depends=["python"]))
    channel.add(Package("tensorflow", "2.19.1", noarch="python", depends=["python"]))
    channel.add(Package("trainer", noarch="python", depends=["python", "tensorflow >=2.18"]))
    return channel


def lab(*packages: str, channel: str = "", **options: Any) -> dict[str, Any]:
    return {
        "name": "lab",
        "kind": "conda",
        "python": "3.12",
        "conda": {"packages": list(packages), "channels": [channel]},
        "gpu_check": "none",
        **options,
    }


def locks_for(folder: Path, environment: dict[str, Any], platform: str = MAC, **making: Any) -> Locks:
    locks = Locks(Path, Making(folder / "locks", **making))
    locks.read([environment])
    locks.complete(platform, upgrade=frozenset(making.get("upgrade", ())))
    return locks


def text_of(locks: Locks) -> str:
    [text] = (text for text in locks.texts.values() if text != locks.conda_engine)
    return text


def test_a_lock_names_each_package_with_its_hash_and_wheels_that_fit(tmp_path: Path, channel: Channel) -> None:
    locks = locks_for(tmp_path, lab("tool", channel=channel.url, packages=["python-dateutil"]))

    conda, _, wheels = text_of(locks).partition("@WHEELS\n")
    lines = [line for line in conda.splitlines() if line.startswith("file:")]
    assert [line.rpartition("/")[2].partition("#")[0] for line in lines] == [
        "six-1.16.0-0.conda",
        "python-3.12.1-0.conda",
        "tool-1.0-0.conda",
    ]
    assert all(len(line.partition("#sha256:")[2]) == 64 for line in lines)
    assert "python-dateutil==" in wheels
    assert "six==" not in wheels
    assert set(locks.conda) == {"conda_engine", "conda_channels"}
    assert "tool 1.0 added" in locks.new[0].changes
    assert "sha256" not in locks.new[0].diff["after"]


def test_what_is_locked_is_kept_until_an_upgrade_is_asked_for(
    tmp_path: Path, channel: Channel, run_of_ansible: Callable[[str], None]
) -> None:
    environment = lab("six", channel=channel.url)
    locks_for(tmp_path, environment).keep()
    channel.add(Package("six", "1.17.0", noarch="python", depends=["python"]))
    run_of_ansible("ansible-local-1")
    assert locks_for(tmp_path, environment).new == []

    more = lab("six", "tool", channel=channel.url)
    run_of_ansible("ansible-local-2")
    assert [lock.changes for lock in locks_for(tmp_path, more).new] == [["tool 1.0 added"]]

    run_of_ansible("ansible-local-3")
    locks = Locks(Path, Making(tmp_path / "locks"))
    locks.read([environment])
    locks.complete(MAC, upgrade=frozenset({"six"}))
    assert [lock.changes for lock in locks.new] == [["six 1.16.0 -> 1.17.0"]]


@pytest.mark.parametrize(
    ("packages", "options", "words"),
    [
        (["absent-one"], {}, "No channel has a package that is wanted for the environment lab.*absent-one"),
        (["tool=9"], {}, "No channel has a package"),
        (["tool"], {"python": "3.7"}, r"No channel has Python 3.7.*Declare one that a channel has \(python\)"),
        (["other::tool"], {}, "The channel other, from which alone a package is wanted.*Name other in conda.channels"),
        (["tflite-runtime"], {}, "has tflite_runtime.*framework: litert.*ai_edge_litert.interpreter"),
        (["tool >>3"], {}, "is not written as conda writes it"),
        (["newest"], {}, "needs macOS 14, and the lock is for macOS 12.1 and newer.*tensorflow_oldest_macos"),
        (["python=3.12"], {}, 'names its Python in conda.packages.*declare python: "3.12"'),
        (["tensorflow"], {}, "must use the GPU.*CPU alone"),
        (["conda-forge::tensorflow-base >=2.20"], {}, "must use the GPU.*CPU alone"),
        (["tensorflow"], {"gpu": "required"}, "gpu: required.*CPU alone.*declare tensorflow:.*gpu: none"),
        (["tensorflow=2.19"], {"tensorflow": "2.18.1"}, "would have TensorFlow twice"),
        (["trainer"], {"tensorflow": "2.18.1"}, "TensorFlow twice.*2.19.1., where trainer needs it.*Leave trainer out"),
        (["trainer"], {}, "must use the GPU.*CPU alone"),
        (["six"], {"packages": ["six==1.17.0"]}, "conflict with each other.*six 1.16.0 is what comes from conda"),
        (["six"], {"lock": "/lock.txt"}, "has a lock of its own, and conda too"),
        (["six"], {"kind": "venv"}, "is of the kind venv, which has wheels only"),
        (["six"], {"gpu_check": "quick"}, "has no TensorFlow: with kind: conda none comes by itself"),
    ],
)
def test_what_cannot_be_had_is_explained(
    tmp_path: Path, channel: Channel, packages: list[str], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(MetalfleetError, match=words) as refusal:
        locks_for(tmp_path, lab(*packages, channel=channel.url, **options))
    assert refusal.value.problem.remedy


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("defaults", "is a name that conda alone understands.*repo.anaconda.com/pkgs/main"),
        ("nodefaults", "no channel is used but those of conda.channels"),
        ("htps://host/channel", "is no name, no URL, and no folder"),
        ("s3://bucket/channel", "is no name, no URL, and no folder"),
    ],
)
def test_a_channel_that_is_none_is_refused(tmp_path: Path, channel: str, words: str) -> None:
    with pytest.raises(MetalfleetError, match=words):
        locks_for(tmp_path, lab("tool", channel=channel))


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no JSON": (lambda mac: (mac / "repodata.json").write_text("<html>"), "repodata.json. is damaged.*conda index"),
    "no digest": (
        lambda mac: (mac / "repodata.json").write_text((mac / "repodata.json").read_text().replace("sha256", "md4")),
        "The channel of python 3.12.1 tells no SHA-256",
    ),
    "no noarch": (lambda mac: shutil.rmtree(mac.parent / "noarch"), "has no folder noarch"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_damaged_channel_is_told_as_that(tmp_path: Path, channel: Channel, name: str) -> None:
    spoil, words = SPOILED[name]
    spoil(channel.folder / "osx-arm64")
    with pytest.raises(MetalfleetError, match=words):
        locks_for(tmp_path, lab(channel=channel.url))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (f"failed to decode zstd shard from '{SHARDS}' (34 bytes received).", "is damaged.*log in to the network"),
        (f"HTTP status client error (401 Unauthorized) for url ({SHARDS})", "refuses access"),
        (f"HTTP status server error (503 Service Unavailable) for url ({SHARDS})", "cannot be reached"),
        (f"HTTP status client error (407 Proxy Authentication Required) for url ({SHARDS})", "tensorflow_proxy"),
        (f"error following redirect for url ({SHARDS}) Caused by: too many redirects", "cannot be reached"),
    ],
)
def test_what_a_channel_answers_is_told_as_that(said: str, words: str) -> None:
    request = read_request(lab("tool"))
    assert request
    assert re.search(words, str(explain(Order("lab", MAC, request, "12.1"), said)))


def test_tensorflow_of_conda_is_for_the_cpu_of_a_mac_and_for_linux(tmp_path: Path, channel: Channel) -> None:
    on_cpu = locks_for(tmp_path / "mac", lab("tensorflow", channel=channel.url, gpu="none"))
    on_linux = locks_for(tmp_path / "linux", lab("tensorflow", channel=channel.url), "linux-x86_64-py3.12")

    for locks in (on_cpu, on_linux):
        assert "tensorflow-2.19.1" in text_of(locks)
        assert "@WHEELS" not in text_of(locks)


def test_channels_may_be_closed_and_their_credentials_stay_out_of_locks(tmp_path: Path, channel: Channel) -> None:
    with Index(channel.folder) as index:
        url = f"http://fleet:s3cr3t@{index.address}/files"
        channel.folder.joinpath("files").symlink_to(channel.folder)
        locks = locks_for(tmp_path, lab("tool", channel=url))

        assert {credentials for _, credentials in index.requests} >= {"fleet:s3cr3t"}
    assert "s3cr3t" not in text_of(locks)
    assert f"http://{index.address}/files/osx-arm64/tool-1.0-0.conda" in text_of(locks)
    assert locks.conda["conda_channels"] == [url]
    assert (cache_folder() / "repodata").stat().st_mode & 0o077 == 0


def test_a_channel_that_cannot_be_reached_is_explained_without_its_secret(tmp_path: Path) -> None:
    with pytest.raises(MetalfleetError, match="A channel cannot be reached") as refusal:
        locks_for(tmp_path, lab("tool", channel="http://fleet:s3cr3t@127.0.0.1:9/closed"))
    assert "s3cr3t" not in str(refusal.value)


CONDA_LOCK = """
version: 1
metadata:
  content_hash: {linux-64: a, osx-arm64: b}
  channels: [{url: conda-forge, used_env_vars: []}]
  platforms: [linux-64, osx-arm64]
  sources: [environment.yml]
package:
""" + "".join(
    f"""
- {{name: python, version: 3.12.1, manager: conda, platform: {subdir}, dependencies: {{}}, category: main,
   optional: false, url: "{CONDA_FORGE}/{subdir}/python-3.12.1-0.conda", hash: {{sha256: {DIGEST}}}}}
- {{name: Six, version: 1.16.0, manager: pip, platform: {subdir}, dependencies: {{}}, category: main,
   optional: false, url: "https://host/six-1.16.0-py2.py3-none-any.whl", hash: {{sha256: {DIGEST}}}}}
"""
    for subdir in ("linux-64", "osx-arm64")
)
SIX = "https://host/six-1.16.0-py2.py3-none-any.whl"
OF_PIXI = {
    "channels": [{"url": CONDA_FORGE}],
    "indexes": ["https://host/simple"],
    "packages": {
        subdir: [{"conda": f"{CONDA_FORGE}/{subdir}/python-3.12.1-0.conda"}, {"pypi": SIX}]
        for subdir in ("linux-64", "osx-arm64")
    },
}
PIXI_LOCK = json.dumps(
    {
        "version": 6,
        "environments": {"default": OF_PIXI},
        "packages": [
            *(
                {"conda": f"{CONDA_FORGE}/{subdir}/python-3.12.1-0.conda", "sha256": DIGEST, "depends": []}
                for subdir in ("linux-64", "osx-arm64")
            ),
            {
                "pypi": SIX,
                "name": "six",
                "version": "1.16.0",
                "sha256": DIGEST,
            },
        ],
    }
)


SEVERAL = json.dumps({**json.loads(PIXI_LOCK), "environments": dict.fromkeys(("gpu", "test"), OF_PIXI)})
GIT = "git+https://host/six.git?rev=main#" + "b" * 40


@pytest.mark.parametrize(("name", "text"), [("conda-lock.yml", CONDA_LOCK), ("pixi.lock", PIXI_LOCK)])
def test_locks_of_other_tools_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    environment = {"name": "lab", "kind": "conda", "lock": str(tmp_path / name), "gpu_check": "none"}

    locks = locks_for(tmp_path, environment)

    [sent] = locks.with_digests([environment])
    assert sent["python"] == "3.12"
    assert sorted(sent["lock_digests"]) == ["linux-x86_64+cuda-py3.12", "linux-x86_64-py3.12", MAC]
    assert locks.texts[sent["lock_digests"][MAC]] == (
        f"@EXPLICIT\n{CONDA_FORGE}/osx-arm64/python-3.12.1-0.conda#sha256:{DIGEST}\n"
        f"@WHEELS\nsix==1.16.0 --hash=sha256:{DIGEST}\n"
    )


def test_the_engine_comes_from_the_wheel_store_or_its_lack_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_of_ansible: Callable[[str], None]
) -> None:
    wheel, store = engine_wheel(), tmp_path / "store"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "conda-lock.yml").write_text(CONDA_LOCK)
    environment = {"name": "lab", "kind": "conda", "lock": str(tmp_path / "conda-lock.yml"), "gpu_check": "none"}
    offline: dict[str, Any] = {"wheel_store": store, "is_offline": True}

    with pytest.raises(MetalfleetError, match=r"store lacks py-rattler .*_delivery is store\. Run fetch\.yml"):
        locks_for(tmp_path, environment, **offline)

    home = store / hashlib.sha256(wheel.read_bytes()).hexdigest()
    home.mkdir(parents=True)
    shutil.copy(wheel, home)
    run_of_ansible("ansible-local-1")
    assert MAC in locks_for(tmp_path, environment, **offline).with_digests([environment])[0]["lock_digests"]

    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    run_of_ansible("ansible-local-3")
    with pytest.raises(MetalfleetError, match=r"cache folder /dev/null/metalfleet cannot be written to"):
        locks_for(tmp_path, environment, **offline)


def test_a_full_disk_is_told_as_that() -> None:
    refuse_full_disk("No channel has it")
    with pytest.raises(MetalfleetError, match=r"disk of the controller is full.*os error 28.*Free space"):
        refuse_full_disk("failed to write repodata: No space left on device (os error 28)")


def test_a_lock_for_intel_and_linux_says_what_a_mac_lacks(tmp_path: Path) -> None:
    (tmp_path / "lock.yml").write_text(CONDA_LOCK.replace("osx-arm64", "osx-64"))
    environment = {"name": "lab", "kind": "conda", "lock": str(tmp_path / "lock.yml"), "gpu_check": "none"}
    [sent] = locks_for(tmp_path, environment).with_digests([environment])
    options = {"root": "/opt/x", "links": "/opt/y", "environments": [sent]}
    [declared] = read_document(options, MAC).environments
    with pytest.raises(
        MetalfleetError, match=r"linux-x86_64-py3\.12, osx-64\. osx-64 is an Intel Mac.*Make the lock for"
    ):
        make_plan(declared, Observation())


def test_a_lock_decides_the_python(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"@EXPLICIT\n{CONDA_FORGE}/osx-arm64/python-3.12.1-0.conda#{DIGEST}\n")
    declared = {"name": "lab", "kind": "conda", "lock": str(tmp_path / "lock"), "python": "3.11"}
    with pytest.raises(MetalfleetError, match=r"has Python 3\.12, and python: 3\.11 is declared"):
        locks_for(tmp_path, declared)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense: [", "cannot be read"),
        (f"@EXPLICIT\n{CONDA_FORGE}/osx-64/python-3.12.1-0.conda#{DIGEST}\n", "is for osx-64 alone.*an Intel Mac"),
        (CONDA_LOCK.replace("osx-arm64", "osx-64").replace("linux-64", "win-64"), "osx-64.*alone.*an Intel Mac"),
        (CONDA_LOCK.replace("3.12.1", "3.11.9", 2), "has several Pythons.*3.1. for linux-64, 3.1. for osx-arm64"),
        (f"@EXPLICIT\n{CONDA_FORGE}/osx-arm64/python-3.12.1-0.conda\n", "no SHA-256 of python-3.12.1"),
        (CONDA_LOCK.replace(f"sha256: {DIGEST}", "md5: " + "b" * 32), "no SHA-256"),
        (SEVERAL, r"several environments \(gpu, test\), and none called default"),
        (
            PIXI_LOCK.replace(SIX, GIT).replace(
                f', "version": "1.16.0", "sha256": "{DIGEST}"', ', "version": "1.16.0"'
            ),
            "no SHA-256 of six.*It comes from git",
        ),
        ("channels: [conda-forge]\ndependencies: [python]\n", r"An environment\.yml is no lock"),
    ],
)
def test_locks_that_cannot_be_used_are_explained(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(MetalfleetError, match=words):
        locks_for(tmp_path, {"name": "lab", "kind": "conda", "lock": str(tmp_path / "lock"), "gpu_check": "none"})
