# SPDX-License-Identifier: GPL-3.0-or-later
"""What apple_silicon_facts says over SSH of every Mac that there is a profile of, and what it does to find out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.hosts import PLAYBOOKS, on_fleet
from tests.simulated_mac.fleet import Fleet, Mac
from tests.simulated_mac.profile import Profile

PROFILES = {name: profile for name in Profile.names() if (profile := Profile.load(name)).facts}
AT_ONCE = 16
INTERPRETER = "/Users/admin/interpreter/bin/python3"  # in none of the places where people install Pythons
INTEL_INTERPRETER = "/usr/local/bin/python3"


@dataclass(frozen=True)
class Visit:
    """What the module answered on a host, and the programs that ran there meanwhile."""

    answer: dict[str, Any]
    calls: list[dict[str, Any]]
    left_behind: list[str]


@pytest.fixture(scope="module")
def template(fleet: Fleet) -> str:
    """A universal Python for Ansible that the facts do not show."""
    host = fleet.up({"interpreter": "every-python"})["interpreter"]
    host.run("cp -R /Library/Frameworks/Python.framework/Versions/3.* ~/interpreter", check=True)
    fleet.snapshot("interpreter", "interpreter")
    host.delete()
    return "interpreter"


def ask(fleet: Fleet, hosts: dict[str, str], answers: Path, **options: Any) -> dict[str, Any]:
    """The module's results by host, from one run for all; `hosts` maps their names to interpreters."""
    on_fleet(
        fleet,
        PLAYBOOKS / "facts.yml",
        "--limit",
        ",".join(hosts),
        interpreters=hosts,
        answers=str(answers),
        **options,
    )
    results: dict[str, Any] = json.loads(answers.read_text())
    return results


@pytest.fixture(scope="module")
def visits(fleet: Fleet, template: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Visit]:
    """One visit to a Mac of each profile, some at a time."""
    answers = tmp_path_factory.mktemp("facts") / "answers.json"
    batches = [list(PROFILES)[start : start + AT_ONCE] for start in range(0, len(PROFILES), AT_ONCE)]
    return {name: visit for names in batches for name, visit in visited(fleet, template, names, answers)}


def visited(fleet: Fleet, template: str, names: list[str], answers: Path) -> Iterator[tuple[str, Visit]]:
    macs = fleet.up({host_name(name): f"{name}@{template}" for name in names})
    results = ask(fleet, {host_name(name): interpreter(name) for name in names}, answers)
    for name in names:
        mac = macs[host_name(name)]
        yield name, Visit(results[mac.name], mac.calls(), marks(mac))
        mac.delete()


def host_name(profile: str) -> str:
    return f"facts-{profile.replace('.', '-').replace('_', '-')}"


def interpreter(profile: str) -> str:
    translated = PROFILES[profile].facts.get("rosetta", {}).get("translated")
    return INTEL_INTERPRETER if translated else INTERPRETER


def marks(mac: Mac) -> list[str]:
    """What the shims of pyenv and wrappers leave in the home when they are run."""
    return mac.run("ls -d ~/*-was-run").stdout.split()


def in_full(facts: Any, python: str) -> Any:
    """The facts of a profile, with the version of the Python that the test bed has."""
    minor = python.rpartition(".")[0]
    return json.loads(json.dumps(facts).replace("{version}", python).replace("{minor}", minor))


@pytest.mark.parametrize("name", PROFILES)
def test_the_facts_are_those_of_the_machine(fleet: Fleet, visits: dict[str, Visit], name: str) -> None:
    answer = visits[name].answer
    assert "ansible_facts" in answer, answer
    facts = answer["ansible_facts"]["apple_silicon"]
    expected = in_full(PROFILES[name].facts, fleet.store.python.version)
    assert {key: facts[key] for key in expected} == expected
    assert facts["system"] == "Darwin"
    assert [disk["path"] for disk in facts["disk"]] == ["/Users/admin/.local/share/metalfleet"]
    assert facts["disk"][0]["free_bytes"] > 0
    assert not answer.get("warnings")
    assert answer["changed"] is False


@pytest.mark.parametrize("name", PROFILES)
def test_nothing_is_run_that_could_open_a_dialog(visits: dict[str, Visit], name: str) -> None:
    visit = visits[name]
    assert [call["argv"] for call in visit.calls if call["shim"]] == []
    assert visit.left_behind == []
    asked = [Path(call["argv"][0]).name for call in visit.calls]
    assert set(asked) <= {"arch", "ioreg", "sw_vers", "sysctl", "system_profiler", "uname", "xcode-select"}
    assert len(asked) == len(set(asked))


def test_what_was_not_recorded_is_not_known(visits: dict[str, Visit]) -> None:
    facts = visits["m5-pro-15core-macos26.5.2"].answer["ansible_facts"]["apple_silicon"]
    missing = {"sysctl hw.memsize": "no value", "sysctl hw.model": "no value"}
    assert {entry["source"]: entry["reason"] for entry in facts["unknown"]} == missing


def test_a_changed_root_is_searched_for_managed_pythons(fleet: Fleet, template: str, tmp_path: Path) -> None:
    host = fleet.up({"roots": f"m1-fresh@{template}"})["roots"]
    host.run("sudo mkdir -p /opt/ours/python && sudo cp -R ~/interpreter /opt/ours/python/3", check=True)
    results = ask(fleet, {host.name: INTERPRETER}, tmp_path / "answers.json", roots=["/opt/ours"])
    first = results[host.name]["ansible_facts"]["apple_silicon"]["pythons"][0]
    host.delete()
    assert first["path"].startswith("/opt/ours/python/3/bin/python3.")
    assert (first["source"], first["universal2"], first["native"]) == ("standalone", True, True)


PYTHONS_OF_OTHERS = {
    ".asdf/installs/python/3": "asdf",
    ".local/share/mise/installs/python/3": "mise",
    "miniforge3": "conda",
    "miniforge3/envs/work": "conda",
    "micromamba/envs/work": "conda",
    "elsewhere/with a space": "conda",
    "/nix/store/0a1b2c-python3-3": "nix",
}
LAY_OUT = """
set -e
cd ~
for prefix in "$@"; do
    sudo mkdir -p "${prefix%/*}" && sudo chown "$USER" "${prefix%/*}"
    mkdir -p "$prefix" && cp -R ~/interpreter/* "$prefix"
done
for prefix in miniforge3 */envs/work elsewhere/*; do mkdir "$prefix/conda-meta"; done
ln -s /nix/store/*-python3-3 .nix-profile
made_by='# cmd: /Users/admin/miniforge3/bin/conda create -p elsewhere'
printf '==> 2024-05-01 10:00:00 <==\n%s\n' "$made_by" > 'elsewhere/with a space/conda-meta/history'
mkdir .conda && printf '%s\\n' ~/elsewhere/* /Volumes/gone/env > .conda/environments.txt
"""


def test_pythons_of_others_are_found(fleet: Fleet, template: str, tmp_path: Path) -> None:
    host = fleet.up({"others": f"m1-fresh@{template}"})["others"]
    prefixes = [f"'{prefix}'" for prefix in PYTHONS_OF_OTHERS]
    host.run(f"sh -s {' '.join(prefixes)}", input=LAY_OUT.encode(), check=True)
    results = ask(fleet, {host.name: INTERPRETER}, tmp_path / "answers.json")
    host.delete()
    facts = results[host.name]["ansible_facts"]["apple_silicon"]
    found = {python["path"].partition("/bin/")[0]: python for python in facts["pythons"]}
    expected = {f"/Users/admin/{prefix}": source for prefix, source in PYTHONS_OF_OTHERS.items() if source != "nix"}
    expected["/Users/admin/.nix-profile"] = "nix"
    assert {path: python["source"] for path, python in found.items() if path != "/usr"} == expected
    assert all(found[path]["native"] and found[path]["universal2"] for path in expected)
    assert {found[path]["implementation"] for path in expected} == {"cpython"}
    of_conda = {root["distribution"]: [root["prefix"], *root["environments"]] for root in facts["conda"]}
    home = "/Users/admin"
    assert of_conda == {
        "miniforge": [f"{home}/miniforge3", f"{home}/miniforge3/envs/work", f"{home}/elsewhere/with a space"],
        "micromamba": [f"{home}/micromamba", f"{home}/micromamba/envs/work"],
    }
    assert {root["architecture"] for root in facts["conda"]} == {None}  # as each Python is for two
    assert facts["unknown"] == []


SPOIL = """
set -e
echo 'export PATH=/usr/bin:/bin' > ~/.zshenv
for number in 1 2 3; do
    prefix=~/.asdf/installs/python/$number
    mkdir -p $prefix && cp -R ~/interpreter/* $prefix && rm -rf $prefix/include
    printf 'import time\\nwhile True: time.sleep(1)\\n' | tee $prefix/lib/python3.*/encodings/__init__.py
done
mkdir -p ~/.conda/envs/odd/bin ~/.conda/envs/odd/conda-meta ~/.pyenv ~/miniforge3/bin ~/miniforge3/conda-meta
mkfifo ~/.conda/envs/odd/conda-meta/history ~/miniforge3/envs ~/micromamba
mkfifo ~/.conda/environments.txt ~/.asdf/installs/python/1/bin/python3.9
chmod 0 ~/.pyenv
"""


def test_what_hangs_or_is_closed_does_not_hold_up_and_is_said(fleet: Fleet, template: str, tmp_path: Path) -> None:
    """The user's PATH lacks /usr/sbin, interpreters hang, a named pipe lies where a file is usual."""
    host = fleet.up({"spoilt": f"m1-fresh@{template}"})["spoilt"]
    host.run("sh -s", input=SPOIL.encode(), check=True)
    assert host.run("command -v sysctl").stdout == ""
    results = ask(fleet, {host.name: INTERPRETER}, tmp_path / "answers.json")
    left_running = host.run("ps -axo command").stdout
    host.delete()
    facts = results[host.name]["ansible_facts"]["apple_silicon"]
    assert facts["is_apple_silicon"] is True
    unknown = {entry["source"]: entry["reason"] for entry in facts["unknown"]}
    hanging = {source for source, reason in unknown.items() if reason.startswith("no answer within")}
    assert hanging == {python["path"] for python in facts["pythons"] if python["source"] == "asdf"}
    assert len(hanging) == 3
    assert unknown["/Users/admin/.conda/environments.txt"] == "not a regular file"
    assert unknown["/Users/admin/.conda/envs/odd/conda-meta/history"] == "not a regular file"
    assert unknown["/Users/admin/.pyenv"] == "Permission denied"
    assert len(unknown) == 6
    assert [root["prefix"] for root in facts["conda"]] == ["/Users/admin/miniforge3"]
    assert ".asdf" not in left_running


def test_apple_silicon_can_be_required(fleet: Fleet, template: str, tmp_path: Path) -> None:
    macs = fleet.up({"intel": f"intel@{template}", "silicon": f"m2-rosetta@{template}"})
    hosts = {"intel": INTERPRETER, "silicon": INTEL_INTERPRETER}
    results = ask(fleet, hosts, tmp_path / "answers.json", require="apple_silicon")
    for mac in macs.values():
        mac.delete()
    assert "this Mac has an Intel processor (Intel(R) Core(TM) i7-9750H" in results["intel"]["msg"]
    assert results["intel"]["apple_silicon"]["is_apple_silicon"] is False
    assert results["silicon"]["ansible_facts"]["apple_silicon"]["rosetta"]["translated"] is True
