# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift of environments on simulated Macs, repaired by the real module over SSH: each kind in four runs.

Check must say what real then does, and change nothing; the next two runs must find nothing to do. Each drift has a Mac
of its own, and all of them are in each run, which is how an administrator meets them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.environments import Outcome, SmallEnvironment, SmallWheels, run_module
from tests.integration.hosts import FourRuns, four_runs
from tests.simulated_mac.fleet import Fleet

USER_SITE = "Library/Python/$minor/lib/python/site-packages"


@dataclass(frozen=True)
class Drift:
    """A shell line that makes it, the reasons that are found, and the generations that are there in the end."""

    made_by: str
    reasons: list[str]
    generations: list[str] = field(default_factory=lambda: ["1", "2"])
    options: dict[str, Any] = field(default_factory=dict)


DRIFTS = {
    "nothing": Drift("true", [], ["1"]),
    # What users do
    "pip-install": Drift(
        "$root/bin/uv pip install -q --no-index --find-links wheels --python $link/bin/python gamma", ["package-extra"]
    ),
    "pip-uninstall": Drift("$root/bin/uv pip uninstall -q --python $link/bin/python beta", ["package-missing"]),
    "pip-upgrade": Drift(
        "$root/bin/uv pip install -q --no-index --find-links wheels --python $link/bin/python beta==3.0",
        ["package-version", "file-damaged"],
    ),
    "module": Drift("touch $packages/mine.py", ["package-extra"]),
    # Files
    "damaged": Drift("echo \"VERSION = '6.6'\" > $packages/alpha/__init__.py", ["file-damaged"]),
    "damaged-unnoticed": Drift(
        "cd $packages/alpha; touch -r __init__.py old; sed -i s/1.0/9.9/ __init__.py; touch -r old __init__.py; rm old",
        ["file-damaged"],
        options={"integrity": "full"},
    ),
    "damaged-wheel": Drift("echo bad >> $root/wheels/*/alpha-1.0-*.whl; rm $packages/alpha/part7.py", ["file-missing"]),
    "missing": Drift("rm $packages/alpha/part7.py", ["file-missing"]),
    "several": Drift("rm $packages/alpha/part7.py; touch $packages/evil.pth", ["startup-file", "file-missing"]),
    # Stands for a clock that was set back, too: a simulated host cannot have a time of its own.
    "future": Drift("touch -t 203801010000 $packages/alpha/__init__.py $link/metalfleet-manifest.json", [], ["1"]),
    "future-missing": Drift(
        "rm $packages/alpha/part7.py; touch -t 203801010000 $packages/alpha/* $link/metalfleet-manifest.json $home",
        ["file-missing"],
    ),
    "intel-library": Drift("cp wheels/intel.so $packages/alpha/native.so", ["wrong-architecture"]),
    "edited-unnoticed": Drift(
        "cd $link; touch -r pyvenv.cfg old; sed -i 's/packages = false/packages = true /' pyvenv.cfg; "
        "touch -r old pyvenv.cfg; rm old",
        ["startup-file"],
    ),
    "script-edited-unnoticed": Drift(
        "cd $link/bin; touch -r activate old; sed -i s/VIRTUAL/virtual/ activate; touch -r old activate; rm old",
        ["file-damaged"],
    ),
    "finder": Drift("cd $home; echo Bud1 | tee .DS_Store 1/.DS_Store > $packages/.DS_Store", [], [".DS_Store", "1"]),
    # Odd entries, modes and owners
    "fifo": Drift("mkfifo $packages/pipe", ["package-extra"]),
    "fifo-for-a-file": Drift("rm $packages/alpha/part7.py; mkfifo $packages/alpha/part7.py", ["file-damaged"]),
    "link-to-a-fifo": Drift(
        "mkfifo pipe; rm $packages/alpha/part7.py; ln -s ~/pipe $packages/alpha/part7.py", ["file-damaged"]
    ),
    "not-utf-8": Drift("touch \"$packages/$(printf 'caf\\351.py')\"", ["package-extra"]),
    "closed-folder": Drift("chmod 000 $packages/alpha", ["permissions-changed"]),
    "closed-file": Drift("chmod 000 $packages/alpha/native.so", ["permissions-changed"]),
    "closed-top": Drift("chmod 000 $home/1", ["unfinished"], ["2"]),
    "private": Drift("chmod 600 $packages/alpha/part7.py", ["permissions-changed"]),
    "world-writable": Drift("chmod -R a+w $packages/alpha $link/bin/", ["permissions-changed"]),
    "of-root": Drift("sudo chown -R root $home/1", ["permissions-changed"]),
    "compiled-by-root": Drift("cd $packages; sudo mkdir -p alpha/__pycache__ && sudo touch $_/x.pyc", [], ["1"]),
    # What Python runs or loads on its own
    "pth": Drift("echo 'import os' > $packages/evil.pth", ["startup-file"]),
    "sitecustomize": Drift("touch $packages/sitecustomize.py", ["startup-file"]),
    "usercustomize": Drift("cd $packages; mkdir usercustomize; touch usercustomize/__init__.py", ["startup-file"]),
    "sitecustomize-of-the-interpreter": Drift(
        "cd $root/python/*/lib/python$minor; echo 'mine = 1' > sitecustomize.py", ["startup-file"], ["1"]
    ),
    "system-packages": Drift("sed -i 's/false/true/' $link/pyvenv.cfg", ["startup-file"]),
    "plugin": Drift(
        "mkdir $packages/tensorflow-plugins; touch $packages/tensorflow-plugins/a.dylib", ["stray-plugin"]
    ),
    "plugin-of-the-user": Drift(
        f"mkdir -p {USER_SITE}/tensorflow-plugins; echo mine > {USER_SITE}/tensorflow-plugins/a.dylib",
        ["stray-plugin"],
        ["1"],
    ),
    # The stable path
    "link-gone": Drift("rm $link", ["absent"], ["1"]),
    "link-elsewhere": Drift("mkdir mine; echo mine > mine/work; ln -sfn $HOME/mine $link", ["link-retargeted"], ["1"]),
    "link-dangling": Drift("ln -sfn $home/9 $link", ["absent"], ["1"]),
    "target-gone": Drift("rm -r $home/1", ["absent"], ["1"]),
    "everything-gone": Drift("rm -r $home", ["absent"], ["1"]),
    "link-being-made": Drift(
        "mkdir .virtualenvs/.tf.new; echo mine > .virtualenvs/.tf.new/work; rm $packages/alpha/part7.py",
        ["file-missing"],
    ),
    "notebook": Drift("mkdir $link/work; echo mine > $link/work/notes.ipynb", ["package-extra"]),
    "copied": Drift("cp -R $home/1 $home/5; ln -sfn $home/5 $link", ["unfinished"], ["1"]),
    "renamed": Drift("mv $home/1 $home/5; ln -sfn $home/5 $link", ["unfinished"], ["6"]),
    "backup": Drift("mkdir $home/1-backup; echo mine > $home/1-backup/work", ["unfinished"], ["1"]),
    "half-built": Drift("mkdir -p $home/2/bin; touch $home/2/bin/activate", ["unfinished"], ["1"]),
    # Manifests
    "manifest-cut": Drift("cd $link; head -c 500 *-manifest.json > cut; mv cut *-manifest.json", ["unfinished"], ["2"]),
    "manifest-empty": Drift(": > $link/metalfleet-manifest.json", ["unfinished"], ["2"]),
    "manifest-edited": Drift("sed -i s/alpha/delta/ $link/metalfleet-manifest.json", ["unfinished"], ["2"]),
    "manifest-gone": Drift("rm $link/metalfleet-manifest.json", ["unfinished"], ["2"]),
    # Interpreters. Package managers make a new folder, point the link at it, and remove the old folder.
    "interpreter-upgraded": Drift(
        "cd $root/python; mv * cpython-3.99; ln -sfn $PWD/*/bin/python$minor ../bin/python3", ["interpreter-missing"]
    ),
    "interpreter-exchanged": Drift(
        "cd $root/python/*/bin; cp python$minor new; echo >> new; mv new python$minor", ["interpreter-changed"]
    ),
    "intel-interpreter": Drift(
        "cd $link/bin; cp ~/wheels/intel.so new; chmod +x new; mv new python",
        ["wrong-architecture", "interpreter-changed"],
    ),
    "no-interpreter": Drift("rm $link/bin/python", ["interpreter-missing"]),
}  # fmt: skip


@dataclass(frozen=True)
class Repaired:
    """A host that drifted, and what became of it."""

    environment: SmallEnvironment
    runs: FourRuns[Outcome]


@pytest.fixture(scope="module")
def repaired(fleet: Fleet, small_template: str, small_wheels: SmallWheels) -> Iterator[dict[str, Repaired]]:
    """All drifts, each on its Mac, after check, real, again, and again in check."""
    macs = fleet.up({f"drift-{name}": f"m1-fresh@{small_template}" for name in DRIFTS})
    hosts = {name: SmallEnvironment(macs[f"drift-{name}"], small_wheels) for name in DRIFTS}
    for name, drift in DRIFTS.items():
        hosts[name].options |= drift.options
        hosts[name].sh(drift.made_by)

    runs = four_runs({name: host.mac for name, host in hosts.items()}, partial(run_module, hosts))
    yield {name: Repaired(host, runs[name]) for name, host in hosts.items()}
    for mac in macs.values():
        mac.delete()


@pytest.mark.parametrize(("name", "drift"), DRIFTS.items(), ids=DRIFTS)
def test_each_drift_is_found_and_repaired(repaired: dict[str, Repaired], name: str, drift: Drift) -> None:
    host, runs = repaired[name], repaired[name].runs
    assert [run.reasons for run in runs.said] == [drift.reasons, drift.reasons, [], []]
    assert runs.said[0].answer["plan"] == runs.said[1].answer["plan"]
    runs.assert_checks_changed_nothing()
    assert drift.reasons or runs.seen[0] ^ runs.seen[-1] == set()
    host.environment.assert_in_order()
    assert host.environment.generations() == drift.generations


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("sitecustomize-of-the-interpreter", "sed 's/ = 1//' $root/set-aside/*"),
        ("plugin-of-the-user", f"ls {USER_SITE}; cat $root/set-aside/*/a.dylib"),
        ("link-elsewhere", "cat mine/work"),
        ("link-being-made", "cat $root/set-aside/*/work"),
        ("backup", "cat $root/set-aside/*/work"),
        ("notebook", "cat $home/1/work/notes.ipynb"),
    ],
)
def test_what_is_a_users_own_is_kept(repaired: dict[str, Repaired], name: str, command: str) -> None:
    assert repaired[name].environment.sh(command) == "mine\n"


def test_a_damaged_wheel_is_whole_again(repaired: dict[str, Repaired]) -> None:
    environment = repaired["damaged-wheel"].environment
    stored, sent = (
        environment.sh(f"base64 < {path}") for path in ("$root/wheels/*/alpha-1.0-*.whl", "wheels/alpha-1*")
    )
    assert stored == sent


# --- declared changes -------------------------------------------------------------------------------------------------


def test_another_lock_and_the_way_back(environment: SmallEnvironment, small_wheels: SmallWheels) -> None:
    environment.options["lock"] = small_wheels.write_lock("other", small_wheels.alpha, small_wheels.beta_3)
    assert environment.run().reasons == ["lock-changed"]
    assert environment.says() == "1.0 3.0"
    assert reasons_of_four_runs(environment, state="rolled_back") == [["rolled-back"], ["rolled-back"], [], []]
    assert environment.says() == "1.0 2.0"
    assert environment.run().reasons == ["link-retargeted"]
    assert environment.says() == "1.0 3.0"
    assert environment.generations() == ["1", "2"]


def test_a_lower_keep_is_applied(environment: SmallEnvironment, small_wheels: SmallWheels) -> None:
    environment.options["lock"] = small_wheels.write_lock("second", small_wheels.alpha, small_wheels.beta)
    environment.run()
    assert environment.generations() == ["1", "2"]
    surplus = ["surplus-generation"]
    assert reasons_of_four_runs(environment, keep=1) == [surplus, surplus, [], []]
    assert environment.generations() == ["2"]
    environment.assert_in_order()


def test_declared_absent(environment: SmallEnvironment) -> None:
    """Only what is ours goes."""
    before = paths(environment)
    assert reasons_of_four_runs(environment, state="absent") == [["declared-absent"], ["declared-absent"], [], []]
    assert before - paths(environment) == {path for path in before if "tf" in path.parts}


def reasons_of_four_runs(environment: SmallEnvironment, **options: Any) -> list[list[str]]:
    """Check, real, again, again in check: the reasons of each."""
    return [environment.run(*check, **options).reasons for check in (["--check"], [], [], ["--check"])]


def paths(environment: SmallEnvironment) -> set[Path]:
    return set(map(Path, environment.sh("find $root/environments $root/bin .virtualenvs wheels").split()))
