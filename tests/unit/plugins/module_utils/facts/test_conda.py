# SPDX-License-Identifier: GPL-3.0-or-later
"""Installations of conda laid out as their installers do it, in a folder that stands for a Mac's file system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts import conda as engine
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.files import Files
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.interpreters import Machine, Search
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Conda

from tests.unit.plugins.module_utils.facts import fake_mac
from tests.unit.plugins.module_utils.facts.fake_mac import FakeCommands, fat, thin

ARM64, INTEL, UNIVERSAL2 = thin("arm64"), thin("x86_64"), fat("x86_64", "arm64")
HOME = "Users/admin"


def look(filesystem: Path) -> tuple[list[Conda], dict[str, str]]:
    """What is found, and what could not be found out; nothing is run."""
    files, commands = Files(Path("/Users/admin"), filesystem), FakeCommands()
    found = Search(commands, Machine("Darwin", "arm64"), files, roots=[], seconds=10).conda()
    assert commands.calls == []
    return found, files.unknown


def search(filesystem: Path) -> list[Conda]:
    """What is found, and nothing else may be wrong with it."""
    found, unknown = look(filesystem)
    assert unknown == {}
    return found


def only(found: list[Conda]) -> Conda:
    (root,) = found
    return root


def prefix(path: Path, python: bytes | None = ARM64, *, made_by: str = "") -> Path:
    """A base environment, or another, with its Python."""
    if python:
        fake_mac.python(path, "3.12.1", python)
    (path / "conda-meta").mkdir(parents=True)
    history = f"==> 2024-05-01 10:00:00 <==\n# cmd: {made_by}\n# conda version: 24.4.0\n"
    (path / "conda-meta/history").write_text(history)
    return path


def installation(path: Path, python: bytes = ARM64) -> Path:
    """What an installer leaves: a base environment in which conda is."""
    fake_mac.program(prefix(path, python) / "bin/conda", b"#!/bin/sh\n")
    fake_mac.program(path / "condabin/conda", b"#!/bin/sh\n")
    return path


def listed(filesystem: Path, *prefixes: str) -> None:
    """The user's list of environments, in which roots are too."""
    file = filesystem / HOME / ".conda/environments.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{each}\n" for each in prefixes))


def test_a_mac_without_conda(tmp_path: Path) -> None:
    fake_mac.python(tmp_path / "usr/local", "3.12.1", ARM64)
    assert search(tmp_path) == []


def test_the_intel_installation_of_an_earlier_mac_beside_a_native_one(tmp_path: Path) -> None:
    installation(tmp_path / HOME / "miniconda3", INTEL)
    installation(tmp_path / HOME / "miniforge3")
    prefix(tmp_path / HOME / "miniforge3/envs/work")
    assert search(tmp_path) == [
        {
            "prefix": "/Users/admin/miniconda3",
            "distribution": "miniconda",
            "architecture": "x86_64",
            "environments": [],
        },
        {
            "prefix": "/Users/admin/miniforge3",
            "distribution": "miniforge",
            "architecture": "arm64",
            "environments": ["/Users/admin/miniforge3/envs/work"],
        },
    ]


@pytest.mark.parametrize(
    ("root", "distribution"),
    [
        ("Users/admin/anaconda3", "anaconda"),
        ("Users/admin/opt/miniconda3", "miniconda"),
        ("opt/mambaforge", "mambaforge"),
        ("Users/admin/.pyenv/versions/miniforge3-24.1.2-0", "miniforge"),
        ("opt/homebrew/Caskroom/miniforge/base", "miniforge"),
        ("opt/homebrew/Caskroom/anaconda/base", "anaconda"),
        ("Users/admin/Miniconda3", "miniconda"),
        ("Users/admin/myconda3", "conda"),
        ("usr/local", "conda"),
    ],
)
def test_the_folder_tells_the_distribution(tmp_path: Path, root: str, distribution: str) -> None:
    installation(tmp_path / root)
    listed(tmp_path, f"/{root}")
    assert only(search(tmp_path))["distribution"] == distribution


@pytest.mark.parametrize(
    ("package", "distribution"),
    [
        ("anaconda-2024.02-py312_0.json", "anaconda"),
        ("anaconda-custom-py312_1.json", "anaconda"),
        ("anaconda-client-1.12.3-py312_0.json", "conda"),
    ],
)
def test_its_packages_tell_where_the_folder_does_not(tmp_path: Path, package: str, distribution: str) -> None:
    (installation(tmp_path / "opt/myconda3") / "conda-meta" / package).touch()
    assert only(search(tmp_path))["distribution"] == distribution


@pytest.mark.parametrize(
    ("program", "distribution"), [("bin/micromamba", "micromamba"), ("bin/mamba", "mamba"), (None, "mamba")]
)
def test_the_root_that_mamba_and_micromamba_share(tmp_path: Path, program: str | None, distribution: str) -> None:
    root = tmp_path / HOME / ".local/share/mamba"
    prefix(root / "envs/work")
    if program:
        fake_mac.program(root / program, ARM64)
    assert only(search(tmp_path)) == {
        "prefix": "/Users/admin/.local/share/mamba",
        "distribution": distribution,
        "architecture": "arm64",
        "environments": ["/Users/admin/.local/share/mamba/envs/work"],
    }


# Architecture


@pytest.mark.parametrize("program", [f"{HOME}/micromamba/bin/micromamba", f"{HOME}/.local/bin/micromamba"])
def test_a_root_without_python_is_of_its_programs_architecture(tmp_path: Path, program: str) -> None:
    prefix(tmp_path / HOME / "micromamba/envs/native")
    fake_mac.program(tmp_path / program, INTEL)
    assert only(search(tmp_path))["architecture"] == "x86_64"


@pytest.mark.parametrize(
    ("pythons", "architecture"),
    [
        ([INTEL, INTEL], "x86_64"),
        ([INTEL, ARM64], None),
        ([UNIVERSAL2], None),
        ([b"#!/bin/sh\n"], None),
        ([None], None),
    ],
)
def test_or_else_of_that_of_its_environments(
    tmp_path: Path, pythons: list[bytes | None], architecture: str | None
) -> None:
    for number, python in enumerate(pythons):
        (prefix(tmp_path / HOME / f"micromamba/envs/{number}", python) / "bin").mkdir(exist_ok=True)
    root = only(search(tmp_path))
    assert (root["architecture"], len(root["environments"])) == (architecture, len(pythons))


def test_programs_that_differ_tell_nothing(tmp_path: Path) -> None:
    prefix(tmp_path / HOME / "micromamba/envs/work", INTEL)
    fake_mac.program(tmp_path / "opt/homebrew/bin/micromamba", ARM64)
    fake_mac.program(tmp_path / "usr/local/bin/micromamba", INTEL)
    assert only(search(tmp_path))["architecture"] == "x86_64"  # as its environments are


def test_a_python_that_is_a_script_is_not_made_up_for(tmp_path: Path) -> None:
    prefix(installation(tmp_path / HOME / "miniconda3", b"#!/bin/sh\n") / "envs/work")
    assert only(search(tmp_path))["architecture"] is None


def test_the_python_counts_under_whatever_name_it_was_found(tmp_path: Path) -> None:
    root = installation(tmp_path / HOME / "miniconda3", INTEL)
    (tmp_path / "usr/local/bin").mkdir(parents=True)
    (tmp_path / "usr/local/bin/python3").symlink_to(root / "bin/python3.12")
    assert only(search(tmp_path))["architecture"] == "x86_64"


# Environments


def test_environments_without_python_count(tmp_path: Path) -> None:
    root = installation(tmp_path / HOME / "miniforge3")
    prefix(root / "envs/empty", python=None)
    (root / "envs/no-environment").mkdir()
    (root / "envs/.conda_envs_dir_test").touch()
    assert only(search(tmp_path))["environments"] == ["/Users/admin/miniforge3/envs/empty"]


def test_an_environment_elsewhere_belongs_to_the_root_whose_program_made_it(tmp_path: Path) -> None:
    for root in ("opt/miniconda3", "opt/miniforge3"):
        installation(tmp_path / root)
    prefix(tmp_path / HOME / ".conda/envs/mine", made_by="/opt/miniforge3/bin/conda create -n mine")
    prefix(tmp_path / "Volumes/data/any where", made_by="/opt/miniconda3/bin/conda create -p /Volumes/data/any where")
    prefix(tmp_path / "Volumes/data/orphan", made_by="/gone/bin/conda create -p /Volumes/data/orphan")
    listed(tmp_path, "/Volumes/data/any where", "/Volumes/data/orphan", "/opt/miniconda3", "/gone/away")
    assert {root["prefix"]: root["environments"] for root in search(tmp_path)} == {
        "/opt/miniconda3": ["/Volumes/data/any where"],
        "/opt/miniforge3": ["/Users/admin/.conda/envs/mine"],
    }


def test_the_list_of_environments_tells_of_roots_in_other_places(tmp_path: Path) -> None:
    installation(tmp_path / "Volumes/data/tools", INTEL)
    fake_mac.program(tmp_path / "Volumes/data/mm/bin/micromamba", ARM64)
    prefix(tmp_path / "Volumes/data/mm/envs/work")
    prefix(tmp_path / "Volumes/many/envs/work")  # a folder of environments is no root
    listed(tmp_path, "/Volumes/data/tools", "/Volumes/data/mm/envs/work", "/Volumes/many/envs/work")
    assert [(root["prefix"], root["distribution"], root["architecture"]) for root in search(tmp_path)] == [
        ("/Volumes/data/mm", "micromamba", "arm64"),
        ("/Volumes/data/tools", "conda", "x86_64"),
    ]


def test_links_lead_to_the_same_root_and_environment(tmp_path: Path) -> None:
    root = installation(tmp_path / "Volumes/data/miniforge3")
    (tmp_path / HOME).mkdir(parents=True)
    (tmp_path / HOME / "miniforge3").symlink_to(root)
    prefix(root / "envs/work")
    (root / "envs/base").symlink_to("..")
    versions = tmp_path / HOME / ".pyenv/versions"
    versions.mkdir(parents=True)
    (versions / "work").symlink_to(root / "envs/work")
    listed(tmp_path, "/Volumes/data/miniforge3", "/Volumes/data/miniforge3/envs/work")
    found = only(search(tmp_path))
    assert found["prefix"] == "/Users/admin/miniforge3"
    assert found["environments"] == ["/Users/admin/.pyenv/versions/work"]  # the first name, as of interpreters


# What would keep a reader waiting, or is odd


def test_odd_entries_hold_nothing_up(tmp_path: Path) -> None:
    root = installation(tmp_path / HOME / "miniforge3")
    odd = prefix(tmp_path / HOME / ".conda/envs/odd")
    history = odd / "conda-meta/history"
    history.unlink()
    for pipe in (history, root / "envs", root / "bin/micromamba", tmp_path / HOME / "micromamba"):
        os.mkfifo(pipe, 0o755)
    (tmp_path / HOME / "anaconda3").symlink_to("anaconda3")
    listed(tmp_path, "relative", "/null\0byte", "/", "/..", "/not/there")
    found, unknown = look(tmp_path)
    assert only(found) == {
        "prefix": "/Users/admin/miniforge3",
        "distribution": "miniforge",
        "architecture": "arm64",
        "environments": [],
    }
    assert unknown == {"/Users/admin/.conda/envs/odd/conda-meta/history": "not a regular file"}


def test_the_distributions_are_those_of_the_documentation() -> None:
    documentation = Path(engine.__file__).parents[2] / "modules/apple_silicon_facts.py"
    text = documentation.read_text()
    assert all(f"V({distribution})" in text for distribution in engine.DISTRIBUTIONS)
