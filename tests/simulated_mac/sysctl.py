# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that tell what a Mac is, as its kernel gives them."""

from __future__ import annotations

from fnmatch import fnmatchcase

from .profile import BOOT_TIME, Profile, Sysctl, text


def values(profile: Profile) -> Sysctl:
    """The names that tell what the machine is. None: known to this Mac, but without a value."""
    macos, cores = profile.macos, text(profile.core_count)
    threads = text(profile.threads) or cores
    told: Sysctl = {
        "kern.ostype": "Darwin",
        "kern.osrelease": macos.darwin,
        "kern.osrevision": "199506",
        "kern.version": profile.kernel,
        "kern.osversion": macos.build,
        "kern.osproductversion": macos.version,
        "kern.boottime": f"{{ sec = {BOOT_TIME}, usec = 0 }} Tue Sep  3 10:00:00 2024",
        "kern.hv_vmm_present": "1" if profile.virtual_machine else "0",
        "hw.ncpu": threads,
        "hw.byteorder": "1234",
        "hw.memsize": None if profile.memory_gb is None else f"{profile.memory_gb << 30}",
        "hw.activecpu": threads,
        "hw.physicalcpu": cores,
        "hw.physicalcpu_max": cores,
        "hw.logicalcpu": threads,
        "hw.logicalcpu_max": threads,
        "hw.model": profile.model,
        "hw.packages": "1",
        "machdep.cpu.cores_per_package": cores,
        "machdep.cpu.core_count": cores,
        "machdep.cpu.logical_per_package": threads,
        "machdep.cpu.thread_count": threads,
        "machdep.cpu.brand_string": profile.chip,
    }
    told |= APPLE_SILICON_VALUES if profile.is_apple_silicon else INTEL_VALUES
    told |= level_values(profile)
    told |= {name: text(value) for name, value in profile.sysctl.items()}
    unknown = profile.sysctl_unknown
    return {name: value for name, value in told.items() if not any(fnmatchcase(name, each) for each in unknown)}


def listing(profile: Profile) -> str:
    """``NAME: VALUE`` lines, for sysctl(8) and sysctlbyname(3). What has no value is a name alone."""
    return "".join(f"{name}\n" if value is None else f"{name}: {value}\n" for name, value in values(profile).items())


def level_values(profile: Profile) -> Sysctl:
    """The kinds of cores. They appeared with macOS 12, their names with 15; a single kind has always had a name."""
    told: Sysctl = {}
    levels = profile.levels if profile.macos.major >= 12 else {}
    if levels:
        told["hw.nperflevels"] = f"{len(levels)}"
    for level, (name, count) in enumerate(levels.items()):
        threads = profile.threads if profile.threads and len(levels) == 1 else count
        told |= {f"hw.perflevel{level}.{key}": f"{count}" for key in ("physicalcpu", "physicalcpu_max")}
        told |= {f"hw.perflevel{level}.{key}": f"{threads}" for key in ("logicalcpu", "logicalcpu_max")}
        if profile.macos.major >= 15 or len(levels) == 1:
            told[f"hw.perflevel{level}.name"] = name
    if len(levels) == 1:
        told["hw.perflevel1.physicalcpu"] = told["hw.perflevel1.logicalcpu"] = None
    return told


APPLE_SILICON_VALUES: Sysctl = {
    "hw.optional.arm64": "1",
    "hw.optional.neon": "1",
    "hw.pagesize": "16384",
    "hw.cachelinesize": "128",
    "hw.cputype": "16777228",
    "hw.cpusubtype": "2",
    "hw.cpu64bit_capable": "1",
    "hw.tbfrequency": "24000000",
    "hw.cpufrequency": None,
    "sysctl.proc_translated": "0",
}
INTEL_VALUES: Sysctl = {
    "hw.pagesize": "4096",
    "hw.cachelinesize": "64",
    "hw.cputype": "7",
    "hw.cpusubtype": "8",
    "hw.cpu64bit_capable": "1",
    "hw.optional.x86_64": "1",
    "hw.optional.avx2_0": "1",
    "machdep.cpu.vendor": "GenuineIntel",
    "machdep.cpu.family": "6",
}
