# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's own modules see of the managed Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python import intact
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python import wanted as engine

IN_ORDER = engine.Linked("/p/python3.12", True, "3.12.16", "/r/uv/0.13.9/bin/uv", True)
PINS: dict[str, dict[str, Any]] = {"3.12": {"version": "3.12.16", "build": 20261110}}


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


class TestLinked:
    def test_a_host_without_anything_has_nothing(self, tmp_path: Path) -> None:
        assert engine.linked(tmp_path) == engine.Linked("", False, "", "", False)
        assert engine.managed_python(tmp_path) == tmp_path / "bin/python3"

    def test_links_are_followed_one_step(self, tmp_path: Path) -> None:
        python = program(tmp_path / "python/cpython-3.12.16+1/bin/python3.12")
        header = tmp_path / "python/cpython-3.12.16+1/include/python3.12/patchlevel.h"
        header.parent.mkdir(parents=True)
        header.write_text('#define PY_VERSION "3.12.16"\n')
        uv = program(tmp_path / "uv/0.13.9/bin/uv")
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/python3").symlink_to(python)
        (tmp_path / "bin/uv").symlink_to("../uv/0.13.9/bin/uv")
        for folder in (python.parents[1], uv.parents[1]):
            intact.record(folder)
        seen = engine.linked(tmp_path)
        assert seen == engine.Linked(str(python), True, "3.12.16", f"{tmp_path}/bin/../uv/0.13.9/bin/uv", True)
        assert engine.find_reasons(seen, str(python), "0.13.9") == []
        uv.unlink()
        assert engine.find_reasons(engine.linked(tmp_path), str(python), "0.13.9") == ["uv"]

    def test_what_we_installed_must_be_as_it_was(self, tmp_path: Path) -> None:
        python = program(tmp_path / "python/cpython-3.12.16+1/bin/python3.12")
        module = program(tmp_path / "python/cpython-3.12.16+1/lib/python3.12/json.py")
        uv = program(tmp_path / "uv/0.13.9/bin/uv")
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/python3").symlink_to(python)
        (tmp_path / "bin/uv").symlink_to(uv)
        assert engine.linked(tmp_path).damage == intact.RECORD
        for folder in (python.parents[1], uv.parents[1]):
            intact.record(folder)
        in_order = engine.linked(tmp_path)
        assert engine.find_reasons(in_order, str(python), "0.13.9") == []
        module.unlink()
        uv.write_bytes(b"")
        seen = engine.linked(tmp_path)
        assert (seen.damage, seen.uv_runs) == ("lib/python3.12/json.py", False)
        assert engine.find_reasons(seen, str(python), "0.13.9") == ["interpreter-damaged", "uv"]

    def test_an_interpreter_of_others_has_no_record(self, tmp_path: Path) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/python3").symlink_to(sys.executable)
        assert engine.linked(tmp_path).damage == ""

    def test_a_folder_in_the_place_of_a_link_is_not_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "bin/python3").mkdir(parents=True)
        seen = engine.linked(tmp_path)
        assert (seen.python, seen.python_runs) == (f"{tmp_path}/bin/python3", False)
        assert engine.find_reasons(seen, "/p/python3.12", "0.13.9") == ["interpreter-changed", "uv"]
        assert engine.find_reasons(seen, None, "0.13.9") == ["interpreter-missing", "uv"]

    def test_a_starter_names_the_interpreter_that_it_starts(self, tmp_path: Path) -> None:
        program(tmp_path / "bin/python3").write_text(f'#!/bin/sh\n# {sys.executable}\nexec x "$@"\n')
        assert engine.linked(tmp_path).python == sys.executable
        assert engine.linked(tmp_path).python_runs
        assert engine.managed_python(tmp_path) == Path(sys.executable)

    @pytest.mark.parametrize(
        "content", [b"", b"#!/bin/sh\n", b"#!/bin/sh\n# see below\n", b"\xff\n\xff\n", b"\n" * 9999]
    )
    def test_a_file_that_is_no_starter_leads_to_itself(self, tmp_path: Path, content: bytes) -> None:
        entry = program(tmp_path / "bin/python3")
        entry.write_bytes(content)
        assert engine.linked(tmp_path).python == str(entry)

    def test_a_link_to_nothing_is_known_but_does_not_run(self, tmp_path: Path) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/python3").symlink_to(tmp_path / "gone")
        assert engine.linked(tmp_path)[:3] == (str(tmp_path / "gone"), False, "")


class TestReasons:
    @pytest.mark.parametrize(
        ("changed", "reasons"),
        [
            ({}, []),
            ({"python": "", "python_runs": False, "uv": "", "uv_runs": False}, ["absent", "uv"]),
            ({"python": "/p/other"}, ["interpreter-changed"]),
            ({"python_runs": False}, ["interpreter-missing"]),
            ({"damage": "lib/python3.12/json.py"}, ["interpreter-damaged"]),
            ({"uv": "/r/uv/0.13.10/bin/uv"}, ["uv"]),
            ({"uv": "/opt/homebrew/bin/uv"}, ["uv"]),
            ({"uv_runs": False}, ["uv"]),
        ],
    )
    def test_each_difference_has_its_reason(self, changed: dict[str, Any], reasons: list[str]) -> None:
        assert engine.find_reasons(IN_ORDER._replace(**changed), "/p/python3.12", "0.13.9") == reasons

    def test_any_interpreter_will_do_where_none_is_named(self) -> None:
        assert engine.find_reasons(IN_ORDER._replace(python="/p/other"), None, "0.13.9") == []
        assert engine.find_reasons(IN_ORDER._replace(python="/p/other", python_runs=False), None, "0.13.9") == [
            "interpreter-missing"
        ]

    @pytest.mark.parametrize(
        ("version", "reasons"),
        [("3.12.9", ["interpreter-changed"]), ("3.12.10", []), ("3.12.16", []), ("", ["interpreter-changed"])],
    )
    def test_what_is_upgraded_in_its_place_is_judged_by_its_version(self, version: str, reasons: list[str]) -> None:
        seen = IN_ORDER._replace(version=version)
        assert engine.find_reasons(seen, "/p/python3.12", "0.13.9", at_least="3.12.10") == reasons


class TestWanted:
    @pytest.mark.parametrize(
        ("source", "wanted"),
        [
            ("standalone", ("/r/python/cpython-3.12.16+20261110/bin/python3.12", "")),
            ("python_org", ("/Library/Frameworks/Python.framework/Versions/3.12/bin/python3.12", "3.12.16")),
            ("homebrew", ("/opt/homebrew/opt/python@3.12/bin/python3.12", "")),
            ("existing", (None, "")),
        ],
    )
    def test_each_source_has_its_place(self, source: str, wanted: tuple[str | None, str]) -> None:
        assert engine.wanted(Path("/r"), source, "3.12", system="Darwin", pins=PINS) == wanted

    @pytest.mark.parametrize(("source", "system"), [("existing", "Darwin"), ("standalone", "Linux")])
    def test_a_named_interpreter_is_wanted_as_it_is(self, tmp_path: Path, source: str, system: str) -> None:
        assert (
            engine.wanted(tmp_path, source, "3.12", system=system, pins={}, existing="/my/python").python
            == "/my/python"
        )

    def test_a_home_is_that_of_the_user(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/Users/ann")
        wanted = engine.wanted(tmp_path, "existing", "3.12", system="Darwin", pins={}, existing="~/x//python3")
        assert wanted.python == "/Users/ann/x/python3"

    @pytest.mark.parametrize("minor", ["3.8", "3.13", "3.1", ""])
    def test_a_version_without_a_pin_is_told_with_those_that_there_are(self, tmp_path: Path, minor: str) -> None:
        message = f"no pinned Python {minor} for .*There are: 3.12. .*native_python_version.*native_python_archives"
        with pytest.raises(MetalfleetError, match=message):
            engine.wanted(tmp_path, "standalone", minor, system="Darwin", pins=PINS)
