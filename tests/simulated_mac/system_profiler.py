# SPDX-License-Identifier: GPL-3.0-or-later
"""What system_profiler tells of a Mac, as text and as JSON; known from public recordings of real Macs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .profile import HARDWARE_UUID, SERIAL_NUMBER, Gpu, Profile, ProfileError, text

Report = dict[str, Any]  # "text" and "json", as system_profiler gives one data type


def reports(profile: Profile, arch: str) -> dict[str, Report | None]:
    """The data types that its half for ``arch`` answers; None for what is not known of this Mac."""
    return {
        "SPHardwareDataType": hardware(profile, translated=arch != profile.arch),
        "SPDisplaysDataType": displays(profile),
    }


def hardware(profile: Profile, *, translated: bool) -> Report | None:
    """The overview. Intel's form has a clock and no split of the cores; so has a translated one, without the chip."""
    if profile.model is None and profile.memory_gb is None:
        return None
    plain = translated or not profile.is_apple_silicon
    chip = {"cpu_type": "Unknown" if translated else intel_name(profile), "current_processor_speed": "2,4 GHz"}
    memory = f"{profile.memory_gb} GB" if profile.memory_gb else None
    item: dict[str, Any] = {
        "_name": "hardware_overview",
        "machine_name": profile.model_name,
        "machine_model": profile.model,
        **({**chip, "packages": 1} if plain else {"chip_type": profile.chip}),
        "number_processors": profile.core_count if plain or profile.virtual_machine else core_split(profile),
        "physical_memory": memory,
        "serial_number": SERIAL_NUMBER,
        "platform_UUID": HARDWARE_UUID,
        "provisioning_UDID": "00000000-0000000000000000",
    }
    split = "" if plain or profile.virtual_machine or not profile.levels else f" ({core_words(profile)})"
    lines = {
        "Model Name": profile.model_name,
        "Model Identifier": profile.model,
        **({"Processor Name": chip["cpu_type"]} if plain else {"Chip": profile.chip}),
        "Total Number of Cores": f"{profile.core_count}{split}" if profile.core_count else None,
        "Memory": memory,
        "Serial Number (system)": SERIAL_NUMBER,
        "Hardware UUID": HARDWARE_UUID,
        "Provisioning UDID": "00000000-0000000000000000",
    }
    return {"json": [known(item)], "text": "Hardware:\n\n    Hardware Overview:\n\n" + indented(lines)}


def intel_name(profile: Profile) -> str | None:
    """ "6-Core Intel Core i7", of "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz"."""
    found = re.match(r"Intel\(R\) (Core|Xeon)\(\w+\) (i\d|\w+)", profile.chip or "")
    return f"{profile.core_count}-Core Intel {found[1]} {found[2]}" if found else profile.chip


def core_split(profile: Profile) -> str | None:
    """Total and counts per level. From macOS 26.3 the third kind has a field, from 27 in another order."""
    if not profile.levels:
        return None
    count = {"Super": 0, "Performance": 0, "Efficiency": 0, **profile.levels}
    best, slow = count["Super"] or count["Performance"], count["Efficiency"]
    if profile.macos.numbers >= (27,):
        split = [count["Super"], count["Performance"], slow]
    elif profile.macos.numbers >= (26, 3):
        split = [best, slow, count["Performance"] if count["Super"] else 0]
    else:
        split = [best, slow]
    return "proc " + ":".join(map(str, [profile.core_count, *split]))


def core_words(profile: Profile) -> str:
    """ "4 performance and 4 efficiency"; with capitals from macOS 26.5 on."""
    words = [f"{count} {name}" for name, count in profile.levels.items()]
    joined = " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
    return joined if profile.macos.numbers >= (26, 5) else joined.lower()


def displays(profile: Profile) -> Report | None:
    """The GPUs, in the order given."""
    if profile.listed_gpus is None:
        return None
    shown = "".join(f"    {gpu.model}:\n\n{indented(gpu_lines(gpu))}" for gpu in profile.listed_gpus)
    return {"json": [gpu_item(gpu) for gpu in profile.listed_gpus], "text": f"Graphics/Displays:\n\n{shown}"}


def gpu_item(gpu: Gpu) -> dict[str, Any]:
    """A GPU in JSON."""
    key, value, *_ = metal_support(gpu.metal) if gpu.metal else ("spdisplays_metal", None)
    item = {
        "_name": gpu.model,
        key: value,
        "spdisplays_vendor": f"sppci_vendor_{vendor(gpu)[0]}",
        "sppci_bus": f"spdisplays_{'builtin' if is_built_in(gpu) else 'pcie_device'}",
        "sppci_cores": text(gpu.cores),
        "sppci_device_type": "spdisplays_gpu",
        "sppci_model": gpu.model,
    }
    return known(item)


def gpu_lines(gpu: Gpu) -> dict[str, str | None]:
    """A GPU in words."""
    *_, label, words = metal_support(gpu.metal) if gpu.metal else ("Metal", None)
    return {
        "Chipset Model": gpu.model,
        "Type": "GPU",
        "Bus": "Built-In" if is_built_in(gpu) else "PCIe",
        "Total Number of Cores": text(gpu.cores),
        "Vendor": "{} ({})".format(*vendor(gpu)),
        label: words,
    }


VENDORS = (
    ("Apple", "Apple", "0x106b"), ("Intel", "Intel", "0x8086"), ("Radeon|AMD", "AMD", "0x1002"),
    ("GeForce|NVIDIA", "NVIDIA", "0x10de"),
)  # fmt: skip


def vendor(gpu: Gpu) -> tuple[str, str]:
    """Name and number of who made it."""
    return next(((name, number) for words, name, number in VENDORS if re.search(words, gpu.model)), ("Other", "0x0"))


def is_built_in(gpu: Gpu) -> bool:
    """Whether it is a part of the processor."""
    return vendor(gpu)[0] in ("Apple", "Intel")


METAL_SUPPORT = (
    (r"Metal (\d+)", "spdisplays_mtlgpufamilysupport", r"spdisplays_metal\1", "Metal Support", "{}"),
    (r"Metal GPUFamily Apple (\d+)", "spdisplays_metalfamily", r"spdisplays_mtlgpufamilyapple\1",
     "Metal Family", "Supported, {}"),
    (r"Metal GPUFamily macOS (\d+)", "spdisplays_metalfamily", r"spdisplays_mtlgpufamilymac\1",
     "Metal Family", "Supported, {}"),
    (r"macOS GPUFamily(\d) v(\d)", "spdisplays_metal", r"spdisplays_metalfeaturesetfamily\1\2",
     "Metal", "Supported, feature set {}"),
    (r"supported", "spdisplays_metal", "spdisplays_supported", "Metal", "Supported"),
)  # fmt: skip


def metal_support(metal: str) -> tuple[str, str, str, str]:
    """JSON key and value, text label and value of what says which Metal there is; renamed with macOS 11 and 13."""
    for pattern, key, value, label, words in METAL_SUPPORT:
        found = re.fullmatch(pattern, metal)
        if found:
            return key, found.expand(value), label, words.format(metal)
    raise ProfileError(f"no macOS says {metal!r} of a GPU's Metal; they say such as 'Metal 3'")


def known(item: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not known."""
    return {key: value for key, value in item.items() if value is not None}


def indented(lines: Mapping[str, str | None]) -> str:
    """A block of system_profiler's text, without what is not known."""
    return "".join(f"      {label}: {value}\n" for label, value in lines.items() if value is not None) + "\n"
