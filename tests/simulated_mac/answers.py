# SPDX-License-Identifier: GPL-3.0-or-later
"""A profile, rendered into the files from which a host's programs answer; inside/answer.c says which those are.

How answers differ between macOS versions is known from public recordings of real Macs; an answer that a recording gives
word for word can be put into the profile under ``answers``.
"""

from __future__ import annotations

import json
import re
from contextlib import redirect_stdout
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

from . import sysctl, system_profiler
from .inside import mac_programs
from .profile import BOOT_TIME, HARDWARE_UUID, SERIAL_NUMBER, Profile

# What Ansible's own fact gathering asks of any Mac.
DEFAULT_ANSWERS: dict[str, Any] = {
    "vm_stat": (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
        "Pages free:                               64712.\n"
        "Pages active:                            196993.\n"
        "Pages inactive:                          194622.\n"
        "Pages speculative:                         1744.\n"
        "Pages throttled:                              0.\n"
        "Pages wired down:                         53323.\n"
    ),
    "ifconfig -a": (
        "lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384\n"
        "\tinet 127.0.0.1 netmask 0xff000000\n"
        "\tinet6 ::1 prefixlen 128\n"
        "en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n"
        "\tether 02:00:00:00:00:01\n"
        "\tinet 192.0.2.20 netmask 0xffffff00 broadcast 192.0.2.255\n"
        "\tmedia: autoselect\n"
        "\tstatus: active\n"
    ),
    "route -n get default": (
        "   route to: default\ndestination: default\n       mask: default\n    gateway: 192.0.2.1\n  interface: en0\n"
        "      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>\n"
    ),
    "route -n get -inet6 default": {"stderr": "route: writing to routing socket: not in table\n", "rc": 1},
    "mount": "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n",
}

# What is asked so often that it is rendered at once: a Mac answers it within a few milliseconds.
COMMON_CALLS = (
    ("/usr/bin/sw_vers",),
    ("/usr/bin/sw_vers", "-productVersion"),
    ("/usr/sbin/ioreg", "-rc", "AGXAccelerator", "-d", "1"),
)


def write(profile: Profile, folder: Path) -> None:
    """Render a profile into the folder that the host's programs read."""
    (folder / "profile.json").write_text(json.dumps(rendered(profile), indent=1))
    (folder / "arch").write_text(f"{profile.arch}\n")
    (folder / "uname").write_text(uname_lines(profile))
    (folder / "sysctl").write_text(sysctl.listing(profile))
    said = {**common_answers(profile), **DEFAULT_ANSWERS, **profile.answers}
    (folder / "answers.dat").write_bytes(b"".join(answer(call, given) for call, given in said.items()))


def rendered(profile: Profile) -> dict[str, Any]:
    """Everything that inside/mac_programs.py looks up, as data that JSON can hold."""
    architectures = ("arm64", "x86_64")
    return {
        "arch": profile.arch,
        "boot_time": BOOT_TIME,
        "macos": asdict(profile.macos),
        "kernel": profile.kernel,
        "system_profiler": {arch: system_profiler.reports(profile, arch) for arch in architectures},
        "ioreg": registry(profile),
    }


def uname_lines(profile: Profile) -> str:
    """System, release and version, for uname(2); the date is left out, for Linux gives the field 64 characters."""
    version = re.sub(r": \w{3} \w{3} .*?;", ":", profile.kernel)
    return f"Darwin\n{profile.macos.darwin}\n{version}\n"


def answer(call: str, given: str | dict[str, Any]) -> bytes:
    """What a call prints, word for word, as inside/answer.c reads it.

    ``call`` is a command line (``sw_vers -buildVersion``), or its first words and a star (``ioreg *``); ``given`` the
    text that it prints, or a mapping of ``stdout``, ``stderr``, ``rc`` and ``seconds`` (that it takes).
    """
    said = {"stdout": given} if isinstance(given, str) else given
    out, err = (said.get(stream, "").encode() for stream in ("stdout", "stderr"))
    milliseconds = int(said.get("seconds", 0) * 1000)
    return f"{call}\n{said.get('rc', 0)} {milliseconds} {len(out)} {len(err)}\n".encode() + out + err


def common_answers(profile: Profile) -> dict[str, str]:
    """Those of the common calls to whose program the profile gives no answer of its own."""
    data, answers = rendered(profile), {}
    given = {call.split()[0] for call in profile.answers}
    for path, *arguments in COMMON_CALLS:
        program = Path(path).name
        with redirect_stdout(StringIO()) as printed:
            if program not in given and mac_programs.SIMULATED[path](data, arguments) == 0:
                answers[" ".join([program, *arguments])] = printed.getvalue()
    return answers


def registry(profile: Profile) -> list[dict[str, Any]] | None:
    """The entries of the I/O registry that ioreg can be asked for; None: not known, for the GPU is not."""
    platform = {
        "class": "IOPlatformExpertDevice",
        "ancestors": ["IOService"],
        "properties": {
            "model": profile.model,
            "IOPlatformSerialNumber": SERIAL_NUMBER,
            "IOPlatformUUID": HARDWARE_UUID,
        },
    }
    if profile.virtual_machine or not profile.is_apple_silicon:
        return [platform]
    if not profile.gpu_cores:
        return None
    generation = re.search(r"M(\d+)", profile.chip or "")
    name = f"AGXAcceleratorG{12 + int(generation[1] if generation else 1)}"
    properties = system_profiler.known({"IOClass": name, "model": profile.chip, "gpu-core-count": profile.gpu_cores})
    ancestors = ["AGXAccelerator", "IOAccelerator", "IOService"]
    return [platform, {"class": name, "ancestors": ancestors, "properties": properties}]
