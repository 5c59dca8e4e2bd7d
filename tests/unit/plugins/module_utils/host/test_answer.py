# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a host in one go, and what is done to it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.tools import Tools
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host import answer, report
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.answer import ask
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.converge import converge
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import (
    Document,
    platform_to_be,
    read_document,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.supply import Supply
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.uv import Uv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.venv import Venv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import (
    Places,
    platform_name,
    python_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import LiteRT, find
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python import intact
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair, read_pairs

from tests.wheels import lock_of, make_wheel

UV = Path(sys.executable).with_name("uv")
PLATFORM = "macos-arm64-py3.12"


@dataclass
class Host:
    """A host with a managed Python, and environments declared for it."""

    folder: Path
    environments: list[Declaration] = field(default_factory=list)
    verdict: str = "gpu-ok"
    probed: list[tuple[str, str]] = field(default_factory=list)
    """Name and level of each probe."""

    def declare(self, name: str, **changed: Any) -> Declaration:
        lock = lock_of(make_wheel(self.folder / "wheels", "alpha"))
        declared = replace(Declaration(name, self.places, lock, free_mb=1), **changed)
        self.environments = [*(each for each in self.environments if each.name != name), declared]
        return declared

    @property
    def places(self) -> Places:
        return Places(self.folder / "root", self.folder / "links")

    @property
    def document(self) -> Document:
        return Document(self.places, tuple(self.environments))

    @property
    def tools(self) -> Tools:
        commands = Commands()
        supply = Supply(self.places, Network(wheels=str(self.folder / "wheels")), commands)
        return Tools({"venv": Venv(Uv(self.places.uv, supply, commands))}, supply, commands, self.probe, "")

    def probe(self, environment: Path, _demand: Demand, *, level: str, **_: Any) -> dict[str, Any]:
        self.probed.append((environment.name, level))
        ok = self.verdict == "gpu-ok"
        return {"ok": ok, "verdict": self.verdict, "duration": 1.0, "macos": "15.5", "text": f"{self.verdict}."}

    def ask(self) -> dict[str, Any]:
        return ask(self.document, self.tools)

    def converge(self, *, check_mode: bool = False) -> dict[str, Any]:
        return converge(self.document, check_mode=check_mode, tools=self.tools)

    def damage(self, name: str) -> None:
        next(self.places.link(name).glob("lib/python3.*/site-packages/alpha/__init__.py")).unlink()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """One on which the environment tf is in order."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    host = Host(tmp_path)
    host.places.python.parent.mkdir(parents=True)
    host.places.python.symlink_to(Path(sys.executable).resolve())
    host.places.uv.symlink_to(UV)
    host.declare("tf")
    assert host.converge()["ok"]
    host.probed.clear()
    return host


class TestAsking:
    def test_what_is_in_order_is_probed(self, host: Host) -> None:
        said = host.ask()
        assert (said["reasons"], said["todo"], said["ok"], said["changed"]) == ([], "nothing", True, False)
        assert said["text"] == ["tf: gpu-ok."]
        assert host.probed == [("tf", "quick")]
        assert "apple_silicon" in said

    def test_a_bad_verdict_is_not_ok_though_nothing_is_to_do(self, host: Host) -> None:
        host.verdict = "gpu-missing"
        said = host.ask()
        assert (said["reasons"], said["todo"], said["ok"]) == ([], "nothing", False)
        assert said["environments"][0]["verdict"] == "gpu-missing"

    def test_what_has_drifted_is_not_probed(self, host: Host) -> None:
        host.damage("tf")
        said = host.ask()
        assert (said["reasons"], said["todo"], said["ok"]) == (["file-missing"], "environments", False)
        assert said["text"][0].startswith("tf: has drifted (file-missing: ")
        assert said["text"][0].endswith("Run setup.yml to repair it.")
        assert host.probed == []

    @pytest.mark.parametrize("times", [1, 2])
    def test_what_vanishes_while_it_looks_lets_it_look_again(
        self, host: Host, monkeypatch: pytest.MonkeyPatch, times: int
    ) -> None:
        """As while another writer is at work."""
        real, vanished = answer.look, iter([FileNotFoundError(2, "No such file or directory", "/x")] * times)

        def look(*arguments: Any) -> Any:
            for error in vanished:
                raise error
            return real(*arguments)

        monkeypatch.setattr(answer, "look", look)
        assert host.ask()["ok"]

    def test_the_doctor_probes_what_is_never_probed_if_it_holds_the_framework(self, host: Host) -> None:
        host.declare("tf", gpu_check="none")
        said = ask(replace(host.document, doctor=True), host.tools)
        assert (said["ok"], said["environments"][0]["verdict"], host.probed) == (True, None, [])

        host.declare("tf", lock=lock_of(make_wheel(host.folder / "wheels", "tensorflow")), gpu_check="none")
        host.converge()
        assert ask(replace(host.document, doctor=True), host.tools)["environments"][0]["verdict"] == "gpu-ok"
        assert host.probed == [("tf", "full")]

    def test_nothing_is_probed_where_the_user_leaves_it_out(self, host: Host) -> None:
        host.declare("tf", gpu_check="none")
        said = host.ask()
        assert said["ok"]
        assert said["environments"][0]["verdict"] is None
        assert host.probed == []

    def test_a_new_host_is_not_set_up_yet(self, host: Host) -> None:
        host.declare("other")
        said = host.ask()
        assert said["text"] == ["other: not set up yet. Run setup.yml."]
        assert said["todo"] == "environments"

    def test_drift_may_be_reported_only(self, host: Host) -> None:
        host.damage("tf")
        host.declare("tf", on_drift="report")
        said = host.ask()
        assert (said["reasons"], said["todo"], said["ok"]) == (["file-missing"], "nothing", False)
        assert said["environments"][0]["plan"] == []
        assert "left as it is, because on_drift is report (file-missing: " in said["text"][0]

    def test_the_digest_of_a_lock_serves_as_well_as_its_text(self, host: Host) -> None:
        host.declare("tf", lock="", lock_digest=host.environments[0].lock_sha256)
        assert host.ask()["ok"]

    def test_what_is_refused_does_not_hide_the_others(self, host: Host) -> None:
        host.declare("other")
        host.places.link("other").mkdir()
        said = host.ask()
        assert [each["ok"] for each in said["environments"]] == [True, False]
        assert said["environments"][1]["problem"]["cause"].endswith("it was not made by this collection")
        assert said["todo"] == "nothing"


class TestConverging:
    def test_a_new_generation_is_probed_thoroughly(self, host: Host) -> None:
        host.damage("tf")
        said = host.converge()
        assert said["changed"]
        assert said["ok"]
        assert host.probed == [("2", "standard")]
        assert said["text"][0].startswith("tf: repaired (file-missing: ")
        assert said["text"][0].endswith(" gpu-ok.")

    def test_what_was_asked_for_is_no_repair(self, host: Host) -> None:
        host.declare("tf", rebuild=True)
        assert host.converge()["text"][0].startswith("tf: changed as declared (asked: ")

    def test_check_mode_foresees_the_same(self, host: Host) -> None:
        host.damage("tf")
        foreseen, done = host.converge(check_mode=True), host.converge()
        assert foreseen["ok"]
        assert foreseen["changed"]
        assert foreseen["environments"][0]["plan"] == done["environments"][0]["plan"]

    def test_drift_that_is_reported_only_is_left(self, host: Host) -> None:
        host.damage("tf")
        host.declare("tf", on_drift="report")
        said = host.converge()
        assert (said["changed"], said["ok"], said["reasons"]) == (False, False, ["file-missing"])

    def test_an_environment_that_fails_does_not_stop_the_others(self, host: Host) -> None:
        host.declare("bad", lock="missing==1.0 --hash=sha256:" + "0" * 64 + "\n")
        host.declare("good")
        said = host.converge()
        assert [each["ok"] for each in said["environments"]] == [True, False, True]
        assert said["text"][0].startswith("bad: There is no package missing. Nothing was activated. ")
        assert said["changed"]

    def test_a_bad_probe_is_the_verdict_and_the_text(self, host: Host) -> None:
        host.damage("tf")
        host.verdict = "gpu-missing"
        said = host.converge()
        assert said["environments"][0]["verdict"] == "gpu-missing"
        assert "did not pass its probe: gpu-missing. What was active before is still in use." in said["text"][0]
        assert not said["changed"]

    def test_a_rollback_says_from_which_to_which(self, host: Host) -> None:
        old = host.environments[0].lock
        host.declare("tf", lock=f"{old}# newer\n")
        host.converge()
        host.declare("tf", lock=old, state="rolled_back", gpu_check="none")
        assert host.converge()["text"] == ["tf: rolled back from generation 2 to generation 1."]
        assert host.converge()["text"] == ["tf: generation 1 is active already."]
        host.declare("tf", state="rolled_back", gpu_check="quick")
        assert host.converge()["text"] == ["tf: generation 1 is active already. gpu-ok."]

    def test_check_mode_says_what_would_be_done(self, host: Host) -> None:
        host.damage("tf")
        host.declare("other")
        repaired, set_up = host.converge(check_mode=True)["text"]
        assert repaired.startswith("tf: would be repaired (file-missing: ")
        assert set_up.startswith("other: would be set up (absent: ")
        host.declare("tf", state="absent")
        assert host.converge(check_mode=True)["text"][-1].startswith("tf: would be removed (declared-absent: ")

    def test_nothing_to_remove_changes_nothing(self, host: Host) -> None:
        host.declare("gone", state="absent")
        said = host.converge()
        assert not said["changed"]
        assert said["text"] == ["tf: gpu-ok.", "gone: not there, so there is nothing to remove."]


class TestDocument:
    def options(self, *environments: dict[str, Any]) -> dict[str, Any]:
        return {"environments": list(environments), "root": "/opt/acme", "links": "/opt/acme/envs"}

    def test_the_lock_of_the_platform_is_chosen(self) -> None:
        declared = {"name": "tf", "lock_digests": {PLATFORM: "aa", "linux-x86_64-py3.12": "bb"}}
        document = read_document({**self.options(declared), "lock_texts": {"aa": "text"}}, PLATFORM)
        assert (document.environments[0].lock_sha256, document.environments[0].lock) == ("aa", "text")

    def test_a_platform_without_a_lock_is_named(self, host: Host) -> None:
        declared = {"name": "new", "lock_digests": {"linux-x86_64-py2.7": "aa", PLATFORM: "bb"}}
        host.environments += read_document({**self.options(declared), "free_mb": 1}, "linux-x86_64-py3.11").environments
        said = host.ask()
        assert re.search(r"no lock for \S+ .* There are locks for: linux-x86_64-py2\.7, macos-", said["text"][0])
        assert [each["ok"] for each in said["environments"]] == [True, False]

    def test_the_lock_is_that_for_the_python_of_the_environment(self) -> None:
        digests = {PLATFORM: "1" * 64, "macos-arm64-py3.11": "2" * 64}
        options = self.options({"name": "tf", "lock_digests": digests})
        for python, digest, additional in (("", "1", ""), ("3.12", "1", ""), ("3.11", "2", "3.11")):
            options["environments"][0]["python"] = python
            document = read_document(options, PLATFORM)
            [declared] = document.environments
            assert (declared.lock_digest[0], declared.python) == (digest, additional)
            assert document.minors == ((additional,) if additional else ())
        options["environments"][0]["python"] = "3.11.2"
        with pytest.raises(MetalfleetError, match="python: 3.11.2 of the environment .* is not a minor version"):
            read_document(options, PLATFORM)

    @pytest.mark.parametrize(
        ("declared", "chosen", "free_mb"),
        [
            ({}, "cuda", 8500),
            ({"gpu": "required"}, "cuda", 8500),
            ({"gpu": "none"}, "cpu", 3500),
            ({"framework": "litert"}, "cpu", 3500),
            ({"python": "3.11"}, "another python", 8500),
        ],
    )
    def test_what_makes_no_use_of_an_nvidia_gpu_has_the_lock_of_hosts_without(
        self, declared: dict[str, Any], chosen: str, free_mb: int
    ) -> None:
        names = ("linux-x86_64+cuda-py3.12", "linux-x86_64-py3.12", "linux-x86_64+cuda-py3.11")
        digests = dict(zip(names, ("cuda", "cpu", "another python"), strict=True))
        options = self.options({"name": "tf", "lock_digests": digests, **declared})
        [environment] = read_document(options, names[0]).environments
        assert (environment.lock_digest, environment.free_mb) == (chosen, free_mb)
        [environment] = read_document({**options, "free_mb": 10}, names[0]).environments
        assert environment.free_mb == 10

    @pytest.mark.parametrize(
        ("declared", "driver", "is_refused"),
        [
            ({}, "", True),
            ({"gpu": "required"}, "", True),
            ({}, "550.54.14", False),
            ({"gpu": "preferred"}, "", False),
            ({"gpu_check": "none"}, "", False),
        ],
    )
    def test_nothing_is_built_for_an_nvidia_gpu_without_its_driver(
        self, host: Host, declared: dict[str, Any], driver: str, *, is_refused: bool
    ) -> None:
        platform = "linux-x86_64+cuda-py3.12"
        options = self.options({"name": "new", "lock_digests": {platform: "aa"}, **declared})
        [new] = read_document({**options, "lock_texts": {"aa": "# nothing"}}, platform).environments
        host.environments.append(replace(new, places=host.places, free_mb=1))
        tools = replace(host.tools, driver=lambda: driver)
        said = ask(host.document, tools)["environments"][-1]
        assert (said["problem"] is not None) == is_refused
        assert ("no driver of NVIDIA's is loaded" in said["text"]) == is_refused

    def test_a_mac_is_told_what_litert_asks_of_it(self, host: Host) -> None:
        declared = {"name": "new", "framework": "litert", "lock_digests": {PLATFORM: "aa", "linux-x86_64-py3.12": "bb"}}
        options = {
            **self.options(declared),
            "lock_texts": {"aa": "# nothing"},
            "lock_litert": {"aa": "2.3.0"},
            "litert": [{"version": "2.3.0", "pythons": ["3.12"], "least_macos": "15.2"}],
        }
        [edge] = read_document(options, PLATFORM).environments
        assert edge.litert == LiteRT("2.3.0", ("3.12",), "15.2")
        [of_linux] = read_document(options, "linux-x86_64-py3.12").environments
        assert of_linux.litert is None
        host.environments.append(replace(edge, places=host.places, free_mb=1))
        old, new = (
            ask(host.document, replace(host.tools, macos=partial(str, macos)))["environments"][-1]
            for macos in ("14.6.1", "15.2")
        )
        assert "LiteRT 2.3.0 needs macOS 15.2 or newer, not 14.6.1" in old["text"]
        assert (new["problem"], new["reasons"]) == (None, ["absent"])

    def test_an_own_lock_serves_any_platform(self) -> None:
        document = read_document(self.options({"name": "tf", "lock_digests": {"any": "aa"}}), PLATFORM)
        assert document.environments[0].lock_sha256 == "aa"

    def test_an_environment_that_shall_go_needs_no_lock(self) -> None:
        document = read_document(self.options({"name": "tf", "state": "absent"}), PLATFORM)
        assert document.environments[0].state == "absent"

    @pytest.mark.parametrize(("names", "words"), [(("tf", "tf"), "Two environments"), (("tf", "TF"), "only in case")])
    def test_names_that_are_one_place_are_refused(self, names: tuple[str, str], words: str) -> None:
        with pytest.raises(MetalfleetError, match=words):
            read_document(self.options(*({"name": name, "state": "absent"} for name in names)), PLATFORM)

    @pytest.mark.parametrize("option", ["root", "links"])
    @pytest.mark.parametrize("path", ["/Users/a/Documents/x", "/Users/a/Mobile Documents/x", "/x y", "x", "~/.."])
    def test_places_that_cannot_work_are_refused(self, option: str, path: str) -> None:
        with pytest.raises(MetalfleetError, match=f"^tensorflow_{option} "):
            read_document({**self.options(), option: path})


class TestManagedPython:
    DECLARED: ClassVar = {"source": "existing", "version": "3.12", "uv_version": "0.0.0"}

    def test_it_comes_first(self, host: Host) -> None:
        said = ask(replace(host.document, python=self.DECLARED), host.tools)
        assert (said["todo"], said["ok"], said["managed_python"]["reasons"]) == ("python", False, ["uv"])
        assert said["text"] == ["The managed Python or uv is not as declared (uv). Run setup.yml to repair it."]

    def test_each_python_that_an_environment_asks_for_is_brought(self, host: Host) -> None:
        host.declare("old", python="3.9")
        declared = self.DECLARED
        said = ask(replace(host.document, python=declared), host.tools)
        assert (said["todo"], said["managed_python"]["minors"]) == ("python", ["3.9"])
        assert said["managed_python"]["reasons"] == ["uv", "absent"]
        assert [text.partition(" is not as declared ")[::2] for text in said["text"]] == [
            ("The managed Python or uv", "(uv). Run setup.yml to repair it."),
            ("Python 3.9, which an environment asks for,", "(absent). Run setup.yml to install or repair it."),
        ]
        built = host.converge()
        assert "The managed Python 3.9, which the environment old is made with, is missing" in built["text"][0]
        host.declare("old", python="3.9", state="absent")
        assert ask(replace(host.document, python=declared), host.tools)["managed_python"]["minors"] == []

    def test_what_an_environment_needs_depends_on_the_python_that_is_to_come(self, host: Host) -> None:
        """The one that runs the modules now may be what an environment needs beside the next one, and the reverse."""
        now = platform_name()
        mine = python_of(now)
        following = f"/opt/python{mine}9"
        options = {
            "root": str(host.places.root),
            "links": str(host.places.links),
            "environments": [
                {"name": name, "python": name, "lock_digests": {"any": "1" * 64}} for name in (mine, f"{mine}9")
            ],
            "lock_texts": {"1" * 64: "# nothing"},
            "python": {**self.DECLARED, "version": f"{mine}9", "existing": following},
        }
        platform = platform_to_be(options)
        assert platform == platform_name(python=f"{mine}9")
        document = read_document(options, platform)
        assert document.minors == (mine,)
        said = ask(document, host.tools)
        assert (said["platform"], said["managed_python"]["minors"]) == (platform, [mine])
        refused = converge(document, check_mode=False, tools=host.tools)
        assert f"The managed Python is {mine}, and {mine}9 is declared" in refused["environments"][0]["text"]
        assert not host.places.generations(mine).exists()

        host.places.python.unlink()
        host.places.python.symlink_to(following)
        assert platform_to_be(options) == platform_to_be({}) == now

    def test_what_nothing_uses_any_more_is_removed(self, host: Host) -> None:
        uv, old = host.folder / "uv/0.0.0/bin/uv", host.places.pythons / "cpython-3.9.0+1"
        for program in (uv, old / "bin/python3.9"):
            program.parent.mkdir(parents=True)
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
            intact.record(program.parents[1])
        (old / "lib").mkdir()
        (old / "lib/work").write_text("mine")
        host.places.uv.unlink()
        host.places.uv.symlink_to(uv)
        kept = host.places.set_aside / f"1-{old.name}"
        document = replace(host.document, python=self.DECLARED)
        asked = ask(document, host.tools)
        assert (asked["reasons"], asked["todo"], asked["ok"]) == (["surplus-python"], "environments", False)
        assert asked["text"] == [f"Nothing uses {old} any more (surplus-python). Run setup.yml to remove it."]
        for check_mode, left in ((True, True), (False, False)):
            said = converge(document, check_mode=check_mode, tools=host.tools)
            assert (said["changed"], said["ok"], said["reasons"]) == (True, True, ["surplus-python"])
            assert old.exists() == left
        assert said["warnings"] == [f"{old} was removed. What others had put there was moved to {kept}."]
        assert (kept / "lib/work").read_text() == "mine"
        assert converge(document, check_mode=False, tools=host.tools)["changed"] is False


class TestWithoutPython:
    def test_everything_is_foreseen(self) -> None:
        environments = [{"name": "tf", "lock_digests": {}}, {"name": "old", "state": "absent"}]
        foreseen = report.foresee({"environments": environments})
        assert foreseen["managed_python"]["reasons"] == ["absent"]
        assert {each["name"]: each["reasons"] for each in foreseen["environments"]} == {"tf": ["absent"], "old": []}
        assert (foreseen["todo"], foreseen["ok"]) == ("python", False)
        assert foreseen["text"] == ["Not set up yet: there is no managed Python. Run setup.yml."]

    def test_where_everything_shall_be_gone_nothing_is_to_do(self) -> None:
        foreseen = report.foresee({"environments": [{"name": "old", "state": "absent"}]})
        assert (foreseen["todo"], foreseen["ok"], foreseen["reasons"]) == ("nothing", True, [])

    def test_an_interpreter_that_died_is_said_with_its_words(self) -> None:
        options = {
            "environments": [{"name": name, "python": name, "lock_digests": {}} for name in ("3.11", "3.12")],
            "python": {"version": "3.12"},
        }
        said = report.without_python(options, "The managed Python ended with status 1 and said: no json")
        assert said["text"] == ["The managed Python ended with status 1 and said: no json. Run setup.yml to repair it."]
        assert (said["environments"], said["ok"], said["todo"]) == ([], False, "python")
        assert said["managed_python"]["minors"] == ["3.11"]


class TestPairs:
    @pytest.mark.parametrize(
        ("tensorflow", "metal", "macos", "words"),
        [
            ("2.18.1", "1.2.0", "12.0.1", "needs macOS 12.1 or newer, not 12.0.1."),
            ("2.20.0", "1.2.0", "", "the plug-in does not link"),
            ("2.17.1", "1.1.0", "15.5", "has no wheels for Python 3.12, only for 3.9"),
        ],
    )
    def test_what_a_mac_cannot_have_is_refused_before_anything_is_built(
        self, tensorflow: str, metal: str, macos: str, words: str, host: Host
    ) -> None:
        host.declare("new", pair=find(read_pairs(), tensorflow, metal), pairs=read_pairs(), minor="3.12")
        for said in (
            ask(host.document, replace(host.tools, macos=lambda: macos)),
            converge(host.document, check_mode=True, tools=replace(host.tools, macos=lambda: macos)),
            converge(host.document, check_mode=False, tools=replace(host.tools, macos=lambda: macos)),
        ):
            assert not said["ok"]
            assert words in said["text"][0]
        assert not host.places.generations("new").exists()

    def test_what_it_can_have_is_built_and_what_is_there_is_left(self, host: Host) -> None:
        host.declare("new", pair=default_pair(), pairs=read_pairs(), minor="3.12")
        new = replace(host.tools, macos=lambda: "12.1")
        assert converge(host.document, check_mode=False, tools=new)["ok"]
        old = replace(host.tools, macos=lambda: pytest.fail("to ask for the version costs time"))
        assert ask(host.document, old)["ok"]

    def test_the_pair_of_a_lock_is_known_on_macs_only(self) -> None:
        options = {
            "environments": [{"name": "a", "lock_digests": {PLATFORM: "1" * 64, "linux-x86_64-py3.12": "1" * 64}}],
            "lock_pairs": {"1" * 64: ["2.18.1", "1.2.0"]},
            "pairs": [default_pair().as_data()],
        }
        [on_a_mac] = read_document(options, PLATFORM).environments
        assert (on_a_mac.pair, on_a_mac.minor) == (default_pair(), "3.12")
        assert read_document(options, "linux-x86_64-py3.12").environments[0].pair is None


def test_to_ask_loads_nothing_of_the_network() -> None:
    """A host is asked in every run, and compiles what it imports each time: the module travels as source."""
    program = (
        "import sys; "
        f"sys.path[:] = {sys.path!r}; "
        f"import {ask.__module__}; "
        "print([name for name in ('ssl', 'http.client', 'html.parser', 'importlib.metadata') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
