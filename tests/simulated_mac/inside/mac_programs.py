#!/.simulated_mac/python -ISE
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Mac's own programs, as far as tests need them: one file, told apart by the name it was called by.

Called as ``mac_programs ROLE PATH [ARGUMENT...]``: PATH is the program's on the Mac, ROLE is ``system``, ``shim``
(hands over to the developer tools, and opens a dialog on the user's screen if there are none) or ``tool`` (one of
those). What it answers comes from the rendered profile (host/profile.json, see profile.py); what programs change is
kept in the file system, where a Mac keeps it. Every call is noted in host/calls.jsonl. A call that nobody simulated
exits 70 and says so: no test may pass on a guess.
"""

from __future__ import annotations

import fcntl
import getopt
import json
import os
import plistlib
import re
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

SIM = Path("/.simulated_mac")
NOT_SIMULATED = 70
COMMAND_LINE_TOOLS = Path("/Library/Developer/CommandLineTools")
RECEIPTS = Path("/private/var/db/receipts")
ROSETTA = Path("/Library/Apple/usr/libexec/oah/libRosettaRuntime")
ARCH_VARIABLE = "SIMULATED_MAC_ARCH"

NO_DEVELOPER_TOOLS = (
    "xcode-select: note: No developer tools were found, requesting install.\n"
    "If developer tools are located at a non-default location on disk, use `sudo xcode-select --switch "
    "path/to/Xcode.app` to specify the Xcode that you wish to use for command line developer tools, and cancel the "
    "installation dialog.\nSee `man xcode-select` for more details.\n"
)
NO_DEVELOPER_FOLDER = (
    "xcode-select: error: Unable to get active developer directory. Use `sudo xcode-select --switch path/to/Xcode.app` "
    "to set one (or see `man xcode-select`)\n"
)

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


def sysctl(profile: Profile, args: list[str]) -> Answer:
    """Names are answered in the order asked; known names without a value are left out silently, as on a Mac."""
    parsed = options(args, "abinq")
    values: dict[str, str | None] = profile["sysctl"]
    if not parsed or ("b" in parsed[0] and parsed[1] != ["kern.boottime"]):
        return None
    flags, names = parsed
    if "b" in flags:
        sys.stdout.buffer.write(struct.pack("@qq", profile["boot_time"], 0))
        return 0
    if "sysctl.proc_translated" in values:
        values["sysctl.proc_translated"] = "0" if own_arch(profile) == profile["arch"] else "1"
    status = 0
    for name in list(values) if "a" in flags else names:
        found = [key for key in values if key == name or key.startswith(f"{name}.")]
        if not found and not flags.keys() & {"i", "q"}:
            status = fail(f"sysctl: unknown oid '{name}'\n")
        for key in found:
            if values[key] is not None:
                print(values[key] if "n" in flags else f"{key}: {values[key]}")
    return status


def sw_vers(profile: Profile, args: list[str]) -> Answer:
    """ProductName, ProductVersion and BuildVersion: all, or the one asked for."""
    macos = profile["macos"]
    fields = {"ProductName": "macOS", "ProductVersion": macos["version"]}
    if macos.get("extra"):
        fields["ProductVersionExtra"] = macos["extra"]
    fields["BuildVersion"] = macos["build"]
    if not args:
        tabs = "\t\t" if int(macos["version"].split(".")[0]) >= 13 else "\t"
        print("\n".join(f"{name}:{tabs}{value}" for name, value in fields.items()))
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


def arch(profile: Profile, args: list[str]) -> Answer:
    """Alone: what this process runs as. With -arm64 or -x86_64 and a command: run it so."""
    if not args:
        print("arm64" if own_arch(profile) == "arm64" else "i386")
        return 0
    wanted = {"-arm64": "arm64", "-arm64e": "arm64", "-x86_64": "x86_64"}.get(args[0])
    if not wanted or not args[1:] or args[1].startswith("-"):
        return None
    os.environ[ARCH_VARIABLE] = f"{wanted}!"  # exactly so, or not at all
    try:
        become(args[1], args[1:])
    except OSError as error:
        sys.exit(fail(f"arch: posix_spawnp: {args[1]}: {os.strerror(error.errno or 0)}\n"))


def system_profiler(profile: Profile, args: list[str]) -> Answer:
    """Data types as text or JSON. A translated system_profiler does not know the chip."""
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
    private = {"serial_number", "platform_UUID", "provisioning_UDID"} if detail == "mini" else set()
    reports = {name: known[name] for name in types if name in known}
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
    if not parsed or parsed[1] or not {"r", "c"} <= parsed[0].keys():
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


def xcode_select(profile: Profile, args: list[str]) -> Answer:
    """Where the developer tools are."""
    if args not in (["-p"], ["--print-path"]):
        return None
    if not COMMAND_LINE_TOOLS.is_dir():
        return fail(NO_DEVELOPER_FOLDER, 2)
    print(COMMAND_LINE_TOOLS)
    return 0


def softwareupdate(profile: Profile, args: list[str]) -> Answer:
    """Installs Rosetta, and nothing else."""
    if sorted(args) != ["--agree-to-license", "--install-rosetta"] or profile["arch"] != "arm64":
        return None
    ROSETTA.parent.mkdir(parents=True, exist_ok=True)
    ROSETTA.touch()
    print("Install of Rosetta 2 finished successfully")
    return 0


def pkgutil(profile: Profile, args: list[str]) -> Answer:
    """The receipts: --pkgs, --pkgs=REGEX, --pkg-info ID, --pkg-info=ID."""
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


def brew(profile: Profile, args: list[str]) -> Answer:
    """What is installed under this brew's own prefix."""
    prefix = Path(sys.argv[2]).parent.parent
    if os.getuid() == 0:
        return fail("Error: Running Homebrew as root is extremely dangerous and no longer supported.\n")
    if args == ["--version"]:
        print("Homebrew 4.4.15")
    elif args == ["--prefix"]:
        print(prefix)
    elif args[:2] == ["list", "--versions"]:
        cellar = sorted((prefix / "Cellar").glob("*"))
        for formula in (path for path in cellar if path.name in args[2:] or not args[2:]):
            print(formula.name, *sorted(version.name for version in formula.iterdir()))
    else:
        return None
    return 0


def shim(profile: Profile, args: list[str]) -> Answer:
    """/usr/bin/python3, git, clang: hand over to the developer tools, or ask for them with a dialog."""
    tool = COMMAND_LINE_TOOLS / "usr/bin" / Path(sys.argv[2]).name
    return become(str(tool), [str(tool), *args]) if tool.exists() else fail(NO_DEVELOPER_TOOLS)


def developer_tool(profile: Profile, args: list[str]) -> Answer:
    """git and make are the ones of Linux, where it has them; the others are not simulated."""
    name = Path(sys.argv[2]).name
    linux = SIM / "usr/bin" / name
    return become(str(linux), [name, *args]) if name in ("git", "make") and linux.exists() else None


def become(program: str, argv: list[str]) -> NoReturn:
    """Run another program in this one's place. Raises ``OSError`` if it cannot."""
    note(None)
    os.execvp(program, argv)


SIMULATED: dict[str, Callable[[Profile, list[str]], Answer]] = {
    "/opt/homebrew/bin/brew": brew,
    "/usr/bin/arch": arch,
    "/usr/bin/sw_vers": sw_vers,
    "/usr/bin/uname": uname,
    "/usr/bin/xcode-select": xcode_select,
    "/usr/sbin/ioreg": ioreg,
    "/usr/sbin/pkgutil": pkgutil,
    "/usr/sbin/softwareupdate": softwareupdate,
    "/usr/sbin/sysctl": sysctl,
    "/usr/sbin/system_profiler": system_profiler,
}


def handler(role: str, program: Path) -> Callable[[Profile, list[str]], Answer] | None:
    """Who answers for a program; None if only a profile's verbatim answers do."""
    if role != "system":
        return {"shim": shim, "tool": developer_tool}[role]
    return next((answer for path, answer in SIMULATED.items() if Path(path).name == program.name), None)


def given(profile: Profile, program: str, args: list[str]) -> Answer:
    """The verbatim answer that the profile gives to exactly this command line."""
    answer = profile["answers"].get(" ".join([program, *args]))
    if answer is None:
        return None
    sys.stdout.write(answer["stdout"])
    return fail(answer["stderr"], answer["rc"])


def note(status: int | None) -> None:
    """A line in the call log. The status is None when the program became another one."""
    parent = os.getppid()
    try:
        parent_argv = Path(f"/proc/{parent}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        parent_argv = []
    entry = {
        "time": time.time(),
        "argv": sys.argv[2:],
        "rc": status,
        "shim": sys.argv[1] == "shim",
        "uid": os.getuid(),
        "ppid": parent,
        "parent": parent_argv,
    }
    with (SIM / "host/calls.jsonl").open("a") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.write(json.dumps(entry) + "\n")


def main() -> int:
    """Answer one call."""
    role, program, args = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    profile: Profile = json.loads((SIM / "host/profile.json").read_text())
    status = given(profile, program.name, args)
    answer = handler(role, program)
    if status is None and answer:
        status = answer(profile, args)
    if status is None:
        status = fail(f"simulated Mac: not simulated: {' '.join(sys.argv[2:])}\n", NOT_SIMULATED)
    sys.stdout.flush()
    note(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
