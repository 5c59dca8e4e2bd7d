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
import pwd
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SIM = Path("/.simulated_mac")
NOT_SIMULATED = 70
LINUX_CHMOD = SIM / "usr/bin/chmod"
COMMAND_LINE_TOOLS = Path("/Library/Developer/CommandLineTools")
SELECTED_TOOLS = Path("/private/var/db/xcode_select_link")
PASSWD, GROUP = Path("/private/etc/passwd"), Path("/private/etc/group")  # in place of a Mac's directory of users
RECEIPTS = Path("/private/var/db/receipts")
CONSOLE = Path("/dev/console")
JOBS = Path("/private/var/tmp/launchd")  # in place of what launchd knows
BATTERY = Path("/private/var/tmp/battery")  # percent, while the Mac is unplugged
CLOCK = Path("clock")  # no program of a Mac: how fleet.py lets time pass
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


def chmod(profile: Profile, args: list[str]) -> Answer:
    """+a "NAME allow read,execute": an access list, kept as POSIX's. The other calls are Linux's."""
    if args[:1] != ["+a"]:
        os.execv(LINUX_CHMOD, ["chmod", *args])
    match = re.fullmatch(r"(\w+) allow ([a-z,]+)", args[1]) if len(args) > 2 else None
    bits = {"read": 4, "write": 2, "execute": 1}
    allowed = match[2].split(",") if match else []
    if not match or not set(allowed) <= bits.keys():
        return None
    users = {user[0]: int(user[2]) for user in (line.split(":") for line in PASSWD.read_text().splitlines())}
    if match[1] not in users:
        return fail(f"chmod: Unable to translate '{match[1]}' to a UID\n")
    for path in args[2:]:
        try:
            allow(path, users[match[1]], sum(bits[right] for right in allowed))
        except OSError as error:
            return fail(f"chmod: Failed to set ACL on file '{path}': {error.strerror}\n")
    return 0


def allow(path: str, user: int, right: int) -> None:
    """Give one user a right to a file in the form of acl(5), as <linux/posix_acl_xattr.h> lays it out."""
    mode, nobody = Path(path).stat().st_mode, 0xFFFFFFFF
    owner, named, group, mask, other = 1, 2, 4, 16, 32
    entries = [
        (owner, mode >> 6 & 7, nobody),
        (named, right, user),
        (group, mode >> 3 & 7, nobody),
        (mask, mode >> 3 & 7 | right, nobody),
        (other, mode & 7, nobody),
    ]
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(path, "system.posix_acl_access", packed)


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


# --------------------------------------------------------------------------------------------------------- launchd


def launchctl(profile: Profile, args: list[str]) -> Answer:
    """asuser, bootstrap, bootout, kickstart and print; see the functions below."""
    verbs = {
        "asuser": launch_in_session,
        "bootstrap": bootstrap,
        "bootout": bootout,
        "kickstart": kickstart,
        "print": print_service,
    }
    return verbs[args[0]](args[1:]) if args and args[0] in verbs else None


def launch_in_session(args: list[str]) -> Answer:
    """``asuser UID PROGRAM [ARGUMENT...]``: runs a program in the session of whoever is logged in at the screen."""
    if len(args) < 2 or args[0] != str(CONSOLE.stat().st_uid):
        return None
    if os.getuid() != 0:
        return fail("Could not switch to audit session 0x186a8: 1: Operation not permitted\n")
    return subprocess.run(
        args[1:], env={**os.environ, SESSION_VARIABLE: args[0]}, close_fds=False, check=False
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


def owner_of(domain: str) -> int | None:
    """The user whose jobs are in a domain: ``system`` or ``gui/UID``; None for another one."""
    match = re.fullmatch(r"system|gui/(\d+)", domain)
    return int(match[1] or 0) if match else None


def why_closed(domain: str) -> int:
    """The error for a domain that this user cannot change; 0 if it can. The one at the screen is there while its user
    is logged in."""
    owner = owner_of(domain)
    if os.getuid() not in (0, owner):
        return 1
    return 125 if owner and owner != CONSOLE.stat().st_uid else 0


ERRORS = {
    1: "Operation not permitted",
    3: "No such process",
    5: "Input/output error",
    125: "Domain does not support specified action",
}


def job_file(service: str) -> Path:
    """What is kept of a job that is loaded."""
    return JOBS / f"{service.replace('/', '.')}.json"


def read_job(service: str) -> dict[str, Any] | None:
    """A loaded job: the domain, the path of its property list, what that said, and of its runs."""
    try:
        job: dict[str, Any] = json.loads(job_file(service).read_text())
    except FileNotFoundError:
        return None
    return job


def write_job(service: str, job: dict[str, Any]) -> None:
    """Keep a job, in one step."""
    JOBS.mkdir(exist_ok=True)
    with suppress(PermissionError):
        JOBS.chmod(0o1777)
    new = JOBS / f".{os.getpid()}"
    new.write_text(json.dumps(job))
    new.rename(job_file(service))


def is_running(job: dict[str, Any]) -> bool:
    """Whether the job's process lives."""
    return bool(job["pid"]) and Path(f"/proc/{job['pid']}").exists()


def bootstrap(args: list[str]) -> Answer:
    """``bootstrap DOMAIN PLIST``: loads a job, unless it is loaded."""
    if len(args) != 2 or owner_of(args[0]) is None:
        return None
    domain, path = args[0], Path(args[1])
    error, job = why_closed(domain), None
    if not error:
        with suppress(OSError, plistlib.InvalidFileException):
            status = path.stat()
            job = plistlib.loads(path.read_bytes())
            is_safe = status.st_uid in (0, owner_of(domain)) and not status.st_mode & 0o022
            error = 0 if is_safe and read_job(f"{domain}/{job['Label']}") is None else 5
        if job is None:
            error = 5
    if error or job is None:
        return fail(f"Bootstrap failed: {error}: {ERRORS[error]}\n", error)
    kept = {"domain": domain, "path": str(path), "job": job, "pid": 0, "runs": 0, "last_exit": None}
    write_job(f"{domain}/{job['Label']}", kept)
    if job.get("RunAtLoad"):
        start_job(f"{domain}/{job['Label']}")
    return 0


def bootout(args: list[str]) -> Answer:
    """``bootout DOMAIN/LABEL``: ends a job, and forgets it."""
    if len(args) != 1:
        return None
    error, job = why_closed(args[0].rpartition("/")[0]), read_job(args[0])
    if job is None:
        error = 3
    if error or job is None:
        return fail(f"Boot-out failed: {error}: {ERRORS[error]}\n", error)
    job_file(args[0]).unlink()
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(50):
            if not is_running(job):
                return 0
            with suppress(ProcessLookupError):
                os.killpg(job["pid"], sent)
            time.sleep(0.1)
    return 0


def kickstart(args: list[str]) -> Answer:
    """``kickstart DOMAIN/LABEL``: starts a job now, unless it runs."""
    if len(args) != 1:
        return None
    if read_job(args[0]) is None:
        return fail(f'Could not find service "{args[0].rpartition("/")[2]}" in domain\n', 113)
    start_job(args[0])
    return 0


def print_service(args: list[str]) -> Answer:
    """``print DOMAIN/LABEL``: what is known of a job."""
    job = read_job(args[0]) if len(args) == 1 else None
    if job is None:
        domain, _, label = args[0].rpartition("/")
        return fail(f'Bad request.\nCould not find service "{label}" in domain for {domain}\n', 113)
    state = f"running\n\tpid = {job['pid']}" if is_running(job) else "not running"
    last = "(never exited)" if job["last_exit"] is None else job["last_exit"]
    kind = "LaunchDaemon" if job["domain"] == "system" else "LaunchAgent"
    print(
        f"{args[0]} = {{\n\tpath = {job['path']}\n\ttype = {kind}\n\tstate = {state}\n"
        f"\truns = {job['runs']}\n\tlast exit code = {last}\n}}"
    )
    return 0


def start_job(service: str) -> None:
    """Start a job that does not run, as launchd does: beside whoever asked for it."""
    if os.fork() == 0:
        os.setsid()
        for stream in range(3):  # or a connection would be held open
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        run_job(service)
        os._exit(0)


def run_job(service: str) -> None:
    """Run a job to its end, as the user of its domain, with launchd's few variables; nothing, if it runs already."""
    job = read_job(service)
    if job is None or is_running(job):
        return
    uid, told = owner_of(job["domain"]) or 0, job["job"]
    account = pwd.getpwuid(uid)
    session = {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name, "SHELL": account.pw_shell}
    privileges: dict[str, Any] = {}
    if os.getuid() != uid:
        privileges = {"user": uid, "group": account.pw_gid, "extra_groups": []}
    network = dict(line.split("=", 1) for line in (SIM / "tools/environment").read_text().splitlines())
    out, err = (Path(told.get(f"Standard{name}Path", os.devnull)) for name in ("Out", "Error"))
    with out.open("ab") as stdout, err.open("ab") as stderr:
        process = subprocess.Popen(
            told["ProgramArguments"],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd="/",
            env={
                "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
                "XPC_SERVICE_NAME": told["Label"],
                **({"TMPDIR": "/var/folders/zz/T/", **session} if uid else {}),
                **network,
                **told.get("EnvironmentVariables", {}),
            },
            start_new_session=True,
            **privileges,
            preexec_fn=lambda: os.nice(told.get("Nice", 0)) and None,  # noqa: PLW1509 - nothing else runs here
        )
    write_job(service, {**job, "pid": process.pid, "runs": job["runs"] + 1})
    ended = process.wait()
    left = read_job(service)
    if left:  # it may have been booted out
        write_job(service, {**left, "pid": 0, "last_exit": ended})


def pass_time(start: str, end: str, is_asleep: bool) -> int:
    """The clock goes from one moment to another: whatever falls due runs, each to its end; on wake what was missed,
    once. Returns how many runs there were."""
    first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    minutes = [first + timedelta(minutes=number) for number in range(int((last - first) / timedelta(minutes=1)))]
    count = 0
    for file in sorted(JOBS.glob("*.json")) if JOBS.is_dir() else ():
        job = json.loads(file.read_text())
        service = f"{job['domain']}/{job['job']['Label']}"
        due = [minute for minute in minutes if is_due(job["job"].get("StartCalendarInterval", []), minute)]
        for _ in due[:1] if is_asleep else due:
            run_job(service)
            count += 1
    return count


def is_due(intervals: dict[str, int] | list[dict[str, int]], minute: datetime) -> bool:
    """Whether a job is to start then. What is not said may be anything; Sunday is 0 and 7."""
    now = {"Minute": minute.minute, "Hour": minute.hour, "Day": minute.day, "Month": minute.month}
    day = minute.isoweekday() % 7
    return any(
        all(value % 7 == day if name == "Weekday" else now[name] == value for name, value in each.items())
        for each in (intervals if isinstance(intervals, list) else [intervals])
    )


def pmset(profile: Profile, args: list[str]) -> Answer:
    """``-g batt``: what the Mac draws its power from. Its battery's charge is in a file while it is unplugged."""
    if args != ["-g", "batt"]:
        return None
    try:
        charge = int(BATTERY.read_text())
    except FileNotFoundError:
        print("Now drawing from 'AC Power'")
        return 0
    print(f"Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t{charge}%; discharging; 3:12 remaining")
    return 0


SIMULATED: dict[str, Callable[[Profile, list[str]], Answer]] = {
    "/opt/homebrew/bin/brew": brew,
    "/bin/chmod": chmod,
    "/bin/launchctl": launchctl,
    "/usr/bin/caffeinate": caffeinate,
    "/usr/bin/codesign": codesign,
    "/usr/bin/dscl": dscl,
    "/usr/bin/pmset": pmset,
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
    if program == CLOCK:
        print(pass_time(args[0], args[1], args[2] == "asleep"))
        return 0
    profile: Profile = json.loads((SIM / "host/profile.json").read_text())
    answer = next((answer for path, answer in SIMULATED.items() if Path(path).name == program.name), None)
    status = answer(profile, args) if answer else None
    if status is None:
        return fail(f"simulated Mac: not simulated: {' '.join(sys.argv[1:])}\n", NOT_SIMULATED)
    return status


if __name__ == "__main__":
    sys.exit(main())
