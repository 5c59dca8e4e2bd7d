# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments: every drift, every fault of a build, with the real uv and small wheels of our own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed, Commands, Completed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import (
    apply,
    kernel,
    manifest,
    safety,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    declare,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.kernel import kernel_path
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import make_plan
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.safety import (
    folders_in_use,
    one_writer,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.answer import look
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds import venv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network

from tests.simulated_mac.macho import Kind, stub
from tests.wheels import Wheel, lock_of, make_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence


from tests.unit.plugins.module_utils.environment.host import INTERPRETER, UV, Host, RefusedError


def thin(architecture: str) -> bytes:
    """A library for one architecture."""
    return stub(Kind.BUNDLE, {architecture: ["none"]})


def tree(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*")}


def rewrite(path: Path, data: bytes, *, same_time: bool = False) -> None:
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(data)
    if same_time:
        os.utime(path, ns=times)


def failing_probe(*_: Any, **__: Any) -> dict[str, Any]:
    return {"ok": False, "verdict": "gpu-missing", "duration": 1.0, "macos": "15.5", "text": "gpu-missing."}


class TestDrift:
    """Each drift is made on a host in order; check and real run must say its reason, and the next two nothing."""

    def check(self, host: Host, *reasons: str, **changed: Any) -> None:
        expected = list(reasons)
        assert host.four_runs(**changed) == [expected, expected, [], []]
        assert host.imports() == "1.0 2.0\n"

    def test_nothing(self, host: Host) -> None:
        self.check(host)

    def test_package_missing(self, host: Host) -> None:
        shutil.rmtree(host.packages / "alpha")
        shutil.rmtree(host.packages / "alpha-1.0.dist-info")
        self.check(host, "package-missing")

    def test_package_extra(self, host: Host) -> None:
        gamma = make_wheel(host.wheels, "gamma")
        subprocess.run([UV, "pip", "install", "-q", "--python", host.link / "bin/python", gamma.path], check=True)
        self.check(host, "package-extra")
        assert not (host.packages / "gamma").exists()

    def test_package_version(self, host: Host) -> None:
        other = make_wheel(host.wheels, "beta", "2.1")
        subprocess.run([UV, "pip", "install", "-q", "--python", host.link / "bin/python", other.path], check=True)
        self.check(host, "package-version", "file-damaged")

    def test_a_module_that_no_package_owns(self, host: Host) -> None:
        (host.packages / "stray.py").touch()
        self.check(host, "package-extra")

    def test_file_missing(self, host: Host) -> None:
        (host.packages / "alpha/__init__.py").unlink()
        self.check(host, "file-missing")

    def test_file_damaged(self, host: Host) -> None:
        rewrite(host.packages / "alpha/__init__.py", b"VERSION = '1.1'\n")
        self.check(host, "file-damaged")

    def test_file_damaged_under_an_old_time_is_seen_by_full_integrity(self, host: Host) -> None:
        rewrite(host.packages / "alpha/__init__.py", b"VERSION = '9.9'\n", same_time=True)
        assert host.converge(check_mode=True)["reasons"] == []
        self.check(host, "file-damaged", integrity="full")

    def test_file_touched_but_whole(self, host: Host) -> None:
        os.utime(host.packages / "alpha/__init__.py", (1, 1))
        self.check(host)

    def test_damaged_metadata_proves_nothing(self, host: Host) -> None:
        """Whoever edits a file and its RECORD is found out all the same."""
        rewrite(host.packages / "alpha/__init__.py", b"VERSION = '9.9'\n")
        (host.packages / "alpha-1.0.dist-info/RECORD").write_text("")
        self.check(host, "file-damaged")

    def test_compiled_python_is_no_drift(self, host: Host) -> None:
        subprocess.run([host.link / "bin/python", "-m", "compileall", "-q", host.packages], check=True)
        assert (host.packages / "alpha/__pycache__").is_dir()
        self.check(host)

    def test_startup_pth(self, host: Host) -> None:
        (host.packages / "evil.pth").write_text("import os\n")
        self.check(host, "startup-file")

    def test_startup_module(self, host: Host) -> None:
        (host.packages / "sitecustomize.py").touch()
        self.check(host, "startup-file")

    def test_isolation_lifted(self, host: Host) -> None:
        configuration = (host.link / "pyvenv.cfg").read_text().replace("site-packages = false", "site-packages = true")
        (host.link / "pyvenv.cfg").write_text(configuration)
        self.check(host, "startup-file")

    def test_stray_plugin_in_the_environment(self, host: Host) -> None:
        (host.packages / "tensorflow-plugins").mkdir()
        (host.packages / "tensorflow-plugins/libmetal_plugin.dylib").touch()
        self.check(host, "stray-plugin")

    @pytest.mark.parametrize("site", ["Library/Python/{}/lib/python", ".local/lib/python{}"])
    def test_stray_plugin_of_the_user_is_set_aside(self, host: Host, site: str) -> None:
        minor = f"{sys.version_info.major}.{sys.version_info.minor}"
        plugins = Path.home() / site.format(minor) / "site-packages/tensorflow-plugins"
        plugins.mkdir(parents=True)
        (plugins / "libmetal_plugin.dylib").write_text("precious")
        self.check(host, "stray-plugin")
        assert not plugins.exists()
        kept = list((host.places.root / "set-aside").glob("*/libmetal_plugin.dylib"))
        assert [file.read_text() for file in kept] == ["precious"]
        assert host.generations() == ["1"]  # nothing had to be built

    def test_stray_plugin_of_the_user_is_set_aside_before_the_first_build(self, new_host: Host) -> None:
        minor = f"{sys.version_info.major}.{sys.version_info.minor}"
        plugins = Path.home() / f".local/lib/python{minor}/site-packages/tensorflow-plugins"
        plugins.mkdir(parents=True)
        assert new_host.converge()["reasons"] == ["stray-plugin", "absent"]
        assert not plugins.exists()

    def test_interpreter_missing(self, host: Host) -> None:
        (host.link / "bin/python").unlink()
        self.check(host, "interpreter-missing")

    def test_interpreter_retargeted(self, host: Host) -> None:
        (host.link / "bin/python").unlink()
        (host.link / "bin/python").symlink_to("/bin/sh")
        self.check(host, "interpreter-changed")

    def test_interpreter_upgraded_underneath(self, host: Host, tmp_path: Path) -> None:
        base = tmp_path / "base/bin/python3"
        base.parent.mkdir(parents=True)
        base.symlink_to(INTERPRETER)
        host.bring_python(base)
        self.check(host)  # a link to the same interpreter is no other one
        wrapper = tmp_path / "upgraded/bin" / INTERPRETER.name
        shutil.copytree(
            INTERPRETER.parents[1], wrapper.parents[1], symlinks=True, ignore=shutil.ignore_patterns("test")
        )
        host.bring_python(wrapper)
        assert host.converge()["reasons"] == ["interpreter-changed"]
        with wrapper.open("ab") as binary:
            binary.write(b"upgraded")
        self.check(host, "interpreter-changed")

    def test_lock_changed(self, host: Host) -> None:
        self.check(host, "lock-changed", lock=host.declaration.lock + "# another\n")

    def test_link_gone(self, host: Host) -> None:
        host.link.unlink()
        self.check(host, "absent")
        assert host.generations() == ["1"]  # whole: there was nothing to build

    def test_link_retargeted(self, host: Host, tmp_path: Path) -> None:
        host.link.unlink()
        host.link.symlink_to(tmp_path)
        self.check(host, "link-retargeted")
        assert host.generations() == ["1"]

    def test_target_removed(self, host: Host) -> None:
        shutil.rmtree(host.link.resolve())
        self.check(host, "absent")

    @pytest.mark.parametrize(
        "edit", [lambda text: text[:200], lambda text: text.replace(b"alpha", b"delta")], ids=["truncated", "edited"]
    )
    def test_manifest_truncated_or_edited(self, host: Host, edit: Any) -> None:
        path = host.link / manifest.NAME
        path.write_bytes(edit(path.read_bytes()))
        assert host.converge(check_mode=True)["reasons"] == ["unfinished"]
        self.check(host, "unfinished")

    @pytest.mark.parametrize("damage", [None, b"", b"[]"])
    def test_without_digests_what_was_touched_counts_as_damaged(self, host: Host, damage: bytes | None) -> None:
        files = host.link.resolve() / manifest.FILES
        files.unlink() if damage is None else files.write_bytes(damage)
        self.check(host)
        os.utime(host.packages / "alpha/__init__.py", (1, 1))
        self.check(host, "file-damaged")

    def test_what_a_killed_build_left(self, host: Host) -> None:
        (host.declaration.home / "7/bin").mkdir(parents=True)
        self.check(host, "unfinished")
        assert host.generations() == ["1"]

    def test_what_an_interrupted_removal_left_is_still_ours(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As when somebody presses Ctrl-C twice: what a build left is just being removed."""
        generation, remove_tree = tmp_path / "2", safety.remove_tree
        manifest.begin(generation)
        (generation / "bin").mkdir()
        (generation / "z").touch()

        def interrupted(path: Path) -> None:
            if path == generation:
                raise KeyboardInterrupt
            remove_tree(path)

        monkeypatch.setattr(safety, "remove_tree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            manifest.remove(generation)
        assert [path.name for path in generation.iterdir()] == [manifest.BUILDING]
        assert manifest.is_unfinished(generation)

    def test_several_drifts_are_repaired_by_one_build(self, host: Host) -> None:
        (host.packages / "alpha/__init__.py").unlink()
        (host.packages / "evil.pth").touch()
        self.check(host, "startup-file", "file-missing")
        assert host.commands.builds == 2

    def test_foreign_architecture(self, new_host: Host) -> None:
        """A library is exchanged for one of an Intel Mac."""
        native = make_wheel(
            new_host.wheels, "alpha", files={"alpha/__init__.py": b"VERSION = '1.0'\n", "alpha/x.so": thin("arm64")}
        )
        new_host.machine = "arm64"
        lock = lock_of(native, Wheel(new_host.wheels / "beta-2.0-py3-none-any.whl", "beta==2.0"))
        new_host.declaration = replace(new_host.declaration, lock=lock)
        new_host.converge()
        rewrite(new_host.packages / "alpha/x.so", thin("x86_64"))
        self.check(new_host, "wrong-architecture")

    def test_absent(self, host: Host) -> None:
        assert host.four_runs(state="absent") == [["declared-absent"], ["declared-absent"], [], []]
        assert not host.declaration.home.exists()
        assert not host.link.is_symlink()

    def test_absent_where_a_removal_was_killed(self, host: Host) -> None:
        host.link.unlink()
        shutil.rmtree(host.declaration.home)
        host.declaration.home.mkdir()
        assert host.four_runs(state="absent") == [["declared-absent"], ["declared-absent"], [], []]
        assert not host.declaration.home.exists()

    @pytest.mark.parametrize("marked", [True, False])
    def test_absent_where_a_removal_was_killed_in_a_generation(self, host: Host, marked: bool) -> None:
        """Its manifest is the first thing to go; what it was may still be active."""
        (host.declaration.home / "1" / manifest.NAME).unlink()
        if not marked:
            host.link.unlink()
        assert host.four_runs(state="absent")[1:] == [["unfinished", "declared-absent"], [], []]
        assert not host.declaration.home.exists()
        assert not host.link.is_symlink()

    def test_absent_where_the_link_leads_deeper(self, host: Host) -> None:
        host.link.unlink()
        host.link.symlink_to(host.declaration.home / "1/bin")
        assert host.four_runs(state="absent") == [["declared-absent"], ["declared-absent"], [], []]
        assert not host.link.is_symlink()

    def test_a_link_to_a_generation_is_none(self, host: Host) -> None:
        (host.declaration.home / "3").symlink_to("1")
        assert host.four_runs()[1:] == [["unfinished"], [], []]
        assert host.generations() == ["1"]

    def test_a_name_of_other_digits_is_no_number(self, host: Host) -> None:
        (host.declaration.home / "²").mkdir()
        assert host.four_runs()[1:] == [["unfinished"], [], []]


class TestKernel:
    def test_it_follows_the_declaration(self, host: Host) -> None:
        ipykernel = make_wheel(host.wheels, "ipykernel")
        lock = host.declaration.lock + lock_of(ipykernel)
        wanted = {"lock": lock, "jupyter_kernel": True}
        assert host.four_runs(**wanted)[1:3] == [["lock-changed", "kernel-changed"], []]
        specification = json.loads(kernel_path("tf").read_text())
        assert specification["argv"][0] == f"{host.link}/bin/python"
        kernel_path("tf").write_text("{}")
        assert host.four_runs(**wanted) == [["kernel-changed"], ["kernel-changed"], [], []]
        kernel_path("tf").write_text("[" * 100_000)
        mine = host.folder / "mine"
        mine.write_text("mine")
        kernel_path("tf").with_name("kernel.json.new").symlink_to(mine)
        assert host.four_runs(**wanted) == [["kernel-changed"], ["kernel-changed"], [], []]
        assert mine.read_text() == "mine"
        kernel_path("tf").write_text(kernel_path("tf").read_text().replace('"tf",', '"My TensorFlow",'))
        assert host.four_runs(lock=lock) == [["kernel-changed"], ["kernel-changed"], [], []]
        assert not kernel_path("tf").parent.exists()

    @pytest.mark.parametrize("in_the_way", ["a folder", "a file"])
    def test_what_cannot_be_written_is_refused_before_anything_is_done(self, host: Host, in_the_way: str) -> None:
        wanted = {"lock": host.declaration.lock + lock_of(make_wheel(host.wheels, "ipykernel")), "jupyter_kernel": True}
        path = kernel_path("tf")
        if in_the_way == "a folder":
            path.mkdir(parents=True)
        else:
            path.parents[1].mkdir(parents=True)
            path.parent.touch()
        for check in (True, False):
            with pytest.raises(RefusedError, match="The Jupyter kernel tf cannot be written by user"):
                host.converge(check_mode=check, **wanted)
        assert host.generations() == ["1"]


class TestRollback:
    @pytest.fixture
    def upgraded(self, host: Host) -> Host:
        gamma = make_wheel(host.wheels, "gamma")
        host.declaration = replace(host.declaration, lock=host.declaration.lock + lock_of(gamma))
        host.converge()
        assert host.generations() == ["1", "2"]
        return host

    def test_back_and_forward_without_a_build(self, upgraded: Host) -> None:
        builds = upgraded.commands.builds
        assert upgraded.four_runs(state="rolled_back") == [["rolled-back"], ["rolled-back"], [], []]
        assert upgraded.link.readlink().name == "1"
        assert upgraded.four_runs() == [["link-retargeted"], ["link-retargeted"], [], []]
        assert upgraded.link.readlink().name == "2"
        assert upgraded.commands.builds == builds

    def test_a_damaged_generation_is_refused(self, upgraded: Host) -> None:
        next((upgraded.declaration.home / "1").glob("lib/*/site-packages/alpha/__init__.py")).unlink()
        with pytest.raises(RefusedError, match=r"Generation 1 .* not whole .*alpha/__init__.py.*not touched"):
            upgraded.converge(state="rolled_back")
        assert upgraded.link.readlink().name == "2"

    def test_a_generation_that_never_was(self, upgraded: Host) -> None:
        with pytest.raises(RefusedError, match=r"no complete generation 9 .*The complete ones are: 1, 2"):
            upgraded.converge(state="rolled_back", generation=9)

    def test_what_was_rolled_back_to_outlives_what_was_rolled_back_from(self, upgraded: Host) -> None:
        upgraded.converge(state="rolled_back")
        lock = upgraded.declaration.lock + "# newer\n"
        assert upgraded.converge(lock=lock)["reasons"] == ["lock-changed"]
        assert upgraded.generations() == ["1", "3"]
        assert upgraded.converge(state="rolled_back")["reasons"] == ["rolled-back"]
        assert upgraded.link.readlink().name == "1"

    def test_it_does_so_after_several_upgrades_too(self, upgraded: Host) -> None:
        upgraded.converge(state="rolled_back", keep=3)
        for number in range(2):
            upgraded.converge(lock=upgraded.declaration.lock + "#" * (number + 1) + "\n", keep=3)
        assert upgraded.generations() == ["1", "3", "4"]

    def test_whoever_goes_forward_again_trusts_it_again(self, upgraded: Host) -> None:
        upgraded.converge(state="rolled_back")
        upgraded.converge()
        upgraded.converge(lock=upgraded.declaration.lock + "# newer\n")
        assert upgraded.generations() == ["2", "3"]

    def test_nothing_to_go_back_to(self, host: Host) -> None:
        with pytest.raises(RefusedError, match="before the newest"):
            host.converge(state="rolled_back")


class BrokenProbe:
    """Says that TensorFlow cannot be used, until a generation with a higher number is probed."""

    def __init__(self, verdict: str, good_from: int = 99) -> None:
        self.verdict, self.good_from, self.calls = verdict, good_from, 0

    def __call__(self, environment: Path, _demand: Demand, **_: Any) -> dict[str, Any]:
        self.calls += 1
        is_good = int(environment.resolve().name) >= self.good_from
        verdict = "gpu-ok" if is_good else self.verdict
        return {"ok": is_good, "verdict": verdict, "duration": 1.0, "macos": "15.5", "text": f"{verdict}."}


class TestRebuild:
    """An environment whose files are as they were built, and that cannot be used all the same."""

    @pytest.fixture
    def broken(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> Any:
        def break_it(verdict: str, good_from: int = 99) -> Host:
            monkeypatch.setattr(host, "probe", BrokenProbe(verdict, good_from))
            return host

        return break_it

    @pytest.mark.parametrize("verdict", ["import-failed", "crashed"])
    def test_it_is_rebuilt(self, broken: Any, verdict: str) -> None:
        host = broken(verdict, good_from=2)
        assert host.four_runs() == [["probe-failed"], ["probe-failed"], [], []]
        assert host.generations() == ["1", "2"]

    def test_only_once_if_that_does_not_help(self, broken: Any) -> None:
        host = broken("import-failed")
        with pytest.raises(RefusedError, match="did not pass its probe: import-failed"):
            host.converge()
        for check_mode in (True, False):
            found = host.converge(check_mode=check_mode)
            assert (found["reasons"], found["ok"], found["verdict"]) == ([], False, "import-failed")
            assert "-e tensorflow_rebuild=tf" in found["warnings"][0]
        assert host.commands.builds == 2
        assert host.generations() == ["1"]

    def test_another_failure_is_another_case(self, broken: Any) -> None:
        with pytest.raises(RefusedError):
            broken("import-failed").converge()
        assert broken("crashed", good_from=2).converge()["reasons"] == ["probe-failed"]

    @pytest.mark.parametrize("verdict", ["gpu-missing", "gpu-unusable", "timed-out", "keras-failed"])
    def test_what_is_not_the_files_fault_is_not_rebuilt(self, broken: Any, verdict: str) -> None:
        found = broken(verdict).converge()
        assert (found["reasons"], found["ok"]) == ([], False)

    def test_damage_that_only_hashes_show_comes_first(self, broken: Any) -> None:
        host = broken("import-failed", good_from=2)
        rewrite(host.packages / "alpha/__init__.py", b"VERSION = '9.9'\n", same_time=True)
        assert host.four_runs() == [["file-damaged"], ["file-damaged"], [], []]

    def test_on_drift_report_is_obeyed(self, broken: Any) -> None:
        host = broken("import-failed")
        found = host.converge(on_drift="report")
        assert (found["reasons"], found["plan"], found["ok"]) == (["probe-failed"], [], False)
        assert host.generations() == ["1"]

    def test_it_can_be_asked_for(self, host: Host) -> None:
        assert host.converge(check_mode=True, rebuild=True)["reasons"] == ["asked"]
        assert host.converge(rebuild=True)["reasons"] == ["asked"]
        assert host.link.readlink().name == "2"
        assert host.converge()["reasons"] == []

    def test_it_is_done_where_another_generation_would_do_and_where_drift_is_only_reported(self, host: Host) -> None:
        host.link.unlink()
        assert host.converge(rebuild=True)["reasons"] == ["absent", "asked"]
        assert host.converge(rebuild=True, on_drift="report")["reasons"] == ["asked"]
        assert host.link.readlink().name == "3"

    def test_a_memory_that_is_damaged_is_none(self, host: Host) -> None:
        (host.declaration.home / "metalfleet-memory.json").write_text('{"left": 3}')
        assert host.four_runs() == [[], [], [], []]
        host.converge(state="absent")
        assert not host.declaration.home.exists()


class TestBuild:
    def test_check_mode_leaves_no_trace(self, new_host: Host, tmp_path: Path) -> None:
        before = tree(tmp_path)
        new_host.converge(check_mode=True)
        assert tree(tmp_path) == before
        assert new_host.commands.calls == []

    def test_no_drift_leaves_no_trace(self, host: Host, tmp_path: Path) -> None:
        before = tree(tmp_path)
        calls = len(host.commands.calls)
        host.converge()
        assert tree(tmp_path) == before
        assert len(host.commands.calls) == calls

    def test_a_failed_build_keeps_the_old_one(self, host: Host) -> None:
        wrong = host.declaration.lock.replace("sha256:", "sha256:0000")[:-5] + "\n"
        wrong = "\n".join(line[: line.index(":") + 65] for line in wrong.splitlines()) + "\n"
        with pytest.raises(RefusedError, match=r"wheel of (alpha|beta) .* is not the one in the lock.*still in use"):
            host.converge(lock=wrong)
        assert host.generations() == ["1"]
        assert host.imports() == "1.0 2.0\n"

    def test_an_interrupted_build_leaves_a_folder_that_is_ours(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it has started may not have ended yet, and would make the folder again, without the mark."""

        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        (host.packages / "alpha/__init__.py").unlink()
        with monkeypatch.context() as patched:
            patched.setattr(host, "probe", interrupted)
            with pytest.raises(KeyboardInterrupt):
                host.converge()
        [left] = (host.declaration.home / "2").iterdir()
        assert left.name == manifest.BUILDING
        (left.parent / "bin").mkdir()
        assert host.converge()["reasons"] == ["unfinished", "file-missing"]
        assert not host.places.set_aside.exists()
        assert host.imports() == "1.0 2.0\n"

    def test_a_failed_probe_keeps_the_old_one(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(host, "probe", failing_probe)
        (host.packages / "alpha/__init__.py").unlink()
        with pytest.raises(RefusedError, match="gpu-missing") as caught:
            host.converge()
        assert caught.value.environment["probe"]["verdict"] == "gpu-missing"
        assert "still in use" in str(caught.value)
        assert host.generations() == ["1"]

    def test_the_manifest_tells_the_probe(self, new_host: Host) -> None:
        new_host.converge()
        built = manifest.read(new_host.link)
        assert built
        assert built.probe == {"verdict": "gpu-ok", "duration": 1.0, "macos": "15.5"}

    def test_a_damaged_wheel_in_the_store_is_noticed_and_refetched(self, host: Host) -> None:
        [stored] = host.places.wheels.glob("*/alpha-1.0-*.whl")
        whole = stored.read_bytes()
        stored.write_bytes(whole[:-1] + b"!")
        (host.packages / "alpha/__init__.py").unlink()
        assert host.four_runs()[1:] == [["file-missing"], [], []]
        assert host.imports() == "1.0 2.0\n"
        assert stored.read_bytes() == whole

    def test_a_repair_needs_nothing_but_the_store(self, host: Host) -> None:
        (host.packages / "alpha/__init__.py").unlink()
        host.network = Network(index_url="http://127.0.0.1:9/simple")
        assert host.converge()["reasons"] == ["file-missing"]

    def test_an_environment_shares_no_file_with_others(self, host: Host) -> None:
        assert {path.stat().st_nlink for path in host.packages.rglob("*.py")} == {1}

    def test_nothing_is_left_of_uvs_cache(self, host: Host) -> None:
        assert not list(host.places.root.rglob("archive-v*"))

    def test_a_wheel_that_brings_a_startup_file_is_refused(self, host: Host) -> None:
        evil = make_wheel(host.wheels, "evil", files={"evil.pth": b"import os\n"})
        with pytest.raises(RefusedError, match=r"The package evil brings the file evil\.pth"):
            host.converge(lock=lock_of(evil))
        assert host.imports() == "1.0 2.0\n"
        assert host.converge(lock=lock_of(evil), startup_files_of=("evil",))["reasons"] == ["lock-changed"]

    def test_requirements_that_are_not_met_are_named(self, host: Host) -> None:
        delta = make_wheel(host.wheels, "delta", requires="epsilon>=2")
        with pytest.raises(RefusedError, match=r"delta.*requires.*epsilon>=2.*Add them to the lock"):
            host.converge(lock=lock_of(delta))
        assert host.imports() == "1.0 2.0\n"

    def test_a_document_that_two_wheels_bring_is_allowed_and_recorded(self, host: Host) -> None:
        one = make_wheel(host.wheels, "one", files={"one.py": b"", "README.md": b"1", "package_info.json": b"{}"})
        two = make_wheel(host.wheels, "two", files={"two.py": b"", "README.md": b"2", "package_info.json": b"[]"})
        done = host.converge(lock=lock_of(one, two))
        assert ["README.md" in done["warnings"][0], "package_info.json" in done["warnings"][1]] == [True, True]
        built = manifest.read(host.link.resolve())
        assert built
        assert {Path(path).name: owners for path, owners in built.shared.items()} == {
            "README.md": ["one", "two"],
            "package_info.json": ["one", "two"],
        }
        assert host.converge(lock=lock_of(one, two))["reasons"] == []

    @pytest.mark.parametrize("name", ["shared.py", "shared/data.txt", "shared.so", "README.pth"])
    def test_what_two_wheels_bring_that_may_do_harm_is_refused(self, host: Host, name: str) -> None:
        one = make_wheel(host.wheels, "one", files={name: b"1"})
        two = make_wheel(host.wheels, "two", files={name: b"2"})
        with pytest.raises(RefusedError, match=r"The package (one|two) brings the file .*still in use"):
            host.converge(lock=lock_of(one, two))

    def test_an_interpreter_that_hangs_ends_the_build(
        self, new_host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hanging = tmp_path / "hanging/bin/python3"
        hanging.parent.mkdir(parents=True)
        hanging.write_text("#!/bin/sh\nexec sleep 1000\n")
        hanging.chmod(0o755)
        new_host.bring_python(hanging)
        monkeypatch.setattr(venv, "TO_START", 2.0)
        with pytest.raises(RefusedError, match=r"did not end in time.*Nothing was activated.*no answer within 2 s"):
            new_host.converge()

    def test_everybody_may_read_what_is_made(self, new_host: Host) -> None:
        before = os.umask(0o077)
        try:
            new_host.converge()
            assert os.umask(0o077) == 0o077
        finally:
            os.umask(before)
        made = [*new_host.places.root.rglob("*"), *new_host.places.links.iterdir(), new_host.places.links]
        closed = [path for path in made if not path.is_symlink() and path.stat().st_mode & 0o044 != 0o044]
        assert [path for path in closed if new_host.places.root / "bin" != path] == []

    def test_a_wheel_cannot_write_outside(self, host: Host, tmp_path: Path) -> None:
        files = {"../" * depth + "evil.py": b"" for depth in range(1, 9)}
        evil = make_wheel(host.wheels, "evil", files={**files, "/tmp/evil.py": b"", "evil/__init__.py": b""})
        with contextlib.suppress(RefusedError):  # uv leaves such files out, or refuses the wheel
            host.converge(lock=lock_of(evil))
        inside = host.declaration.home.resolve()
        assert [path for path in tmp_path.rglob("evil.py") if inside not in path.resolve().parents] == []

    def test_a_record_that_names_files_outside_is_refused(self, host: Host) -> None:
        with (host.packages / "alpha-1.0.dist-info/RECORD").open("a") as record:
            record.write("../../../../evil.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n")
        with pytest.raises(MetalfleetError, match="alpha 1.0 writes outside the environment"):
            host.tools.kinds["venv"].inspect(host.link.resolve())

    def test_a_wheel_for_another_machine_is_refused(self, new_host: Host) -> None:
        foreign = make_wheel(new_host.wheels, "foreign", files={"foreign/x.so": thin("x86_64")})
        new_host.machine = "arm64"
        with pytest.raises(RefusedError, match=r"foreign/x\.so holds code for x86_64, not for arm64"):
            new_host.converge(lock=lock_of(foreign))

    def test_uv_gets_absolute_interpreters_and_no_search_path(
        self, new_host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("UV_PYTHON", "/usr/bin/python3")
        new_host.converge()
        uv, calls = str(new_host.places.uv), zip(new_host.commands.calls, new_host.commands.environments, strict=True)
        for call, environment in [each for each in calls if each[0][0] == uv]:
            assert Path(call[call.index("--python") + 1]).is_absolute()
            assert environment["UV_PYTHON_SEARCH_PATH"] == "/nonexistent"
            assert "UV_PYTHON" not in environment

    def test_credentials_are_in_no_argument_and_no_message(self, new_host: Host) -> None:
        secret = "http://user:secret@127.0.0.1:9/simple"
        new_host.network = Network(index_url=secret)
        with pytest.raises(RefusedError, match="could not be reached") as caught:
            new_host.converge()
        assert "secret" not in str(caught.value) + json.dumps(new_host.commands.calls)

    def test_a_lock_without_hashes_is_refused(self, new_host: Host) -> None:
        with pytest.raises(RefusedError, match=r"line 1 pins alpha 1\.0 without a SHA-256"):
            new_host.converge(lock="alpha==1.0\n")

    @pytest.mark.parametrize(
        ("lock", "words"),
        [
            ('version = 1\nrevision = 3\n\n[[package]]\nname = "alpha"\n', r"uv\.lock.*uv export"),
            ('lock-version = "1.0"\n\n[[packages]]\nname = "alpha"\n', r"pylock\.toml.*uv pip compile"),
            ('[[package]]\nname = "alpha"\noptional = false\n', r"poetry\.lock.*poetry export"),
            ('{\n    "_meta": {\n        "hash": {}\n    }\n}\n', r"Pipfile\.lock.*pipenv requirements"),
            ("name: tf\ndependencies:\n  - alpha\n", r"environment\.yml.*uv pip compile"),
            ("<!DOCTYPE html><html><title>Log in</title></html>", "a web page"),
        ],
    )
    def test_a_lock_of_another_format_is_refused_with_what_makes_one(
        self, new_host: Host, lock: str, words: str
    ) -> None:
        for check_mode in (True, False):
            with pytest.raises(RefusedError, match=words):
                new_host.converge(lock=lock, check_mode=check_mode)
        assert new_host.commands.calls == []


class TestKeeping:
    def change_lock(self, host: Host, times: int, **changed: Any) -> None:
        for number in range(times):
            host.converge(lock=host.declaration.lock + "#" * (number + 1) + "\n", **changed)

    def test_older_generations_go(self, host: Host) -> None:
        self.change_lock(host, 3)
        assert host.generations() == ["3", "4"]

    def test_check_mode_says_what_a_build_makes_surplus(self, host: Host) -> None:
        self.change_lock(host, 1)
        foreseen = host.converge(check_mode=True, lock=host.declaration.lock + "# new\n")
        assert [(action["do"], Path(action["target"]).name) for action in foreseen["plan"]] == [
            ("build", "3"),
            ("remove-generation", "1"),
        ]
        assert foreseen["reasons"] == ["lock-changed"]
        assert "beyond keep" not in foreseen["text"]

    def test_a_lower_keep_is_applied(self, host: Host) -> None:
        """As is what a run has left that was killed after the switch."""
        self.change_lock(host, 2, keep=3)
        lock = host.declaration.lock + "##\n"
        surplus = ["surplus-generation"]
        assert host.four_runs(keep=2, lock=lock) == [surplus, surplus, [], []]
        assert host.generations() == ["2", "3"]
        assert host.four_runs(keep=1, lock=lock) == [surplus, surplus, [], []]
        assert host.generations() == ["3"]

    def test_the_active_one_is_never_surplus(self, host: Host) -> None:
        self.change_lock(host, 2, keep=3)
        host.converge(state="rolled_back", generation=1, keep=3)
        assert host.converge(keep=1)["reasons"] == ["surplus-generation"]
        assert host.generations() == ["1"]

    def test_one_in_use_stays_and_is_no_reason(self, host: Host) -> None:
        with (host.packages / "alpha/__init__.py").open():
            self.change_lock(host, 3)
            assert host.converge(lock=host.declaration.lock + "###\n")["reasons"] == []
        assert host.generations() == ["1", "3", "4"]
        assert host.converge(lock=host.declaration.lock + "###\n")["reasons"] == ["surplus-generation"]

    def test_where_use_cannot_be_found_out_everything_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class NoCommands(Commands):
            def run(self, argv: Sequence[str], **_: Any) -> Completed:
                raise CommandFailed(argv, "none here")

        monkeypatch.setattr(sys, "platform", "darwin")
        assert folders_in_use([tmp_path], NoCommands()) == {tmp_path}

    @pytest.mark.parametrize("is_cut", [True, False])
    def test_a_list_that_is_cut_proves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_cut: bool
    ) -> None:
        class Lsof(Commands):
            def run(self, argv: Sequence[str], **_: Any) -> Completed:
                return Completed(tuple(argv), 0, "p1\nn/elsewhere\n", "", is_cut)

        monkeypatch.setattr(sys, "platform", "darwin")
        assert folders_in_use([tmp_path], Lsof()) == ({tmp_path} if is_cut else set())

    @pytest.mark.parametrize(("user", "asked"), [(0, []), (501, ["-u", "501"])])
    def test_root_asks_for_everybodys_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, asked: list[str]
    ) -> None:
        class Lsof(Commands):
            def run(self, argv: Sequence[str], **_: Any) -> Completed:
                assert list(argv)[4:-2] == asked
                return Completed(tuple(argv), 0, f"p1\nn{tmp_path}/x\n", "")

        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr("os.getuid", lambda: user)
        assert folders_in_use([tmp_path], Lsof()) == {tmp_path}

    def test_use_is_seen_behind_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "disk/generation").mkdir(parents=True)
        (tmp_path / "disk/generation/file").touch()
        (tmp_path / "root").symlink_to("disk")
        with (tmp_path / "root/generation/file").open():
            assert folders_in_use([tmp_path / "root/generation"], Commands()) == {tmp_path / "root/generation"}

    def test_what_cannot_be_removed_is_said_and_the_rest_is_done(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def remove(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path / "lib"))

        self.change_lock(host, 1)
        monkeypatch.setattr(safety, "remove_tree", remove)
        monkeypatch.setattr(apply, "switch", lambda link, generation, _: (link.unlink(), link.symlink_to(generation)))
        done = host.converge(lock=host.declaration.lock + "# newer\n")
        assert done["reasons"] == ["lock-changed"]
        assert re.search(r"/1 is not needed any more, but user \d+ cannot remove it .*sudo rm -rf", done["warnings"][0])
        assert host.imports() == "1.0 2.0\n"

    def test_wheels_that_nothing_names_go(self, host: Host) -> None:
        gamma = make_wheel(host.wheels, "gamma")
        host.converge(lock=host.declaration.lock + lock_of(gamma), keep=1)
        assert len(list(host.places.wheels.iterdir())) == 3
        host.converge(keep=1)
        assert len(list(host.places.wheels.iterdir())) == 2


class TestOthersThings:
    def test_what_a_user_put_beside_generations_is_set_aside(self, host: Host) -> None:
        for name in ("1-backup", "7"):
            (host.declaration.home / name).mkdir()
            (host.declaration.home / name / "work").write_text(name)
        assert host.four_runs() == [["unfinished"], ["unfinished"], [], []]
        assert sorted(path.read_text() for path in host.places.set_aside.glob("*/work")) == ["1-backup", "7"]
        assert host.generations() == ["1"]

    def test_a_name_that_is_taken_is_not_overwritten(self, host: Host) -> None:
        host.places.set_aside.mkdir()
        (host.places.set_aside / "1-notes").write_text("precious")
        (host.declaration.home / "notes").write_text("newer")
        host.converge()
        assert {path.name: path.read_text() for path in host.places.set_aside.iterdir()} == {
            "1-notes": "precious",
            "2-notes": "newer",
        }

    def test_a_copied_generation_is_none(self, host: Host) -> None:
        shutil.copytree(host.declaration.home / "1", host.declaration.home / "5", symlinks=True)
        host.link.unlink()
        host.link.symlink_to(host.declaration.home / "5")
        assert host.four_runs()[1:] == [["unfinished"], [], []]
        assert host.generations() == ["1"]

    def test_removal_keeps_what_is_a_users(self, host: Host) -> None:
        (host.declaration.home / "notes").write_text("mine")
        assert host.four_runs(state="absent")[1:3] == [["unfinished", "declared-absent"], []]
        assert not host.declaration.home.exists()
        assert (host.places.set_aside / "1-notes").read_text() == "mine"


class TestPartlyDone:
    """What was done before something failed is said, and counts as a change."""

    def test_what_was_set_aside_before_a_build_that_fails(self, host: Host) -> None:
        (host.declaration.home / "notes").write_text("mine")
        report = host.report(
            lock=host.declaration.lock + lock_of(make_wheel(host.wheels, "gone")).replace("1.0", "9.9")
        )
        [environment] = report["environments"]
        assert environment["problem"]
        assert report["changed"] is True
        assert "was moved to" in environment["warnings"][0]
        assert host.imports() == "1.0 2.0\n"

    def test_what_fails_after_the_switch(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(kernel, "write_kernel", full)
        lock = host.declaration.lock + lock_of(make_wheel(host.wheels, "ipykernel"))
        report = host.report(lock=lock, jupyter_kernel=True)
        [environment] = report["environments"]
        assert report["changed"] is True
        assert environment["problem"]["cause"] == (
            "The environment tf was only partly changed: the disk is full. What it was switched to is in use."
        )
        assert host.link.resolve().name == "2"


class TestWriters:
    @pytest.mark.parametrize("in_the_way", [".writer", ""])
    def test_a_guard_that_cannot_be_opened_is_a_refusal(self, new_host: Host, in_the_way: str) -> None:
        root = new_host.places.root
        if in_the_way:
            (root / in_the_way).mkdir(parents=True, exist_ok=True)
        else:
            shutil.rmtree(root)
            root.touch()
        with pytest.raises(MetalfleetError, match="its writer guard cannot be opened"), one_writer(new_host.places):
            pass

    def test_a_second_one_waits_and_then_fails(self, new_host: Host) -> None:
        with (
            one_writer(new_host.places),
            pytest.raises(MetalfleetError, match="Another run"),
            one_writer(new_host.places, wait=0.1),
        ):
            pass

    def test_a_second_one_goes_on_when_the_first_has_ended(self, new_host: Host) -> None:
        entered = threading.Event()

        def second() -> None:
            with one_writer(new_host.places, wait=30):
                entered.set()

        with one_writer(new_host.places):
            thread = threading.Thread(target=second)
            thread.start()
            assert not entered.wait(0.3)
        thread.join()
        assert entered.is_set()


class TestDeclaration:
    @pytest.mark.parametrize("name", ["", ".hidden", "a b", "../up", "a/b", "-x", "é", "x" * 65])
    def test_odd_names_are_refused(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(MetalfleetError, match="cannot be the name"):
            declare({"name": name}, Places(tmp_path, tmp_path))

    @pytest.mark.parametrize("keep", [0, -1])
    def test_to_keep_nothing_is_refused(self, keep: int, tmp_path: Path) -> None:
        with pytest.raises(MetalfleetError, match=f"keep: {keep}"):
            declare({"name": "tf", "keep": keep}, Places(tmp_path, tmp_path))

    def test_the_plan_is_pure(self, host: Host) -> None:
        (host.packages / "alpha/__init__.py").unlink()
        seen = look(host.declaration, host.tools)
        assert make_plan(host.declaration, seen) == make_plan(host.declaration, seen)
