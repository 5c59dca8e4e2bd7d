#!/.simulated_mac/python -ISE
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Mac's own programs, as far as tests need them and answer.c leaves them: one file, told apart by its name.

Called as ``mac_programs PATH [ARGUMENT...]``: PATH is the program's on the Mac. What it answers comes from the rendered
profile (host/profile.json, see answers.py); what programs change is kept in the file system, where a Mac keeps it. A
call that nobody simulated exits 70 and says so: no test may pass on a guess.
"""

from __future__ import annotations

import getopt
import hashlib
import json
import os
import plistlib
import re
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SIM = Path("/.simulated_mac")
NOT_SIMULATED = 70
COMMAND_LINE_TOOLS = Path("/Library/Developer/CommandLineTools")
SELECTED_TOOLS = Path("/private/var/db/xcode_select_link")
PASSWD, GROUP = Path("/private/etc/passwd"), Path("/private/etc/group")  # in place of a Mac's directory of users
RECEIPTS = Path("/private/var/db/receipts")
CONSOLE = Path("/dev/console")
ROSETTA = Path("/Library/Apple/usr/libexec/oah/libRosettaRuntime")
SIGNATURE = b"simulated signature"
ARCH_VARIABLE = "SIMULATED_MAC_ARCH"
SESSION_VARIABLE = "SIMULATED_MAC_SESSION"  # set in programs of the session at the screen: whose it is

Answer = int | None  # an exit status, or None: not simulated
Profile = dict[str, Any]


def fail(text: str, status: int = 1) -> int:
    """``text`` on stderr, and the exit status."""
    sys.stderr.write(text)
    return status


def own_arch(profile: Profile) -> str:
    """The architecture that this process runs as."""
    return os.environ.get(ARCH_VARIABLE) or str(profile["arch"])


def options(args: list[str], known: str) -> tuple[dict[str, str], list[str]] | None:
    """``-ai x`` as ({"a": "", "i": ""}, ["x"]), in getopt(3)'s notation; None if one is not known here."""
    try:
        found, rest = getopt.getopt(args, known)
    except getopt.GetoptError:
        return None
    return {name[1:]: value for name, value in found}, rest


def sw_vers(profile: Profile, args: list[str]) -> Answer:
    """ProductName, ProductVersion and BuildVersion: all, or the one asked for."""
    macos = profile["macos"]
    if not macos["version"]:
        return None
    told = {
        "ProductName": "macOS" if int(macos["version"].split(".")[0]) >= 11 else "Mac OS X",
        "ProductVersion": macos["version"],
        "ProductVersionExtra": macos["extra"],
        "BuildVersion": macos["build"],
    }
    fields = {name: value for name, value in told.items() if value}
    if not args:
        tabs = 2 if int(macos["version"].split(".")[0]) >= 13 else 1
        for name, value in fields.items():
            print(f"{name}:" + "\t" * (1 if len(name) > 16 else tabs) + value)
        return 0
    asked = [name for name in fields if len(args) == 1 and args[0].lstrip("-").lower() == name.lower()]
    if not asked:
        return None
    print(fields[asked[0]])
    return 0


def uname(profile: Profile, args: list[str]) -> Answer:
    """The letters asked for, always in the order of the manual page; -a leaves out the processor."""
    parsed = options(args or ["-s"], "amnprsv")
    if not parsed or parsed[1]:
        return None
    flags = {*parsed[0], *("mnrsv" if "a" in parsed[0] else "")}
    system = os.uname()
    values = {
        "s": "Darwin",
        "n": system.nodename,
        "r": profile["macos"]["darwin"],
        "v": profile["kernel"],
        "m": own_arch(profile),
        "p": "arm" if own_arch(profile) == "arm64" else "i386",
    }
    print(" ".join(value for flag, value in values.items() if flag in flags))
    return 0


def system_profiler(profile: Profile, args: list[str]) -> Answer:
    """Data types as text or JSON, those left out of which this Mac's profile knows nothing."""
    as_json, detail, types, rest = False, "full", [], list(args)
    while rest:
        arg = rest.pop(0)
        if arg == "-json":
            as_json = True
        elif arg in ("-detailLevel", "-timeout") and rest:
            detail = rest.pop(0) if arg == "-detailLevel" else (rest.pop(0), detail)[1]
        elif arg.startswith("-"):
            return None
        else:
            types.append(arg)
    known = profile["system_profiler"][own_arch(profile)]
    if not types or any(name not in known and re.fullmatch(r"SP\w+DataType", name) for name in types):
        return None
    told = [name for name in types if known.get(name)]
    if not told and known.keys() & set(types):
        return None
    private = {"serial_number", "platform_UUID", "provisioning_UDID"} if detail == "mini" else set()
    reports = {name: known[name] for name in told}
    if as_json:
        shown = {name: [without(item, private) for item in report["json"]] for name, report in reports.items()}
        print(json.dumps(shown, indent=2, separators=(",", " : "), sort_keys=True))
    else:
        hidden = re.compile(r" *(Serial Number|Hardware UUID|Provisioning UDID).*\n") if private else re.compile(r"$^")
        print("".join(hidden.sub("", report["text"]) for report in reports.values()))
    return 0


def without(item: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """A copy without some keys."""
    return {key: value for key, value in item.items() if key not in keys}


def ioreg(profile: Profile, args: list[str]) -> Answer:
    """-r -c CLASS, with -d, -w, -l and -a: the entries of that class, which may be an ancestor's name."""
    parsed = options(args, "rlac:d:w:")
    if not parsed or parsed[1] or not {"r", "c"} <= parsed[0].keys() or profile["ioreg"] is None:
        return None
    wanted = parsed[0]["c"]
    entries = [entry for entry in profile["ioreg"] if wanted in (entry["class"], *entry["ancestors"])]
    if "a" not in parsed[0]:
        print("".join(map(registry_entry, entries)), end="")
    elif entries:
        named = [{"IOObjectClass": entry["class"], **entry["properties"]} for entry in entries]
        print(plistlib.dumps(named, sort_keys=False).decode(), end="")
    return 0


def registry_entry(entry: dict[str, Any]) -> str:
    """One entry as ioreg prints it."""
    name = entry["class"]
    properties = "".join(f'      "{key}" = {json.dumps(value)}\n' for key, value in entry["properties"].items())
    state = "registered, matched, active, busy 0 (0 ms), retain 53"
    return f"+-o {name}  <class {name}, id 0x100000365, {state}>\n    {{\n{properties}    }}\n    \n"


def softwareupdate(profile: Profile, args: list[str]) -> Answer:
    """Installs Rosetta, and nothing else."""
    if sorted(args) != ["--agree-to-license", "--install-rosetta"] or profile["arch"] != "arm64":
        return None
    ROSETTA.parent.mkdir(parents=True, exist_ok=True)
    ROSETTA.touch()
    print("Install of Rosetta 2 finished successfully")
    return 0


def pkgutil(profile: Profile, args: list[str]) -> Answer:
    """The receipts: --pkgs, --pkgs=REGEX, --pkg-info ID, --pkg-info=ID; and --check-signature PACKAGE."""
    if len(args) == 2 and args[0] == "--check-signature":
        return check_signature(Path(args[1]))
    match = re.fullmatch(r"--(pkgs|pkg-info)(?:[= ](.+))?", " ".join(args))
    if not match or (match[1] == "pkg-info" and not match[2]):
        return None
    receipts = {path.stem: path for path in sorted(RECEIPTS.glob("*.plist"))}
    if match[1] == "pkgs":
        found = [name for name in receipts if re.fullmatch(match[2] or ".*", name)]
        print("".join(f"{name}\n" for name in found), end="")
        return 0 if found else 1
    if match[2] not in receipts:
        return fail(f"No receipt for '{match[2]}' found at '/'.\n")
    receipt = plistlib.loads(receipts[match[2]].read_bytes())
    print(
        f"package-id: {match[2]}\nversion: {receipt['PackageVersion']}\nvolume: /\n"
        f"location: {receipt['InstallPrefixPath']}\ninstall-time: {int(receipt['InstallDate'].timestamp())}"
    )
    return 0


def package(path: Path) -> tuple[dict[str, Any], bytes] | None:
    """What a package of the test bed (packages.py) says of itself, and its files as a tar archive."""
    try:
        magic, header, files = path.read_bytes().split(b"\n", 2)
    except (OSError, ValueError):
        return None
    return (json.loads(header), files) if magic == b"xar!" else None


def check_signature(path: Path) -> int:
    """Who signed a package, in the words of macOS 13 and later; an unsigned one exits 1."""
    opened = package(path)
    if not opened:
        return fail(f"Package does not exist: {path}\n")
    signer = opened[0]["signer"]
    print(f'Package "{path.name}":')
    if not signer:
        print("   Status: no signature")
        return 1
    print("   Status: signed by a developer certificate issued by Apple for distribution")
    print("   Notarization: trusted by the Apple notary service")
    print("   Signed with a trusted timestamp on: 2025-04-08 14:04:21 +0000")
    print(f"   Certificate Chain:\n    1. Developer ID Installer: {signer}")
    print("       Expires: 2027-02-01 22:12:15 +0000\n    2. Developer ID Certification Authority")
    return 0


def installer(profile: Profile, args: list[str]) -> Answer:
    """-pkg PACKAGE -target /: put its files there and leave its receipts."""
    if len(args) != 4 or args[::2] != ["-pkg", "-target"] or args[3] != "/":
        return None
    if os.getuid() != 0:
        return fail("installer: Must be run as root to install this package.\n")
    opened = package(Path(args[1]))
    if not opened:
        return fail(f"installer: Error - the package path specified was invalid: '{args[1]}'.\n")
    about, files = opened
    print("installer: Package name is Python\ninstaller: Installing at base path /")
    subprocess.run(["/usr/bin/tar", "-xf", "-", "-C", "/"], input=files, check=True)
    for receipt in about["receipts"]:
        date = datetime.fromtimestamp(profile["boot_time"], UTC).replace(tzinfo=None)
        values = {"PackageIdentifier": receipt, "PackageVersion": "0", "InstallPrefixPath": "", "InstallDate": date}
        (RECEIPTS / f"{receipt}.plist").write_bytes(plistlib.dumps(values))
    print("installer: The install was successful.")
    return 0


def brew(profile: Profile, args: list[str]) -> Answer:
    """What is installed under this brew's own prefix; ``install`` pours a formula that lies ready as a bottle."""
    prefix = Path(sys.argv[1]).parent.parent
    if os.getuid() == 0:
        return fail("Error: Running Homebrew as root is extremely dangerous and no longer supported.\n")
    if not COMMAND_LINE_TOOLS.is_dir():  # brew's own git is the shim, then
        subprocess.run(["/usr/bin/git", "--version"], check=False)
        return fail("Error: Homebrew needs the Command Line Tools.\n")
    if args == ["--version"]:
        print("Homebrew 4.4.15")
    elif args == ["--prefix"]:
        print(prefix)
    elif args[:2] == ["list", "--versions"]:
        cellar = sorted((prefix / "Cellar").glob("*"))
        for formula in (path for path in cellar if path.name in args[2:] or not args[2:]):
            print(formula.name, *sorted(version.name for version in formula.iterdir()))
    elif len(args) == 3 and args[:2] == ["install", "--quiet"]:
        return pour(prefix, args[2])
    else:
        return None
    return 0


def pour(prefix: Path, formula: str) -> Answer:
    """Put a formula from its bottle into the Cellar, with its links. Without a network no brew updates itself first."""
    bottle = prefix / "bottles" / formula
    if "HOMEBREW_NO_AUTO_UPDATE" not in os.environ or "NONINTERACTIVE" not in os.environ:
        return None
    if not bottle.is_dir():
        return fail(f'Warning: No available formula with the name "{formula}".\n')
    (prefix / "Cellar").mkdir(exist_ok=True)
    (prefix / "opt").mkdir(exist_ok=True)
    keg = next(bottle.rename(prefix / "Cellar" / formula).iterdir())
    (prefix / "opt" / formula).symlink_to(f"../Cellar/{formula}/{keg.name}")
    for program in (keg / "bin").iterdir():
        (prefix / "bin" / program.name).symlink_to(f"../Cellar/{formula}/{keg.name}/bin/{program.name}")
    return 0


def sysadminctl(profile: Profile, args: list[str]) -> Answer:
    """-addUser NAME, with -fullName, -shell, -password and -admin: an account with its home, of the group staff."""
    asked, values = iter(args), {}
    for option in asked:
        if option not in ("-addUser", "-fullName", "-shell", "-password", "-admin"):
            return None
        values[option] = "" if option == "-admin" else next(asked, "")
    name = values.get("-addUser")
    if not name:
        return None
    if os.getuid() != 0:
        return fail("sysadminctl: only root can add a user.\n")
    users = [line.split(":") for line in PASSWD.read_text().splitlines()]
    if name in [user[0] for user in users]:
        return fail(f"sysadminctl: there is a user {name} already.\n")
    number = max(int(user[2]) for user in users if int(user[2]) < 60000) + 1
    home = Path("/Users", name)
    account = [name, "x", str(number), "20", values.get("-fullName", ""), str(home), values.get("-shell", "/bin/zsh")]
    PASSWD.write_text("".join(":".join(user) + "\n" for user in [*users, account]))
    groups = {"staff", "admin"} if "-admin" in values else {"staff"}
    lines = [line.split(":") for line in GROUP.read_text().splitlines()]
    joined = [[*rest, f"{members},{name}" if rest[0] in groups else members] for *rest, members in lines]
    GROUP.write_text("".join(":".join(line) + "\n" for line in joined))
    home.mkdir(mode=0o750)
    os.chown(home, number, 20)
    return fail(f"Creating user record.\nAssigning UID: {number} GID: 20\nCreating home directory at {home}\n", 0)


def dscl(profile: Profile, args: list[str]) -> Answer:
    """. -read /Users/NAME KEY and . -create /Users/NAME UserShell PATH: the local directory of users."""
    keys = {"UniqueID": 2, "PrimaryGroupID": 3, "NFSHomeDirectory": 5, "UserShell": 6}
    match = re.fullmatch(r"\. -(?:(read)|create) /Users/(\w+) (\w+)(?: (\S+))?", " ".join(args))
    if not match or match[3] not in keys or bool(match[1]) == bool(match[4]):
        return None
    users = [line.split(":") for line in PASSWD.read_text().splitlines()]
    found = next((user for user in users if user[0] == match[2]), None)
    if not found:
        return fail("<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)\n", 56)
    if match[1]:
        print(f"{match[3]}: {found[keys[match[3]]]}")
        return 0
    if match[3] != "UserShell":
        return None
    if os.getuid() != 0:
        return fail(
            "<main> attribute status: eDSPermissionError\n<dscl_cmd> DS Error: -14120 (eDSPermissionError)\n", 40
        )
    found[keys[match[3]]] = match[4]
    PASSWD.write_text("".join(":".join(user) + "\n" for user in users))
    return 0


def codesign(profile: Profile, args: list[str]) -> Answer:
    """--sign - FILE, with --force: signs a Mach-O file, which then has other bytes; one without any code is refused."""
    *flags, name = args or [""]
    given = {flag.partition("=")[0] for flag in flags}
    if not {"--sign", "-", "--force"} <= given or given - {"--sign", "-", "--force", "--preserve-metadata"}:
        return None
    path = Path(name)
    content = path.read_bytes().partition(SIGNATURE)[0]
    if content[:4] not in (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"):
        return fail(f"{name}: code object is not signed at all\n")
    path.write_bytes(content + SIGNATURE + hashlib.sha256(content).digest())
    return fail(f"{name}: replacing existing signature\n", 0)


def launchctl(profile: Profile, args: list[str]) -> Answer:
    """``asuser UID PROGRAM [ARGUMENT...]``: runs a program in the session of whoever is logged in at the screen."""
    if len(args) < 3 or args[0] != "asuser" or args[1] != str(CONSOLE.stat().st_uid):
        return None
    if os.getuid() != 0:
        return fail("Could not switch to audit session 0x186a8: 1: Operation not permitted\n")
    return subprocess.run(
        args[2:], env={**os.environ, SESSION_VARIABLE: args[1]}, close_fds=False, check=False
    ).returncode


def caffeinate(profile: Profile, args: list[str]) -> Answer:
    """``-i -w PID``: lasts as long as that process does."""
    parsed = options(args, "iw:")
    if not parsed or parsed[1] or parsed[0].keys() != {"i", "w"}:
        return None
    with suppress(ProcessLookupError):
        awaited = select.poll()
        awaited.register(os.pidfd_open(int(parsed[0]["w"])), select.POLLIN)
        awaited.poll()
    return 0


SIMULATED: dict[str, Callable[[Profile, list[str]], Answer]] = {
    "/opt/homebrew/bin/brew": brew,
    "/bin/launchctl": launchctl,
    "/usr/bin/caffeinate": caffeinate,
    "/usr/bin/codesign": codesign,
    "/usr/bin/dscl": dscl,
    "/usr/bin/sw_vers": sw_vers,
    "/usr/bin/uname": uname,
    "/usr/sbin/installer": installer,
    "/usr/sbin/ioreg": ioreg,
    "/usr/sbin/pkgutil": pkgutil,
    "/usr/sbin/softwareupdate": softwareupdate,
    "/usr/sbin/sysadminctl": sysadminctl,
    "/usr/sbin/system_profiler": system_profiler,
}


def main() -> int:
    """Answer one call."""
    program, args = Path(sys.argv[1]), sys.argv[2:]
    profile: Profile = json.loads((SIM / "host/profile.json").read_text())
    answer = next((answer for path, answer in SIMULATED.items() if Path(path).name == program.name), None)
    status = answer(profile, args) if answer else None
    if status is None:
        return fail(f"simulated Mac: not simulated: {' '.join(sys.argv[1:])}\n", NOT_SIMULATED)
    return status


if __name__ == "__main__":
    sys.exit(main())
