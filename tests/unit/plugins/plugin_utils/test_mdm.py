# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts from what an MDM exports, as Ansible then has them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._mdm import Macs, macs_of, read_rows

from tests.ansible_runner import CHECKOUT

JAMF = """Computer Name,Serial Number,Username,Model,IP Address
mac-ada,C02ABC,ada,"MacBook Pro (14-inch, 2023)",10.0.0.4
mac-bob,C02DEF,bob,Mac mini,
"""
VARIABLES = {"ansible_user": "Username", "ansible_host": "IP Address", "mac_model": "Model"}
MACS = {
    "mac-ada": {"ansible_user": "ada", "ansible_host": "10.0.0.4", "mac_model": "MacBook Pro (14-inch, 2023)"},
    "mac-bob": {"ansible_user": "bob", "mac_model": "Mac mini"},
}


def read(
    folder: Path, name: str, text: str, host: str = "Computer Name", encoding: str = "utf-8", **variables: Any
) -> Macs:
    (folder / name).write_text(text, encoding=encoding)
    return macs_of(read_rows(folder / name), host, variables)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (JAMF, "utf-8"),
        (JAMF, "utf-8-sig"),
        (JAMF, "utf-16"),
        (JAMF.replace("\n", "\r\n"), "utf-8"),
        (JAMF.replace("\n", "\r"), "utf-8"),
        (JAMF.replace(",ada,", ", ada ,").replace(",Username,", ", Username ,"), "utf-8"),
    ],
    ids=["plain", "excel", "excel's Unicode", "windows", "old macs", "spaces"],
)
def test_a_table_is_read_as_it_comes(tmp_path: Path, text: str, encoding: str) -> None:
    assert read(tmp_path, "a.csv", text, encoding=encoding, **VARIABLES) == Macs(MACS, [])


def test_columns_with_the_same_heading_are_told_apart(tmp_path: Path) -> None:
    table = "Computer Name,IP,IP,,\nmac-ada,10.0.0.1,10.0.0.2,,\n"
    with pytest.raises(MetalfleetError, match=r"no column IP\. It has Computer Name, IP \(column 2\), IP \(column 3\)"):
        read(tmp_path, "a.csv", table, ansible_host="IP")
    macs = read(tmp_path, "a.csv", table, ansible_host="IP (column 3)")
    assert macs.hosts == {"mac-ada": {"ansible_host": "10.0.0.2"}}


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_may_have_other_delimiters(tmp_path: Path, delimiter: str) -> None:
    text = f"Computer Name{delimiter}Username\nmac-ada{delimiter}ada\n"
    assert read(tmp_path, "a.csv", text, ansible_user="Username").hosts == {"mac-ada": {"ansible_user": "ada"}}


def test_objects_are_read_by_paths(tmp_path: Path) -> None:
    computers = [
        {"general": {"name": "mac-ada", "ip": None}, "user": "ada"},
        {"general": {"name": "mac-bob"}, "user": 5},
    ]
    for name, data in (("a.json", computers), ("A.JSON", {"totalCount": 2, "results": computers})):
        macs = read(tmp_path, name, json.dumps(data), "general.name", ansible_user="user")
        assert macs == Macs({"mac-ada": {"ansible_user": "ada"}, "mac-bob": {"ansible_user": 5}}, [])


def test_bad_rows_are_named(tmp_path: Path) -> None:
    rows = ["mac-ada", "", "Ada's MacBook", "MAC-ADA", "-oProxyCommand=evil", "a b", "../x", "mac-bob", "localhost"]
    macs = read(tmp_path, "a.csv", "Computer Name,Model\n" + "".join(f"{row},Mac\n" for row in rows))
    assert list(macs.hosts) == ["mac-ada", "mac-bob"]
    assert macs.bad_rows == [
        "line 3: it has no host name",
        'line 4: "Ada\'s MacBook" is not a name that SSH can connect to',
        "line 5: MAC-ADA is there twice",
        "line 6: '-oProxyCommand=evil' is not a name that SSH can connect to",
        "line 7: 'a b' is not a name that SSH can connect to",
        "line 8: '../x' is not a name that SSH can connect to",
        "line 10: localhost is a name that Ansible uses itself",
    ]


def test_an_address_that_is_none_is_a_bad_row(tmp_path: Path) -> None:
    good = ["10.0.0.4", "fe80::1%en0", "mac.example.com", ""]
    bad = ["-oProxyCommand=evil", "10.0.0.1, 10.0.0.2", "n/a"]
    rows = "".join(f'mac-{number},"{address}"\n' for number, address in enumerate([*good, *bad]))
    macs = read(tmp_path, "a.csv", f"Computer Name,IP\n{rows}", ansible_host="IP")
    assert [each.get("ansible_host", "") for each in macs.hosts.values()] == good
    assert macs.bad_rows == [
        f"line {number}: {address!r} is not an address that SSH can connect to" for number, address in enumerate(bad, 6)
    ]


@pytest.mark.parametrize("column", [5, None, ["Computer Name"]])
def test_what_is_no_name_of_a_column_is_refused(tmp_path: Path, column: Any) -> None:
    with pytest.raises(MetalfleetError, match="The export has no column"):
        read(tmp_path, "a.csv", JAMF, serial=column)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "Name,User\nmac,ada\n", "no column Computer Name. It has Name, User"),
        ("a.csv", "Computer Name,User\nmac,ada,more\n", "line 2 has more cells"),
        ("a.csv", 'Computer Name,User\n"mac,ada\n', "cannot be read"),
        ("a.csv", "", "has no Mac"),
        ("a.csv", "Computer Name,User\n", "has no Mac"),
        ("a.json", "[]", "has no Mac"),
        ("a.csv", "C\0o\0m\0p\0u\0t\0e\0r\0", "cannot be read. it is not in UTF-8"),
        ("a.json", "[" * 100_000, "cannot be read"),
        ("a.json", "{", "cannot be read"),
        ("a.json", '{"a": [], "b": []}', "not one list of objects"),
        ("a.json", "[1]", "not one list of objects"),
        ("a.json", "5", "not one list of objects"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(MetalfleetError, match=message):
        read(tmp_path, name, text)


def inventory(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    (folder / "macs.mdm.yml").write_text(
        json.dumps({"plugin": "metalfleet.tensorflow.mdm", "path": "a.csv", "host": "Computer Name", **options})
    )
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "-i", folder / "macs.mdm.yml", *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_ansible_has_the_hosts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(JAMF.replace("Mac mini", "{{ 7 * 7 }}"))
    compose = {"ansible_host": "ansible_host | default(inventory_hostname ~ '.local')"}
    done = inventory(tmp_path, "--list", variables=VARIABLES, compose=compose)
    told = json.loads(done.stdout)
    assert told["tensorflow"]["hosts"] == ["mac-ada", "mac-bob"]
    # What an export says is never taken for a template.
    assert {name: unsafe(variables) for name, variables in told["_meta"]["hostvars"].items()} == {
        "mac-ada": MACS["mac-ada"],
        "mac-bob": {"ansible_user": "bob", "ansible_host": "mac-bob.local", "mac_model": "{{ 7 * 7 }}"},
    }


def unsafe(variables: dict[str, Any]) -> dict[str, str]:
    """The variables that Ansible marks as no templates."""
    marked = {name: value for name, value in variables.items() if isinstance(value, dict)}
    return {name: value["__ansible_unsafe"] for name, value in marked.items() if value}


def test_bad_rows_end_the_run_unless_a_warning_will_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{JAMF}Ada's MacBook,x,y,z,\n")
    (tmp_path / "others.yml").write_text("tensorflow: {hosts: {mac-eve: }}")
    done = inventory(tmp_path, "-i", str(tmp_path / "others.yml"), "--list")
    assert done.returncode
    assert "line 4: " in done.stderr
    (tmp_path / "a.csv").write_text(f"{JAMF}more,cells,than,there,are,headings\n")
    broken = inventory(tmp_path, "--list")
    assert broken.returncode
    assert "line 4 has more cells than there are headings. Export it" in broken.stderr
    assert ": line 4 has" not in broken.stderr
    (tmp_path / "a.csv").write_text(f"{JAMF}Ada's MacBook,x,y,z,\n")
    done = inventory(tmp_path, "--list", bad_rows="warn")
    assert "line 4: " in done.stderr
    assert json.loads(done.stdout)["tensorflow"]["hosts"] == ["mac-ada", "mac-bob"]


def test_a_misspelt_option_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(JAMF)
    done = inventory(tmp_path, "--list", variabels=VARIABLES)
    assert done.returncode
    assert "variabels is not an option: variables is probably meant" in done.stderr


def test_ansible_doc_accepts_the_documentation() -> None:
    process = subprocess.run(
        [Path(sys.executable).with_name("ansible-doc"), "--json", "--type", "inventory", "metalfleet.tensorflow.mdm"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
