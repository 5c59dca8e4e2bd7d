# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program that installs conda packages refuses before anything is written, by what archives say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.program import Refused, refuse_bad

from tests.conda import Package, info_of

GOOD = Package("good", noarch="python", files={"site-packages/good/a.py": b""}, entry_points=["good-run = good.a:main"])


def infos(*packages: Package) -> dict[str, dict[str, Any]]:
    return {
        f"/store/{package.stem}.conda": {name: json.loads(content) for name, content in info_of(package).items()}
        for package in packages
    }


def test_a_sound_package_is_taken() -> None:
    refuse_bad(
        infos(GOOD, Package("tool", subdir="osx-arm64", files={"bin/tool": b""}, links={"bin/t": "tool"})), "osx-arm64"
    )


@pytest.mark.parametrize(
    ("evil", "words"),
    [
        (Package("evil", files={"../../evil.txt": b""}), "writes outside the environment"),
        (Package("evil", files={"/tmp/evil.txt": b""}), "writes outside the environment"),
        (Package("evil", files={"share/../../evil.txt": b""}), "writes outside the environment"),
        (Package("evil", files={"share//evil.txt": b""}), "writes outside the environment"),
        (Package("evil", links={"../evil": "/etc"}), "writes outside the environment"),
        (Package("evil", files={"out/evil.txt": b""}, links={"out": "/tmp"}), "writes through a link"),
        (
            Package("evil", files={"lib/python3.11/site-packages/x/y.py": b""}, links={"site-packages/x": "/"}),
            "through a link",
        ),
        (Package("evil", files={"bin/.evil-post-link.sh": b""}), "a script that runs when it is installed"),
        (Package("evil", files={"bin/.evil-pre-link.sh": b""}), "a script that runs when it is installed"),
        (Package("evil", files={"bin/.evil-pre-unlink.sh": b""}), "a script that runs when it is installed"),
        (Package("evil", files={"conda-meta/good-1.0-0.json": b""}), "not a package's to bring"),
        (Package("evil", files={"metalfleet-manifest.json": b""}), "not a package's to bring"),
        (Package("evil", files={".rattler/engine/x.py": b""}), "not a package's to bring"),
        (Package("evil", noarch="python", entry_points=["../../evil = evil:main"]), "a command whose name is none"),
        (Package("evil", index={"name": "good"}), "is another package"),
        (Package("evil", index={"version": "2.0"}), "is another package"),
        (Package("evil", index={"subdir": "osx-64"}), "is for osx-64, not for osx-arm64"),
    ],
)
def test_what_no_package_may_do_is_refused(evil: Package, words: str) -> None:
    with pytest.raises(Refused, match=words):
        refuse_bad(infos(GOOD, evil), "osx-arm64")


def test_an_archive_that_does_not_say_what_it_brings_is_refused() -> None:
    with pytest.raises(Refused, match="does not say which files it brings"):
        refuse_bad(
            {"/store/good-1.0-0.conda": {"info/index.json": {**json.loads(info_of(GOOD)["info/index.json"])}}},
            "linux-64",
        )
