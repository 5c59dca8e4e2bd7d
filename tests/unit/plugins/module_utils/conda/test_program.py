# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program that installs conda packages refuses before anything is written, by what archives say."""

from __future__ import annotations

import json

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.program import Info, Refused, refuse_bad

from tests.conda import Package, info_of

GOOD = Package("good", noarch="python", files={"site-packages/good/a.py": b""}, entry_points=["good-run = good.a:main"])


PYTHON = Package(
    "python", "3.11.9", subdir="osx-arm64", files={"bin/python3.11": b""}, links={"lib/python3.1": "python3.11"}
)


def infos(*packages: Package) -> dict[str, Info]:
    return {
        f"/store/{package.stem}.conda": {
            **{name: json.loads(content) for name, content in info_of(package).items()},
            "names": [*(f"info:{name}" for name in info_of(package)), *(f"pkg:{name}" for name in package.files)],
            "links": package.links,
        }
        for package in (PYTHON, *packages)
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
        (Package("evil", links={"../evil": "x"}), "leads out of the environment|writes outside the environment"),
        (Package("evil", files={"share/a\nb": b""}), "writes outside the environment"),
        (Package("evil", links={"share/evil": "/etc/passwd"}), "leads out of the environment"),
        (Package("evil", links={"share/evil": "../../etc"}), "leads out of the environment"),
        (Package("evil", links={"site-packages/evil": "../../../../etc"}), "leads out of the environment"),
        (Package("evil", files={"out/evil.txt": b""}, links={"out": "share"}), "writes through a link"),
        (Package("evil", files={"share/x/evil": b""}, links={"share/X": "y"}), "writes through a link"),
        (Package("evil", links={"lib/python3.11/site-packages": "../x"}), "writes through a link"),
        (Package("evil", links={"lib/python3.11": "x"}), "writes through a link"),
        (Package("evil", files={"bin/d/x": b""}, links={"python-scripts/d": "x"}), "writes through a link"),
        (Package("evil", index={"python_site_packages_path": "../../victim"}), "puts packages into ../../victim"),
        (Package("evil", index={"python_site_packages_path": ["x"]}), "puts packages into"),
        (Package("evil", index={"name": None}), "is another package"),
        (Package("evil", files={"Conda-Meta/x.json": b"{}"}), "not a package's to bring"),
        (Package("evil", files={"__clobbers__/good/x": b"{}"}), "not a package's to bring"),
        (
            Package("evil", files={"lib/python3.11/site-packages/x/y.py": b""}, links={"site-packages/x": "y"}),
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


@pytest.mark.parametrize(("name", "words"), [("info:info/paths.json", "twice"), ("pkg:info/paths.json", "wrong part")])
def test_what_is_checked_is_what_is_used(name: str, words: str) -> None:
    told = infos(GOOD)
    told["/store/good-1.0-0.conda"]["names"].append(name)
    with pytest.raises(Refused, match=f"holds info/paths.json .*{words}"):
        refuse_bad(told, "osx-arm64")


@pytest.mark.parametrize("odd", [[], None, "text", {"paths": {}}, {"paths": [1]}, {"paths": [{}]}])
def test_what_cannot_be_understood_is_refused(odd: object) -> None:
    told = infos(GOOD)
    told["/store/good-1.0-0.conda"]["info/paths.json"] = odd
    if odd != {"paths": {}}:
        with pytest.raises(Refused, match="good-1.0-0.conda says what cannot be understood"):
            refuse_bad(told, "osx-arm64")


@pytest.mark.parametrize("odd", [[], None, {}])
def test_an_archive_that_does_not_say_what_it_is_is_refused_by_its_name(odd: object) -> None:
    told = infos(GOOD)
    told["/store/good-1.0-0.conda"]["info/index.json"] = odd
    with pytest.raises(Refused, match=r"^good-1\.0-0\.conda (is another package|says what cannot be understood)"):
        refuse_bad(told, "osx-arm64")


def test_an_archive_that_does_not_say_what_it_brings_is_refused() -> None:
    told = infos(GOOD)
    del told["/store/good-1.0-0.conda"]["info/paths.json"]
    with pytest.raises(Refused, match="does not say which files it brings"):
        refuse_bad(told, "osx-arm64")
