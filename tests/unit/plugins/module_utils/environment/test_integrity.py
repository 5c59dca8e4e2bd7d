# SPDX-License-Identifier: GPL-3.0-or-later
"""A generation holds what its lock's wheels and we put there, and nothing else; what others put there is theirs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import files, manifest, memory, safety

from tests.unit.plugins.module_utils.environment.host import Host, RefusedError
from tests.wheels import Wheel, lock_of, make_wheel


def refused(host: Host, *wheels: Wheel, words: str) -> None:
    """A lock with these wheels is refused, and what was active stays."""
    with pytest.raises(RefusedError, match=words):
        host.converge(lock=host.declaration.lock + lock_of(*wheels))
    assert host.generations() == ["1"]
    assert host.imports() == "1.0 2.0\n"


def rewritten(wheel: Wheel, *, more: dict[str, bytes] | None = None, record: Any = None) -> Wheel:
    """A wheel with more files than its RECORD lists, or with another RECORD."""
    with zipfile.ZipFile(wheel.path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    name = next(each for each in content if each.endswith("/RECORD"))
    if record:
        content[name] = record(content[name].decode()).encode()
    with zipfile.ZipFile(wheel.path, "w") as archive:
        for each, data in {**content, **(more or {})}.items():
            archive.writestr(each, data)
    return wheel


def host_files(host: Host, folder: str) -> list[str]:
    """The files of a folder beside the packages, without its RECORD."""
    return [f"{folder}/{path.name}" for path in (host.packages / folder).iterdir() if path.name != "RECORD"]


def encoded(data: bytes) -> str:
    """A digest as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


class TestHostileWheels:
    def test_a_file_that_record_does_not_list(self, host: Host) -> None:
        evil = rewritten(make_wheel(host.wheels, "evil"), more={"evil.pth": b"import os\n"})
        refused(host, evil, words=r"The wheel of evil brings files that its RECORD does not list.*evil\.pth")

    @pytest.mark.parametrize("digest", ["", "md5=XrY7u-Ae7tCTyyK7j1rNww", "sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk"])
    def test_a_file_that_record_lists_without_a_digest_that_proves_anything(self, host: Host, digest: str) -> None:
        def record(text: str) -> str:
            return "".join(
                f"evil/__init__.py,{digest},\n" if line.startswith("evil/") else line for line in text.splitlines(True)
            )

        refused(host, rewritten(make_wheel(host.wheels, "evil"), record=record), words=r"evil/__init__\.py")

    def test_a_record_that_lies(self, host: Host) -> None:
        evil = rewritten(make_wheel(host.wheels, "evil"), more={"evil/__init__.py": b"VERSION = 'other'\n"})
        refused(host, evil, words="are not what their packages say|no package")

    def test_a_wheel_without_a_record(self, host: Host) -> None:
        evil = make_wheel(host.wheels, "evil")
        with zipfile.ZipFile(evil.path, "w") as archive:
            archive.writestr("evil/__init__.py", "")
            archive.writestr("evil-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        refused(host, evil, words="The wheel of evil is not a wheel: its metadata or its RECORD is missing")

    def test_a_wheel_that_cannot_be_unpacked(self, host: Host) -> None:
        evil, record = make_wheel(host.wheels, "evil"), "evil-1.0.dist-info/RECORD"
        with zipfile.ZipFile(evil.path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(evil.path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in content.items():
                archive.writestr(name, text)
            start = archive.getinfo(record).header_offset + 30 + len(record)
        damaged = bytearray(evil.path.read_bytes())
        damaged[start : start + 4] = b"\xff" * 4
        evil.path.write_bytes(damaged)
        refused(host, evil, words="The wheel of evil is not a wheel: its metadata or its RECORD is missing or damaged")

    def test_another_packages_metadata(self, host: Host) -> None:
        """Whoever writes another's RECORD can answer for another's files."""
        evil = make_wheel(host.wheels, "evil", files={"evil.py": b"", "alpha-1.0.dist-info/RECORD": b"alpha.py,,\n"})
        refused(host, evil, words=r"The wheel of evil .*alpha-1\.0\.dist-info/RECORD")

    @pytest.mark.parametrize("name", ["purelib/alpha-1.0.dist-info/RECORD", "data/metalfleet-wheels.txt"])
    def test_a_record_of_others_as_data(self, host: Host, name: str) -> None:
        """Its digest is in the wheel's own RECORD, and what it says is what is there."""
        files = {"evil.py": b""}
        if name.endswith("RECORD"):
            there = {path: (host.packages / path).read_bytes() for path in host_files(host, "alpha-1.0.dist-info")}
            there["alpha/__init__.py"] = files["evil-1.0.data/purelib/alpha/__init__.py"] = b"VERSION = 'evil'\n"
            lines = (f"{path},sha256={encoded(data)},\n" for path, data in there.items())
            files[f"evil-1.0.data/{name}"] = "".join([*lines, "alpha-1.0.dist-info/RECORD,,\n"]).encode()
        else:
            files[f"evil-1.0.data/{name}"] = b"evil==1.0\n"
        evil = make_wheel(host.wheels, "evil", files=files)
        refused(host, evil, words=f"evil brings the file .*{Path(name).name}, which the environment itself has")

    def test_another_packages_file(self, host: Host) -> None:
        evil = make_wheel(host.wheels, "evil", files={"evil.py": b"", "alpha/__init__.py": b"VERSION = '6'\n"})
        refused(host, evil, words=r"The package (evil|alpha) brings the file .*alpha/__init__\.py, which the package")

    def test_the_environments_own_file(self, host: Host) -> None:
        evil = make_wheel(host.wheels, "evil", files={"evil.py": b"", "metalfleet.pth": b"import evil\n"})
        refused(host, evil, words=r"evil brings the file metalfleet\.pth")

    @pytest.mark.parametrize(
        ("one", "other"),
        [("Both.py", "both.py"), ("\N{LATIN SMALL LETTER E WITH ACUTE}.py", "e\N{COMBINING ACUTE ACCENT}.py")],
    )
    def test_a_name_that_is_anothers_on_a_mac(self, host: Host, one: str, other: str) -> None:
        host.machine = "arm64"
        evil = make_wheel(host.wheels, "evil", files={one: b"VERSION = '6'\n"})
        worse = make_wheel(host.wheels, "worse", files={other: b"VERSION = '7'\n"})
        refused(host, evil, worse, words=r"The packages evil and worse bring .*which are one file on most Macs")

    @pytest.mark.parametrize(
        "name", ["data/bin/Activate.fish", "data/PyVenv.cfg", "scripts/Activate", "purelib/Metalfleet.PTH"]
    )
    def test_the_environments_own_file_on_a_mac(self, host: Host, name: str) -> None:
        host.machine = "arm64"
        evil = make_wheel(host.wheels, "evil", files={"evil.py": b"", f"evil-1.0.data/{name}": b"import evil\n"})
        refused(host, evil, words=f"evil brings the file .*{Path(name).name}, which the environment itself has")

    def test_another_packages_compiled_python_is_never_run(self, host: Host) -> None:
        source = host.folder / "evil.py"
        source.write_text("VERSION = 'evil'\n")
        compiled = host.folder / "evil.pyc"
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(source), str(compiled), invalidation_mode=unchecked)
        name = f"alpha/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
        evil = make_wheel(host.wheels, "evil", files={"evil/__init__.py": b"", name: compiled.read_bytes()})
        host.converge(lock=host.declaration.lock + lock_of(evil))
        assert host.imports() == "1.0 2.0\n"

    def test_tests_that_two_wheels_bring_by_mistake_are_allowed(self, host: Host) -> None:
        wheels = [
            make_wheel(host.wheels, name, files={f"{name}.py": b"", "tests/__init__.py": name.encode()})
            for name in ("one", "two")
        ]
        done = host.converge(lock=host.declaration.lock + lock_of(*wheels))
        assert "one, two each bring another" in done["warnings"][0]
        assert host.converge(lock=host.declaration.lock + lock_of(*wheels), check_mode=True)["reasons"] == []

    def test_what_finder_or_uv_also_make_may_come_in_a_wheel(self, host: Host) -> None:
        odd = make_wheel(host.wheels, "odd", files={"odd/.DS_Store": b"Bud1", "odd/.lock": b"", "odd/__init__.py": b""})
        lock = host.declaration.lock + lock_of(odd)
        assert host.four_runs(lock=lock)[1:] == [["lock-changed"], [], []]
        (host.packages / "odd/.lock").unlink()
        assert host.converge(lock=lock)["reasons"] == ["file-missing"]

    def test_a_record_with_better_digests_is_understood(self, host: Host) -> None:
        data = b"VERSION = '1.0'\n"
        digest = base64.urlsafe_b64encode(hashlib.sha512(data).digest()).rstrip(b"=").decode()
        good = rewritten(
            make_wheel(host.wheels, "good", files={"good.py": data}),
            record=lambda text: "".join(
                f"good.py,sha512={digest},{len(data)}\n" if line.startswith("good.py") else line
                for line in text.splitlines(True)
            ),
        )
        assert host.converge(lock=host.declaration.lock + lock_of(good))["reasons"] == ["lock-changed"]


class TestDecisiveFiles:
    """Size and time can be those of another file: the few files that decide everything are always hashed."""

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("pyvenv.cfg", "startup-file"),
            ("bin/activate", "file-damaged"),
            ("lib/{}/site-packages/metalfleet.pth", "startup-file"),
            ("metalfleet-wheels.txt", "file-damaged"),
        ],
    )
    def test_they_are_hashed(self, host: Host, name: str, reason: str) -> None:
        path = host.link / name.format(host.packages.parent.name)
        status = path.stat()
        data = path.read_bytes()
        path.write_bytes(data[:-2] + b"#\n")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert path.stat().st_size == len(data)
        assert host.four_runs() == [[reason], [reason], [], []]


class TestOddEntries:
    """None is opened, none makes the look fail, each is seen."""

    def check(self, host: Host, *reasons: str) -> None:
        assert host.four_runs() == [list(reasons), list(reasons), [], []]
        assert host.imports() == "1.0 2.0\n"

    def test_a_fifo(self, host: Host) -> None:
        os.mkfifo(host.packages / "pipe")
        self.check(host, "package-extra")

    def test_a_fifo_in_the_place_of_a_file(self, host: Host) -> None:
        (host.packages / "alpha/__init__.py").unlink()
        os.mkfifo(host.packages / "alpha/__init__.py")
        self.check(host, "file-damaged")

    def test_a_link_to_a_fifo(self, host: Host, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (host.packages / "alpha/__init__.py").unlink()
        (host.packages / "alpha/__init__.py").symlink_to(tmp_path / "pipe")
        self.check(host, "file-damaged")

    @pytest.mark.parametrize("name", [manifest.NAME, manifest.FILES, "pyvenv.cfg", "bin/python"])
    def test_what_we_read_ourselves_is_a_fifo(self, host: Host, name: str) -> None:
        path = host.link.resolve() / name
        path.unlink()
        os.mkfifo(path)
        reasons = host.four_runs()
        assert reasons[0] == reasons[1]
        assert reasons[2:] == [[], []]
        assert bool(reasons[0]) == (name != manifest.FILES)

    def test_a_name_that_is_not_utf_8(self, host: Host) -> None:
        (host.packages / os.fsdecode(b"caf\xe9.py")).touch()
        found = host.report(check_mode=True)
        assert "caf\\xe9.py" in json.dumps(found, ensure_ascii=False).encode("utf-8").decode().replace("\\\\", "\\")
        self.check(host, "package-extra")

    def test_folders_without_end(self, host: Host) -> None:
        """Deeper than Python recurses, than a process may open files, and than a path may be long."""
        deep = os.open(host.packages, os.O_RDONLY)
        for _level in range(2500):
            os.mkdir("d", dir_fd=deep)
            below = os.open("d", os.O_RDONLY, dir_fd=deep)
            os.close(deep)
            deep = below
        os.close(deep)
        self.check(host, "package-extra")
        assert host.converge(keep=1)["reasons"] == ["surplus-generation"]
        [kept] = host.places.set_aside.glob("*/lib/*/site-packages/d")
        assert kept.is_dir()
        subprocess.run(["rm", "-rf", host.places.set_aside], check=True)  # pytest's own removal recurses

    @pytest.mark.parametrize("name", [manifest.NAME, manifest.FILES, memory.NAME])
    def test_what_we_read_ourselves_is_nested_without_end(self, host: Host, name: str) -> None:
        body = b"[" * 100_000 + b"\n{}"
        sealed = b"sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        folder = host.declaration.home if name == memory.NAME else host.link.resolve()
        (folder / name).write_bytes(sealed if name == manifest.NAME else body)
        (host.packages / "alpha/__init__.py").unlink()
        reasons = ["unfinished" if name == manifest.NAME else "file-missing"]
        self.check(host, *reasons)

    @pytest.mark.parametrize("name", ["wheels", "set-aside"])
    @pytest.mark.parametrize("made", ["echo mine > {}", "ln -s nowhere {}", "ln -s {0} {0}"])
    def test_a_folder_of_ours_is_none(self, host: Host, name: str, made: str) -> None:
        """Check says so, too, and nothing is begun."""
        place = host.places.root / name
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run(made.format(place), shell=True, check=True)
        (host.packages / "alpha/__init__.py").unlink()
        for check_mode in (True, False):
            with pytest.raises(RefusedError, match=f"/{name} is in the way: a folder is wanted there"):
                host.converge(check_mode=check_mode)
        assert host.generations() == ["1"]
        place.unlink()
        self.check(host, "file-missing")

    def test_finders_files_are_nobodys(self, host: Host) -> None:
        (host.link / ".lock").touch()
        for folder in (host.link, host.packages, host.packages / "alpha", host.declaration.home):
            (folder / ".DS_Store").write_bytes(b"Bud1")
        self.check(host)

    def test_a_folder_that_is_a_link(self, host: Host, tmp_path: Path) -> None:
        shutil.move(host.packages / "alpha", tmp_path / "alpha")
        (host.packages / "alpha").symlink_to(tmp_path / "alpha")
        self.check(host, "package-extra", "file-missing")

    @pytest.mark.parametrize(
        ("path", "mode"),
        [("alpha", 0o777), ("alpha/__init__.py", 0o666), ("alpha/__init__.py", 0o000), ("alpha", 0o000), (".", 0o775)],
    )
    def test_another_mode(self, host: Host, path: str, mode: int) -> None:
        (host.packages / path).chmod(mode)
        self.check(host, "permissions-changed")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_another_owner(self, host: Host) -> None:
        os.chown(host.packages / "alpha/__init__.py", 1234, -1)
        self.check(host, "permissions-changed")

    def test_what_cannot_be_looked_into_is_one_difference(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """As root, who runs these tests, may look into everything."""
        real = os.open

        def closed(path: Any, *arguments: Any, **more: Any) -> int:
            if path == "alpha":
                raise PermissionError(13, "Permission denied", "alpha")
            return real(path, *arguments, **more)

        monkeypatch.setattr(os, "open", closed)
        found = host.converge(check_mode=True)
        assert found["reasons"] == ["permissions-changed"]
        assert "alpha (it cannot be looked into)" in found["plan"][0]["evidence"]
        assert "alpha/" not in found["plan"][0]["evidence"]

    def test_a_file_that_cannot_be_read(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        os.utime(host.packages / "alpha/__init__.py", (1, 1))
        monkeypatch.setattr(files, "sha256_of", lambda path: (_ for _ in ()).throw(PermissionError(13, "no", path)))
        assert host.converge(check_mode=True)["reasons"] == ["permissions-changed"]


class TestUsersFiles:
    """What others put into a generation is theirs: it is set aside, and said, when the generation is removed."""

    def test_they_outlive_ten_repairs(self, host: Host) -> None:
        said = []
        for number in range(10):
            project = host.packages / f"project{number}"
            project.mkdir()
            (project / "__init__.py").write_text(f"work {number}")
            (host.link / f"{number}.ipynb").write_text(f"notes {number}")
            said += host.converge()["warnings"]
        host.converge(state="absent")
        kept = host.places.set_aside
        assert sorted(path.read_text() for path in kept.rglob("*.ipynb")) == [f"notes {number}" for number in range(10)]
        assert len(list(kept.rglob("project*/__init__.py"))) == 10
        assert "0.ipynb" in said[0]
        assert str(kept) in said[0]

    def test_a_folder_with_the_name_of_finders_file(self, host: Host) -> None:
        (host.packages / ".DS_Store").mkdir()
        (host.packages / ".DS_Store/notes.txt").write_text("mine")
        assert host.converge(keep=1)["reasons"] == ["package-extra"]
        assert [path.read_text() for path in host.places.set_aside.rglob("notes.txt")] == ["mine"]

    def test_folders_without_end_among_compiled_python(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """Which Python cannot remove before 3.13."""

        def gives_up(*_arguments: object, **_options: object) -> None:
            raise RecursionError

        monkeypatch.setattr(shutil, "rmtree", gives_up)
        with pytest.raises(OSError, match="its folders are nested too deeply"):
            safety.remove_tree(host.packages)

    def test_a_file_among_compiled_python(self, host: Host) -> None:
        (host.packages / "alpha/__pycache__").mkdir(exist_ok=True)
        (host.packages / "alpha/__pycache__/notes.txt").write_text("mine")
        (host.packages / "alpha/__pycache__/link").symlink_to(host.packages)
        (host.packages / "alpha/__pycache__/numba-1.py312.nbi").touch()
        (host.packages / "alpha/__init__.py").unlink()
        assert "notes.txt" in host.converge(keep=1)["warnings"][0]
        kept = {path.name for path in host.places.set_aside.glob("*/lib/python3*/site-packages/alpha/__pycache__/*")}
        assert kept == {"notes.txt", "link"}

    def test_an_edited_file_of_a_package_is_kept_too(self, host: Host) -> None:
        (host.packages / "alpha/__init__.py").write_text("VERSION = 'mine'\n")
        host.converge(keep=1)
        assert [path.read_text() for path in host.places.set_aside.rglob("__init__.py")] == ["VERSION = 'mine'\n"]

    def test_nothing_of_ours_is_kept(self, host: Host) -> None:
        host.imports()
        (host.packages / ".DS_Store").touch()
        (host.packages / "alpha/__pycache__").mkdir(exist_ok=True)
        (host.packages / "alpha/__pycache__/x.pyc").touch()
        host.converge(state="absent")
        assert not host.places.set_aside.exists()

    @pytest.mark.parametrize("made", ["cp -R {home}/1 {home}/5", "mv {home}/1 {home}/5"])
    def test_a_generation_that_was_copied_or_moved_is_set_aside(self, host: Host, made: str) -> None:
        (host.link / "notes.ipynb").write_text("mine")
        assert os.system(made.format(home=host.declaration.home)) == 0
        runs = host.four_runs()
        assert "unfinished" in runs[0]
        assert runs[0] == runs[1]
        assert runs[2:] == [[], []]
        assert (host.places.set_aside / "1-5/notes.ipynb").read_text() == "mine"

    def test_a_generation_without_a_readable_manifest_is_set_aside(self, host: Host) -> None:
        (host.link / "notes.ipynb").write_text("mine")
        (host.link / manifest.NAME).write_text("{}")
        done = host.converge()
        assert done["reasons"] == ["unfinished"]
        assert any("1-1" in warning for warning in done["warnings"])
        assert (host.places.set_aside / "1-1/notes.ipynb").read_text() == "mine"


class TestStuck:
    """What another user's files keep from being removed is said, with what helps; everything else is done."""

    @pytest.fixture
    def stuck(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
        """As if root had run Python in generation 1."""
        blocked = host.declaration.home / "1"
        real = safety.what_keeps_it_from_removal
        monkeypatch.setattr(
            safety,
            "what_keeps_it_from_removal",
            lambda path: blocked / "lib/__pycache__" if path == blocked else real(path),
        )
        return host

    def test_it_is_no_drift_and_keeps_nothing_from_being_done(self, stuck: Host) -> None:
        for number in range(2):
            stuck.declaration = replace(stuck.declaration, lock=stuck.declaration.lock + "#" * (number + 1) + "\n")
            done = stuck.converge()
        assert "sudo rm -rf" in done["warnings"][0]
        assert str(stuck.declaration.home / "1") in done["warnings"][0]
        assert [run for run in stuck.four_runs() if run] == []
        assert stuck.generations() == ["1", "2", "3"]
        assert stuck.imports() == "1.0 2.0\n"

    def test_what_vanishes_meanwhile_keeps_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As the temporary files of a build, which somebody else is at."""
        (tmp_path / "there").touch()
        gone: tuple[str, list[str], list[str]] = (str(tmp_path / "gone"), [], ["python"])
        monkeypatch.setattr(safety, "each_folder", lambda *_: iter([gone, (str(tmp_path), [], ["there"])]))
        assert safety.what_keeps_it_from_removal(tmp_path) is None

    def test_a_removal_does_the_rest(self, stuck: Host) -> None:
        stuck.converge(lock=stuck.declaration.lock + "#\n")
        done = stuck.converge(state="absent")
        assert done["reasons"] == ["declared-absent"]
        assert not stuck.link.is_symlink()

    def test_a_users_folder_that_cannot_be_moved_is_said_and_left(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody is told to remove it."""
        (host.declaration.home / "backup").mkdir()
        monkeypatch.setattr(safety, "what_keeps_it_in_place", lambda path: path)
        (host.packages / "alpha/__init__.py").unlink()
        done = host.converge()
        assert done["reasons"] == ["file-missing"]
        assert "backup lies among the generations" in done["warnings"][0]
        assert "rm" not in done["warnings"][0].split()
        assert (host.declaration.home / "backup").is_dir()

    def test_folders_of_our_own_that_are_closed_are_removed(self, host: Host) -> None:
        (host.packages / "alpha").chmod(0)
        host.converge()
        host.converge(state="absent")
        assert not host.declaration.home.exists()
