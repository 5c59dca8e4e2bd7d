# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks that uv really makes, from a folder of small wheels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import sources_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._building import BuiltWheel
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._index import resolver_for, uv_settings
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._lock_files import (
    changes,
    declaration_of,
    versions_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._lock_making import (
    Made,
    explain,
    make_lock,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import Order, read_request
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import Source

from tests.index import Fault, Index
from tests.wheels import Wheel, make_wheel

MAC, LINUX, GPU_SERVER = "macos-arm64-py3.12", "linux-x86_64-py3.12", "linux-x86_64+cuda-py3.12"
WITH_CUDA = "numpy<3\nRequires-Dist: nvidia-cudnn-cu12; extra == 'and-cuda'\nProvides-Extra: and-cuda"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TensorFlow and the plug-in in name, and packages that go with them or do not."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("2.18.1", "2.18.0", "2.17.1", "2.17.0", "2.20.0"):
        make_wheel(folder, "tensorflow", version, tag="cp312-cp312-macosx_12_0_arm64", requires="numpy<3")
        make_wheel(folder, "tensorflow", version, tag="cp312-cp312-manylinux_2_17_x86_64", requires=WITH_CUDA)
        make_wheel(folder, "tensorflow_cpu", version, tag="cp312-cp312-manylinux_2_17_x86_64", requires="numpy<3")
    make_wheel(folder, "tensorflow", "2.21.0", tag="cp313-cp313-macosx_12_0_arm64")
    for version in ("1.2.0", "1.1.0"):
        make_wheel(folder, "tensorflow_metal", version, tag="cp312-cp312-macosx_12_0_arm64")
    for version in ("1.26.4", "2.0.0", "2.1.0"):
        make_wheel(folder, "numpy", version)
    for version in ("2.3.0", "2.1.0"):
        make_wheel(folder, "ai_edge_litert", version, tag="cp312-cp312-macosx_12_0_arm64", requires="backports-strenum")
        make_wheel(folder, "ai_edge_litert", version, tag="cp312-cp312-manylinux_2_17_x86_64")
    for version in ("1.2.8", "1.3.1"):
        make_wheel(folder, "backports_strenum", version)
    make_wheel(folder, "nvidia_cudnn_cu12", tag="py3-none-manylinux_2_17_x86_64")
    make_wheel(folder, "keras_like", requires="tensorflow")
    make_wheel(folder, "needs_newest", requires="tensorflow>=2.18.1")
    make_wheel(folder, "newer", requires="numpy>=4")
    make_wheel(folder, "backs_off", "1.0")
    make_wheel(folder, "backs_off", "2.0", requires="numpy>=4")
    make_wheel(folder, "linux_only", tag="cp312-cp312-manylinux_2_17_x86_64")
    make_wheel(folder, "old_python", tag="cp310-cp310-macosx_11_0_arm64")
    make_wheel(folder, "needs_14", tag="cp312-cp312-macosx_14_0_arm64")
    make_wheel(folder, "needs_13", "2.0", tag="cp312-cp312-macosx_13_0_arm64")
    make_wheel(folder, "needs_13", "1.0", tag="cp312-cp312-macosx_11_0_arm64")
    return folder


def builds_nothing(source: Source) -> BuiltWheel:
    raise AssertionError(f"{source} is not to be built")


def made(wheels: Path, platform: str = MAC, **others: Any) -> Made:
    """From a folder; see made_from."""
    return made_from(Network(wheels=wheels.as_uri()), platform, **others)


def made_from(
    network: Network,
    platform: str = MAC,
    *,
    before: str = "",
    oldest_macos: str = "12.1",
    upgrade: frozenset[str] = frozenset(),
    **declared: Any,
) -> Made:
    request = read_request({"name": "lab", **declared})
    assert request
    with resolver_for(network) as resolver:
        order = Order("lab", platform, request, oldest_macos)
        return make_lock(order, resolver, builds_nothing, before, upgrade=upgrade)


@pytest.fixture
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for pip nor for uv."""
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


def test_a_lock_pins_the_pair_and_what_goes_with_it_by_the_platforms_hashes(wheels: Path) -> None:
    lock = made(wheels, packages=["keras_like"]).text
    pins = {"keras-like": "1.0", "numpy": "2.1.0", "tensorflow": "2.18.1", "tensorflow-metal": "1.2.0"}
    assert versions_of(lock) == pins
    path = wheels / "tensorflow-2.18.1-cp312-cp312-macosx_12_0_arm64.whl"
    assert f"tensorflow==2.18.1 \\\n    --hash=sha256:{Wheel(path, '').sha256}\n" in lock
    assert "://" not in lock
    assert declaration_of(lock) == {
        "metal": "", "oldest_macos": "12.1", "packages": ["keras_like"], "tensorflow": "",
    }  # fmt: skip


def test_the_changes_of_a_lock_can_be_read_by_people() -> None:
    before, after = (
        "".join(f"{pin} --hash=sha256:{'0' * 64}\n" for pin in pins)
        for pins in (("numpy==1.26.4", "pytz==2026.2"), ("numpy==2.0.2", "six==1.17.0"))
    )
    assert changes(before, after) == ["numpy 1.26.4 -> 2.0.2", "six 1.17.0 added", "pytz 2026.2 removed"]


@pytest.mark.parametrize(
    ("declared", "pins"),
    [
        ({"tensorflow": "2.17"}, {"tensorflow": "2.17.1", "tensorflow-metal": "1.2.0", "numpy": "1.26.4"}),
        ({"metal": "none"}, {"tensorflow": "2.20.0", "numpy": "2.1.0"}),
        ({"metal": "none", "tensorflow": "2.18"}, {"tensorflow": "2.18.1", "numpy": "2.1.0"}),
        ({"packages": ["needs_13"]}, {"needs-13": "1.0"}),
        ({"packages": ["needs_13"], "oldest_macos": "13.0"}, {"needs-13": "2.0"}),
        ({"platform": "macos-arm64-py3.13", "metal": "none"}, {"tensorflow": "2.21.0"}),
        ({"platform": LINUX, "packages": ["numpy"]}, {"tensorflow-cpu": "2.18.1", "numpy": "2.1.0"}),
        ({"platform": LINUX, "tensorflow": "2.20.0"}, {"tensorflow-cpu": "2.20.0"}),
        ({"platform": GPU_SERVER, "tensorflow": "2.20.0"}, {"tensorflow": "2.20.0", "nvidia-cudnn-cu12": "1.0"}),
        ({"platform": GPU_SERVER, "packages": ["keras_like"]}, {"tensorflow": "2.18.1", "nvidia-cudnn-cu12": "1.0"}),
    ],
    ids=str,
)
def test_what_is_declared_is_what_is_locked(declared: dict[str, Any], pins: dict[str, str], wheels: Path) -> None:
    versions = versions_of(made(wheels, **declared).text)
    assert pins.items() <= versions.items()
    assert ("tensorflow-metal" in versions) == ("macos" in declared.get("platform", MAC) and "metal" not in declared)


def test_there_is_never_a_second_tensorflow(wheels: Path) -> None:
    versions = versions_of(made(wheels, LINUX, packages=["keras_like"]).text)
    assert versions == {"keras-like": "1.0", "numpy": "2.1.0", "tensorflow": "2.18.1"}


@pytest.mark.parametrize(
    ("declared", "pins"),
    [
        ({"packages": ["numpy"]}, {"ai-edge-litert": "2.3.0", "backports-strenum": "1.2.8", "numpy": "2.1.0"}),
        ({"packages": ["ai_edge_litert==2.1.0"]}, {"ai-edge-litert": "2.1.0", "backports-strenum": "1.2.8"}),
        ({"packages": ["numpy"], "platform": LINUX}, {"ai-edge-litert": "2.3.0", "numpy": "2.1.0"}),
        (
            {"packages": ["numpy"], "before": "numpy==2.0.0 \\\n    --hash=sha256:" + "0" * 64},
            {"ai-edge-litert": "2.3.0", "backports-strenum": "1.2.8", "numpy": "2.0.0"},
        ),
    ],
    ids=str,
)
def test_packages_beside_litert_are_locked_with_it(
    declared: dict[str, Any], pins: dict[str, str], wheels: Path
) -> None:
    text = made(wheels, framework="litert", **declared).text
    assert versions_of(text) == pins
    said = declaration_of(text)
    assert said
    assert said["framework"] == "litert"
    assert not {"tensorflow", "metal"} & said.keys()


def test_what_was_locked_stays_where_it_can(wheels: Path) -> None:
    before = made(wheels, packages=["numpy==2.0.0"]).text
    assert versions_of(made(wheels, packages=["numpy"], before=before).text)["numpy"] == "2.0.0"
    assert versions_of(made(wheels, packages=["numpy>2.0.0"], before=before).text)["numpy"] == "2.1.0"


@pytest.mark.parametrize(
    ("then", "now", "upgrade", "pair"),
    [
        ({"tensorflow": "2.18.0"}, {"packages": ["numpy"]}, "", ("2.18.0", "1.2.0")),
        ({"tensorflow": "2.18.0"}, {"tensorflow": "2.18"}, "", ("2.18.0", "1.2.0")),
        ({"tensorflow": "2.17.0"}, {"tensorflow": "2.18"}, "", ("2.18.1", "1.2.0")),
        ({"tensorflow": "2.18.0"}, {"packages": ["needs_newest"]}, "", ("2.18.1", "1.2.0")),
        ({"tensorflow": "2.18.0"}, {"packages": ["numpy"]}, "numpy", ("2.18.0", "1.2.0")),
        ({"tensorflow": "2.18.0"}, {"packages": ["numpy"]}, "tensorflow", ("2.18.1", "1.2.0")),
        ({"tensorflow": "2.18.0"}, {"packages": ["numpy"]}, "all", ("2.18.1", "1.2.0")),
        ({"metal": "none", "tensorflow": "2.17"}, {"metal": "none"}, "", ("2.17.1", None)),
        ({"metal": "none", "tensorflow": "2.20"}, {"packages": ["numpy"]}, "", ("2.18.1", "1.2.0")),
    ],
    ids=str,
)
def test_the_pair_of_a_lock_stays_where_it_can(
    then: dict[str, Any], now: dict[str, Any], upgrade: str, pair: tuple[str, str | None], wheels: Path
) -> None:
    before = made(wheels, **then).text
    after = versions_of(made(wheels, **now, before=before, upgrade=frozenset({upgrade})).text)
    assert (after["tensorflow"], after.get("tensorflow-metal")) == pair


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (
            {"tensorflow": "2.17", "packages": ["numpy==2"]},
            r"numpy<2 is a limit of the collection: Tensor",
        ),
        (
            {"metal": "none", "tensorflow": "2.17", "platform": "macos-arm64-py3.14"},
            r"no wheels for Python 3\.14, only for",
        ),
        ({"metal": "none", "platform": "macos-arm64-py3.7"}, r"without the plug-in has no wheels for Python 3\.7"),
        ({"packages": ["newer"]}, r"for the environment lab \(macos-arm64-py3.12\) conflict with each other.*numpy"),
        ({"packages": ["linux_only"]}, r"linux-only, which is wanted .* has no wheel for that platform"),
        ({"packages": ["old_python"]}, r"old-python, which is wanted .* has no wheel for Python 3\.12"),
        (
            {"packages": ["needs_14"]},
            r"newer Macs only: 1\.0 needs macOS 14\.0, and .* macOS 12\.1 and newer\. .*oldest_macos: \"14\.0\"",
        ),
        ({"packages": ["needs_14"], "platform": LINUX}, r"needs-14, which is wanted .* has no wheel for that platform"),
        ({"packages": ["nvidia-cudnn-cu12"]}, r"is for NVIDIA GPUs, which no Mac .* has.*Leave it out"),
        ({"packages": ["nobodys"]}, r"No index has nobodys, which"),
        (
            {"framework": "litert", "packages": ["backports-strenum==1.3.1"]},
            r"conflict with each other, or with LiteRT.*backports-strenum<1\.3 is a limit of the collection",
        ),
        ({"packages": ["newer==9"]}, r"No index has newer==9, which.*Correct its name or version"),
        (
            {"tensorflow": "2.20.0"},
            r"2\.20\.0 with tensorflow-metal 1\.2\.0 cannot be imported: the plug-in does not link",
        ),
        (
            {"platform": "linux-x86_64+cuda", "packages": ["newer"]},
            r"names no Python.*in linux-x86_64\+cuda-py3\.12\.",
        ),
        ({"platform": "linux-riscv64-py3.12", "metal": "none"}, r"Locks are made for: macos-arm64, linux-x86_64"),
    ],
    ids=str,
)
def test_what_cannot_be_locked_is_named_with_its_reason(declared: dict[str, Any], words: str, wheels: Path) -> None:
    with pytest.raises(MetalfleetError, match=words) as refusal:
        made(wheels, **declared)
    assert refusal.value.problem.remedy


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.BROKEN, "cannot be reached from the controller"),
        (Fault.GONE, "cannot be reached from the controller"),
        (Fault.REFUSED, "refuses access.*tensorflow_username and tensorflow_password"),
    ],
)
def test_an_index_that_does_not_answer(fault: Fault, words: str, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "2")
    with Index(wheels, fault) as index:
        url = index.url.replace("://", "://fleet:sesame@")
        with pytest.raises(MetalfleetError, match=words) as refusal:
            made_from(Network(index_url=url), packages=["numpy"])
        assert "sesame" not in str(refusal.value)


def test_a_package_of_which_the_newest_version_does_not_go_with_the_rest_is_said_once(wheels: Path) -> None:
    first = made(wheels, packages=["backs_off", "keras_like"])
    assert versions_of(first.text)["backs-off"] == "1.0"
    [said] = first.remarks
    assert said.startswith("lab: backs-off is locked at 1.0, because the newest version, 2.0, does not go with")
    with pytest.raises(MetalfleetError, match=r"numpy.*backs-off==2\.0"):
        made(wheels, packages=["backs_off==2.0"])  # as the remark advises
    assert made(wheels, packages=["backs_off", "numpy"], before=first.text).remarks == ()
    assert made(wheels, packages=["backs_off<2"]).remarks == ()


def test_tensorflow_is_not_said_not_to_go_with_tensorflow(wheels: Path) -> None:
    locked = made(wheels, LINUX, tensorflow="2.18.0", packages=["tensorflow[and-cuda]"])
    assert versions_of(locked.text)["tensorflow"] == "2.18.0"
    assert locked.remarks == ()


@pytest.mark.usefixtures("nothing_configured")
def test_what_was_locked_stays_also_where_the_first_of_two_indexes_has_it_for_others_only(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("some", "more"):
        for version in ("1.0", "2.0", "3.0"):
            make_wheel(tmp_path / "whole", name, version, tag="cp312-cp312-macosx_11_0_arm64")
            make_wheel(tmp_path / "linux", name, version, tag="cp312-cp312-manylinux_2_17_x86_64")
    make_wheel(tmp_path / "whole", "demanding", requires="some>2")

    def versions(text: str) -> list[str]:
        return [versions_of(text)[name] for name in ("some", "more")]

    with Index(tmp_path / "linux") as linux, Index(tmp_path / "whole", digests=True) as whole:
        monkeypatch.setenv("PIP_INDEX_URL", whole.url)
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", linux.url)  # which uv asks first
        monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
        first = made_from(Network(), packages=["some<3", "more<3"]).text
        second = made_from(Network(), before=first, packages=["some", "more", "keras_like"]).text
        third = made_from(Network(), before=second, packages=["some", "more", "demanding"]).text
    assert [versions(text) for text in (first, second, third)] == [["2.0", "2.0"], ["2.0", "2.0"], ["3.0", "2.0"]]


def test_what_its_authors_have_withdrawn_is_taken_only_if_it_is_pinned_and_is_said(wheels: Path) -> None:
    withdrawn = {file.name: "wrong numbers" for file in wheels.iterdir() if file.name.startswith("numpy-2.1.0-")}
    with Index(wheels, withdrawn=withdrawn) as index:
        network = Network(index_url=index.url)
        other, pinned = made_from(network, packages=["numpy"]), made_from(network, packages=["numpy==2.1.0"])
    assert (versions_of(other.text)["numpy"], other.remarks) == ("2.0.0", ())
    assert versions_of(pinned.text)["numpy"] == "2.1.0"
    [said] = pinned.remarks
    assert said.startswith("lab: ")
    assert "wrong numbers" in said


@pytest.mark.usefixtures("nothing_configured")
def test_what_is_configured_for_pip_counts_and_habits_do_not(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {wheels}\nconstraint = /nowhere\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("UV_CONSTRAINT", "/nowhere")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    assert versions_of(made_from(Network(), packages=["keras_like"]).text)["keras-like"] == "1.0"


def test_credentials_and_certificates_go_to_uv_in_its_environment(tmp_path: Path) -> None:
    network = Network(
        index_url="https://index.example/simple",
        extra_index_urls=("https://more.example/simple",),
        proxy="http://proxy.example:3128",
        certificates="A CERTIFICATE",
        username="fleet",
        password="sesame/b",
    )
    settings = uv_settings(sources_of(network), tmp_path)
    assert settings["UV_DEFAULT_INDEX"] == "https://fleet:sesame%2Fb@index.example/simple"
    assert settings["UV_INDEX"] == "https://fleet:sesame%2Fb@more.example/simple"
    assert settings["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert "A CERTIFICATE" in Path(settings["SSL_CERT_FILE"]).read_text()
    with resolver_for(network) as resolver:
        assert resolver.options == ()  # what others have must not take the place of what the company has
        assert "sesame" not in repr(resolver)


def test_what_is_not_known_is_told_in_uvs_own_words() -> None:
    request = read_request({"name": "lab", "metal": "none"})
    assert request
    error = explain(Order("lab", MAC, request, "12.1"), {}, "error: the moon is full\n  cause: so it goes")
    assert "could not be resolved. uv says: the moon is full so it goes." in str(error)
