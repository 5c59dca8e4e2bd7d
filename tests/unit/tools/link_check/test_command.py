# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/link-check, as it is typed: from files, and from an index with a password."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ansible_runner import CHECKOUT
from tests.index import Fault, Index
from tests.unit.tools.link_check.images import image
from tests.wheels import make_wheel
from tools.link_check.dyld import TENSORFLOW

MAC = "cp312-cp312-macosx_12_0_arm64"
PLUGIN = "tensorflow-plugins/libmetal_plugin.dylib"
LOGGER = "__ZN3tsl8internal10LogMessageC1EPKcii"
PADDING = random.Random(1).randbytes(9 * 1024**2)  # so that a wheel has several blocks

Check = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder of wheels: TensorFlows, one of them to try out, empty ones that stand for others, and plug-ins."""
    folder = tmp_path / "published"
    for version, exports in (("2.18.0rc0", [LOGGER]), ("2.18.1", [LOGGER]), ("2.20.0", ["_other"])):
        root = image(install_name="@rpath/_pywrap_tensorflow_internal.so", exports=exports)
        files = {"tensorflow/__init__.py": b"", "tensorflow/padding": PADDING, TENSORFLOW: root}
        make_wheel(folder, "tensorflow", version, files=files, tag=MAC)
    marker = 'platform_system == "Darwin" and platform_machine == "arm64"'
    make_wheel(folder, "tensorflow_macos", "2.18.1", files={}, requires=f"tensorflow==2.18.1; {marker}", tag=MAC)
    make_wheel(folder, "tensorflow_macos", "2.15.1", files={}, requires="tensorflow-macos==2.15.1", tag=MAC)
    for version, imports in (("1.2.0", [(1, LOGGER, False)]), ("1.1.0", [(1, "_gone", False), (1, LOGGER, False)])):
        plugin = image(loads=[("load", "@rpath/_pywrap_tensorflow_internal.so")], imports=imports)
        make_wheel(folder, "tensorflow_metal", version, files={PLUGIN: plugin}, tag=MAC)
        (tmp_path / f"plugin-{version}.dylib").write_bytes(plugin)
    return folder


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def run(*arguments: str, index: str = "http://127.0.0.1:9/simple") -> subprocess.CompletedProcess[str]:
        command = [str(CHECKOUT / "tools/link-check"), *arguments]
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PIP_INDEX_URL": index}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def pair(tensorflow: str, plugin: str) -> tuple[str, ...]:
    return ("--tensorflow", tensorflow, "--plugin", plugin)


def test_files_that_link(check: Check, published: Path) -> None:
    done = check(*pair(f"published/tensorflow-2.18.1-{MAC}.whl", "plugin-1.2.0.dylib"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"plugin-1.2.0.dylib with tensorflow-2.18.1-{MAC}.whl: links. The plug-in needs macOS 12.1.\n"


def test_a_pair_of_an_index_that_does_not_link(check: Check, published: Path) -> None:
    with Index(published) as index:
        done = check(*pair("tensorflow==2.20.0", "tensorflow-metal==1.1.0"), index=index.url)
    assert done.returncode == 1
    assert "does not link. Symbol not found: _gone." in done.stdout
    assert "2 symbols are missing:" in done.stdout
    assert "tsl::internal::LogMessage::LogMessage(char const*, int, int)" in done.stdout


def test_the_answer_as_data(check: Check, published: Path) -> None:
    with Index(published, digests=True) as index:
        done = check(*pair("tensorflow-macos==2.18.1", "tensorflow-metal==1.1.0"), "--json", index=index.url)
    found = json.loads(done.stdout)
    assert (done.returncode, found["links"], found["tensorflow"]) == (1, False, f"tensorflow-2.18.1-{MAC}.whl")
    assert [each["name"] for each in found["missing_symbols"]] == ["_gone"]


def test_only_what_is_needed_is_fetched(check: Check, published: Path) -> None:
    with Index(published) as index:
        assert check(*pair("tensorflow==2.18.1", "tensorflow-metal==1.2.0"), index=index.url).returncode == 0
        assert 0 < index.sent < (published / f"tensorflow-2.18.1-{MAC}.whl").stat().st_size


@pytest.mark.parametrize("fault", [Fault.NO_RANGES, Fault.SLOW])
def test_an_index_that_refuses_ranges_or_takes_its_time(check: Check, published: Path, fault: Fault) -> None:
    with Index(published, fault) as index:
        assert check(*pair("tensorflow==2.18.1", "tensorflow-metal==1.2.0"), index=index.url).returncode == 0


def test_the_whole_matrix(check: Check, published: Path) -> None:
    with Index(published) as index:
        done = check("--all", "--json", index=index.url)
    assert done.returncode == 0, done.stderr
    versions = [each[of].split("-")[1] for each in json.loads(done.stdout) for of in ("tensorflow", "plugin")]
    links = [each["links"] for each in json.loads(done.stdout)]
    # What came before a release counts no more once that is there.
    assert dict(zip(zip(versions[::2], versions[1::2], strict=True), links, strict=True)) == {
        ("2.18.1", "1.2.0"): True,
        ("2.18.1", "1.1.0"): False,
        ("2.20.0", "1.2.0"): False,
        ("2.20.0", "1.1.0"): False,
    }


@pytest.mark.parametrize(
    ("what", "plugin", "says"),
    [
        ("tensorflow==2.18.1", "tensorflow-metal==9.9", "tensorflow-metal==9.9 has no wheel for Python 3.12"),
        ("tensorflow==9.9", "tensorflow-metal==1.2.0", "tensorflow==9.9 has no wheel for Python 3.12"),
        ("tensorflow", "tensorflow-metal==1.2.0", "neither a file that ends in .whl or .dylib, nor NAME==VERSION"),
        ("tensorflow==two", "tensorflow-metal==1.2.0", "two is not a version"),
        ("tensorflow-macos==2.15.1", "tensorflow-metal==1.2.0", "there is no TensorFlow in it"),
        ("tensorflow==2.18.1", "tensorflow==2.18.1", "has no plug-in for TensorFlow"),
        ("gone.whl", "tensorflow-metal==1.2.0", "gone.whl: No such file or directory"),
        ("damaged.whl", "tensorflow-metal==1.2.0", "damaged.whl is not a wheel, or a damaged one"),
        ("tensorflow==2.18.1", "damaged.dylib", "damaged.dylib ends after"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked(check: Check, published: Path, what: str, plugin: str, says: str) -> None:
    sound = (published / f"tensorflow-2.18.1-{MAC}.whl").read_bytes()
    (published.parent / "damaged.whl").write_bytes(sound[: len(sound) // 2])
    (published.parent / "damaged.dylib").write_bytes(image(exports=["_x"])[:-20])
    with Index(published) as index:
        done = check(*pair(what, plugin), index=index.url)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cannot check: ")
    assert says in done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("fault", [Fault.BROKEN, Fault.REFUSED, Fault.GONE, Fault.PORTAL, Fault.MISSING])
def test_an_index_that_does_not_answer(check: Check, published: Path, fault: Fault) -> None:
    with Index(published, fault) as index:
        done = check(*pair("tensorflow==2.18.1", "tensorflow-metal==1.2.0"), index=index.url)
    assert done.returncode == 2
    assert done.stderr.startswith("cannot check: ")
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_member_that_is_damaged(check: Check, published: Path) -> None:
    wheel = published / f"tensorflow-2.18.1-{MAC}.whl"
    content = bytearray(wheel.read_bytes())
    place = content.index(TENSORFLOW.encode()) + len(TENSORFLOW)
    content[place : place + 200] = bytes(200)
    wheel.write_bytes(content)
    done = check(*pair(str(wheel), "plugin-1.2.0.dylib"))
    assert done.returncode == 2
    assert "is not a wheel, or a damaged one" in done.stderr
