# SPDX-License-Identifier: GPL-3.0-or-later
"""The test bed itself: what other tests rely on when they take a simulated Mac for one."""

from __future__ import annotations

import ast
import json
import os
import plistlib
import re
import shutil
import socket
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests import metal
from tests.integration.conftest import NewMac
from tests.integration.hosts import on
from tests.simulated_mac import addresses, engine, pythons
from tests.simulated_mac.fleet import Fleet, FleetError, Mac, temporary_fleet
from tests.simulated_mac.host_files import BANNER
from tests.simulated_mac.macho import Kind, stub
from tests.simulated_mac.profile import FOLDER, Profile, ProfileError
from tests.simulated_mac.state import ssh_options, start_time

PROFILES = sorted(path.stem for path in FOLDER.glob("*.yml"))
WHO_AM_I = "import json, platform, sys; print(json.dumps([sys.platform, platform.machine(), platform.mac_ver()[0]]))"
BAD_CPU = "Bad CPU type in executable"
LIST_AND_MULTIPLY = """
import tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
print("version", tf.__version__, "gpus", len(gpus))
if gpus:
    with tf.device("/GPU:0"):
        product = tf.matmul(tf.ones((4, 4)), tf.ones((4, 4)))
    print("on", product.device[-5:], "sum", product.numpy().sum())
"""


@pytest.fixture(scope="module")
def m1(fleet: Fleet) -> Mac:
    """A fresh Mac that tests look at, but do not change."""
    return fleet.up({"m1": "m1-fresh"})["m1"]


@pytest.fixture(scope="module")
def native(fleet: Fleet, native_python_template: str) -> Mac:
    """A Mac with a native Python in ~/python and uv; tests put what they make into folders of their own."""
    return fleet.up({"native": f"m1-fresh@{native_python_template}"})["native"]


def said(mac: Mac, command: str) -> str:
    """What a command that must succeed printed."""
    result = mac.run(command)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def put(mac: Mac, path: str, content: bytes) -> None:
    mac.run(f"cat > {path} && chmod 755 {path}", input=content, check=True)


# --- being a Mac ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_answers_what_it_says(mac: NewMac, name: str) -> None:
    profile = Profile.load(name)
    host = mac(name)
    assert said(host, "sw_vers -productVersion") == profile.macos.version
    assert said(host, "uname -rm") == f"{profile.macos.darwin} {profile.arch}"
    assert said(host, "sysctl -n machdep.cpu.brand_string hw.model").splitlines() == [profile.chip, profile.model]
    overview = json.loads(said(host, "system_profiler -json SPHardwareDataType"))["SPHardwareDataType"][0]
    assert overview["machine_model"] == profile.model
    assert overview.get("chip_type") == (profile.chip if profile.arch == "arm64" else None)


def test_login_says_that_it_is_no_mac(m1: Mac) -> None:
    line = ["ssh", *ssh_options(m1.fleet.store.key), "-tt", "-p", str(m1.port), f"admin@{m1.address}"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as login:
        assert login.stdout
        shown = [login.stdout.readline().decode() for _ in range(3)]
        login.kill()
    assert BANNER in "".join(shown)


def test_shim_without_developer_tools_asks_for_them_and_is_noted(mac: NewMac) -> None:
    host = mac("m1-fresh")
    result = host.run("/usr/bin/python3 --version")
    assert result.returncode == 1
    assert "No developer tools were found, requesting install" in result.stderr
    [call] = host.shim_calls()
    assert call["argv"] == ["/usr/bin/python3", "--version"]
    assert call["rc"] == 1
    assert call["uid"] == 501
    assert "admin@notty" in call["parent"][0]  # the session's sshd


def test_shim_hands_over_to_developer_tools_and_is_noted(mac: NewMac) -> None:
    host = mac("m2-rosetta")
    assert said(host, "git --version").startswith("git version")
    assert [call["argv"][0] for call in host.shim_calls()] == ["/usr/bin/git"]
    assert said(host, "xcode-select -p") == "/Library/Developer/CommandLineTools"
    assert "version: 15.3" in said(host, "pkgutil --pkg-info=com.apple.pkg.CLTools_Executables")


@pytest.mark.parametrize(
    "command",
    ["sysctl -Z hw.model", "system_profiler -xml SPHardwareDataType", "system_profiler SPUSBDataType", "codesign -v /x",
     "ioreg -l", "softwareupdate --list", "launchctl list", "uname -i", "arch -d X true"],
)  # fmt: skip
def test_what_is_not_simulated_says_so_loudly(m1: Mac, command: str) -> None:
    result = m1.run(command)
    assert result.returncode == 70
    assert "simulated Mac: not simulated:" in result.stderr


def test_calls_are_noted_with_their_answer(mac: NewMac) -> None:
    host = mac("m1-fresh")
    host.run("sysctl hw.nosuch; sudo sw_vers >/dev/null")
    assert [(call["argv"], call["rc"], call["uid"], call["shim"]) for call in host.calls()] == [
        (["/usr/sbin/sysctl", "hw.nosuch"], 1, 501, False),
        (["/usr/bin/sw_vers"], 0, 0, False),
    ]


def test_sysctl_names_unknown_oids_and_drops_valueless_ones(m1: Mac) -> None:
    result = m1.run("sysctl hw.ncpu hw.nosuch hw.cpufrequency hw.memsize")
    assert result.stdout == "hw.ncpu: 8\nhw.memsize: 17179869184\n"
    assert result.stderr == "sysctl: unknown oid 'hw.nosuch'\n"
    assert result.returncode == 1
    assert said(m1, "sysctl -i hw.nosuch") == ""


def test_levels_of_cores_have_their_own_names(mac: NewMac) -> None:
    host = mac("m5-fresh")
    assert said(host, "sysctl -n hw.perflevel0.name hw.perflevel1.name").split() == ["Super", "Efficiency"]
    assert "10 (4 Super and 6 Efficiency)" in said(host, "system_profiler SPHardwareDataType")


def test_gpu_is_told_by_ioreg_and_profiler(m1: Mac) -> None:
    assert '"gpu-core-count" = 8' in said(m1, "ioreg -rc AGXAccelerator -d 1")
    assert "Metal Support: Metal 3" in said(m1, "system_profiler SPDisplaysDataType")


def test_sudo_needs_no_password(m1: Mac) -> None:
    assert said(m1, "id -un; sudo id -un").split() == ["admin", "root"]


def test_the_clock_of_this_machine_is_not_the_hosts(m1: Mac) -> None:
    refused = m1.run('sudo date -s "@$(date +%s)"')
    assert (refused.returncode, "Operation not permitted" in refused.stderr) == (1, True)


def test_userland_is_a_macs(m1: Mac) -> None:
    assert "bsdtar" in said(m1, "tar --version")
    assert said(m1, "echo $0; echo $PATH").split() == ["zsh", "/usr/bin:/bin:/usr/sbin:/sbin"]
    assert m1.run("command -v apt-get || command -v timeout").returncode != 0


# --- accounts and their shells --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(fleet: Fleet) -> Mac:
    """A Mac with a second account, which may not use sudo."""
    host = fleet.up({"two": "m1-fresh"})["two"]
    said(host, "sudo sysadminctl -addUser ann -fullName 'Ann Other'")
    return host


@pytest.mark.parametrize(
    ("command", "home"),
    [("sudo -u ann", "/Users/admin"), ("sudo -H -u ann", "/Users/ann"), ("sudo -i -u ann", "/Users/ann"),
     ("sudo", "/Users/admin"), ("sudo -H", "/var/root")],
)  # fmt: skip
def test_sudo_keeps_the_callers_home_unless_asked_otherwise(two: Mac, command: str, home: str) -> None:
    assert said(two, f"{command} /usr/bin/printenv HOME") == home


def test_second_account_is_one_of_a_mac(two: Mac) -> None:
    assert said(two, "id -un ann; id -u ann; id -Gn ann").split() == ["ann", "502", "staff"]
    assert said(two, "ls -ld /Users/ann").split()[:4] == ["drwxr-x---", "2", "ann", "staff"]
    assert said(two, "dscl . -read /Users/ann UserShell") == "UserShell: /bin/zsh"
    assert said(two, "sudo -H -u ann /bin/zsh -c 'touch ~/note && ls -l ~/note'").split()[2:4] == ["ann", "staff"]
    assert two.run("sudo -u ann sudo -n true").returncode != 0
    assert two.run("sudo sysadminctl -addUser ann").returncode == 1
    assert two.run("sysadminctl -addUser other").returncode == 1


def test_become_user_reaches_the_second_account(two: Mac, tmp_path: Path) -> None:
    whoami = {"ansible.builtin.raw": "id -un; echo $HOME", "register": "told", "changed_when": False}
    wanted = {"ansible.builtin.assert": {"that": "told.stdout_lines == ['ann', '/Users/ann']"}}
    play = {"hosts": "tensorflow", "gather_facts": False, "tasks": [whoami, wanted]}
    path = tmp_path / "play.yml"
    path.write_text(json.dumps([play]))
    assert on(two, path, "-b", "--become-user", "ann").recap[two.name]["ok"] == 2


def test_one_user_can_let_another_read(two: Mac) -> None:
    said(two, "mkdir -m 700 /tmp/ours; echo secret > /tmp/ours/file; chmod 600 /tmp/ours/file")
    read = "sudo -u ann cat /tmp/ours/file"
    assert two.run(read).returncode == 1
    said(two, "chmod +a 'ann allow read,execute' /tmp/ours /tmp/ours/file")
    assert said(two, read) == "secret"
    assert two.run("sudo -u ann sh -c 'echo more >> /tmp/ours/file'").returncode == 1
    assert "'bob'" in two.run("chmod +a 'bob allow read' /tmp/ours").stderr
    assert two.run("chmod +a# 0 'ann allow read' /tmp/ours").returncode != 0


def test_start_up_files_are_read_as_on_a_mac(mac: NewMac) -> None:
    host = mac("m1-fresh")
    said(host, "echo 'export MINE=1; umask 027' > ~/.zshenv; echo 'export NOT=1' > ~/.zshrc")
    said(host, "echo 'export ALL=2' | sudo tee /etc/zshenv; sudo chmod 644 /etc/zshenv")
    assert said(host, "echo $MINE $NOT $ALL $(umask)") == "1 2 027"
    assert said(host, "sudo -H -u admin sh -c 'echo $MINE$ALL'") == ""


@pytest.mark.parametrize("shell", ["csh", "tcsh"])
def test_login_shell_can_be_of_the_csh_family(mac: NewMac, shell: str) -> None:
    host = mac("m1-fresh")
    assert host.run(f"dscl . -create /Users/admin UserShell /bin/{shell}").returncode == 40
    said(host, "echo 'setenv MINE 1' > ~/.cshrc")
    said(host, f"sudo dscl . -create /Users/admin UserShell /bin/{shell}")
    assert said(host, "echo $shell $MINE $OSTYPE; if ($?prompt) echo interactive") == f"/bin/{shell} 1 darwin"
    assert host.run("FOO=bar true").returncode != 0  # which a shell of sh's family would take


# --- Python and wheels ----------------------------------------------------------------------------------------------


def test_standalone_python_is_native(native: Mac) -> None:
    assert json.loads(said(native, f"python/bin/python3 -c '{WHO_AM_I}'")) == ["darwin", "arm64", "14.6.1"]
    assert said(native, "python/bin/python3 -I -S -c 'import sys; print(sys.platform)'") == "darwin"
    assert said(native, "cd python/bin && ./python3 -c 'import sys; print(sys.prefix)'") == "/Users/admin/python"


def test_no_elf_lies_in_a_macs_python(native: Mac) -> None:
    elf = 'python/bin/python3 -c \'import pathlib; print([p for p in pathlib.Path("python").rglob("*") if '
    assert said(native, elf + 'p.is_file() and p.open("rb").read(4) == b"\\x7fELF"])\'') == "[]"
    assert said(native, "file -b python/bin/python3.1?").startswith("Mach-O 64-bit arm64 executable")


def test_virtual_environment_gets_macos_wheels(native: Mac) -> None:
    said(native, "python/bin/python3 -m venv /tmp/venv && /tmp/venv/bin/pip install --quiet uv")
    assert said(native, "file -b /tmp/venv/bin/uv").startswith("Mach-O 64-bit arm64 executable")
    assert said(native, "/tmp/venv/bin/uv --version").startswith("uv ")
    said(native, "/tmp/venv/bin/uv venv --quiet --python python/bin/python3 /tmp/numbers")
    said(native, "/tmp/venv/bin/uv pip install --quiet --python /tmp/numbers/bin/python numpy")
    wheel = said(native, "cat /tmp/numbers/lib/python3.*/site-packages/numpy-*/WHEEL")
    assert "macosx" in wheel
    assert "arm64" in wheel
    solve = "import numpy, sys; print(numpy.linalg.inv(numpy.eye(2) * 4)[0, 0], sys.prefix)"
    assert said(native, f"/tmp/numbers/bin/python -c '{solve}'") == "0.25 /tmp/numbers"


def test_a_second_host_looks_nothing_up(mac: NewMac, fleet: Fleet, native_python_template: str) -> None:
    install = "uv/bin/uv venv -q --python python/bin/python3 e && uv/bin/uv pip install -q --python e/bin/python numpy"
    use = f"{install} && e/bin/python -c 'import numpy'"
    keys = fleet.store.home / "elf/by-key"
    said(mac(f"m1-fresh@{native_python_template}"), use)
    known = {path: path.lstat().st_mtime_ns for path in keys.iterdir()}
    said(mac(f"m5-fresh@{native_python_template}"), use)
    assert {path: path.lstat().st_mtime_ns for path in keys.iterdir()} == known


def test_homebrews_python_names_its_paths_in_opt(mac: NewMac) -> None:
    host = mac("m4-homebrew")
    python = "/opt/homebrew/bin/python3"
    prefix = said(host, f"{python} -c 'import sys, sitecustomize; print(sys.prefix)'")
    assert re.fullmatch(r"/opt/homebrew/opt/python@3\.\d+/Frameworks/Python\.framework/Versions/3\.\d+", prefix)
    assert said(host, f"{python} -I -c 'import sys; print(sys.executable)'").startswith("/opt/homebrew/opt/python@3.")
    said(host, f"{python} -m venv /tmp/venv && /tmp/venv/bin/pip --version")
    assert (
        said(host, "/tmp/venv/bin/python -c 'import sys; print(sys.base_prefix, sys.prefix)'") == f"{prefix} /tmp/venv"
    )
    assert f"home = {prefix}/bin" in said(host, "cat /tmp/venv/pyvenv.cfg")


@pytest.mark.parametrize("start", ["/tmp/script", "cd /tmp && ./script", "env -i /tmp/script", "sudo /tmp/script"])
def test_script_of_a_macs_python_runs(native: Mac, start: str) -> None:
    script = "#!/Users/admin/python/bin/python3 -S\nimport sys; print(sys.argv[1:], sys.flags.no_site)\n"
    put(native, "/tmp/script", script.encode())
    assert said(native, f"{start} a b") == "['a', 'b'] 1"


# --- architectures --------------------------------------------------------------------------------------------------


def test_translated_python_says_what_it_is(mac: NewMac) -> None:
    host = mac("m2-rosetta")
    assert said(host, "uname -m; sysctl -n sysctl.proc_translated").split() == ["arm64", "0"]
    assert json.loads(said(host, f"/usr/local/bin/python3 -c '{WHO_AM_I}'")) == ["darwin", "x86_64", "14.6.1"]
    for inherit in ("", "env -i ", "sudo "):
        ask = f"{inherit}/usr/sbin/sysctl -n sysctl.proc_translated; {inherit}/usr/bin/uname -m; {inherit}/usr/bin/arch"
        told = said(host, f"/usr/local/bin/python3 -c 'import os; os.system(\"{ask}\")'")
        assert told.split() == ["1", "x86_64", "i386"]
    native_again = "/usr/local/bin/python3 -c 'import os; os.system(\"arch -arm64 uname -m\")'"
    assert said(host, native_again) == "arm64"
    refused = host.run("arch -arm64 /usr/local/bin/python3 --version")
    assert refused.returncode == 1
    assert refused.stderr == f"arch: posix_spawnp: /usr/local/bin/python3: {BAD_CPU}\n"


def test_translated_virtual_environment_works(mac: NewMac) -> None:
    host = mac("m2-rosetta")
    said(host, "/usr/local/bin/python3 -m venv /tmp/venv")
    assert (
        said(host, "/tmp/venv/bin/python -c 'import sysconfig; print(sysconfig.get_platform())'")
        == "macosx-10.13-x86_64"
    )


def test_intel_program_does_not_start_without_rosetta(mac: NewMac) -> None:
    host = mac("m4-homebrew")
    put(host, "/tmp/intel", stub(Kind.EXECUTABLE, {"x86_64": ["/.simulated_mac/usr/bin/true"]}))
    result = host.run("bash -c /tmp/intel")
    assert result.returncode == 126
    assert BAD_CPU in result.stderr
    assert host.run("arch -x86_64 /usr/bin/true").stderr == f"arch: posix_spawnp: /usr/bin/true: {BAD_CPU}\n"
    said(host, "sudo softwareupdate --install-rosetta --agree-to-license && /tmp/intel")


def test_universal_program_inherits_the_architecture(mac: NewMac) -> None:
    host = mac("m2-rosetta")
    command = ["/.simulated_mac/python", "-c", "import os; print(os.uname().machine)"]
    put(host, "/tmp/universal", stub(Kind.EXECUTABLE, {"x86_64": command, "arm64": command}))
    assert said(host, "/tmp/universal; arch -x86_64 /tmp/universal; arch -arm64 /tmp/universal").split() == [
        "arm64", "x86_64", "arm64"]  # fmt: skip


def test_library_of_another_architecture_is_refused_as_dyld_does(native: Mac) -> None:
    put(native, "/tmp/_intel.so", stub(Kind.BUNDLE, {"x86_64": ["/nowhere"]}))
    result = native.run("cd /tmp && /Users/admin/python/bin/python3 -c 'import _intel'")
    assert (
        "(mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64e' or 'arm64'))" in result.stderr
    )


# --- hosts ----------------------------------------------------------------------------------------------------------


def test_down_and_up_keeps_the_files(mac: NewMac, fleet: Fleet) -> None:
    host = mac("m1-fresh")
    said(host, "echo kept > note && sudo touch /opt/roots")
    host.stop()
    assert not host.is_up
    fleet.up({host.name: "m1-fresh"})
    assert said(host, "cat note; ls /opt").split() == ["kept", "roots"]


def test_template_gives_its_files_to_others(mac: NewMac, fleet: Fleet) -> None:
    first = mac("m1-fresh")
    said(first, "mkdir folder && echo one > folder/note && touch gone")
    fleet.snapshot(first.name, "noted")
    assert not first.is_up
    fleet.up({first.name: "m1-fresh"})
    said(first, "echo two > folder/note")
    second = mac("m5-fresh@noted")
    assert said(second, "cat folder/note; sysctl -n machdep.cpu.brand_string; hostname").splitlines() == [
        "one", "Apple M5", second.name]  # fmt: skip
    said(second, "rm gone && mv folder moved")
    assert said(first, "ls; cat folder/note").split() == ["folder", "gone", "two"]


def test_files_of_a_running_host_are_seen_from_outside(mac: NewMac) -> None:
    host = mac("m1-fresh")
    said(host, "echo seen > /private/tmp/note")
    assert host.path("/private/tmp/note").read_text() == "seen\n"


def test_another_profile_for_a_host_is_refused(mac: NewMac, fleet: Fleet) -> None:
    host = mac("m1-fresh")
    with pytest.raises(FleetError, match="is an m1-fresh"):
        fleet.up({host.name: "intel"})


def test_small_disk_is_full_soon(mac: NewMac) -> None:
    host = mac("m1-fresh")
    said(host, "mkdir small")
    host.limit_disk("/Users/admin/small", "1m")
    assert "No space left on device" in host.run("dd if=/dev/zero of=small/file bs=1024 count=2048").stderr
    host.unlimit_disk("/Users/admin/small")
    assert said(host, "ls small") == ""


def test_inventory_lists_what_is_up(mac: NewMac, fleet: Fleet) -> None:
    host = mac("m1-fresh")
    script = Path(__file__).parents[2] / "inventory/simulated/hosts.py"
    environment = {"SIMULATED_MAC_FLEET": fleet.name, "SIMULATED_MAC_HOME": str(fleet.store.home)}
    told = subprocess.run([sys.executable, "-I", script], env=environment, cwd="/", capture_output=True, check=True)
    inventory = json.loads(told.stdout)
    assert inventory["_meta"]["hostvars"][host.name]["ansible_host"] == host.address
    assert inventory["tensorflow"]["children"] == ["macs"]
    shared = inventory["macs"]["vars"]
    version = shared["native_python_version"]
    [archive] = Path(shared["native_python_mirror"]).glob("*/*.tar.gz")
    assert shared["native_python_archives"][version]["version"] in archive.name
    host.stop()
    assert host.name not in fleet.inventory()["macs"]["hosts"]


def test_an_address_is_kept_as_long_as_its_host_is_up(mac: NewMac) -> None:
    host = mac("m1-fresh")
    assert addresses.claim(host.address, host.port) is None  # whatever checkout asks
    assert reserved(host.port, host.address) != host.address
    host.stop()
    assert reserved(host.port, host.address) == host.address


def reserved(port: int, wish: str) -> str:
    """The address that a host would get now."""
    found = addresses.reserve(port, wish)
    assert found
    address, claim = found
    claim.close()
    return address


def test_two_stores_never_share_an_address(mac: NewMac) -> None:
    host = mac("m1-fresh")
    claimed = addresses.reserve(host.port)  # as another store's host that does not listen yet
    assert claimed
    address, claim = claimed
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection may have ended there just now
        with claim:
            assert reserved(host.port, address) not in (address, host.address)
            listener.bind((address, host.port))
            listener.listen()
        assert reserved(host.port, address) not in (address, host.address)  # what listens there claims nothing


KILLED_RUN = """
import os, signal, sys
from tests.simulated_mac.fleet import temporary_fleet
with temporary_fleet("killed") as fleet:
    print(fleet.name, fleet.up({"left": "m1-fresh"})["left"].state.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_ends_with_the_next(fleet: Fleet) -> None:
    run = subprocess.run([sys.executable, "-c", KILLED_RUN], capture_output=True, text=True, check=False)
    name, pid = run.stdout.split()
    left = fleet.store.home / "fleets" / name
    assert start_time(int(pid))
    with temporary_fleet("next"):
        assert not left.exists()
        assert not start_time(int(pid))


def test_unknown_key_in_a_profile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd.yml").write_text((FOLDER / "m1-fresh.yml").read_text() + "colour: grey\n")
    monkeypatch.setattr("tests.simulated_mac.profile.FOLDER", tmp_path)
    with pytest.raises(ProfileError, match="colour"):
        Profile.load("odd")


VIRTUAL_MAC = """
description: A virtual machine
model: VirtualMac2,1
model_name: Apple Virtual Machine 1
chip: Apple M1 (Virtual)
cores: {Standard: 3}
memory_gb: 7
virtual_machine: true
gpus: []
python_org: true
macos: {version: 14.8.7, build: 23J520, darwin: 23.6.0, kernel: Darwin Kernel Version 23.6.0}
answers:
  csrutil status: |
    System Integrity Protection status: disabled.
  profiles show: {stderr: "profiles show: must be run as root\\n", rc: 1}
"""


def test_new_profile_is_one_small_file(mac: NewMac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "virtual.yml").write_text(VIRTUAL_MAC)
    monkeypatch.setattr("tests.simulated_mac.profile.FOLDER", tmp_path)
    host = mac("virtual")
    assert said(host, "sysctl kern.hv_vmm_present hw.perflevel1.physicalcpu") == "kern.hv_vmm_present: 1"
    assert json.loads(said(host, "system_profiler -json SPDisplaysDataType")) == {"SPDisplaysDataType": []}
    assert said(host, "csrutil status") == "System Integrity Protection status: disabled."
    refused = host.run("profiles show")
    assert (refused.returncode, refused.stderr) == (1, "profiles show: must be run as root\n")
    assert json.loads(said(host, f"/usr/local/bin/python3 -c '{WHO_AM_I}'"))[1] == "arm64"
    assert said(host, "file -bL /usr/local/bin/python3").startswith("Mach-O universal binary with 2 architectures")
    assert "org.python.Python.PythonFramework-3.1" in said(host, "pkgutil --pkgs")


def test_archive_is_reproducible(fleet: Fleet, tmp_path: Path) -> None:
    python = fleet.store.python
    digests = []
    for number in "12":
        pythons.mac_tree(python, "/elsewhere", ["arm64"], tmp_path / f"tree{number}")
        pythons.archive(python, tmp_path / f"tree{number}", tmp_path / f"mirror{number}")
        index = json.loads((tmp_path / f"mirror{number}/index.json").read_text())
        digests.append(index[python.minor]["sha256"])
    assert digests[0] == digests[1]


# --- TensorFlow -----------------------------------------------------------------------------------------------------


@pytest.mark.slow("installs TensorFlow once more")
def test_real_tensorflow_computes_on_the_stand_in_for_metal(mac: NewMac, native_python_template: str) -> None:
    host = mac(f"m1-fresh@{native_python_template}")
    wheels = "tensorflow==2.18.1 tensorflow-metal==1.2.0 numpy==2.0.2"
    said(host, "uv/bin/uv venv --quiet --python python/bin/python3 tf")
    said(host, f"uv/bin/uv pip install --quiet --only-binary :all: --python tf/bin/python {wheels}")
    host.run("cat > use.py", input=LIST_AND_MULTIPLY.encode(), check=True)
    metal.use(host, "ok")
    assert said(host, "tf/bin/python use.py").splitlines() == ["version 2.18.1 gpus 1", "on GPU:0 sum 64.0"]
    metal.use(host, "zero_devices")
    assert said(host, "tf/bin/python use.py") == "version 2.18.1 gpus 0"
    assert host.shim_calls() == []


def test_command_line(fleet: Fleet) -> None:
    def command(*words: str) -> str:
        line = [sys.executable, "-m", "tests.simulated_mac", "--fleet", fleet.name, *words]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout

    assert "cli: simulated m1-fresh" in command("up", "cli=m1-fresh")
    told = command("status")
    assert BANNER in told
    assert re.search(r"cli +m1-fresh +up", told)
    assert "cli" in json.loads(command("inventory"))["macs"]["hosts"]
    metal.use(fleet["cli"], "zero_devices")
    assert (fleet["cli"].folder / "host/stand-ins/libmetal_plugin.dylib").readlink().name == "metal-zero_devices.so"
    command("snapshot", "cli", "frozen")
    assert re.search(r"cli +m1-fresh@frozen +down", command("status"))
    assert "cli: simulated m1-fresh" in command("up", "cli")
    command("down", "cli", "--delete")
    assert "cli" not in command("status")


# --- a package of its own -------------------------------------------------------------------------------------------

BED = FOLDER.parent
CHECKOUT = BED.parents[1]


def imported(source: Path) -> set[str]:
    """The top names of all that a file imports, and of its own package the dots."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add("." * node.level or (node.module or "").split(".")[0])
    return names


def test_package_imports_only_itself_and_what_it_declares() -> None:
    lines = (BED / "requirements.txt").read_text().splitlines()
    declared = {line for line in lines if not line.startswith("#")}
    brought_by = packages_distributions()
    sources = {source: imported(source) - {".", ".."} - sys.stdlib_module_names for source in BED.rglob("*.py")}
    for source, foreign in sources.items():
        allowed = declared | {"pytest"} if BED / "example" in source.parents else declared
        assert {brought_by[name][0] for name in foreign} <= allowed, source


def test_package_works_elsewhere_under_another_name(tmp_path: Path) -> None:
    shutil.copytree(BED, tmp_path / "macs", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIMULATED_MAC")}
    line = [sys.executable, "-P", "-m", "macs", "status"]
    environment["PYTHONPATH"] = str(tmp_path)
    told = subprocess.run(line, env=environment, cwd="/", capture_output=True, text=True, check=True)
    assert BANNER in told.stdout


def test_the_example_of_another_collection_works_where_this_project_is_not(fleet: Fleet, tmp_path: Path) -> None:
    shutil.copytree(BED, tmp_path / "macs", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "PYTEST"))}
    environment["SIMULATED_MAC_HOME"] = str(fleet.store.home)
    line = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "macs/example"]
    run = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def commands_of(page: Path) -> list[str]:
    """The lines of a page's indented blocks that are for a shell."""
    lines = re.findall(r"^    ((?:python|ansible|gcc) .*)", page.read_text(), re.MULTILINE)
    return [str(line) for line in lines]


@pytest.mark.slow("makes the simulated Macs' base anew")
def test_commands_of_the_readme_work(tmp_path: Path) -> None:
    # In a store of its own, for the last command removes everything.
    environment = os.environ | {
        "SIMULATED_MAC_HOME": str(tmp_path / "home"),
        "SIMULATED_MAC_FLEET": "readme",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
    }
    for command in commands_of(BED / "README.md"):
        done = subprocess.run(
            command, shell=True, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert "clean" in command
    assert not (tmp_path / "home").exists()


def test_what_a_killed_removal_has_begun_is_gone_and_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "base").mkdir(parents=True)
    with monkeypatch.context() as patched:
        patched.setattr(engine, "_as_hosts_root", lambda *_command: None)
        engine.remove(home)
    assert [entry.name for entry in tmp_path.iterdir()] == ["home.removed"]
    home.mkdir()
    engine.remove(home)
    assert list(tmp_path.iterdir()) == []


def test_example_of_the_readme_works(fleet: Fleet) -> None:
    page = (BED / "README.md").read_text()
    example = page.partition("## In tests\n")[2].partition("\n## ")[0]
    code = "".join(line[4:] for line in example.splitlines(keepends=True) if line.startswith("    ") or line == "\n")
    environment = os.environ | {"SIMULATED_MAC_HOME": str(fleet.store.home)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "ansible_host" in run.stdout


# --- jobs -------------------------------------------------------------------------------------------------------------

JOB = {
    "Label": "example.job",
    "ProgramArguments": ["/bin/sh", "-c", 'echo "$(id -u) $HOME $PATH $WORD" >> $HOME/ran; exit 7'],
    "EnvironmentVariables": {"WORD": "hello"},
    "StartCalendarInterval": [{"Hour": 11, "Minute": 30}, {"Hour": 16, "Minute": 0}],
}


def test_launchd_runs_jobs_at_their_times_and_on_wake_once(mac: NewMac) -> None:
    host = mac("m1-fresh")
    host.run("cat > job.plist", input=plistlib.dumps(JOB), check=True)
    assert host.run("launchctl print gui/501/example.job").returncode == 113
    said(host, "launchctl bootstrap gui/501 ~/job.plist")
    assert host.run("launchctl bootstrap gui/501 ~/job.plist").returncode == 5
    assert "state = not running" in said(host, "launchctl print gui/501/example.job")
    assert host.pass_time("2026-12-01T00:00", "2026-12-01T11:30") == 0
    assert host.pass_time("2026-12-01T11:30", "2026-12-02T00:00") == 2
    assert host.pass_time("2026-12-02T00:00", "2026-12-05T00:00", asleep=True) == 1
    assert said(host, "cat ran").splitlines() == ["501 /Users/admin /usr/bin:/bin:/usr/sbin:/sbin hello"] * 3
    assert "last exit code = 7" in said(host, "launchctl print gui/501/example.job")
    said(host, "launchctl kickstart gui/501/example.job; launchctl bootout gui/501/example.job")
    assert host.run("launchctl bootout gui/501/example.job").returncode == 3
    assert host.pass_time("2026-12-05T00:00", "2026-12-06T00:00") == 0


def test_only_root_loads_daemons_and_only_who_is_logged_in_has_a_session(mac: NewMac) -> None:
    host = mac("headless")
    host.run("cat > job.plist", input=plistlib.dumps(JOB), check=True)
    assert host.run("launchctl bootstrap gui/501 ~/job.plist").returncode == 125
    assert host.run("launchctl bootstrap system ~/job.plist").returncode == 1
    assert host.run("sudo launchctl bootstrap system ~/job.plist").returncode == 5  # another user could change it
    said(host, "sudo chown root job.plist; sudo launchctl bootstrap system ~/job.plist")
    assert "type = LaunchDaemon" in said(host, "launchctl print system/example.job")


def test_a_mac_is_plugged_in_until_it_is_not(mac: NewMac) -> None:
    host = mac("m1-fresh")
    assert said(host, "pmset -g batt") == "Now drawing from 'AC Power'"
    host.unplug(31)
    assert "31%; discharging" in said(host, "pmset -g batt")
    host.plug_in()
    assert said(host, "pmset -g batt") == "Now drawing from 'AC Power'"
