# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of conda packages, as text."""

from __future__ import annotations

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import (
    is_conda_lock,
    parse_conda_lock,
    pinned_versions,
    refuse_other_platform,
    without_credentials,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from hypothesis import given
from hypothesis import strategies as st

A, B = "a" * 64, "b" * 64
CHANNEL = "https://conda.anaconda.org/conda-forge"
PYTHON = f"{CHANNEL}/osx-arm64/python-3.11.9-h932a869_0_cpython.conda#sha256:{A}"
SIX = f"{CHANNEL}/noarch/six-1.16.0-pyh6c4a22f_0.tar.bz2#{B}"
LOCK = f"# made by hand\n@EXPLICIT\n{PYTHON}\n{SIX}\n@WHEELS\nkeras==3.0 --hash=sha256:{B}\n"


def test_what_a_lock_says() -> None:
    lock = parse_conda_lock(LOCK)

    assert (lock.subdir, lock.python) == ("osx-arm64", "3.11")
    assert [(each.name, each.version, each.sha256) for each in lock.archives] == [
        ("python", "3.11.9", A),
        ("six", "1.16.0", B),
    ]
    assert lock.hashes == {A, B}
    assert pinned_versions(LOCK) == {"python": "3.11.9", "six": "1.16.0", "keras": "3.0"}


@pytest.mark.parametrize("text", [LOCK.replace("\n", "\r\n"), "\ufeff" + LOCK, LOCK.replace("@WHEELS", "@WHEELS  ")])
def test_how_editors_write_a_lock_does_not_matter(text: str) -> None:
    assert is_conda_lock(text)
    assert pinned_versions(text) == pinned_versions(LOCK)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LOCK.replace(f"#{B}", ""), "no SHA-256 of six-1.16.0"),
        (LOCK.replace(f"#{B}", f"#{'c' * 32}"), "only the MD5 of six-1.16.0"),
        (LOCK.replace(PYTHON, ""), "no package python"),
        (LOCK.replace("keras==3.0", "six==1.17"), "the package six twice"),
        (LOCK.replace("noarch", "linux-64"), "several platforms"),
        (LOCK.replace(SIX, "six=1.16"), "names no conda package: six=1.16"),
        (LOCK.replace(" --hash=", " #"), "line 6 pins keras 3.0 without a SHA-256"),
        (LOCK.replace("conda.anaconda.org", "[::1"), "names no conda package"),
        (LOCK.replace("six-1.16.0-", "six%00-1.16.0-"), "names no conda package"),
        (LOCK.replace("/noarch/six", "/noarch/?tok=secret/noarch/six"), "names no conda package"),
        (
            LOCK.replace("https://conda", "https://user:secret@conda").replace(".tar.bz2", ".zip"),
            "names no conda package",
        ),
    ],
)
def test_what_no_lock_may_hold_is_refused(text: str, words: str) -> None:
    with pytest.raises(MetalfleetError, match=words) as refusal:
        parse_conda_lock(text)
    assert "secret" not in str(refusal.value)


def test_a_lock_of_an_intel_mac_is_refused_with_its_reason() -> None:
    with pytest.raises(MetalfleetError, match="osx-64, and this host is osx-arm64. osx-64 is an Intel Mac"):
        refuse_other_platform(parse_conda_lock(LOCK.replace("osx-arm64", "osx-64")), "osx-arm64")


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://user:pw@host/channel/noarch/x.conda", "https://host/channel/noarch/x.conda"),
        ("https://conda.anaconda.org/t/tk-123/acme/noarch/x.conda", "https://conda.anaconda.org/acme/noarch/x.conda"),
        ("https://host/channel/noarch/x@1.conda", "https://host/channel/noarch/x@1.conda"),
        ("conda-forge", "conda-forge"),
        ("https://u:p@SECRET@host/c/noarch/x.conda", "https://host/c/noarch/x.conda"),
        ("https://host/t/SECRET", "https://host"),
    ],
)
def test_credentials_are_left_out(url: str, bare: str) -> None:
    assert without_credentials(url) == bare


@given(st.text(alphabet="@#:/=-. abc\n01", max_size=200))
def test_any_text_is_a_lock_or_is_refused(text: str) -> None:
    with pytest.raises(MetalfleetError, match="The lock cannot be used"):
        parse_conda_lock(f"@EXPLICIT\n{text}")
