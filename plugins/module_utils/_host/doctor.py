# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a doctor says of a host: its report, as text that a person reads from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import is_drift

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GIB = 2**30
INDENT = "    "


def tell(report: Mapping[str, Any]) -> list[str]:
    """All that is known of a host, line by line: what it is, its Python, and each environment with its probe."""
    lines = list(tell_machine(report["apple_silicon"])) if report.get("apple_silicon") else []
    if not report["environments"]:
        return [*lines, *report["text"]]
    lines += tell_python(report["managed_python"])
    for environment in report["environments"]:
        lines += tell_environment(environment)
    return lines


def tell_machine(facts: Mapping[str, Any]) -> Iterator[str]:
    """What the host is."""
    gpu, cores, memory = facts["gpu"], facts["cores"]["total"], facts["memory_bytes"]
    parts = [
        facts["chip"]["name"] or "unknown chip",
        f"{cores} cores" if cores else "",
        f"GPU with {gpu['cores']} cores" if gpu["cores"] else "",
        f"{memory / GIB:.0f} GB of memory" if memory else "",
        facts["model"] or "",
        f"macOS {facts['macos']['version']}" if facts["macos"]["version"] else facts["system"],
        "a virtual machine" if facts["virtual_machine"]["is_virtual"] else "",
    ]
    yield f"Machine: {', '.join(part for part in parts if part)}."
    if facts["system"] == "Darwin":
        words = {True: "somebody is", False: "nobody is", None: "it is not known whether somebody is"}
        yield f"{INDENT}At its screen {words[facts['gui_session']]} logged in."
    yield from (f"{INDENT}{line}" for line in tell_nvidia(facts["nvidia"]))
    for disk in facts["disk"]:
        if disk["free_bytes"] is not None:
            yield f"{INDENT}{disk['path']} has {disk['free_bytes'] / GIB:.0f} GB free."
    for conda in facts["conda"]:
        if facts["is_apple_silicon"] and conda["architecture"] == "x86_64":
            yield (
                f"{INDENT}The {conda['distribution']} in {conda['prefix']} is that of an Intel Mac: Rosetta translates "
                "whatever runs in its environments, and TensorFlow has no GPU there."
            )
    for stray in facts["user_site_plugins"]:
        yield f"{INDENT}Another plug-in is in {stray}, which TensorFlow loads in every environment."
    for unknown in facts["unknown"]:
        yield f"{INDENT}Not known: {unknown['source']}: {unknown['reason']}."


def tell_nvidia(nvidia: Mapping[str, Any]) -> Iterator[str]:
    """The GPUs of NVIDIA, if there are any."""
    if nvidia["present"]:
        nodes = ", ".join(nvidia["device_nodes"]) or "none"
        yield f"NVIDIA's driver: {nvidia['driver'] or 'none is loaded'}. Device nodes: {nodes}."
    for gpu in nvidia["gpus"] or ():
        memory, capability = gpu["memory_bytes"], gpu["compute_capability"]
        parts = [
            gpu["name"] or "of unknown name",
            f"{memory / GIB:.0f} GB of memory" if memory else "",
            f"compute capability {capability}" if capability else "",
            "divided into several (MIG)" if gpu["mig"] else "",
        ]
        yield f"NVIDIA GPU: {', '.join(part for part in parts if part)}."


def tell_python(managed: Mapping[str, Any]) -> Iterator[str]:
    """Whether the managed Pythons are as declared."""
    reasons, minors = managed["reasons"], managed["minors"]
    missing = [f"Python {minor} is to be brought or repaired" for minor in minors]
    found = [*([f"not as declared ({', '.join(reasons)})"] if reasons else []), *missing]
    yield f"Managed Python: {'; '.join(found) or 'as declared'}."


def tell_environment(environment: Mapping[str, Any]) -> Iterator[str]:
    """One environment: whether it has drifted, and what its probe found."""
    yield f"Environment {environment['text']}"
    yield f"{INDENT}It is {environment['path']}."
    for action in (each for each in environment["plan"] if is_drift(each["do"], each["reason"])):
        yield f"{INDENT}Drift: {action['reason']}: {action['evidence']}."
    if environment["probe"]:
        yield from (f"{INDENT}{line}" for line in tell_probe(environment["probe"]))
    elif environment["state"] == "present":
        is_there = "absent" not in environment["reasons"]
        yield f"{INDENT}{'It holds no framework that could be probed' if is_there else 'There is nothing to probe'}."


def tell_probe(probe: Mapping[str, Any]) -> Iterator[str]:
    """What TensorFlow did."""
    yield f"Probe: {probe['text']}"
    if probe["diagnosis"] and probe["diagnosis"]["source"]:
        yield f"Others have met this, too: {probe['diagnosis']['source']}."
    stages = (
        f"{stage['name']} {stage['seconds']:.1f} s" if stage["state"] == "ok" else f"{stage['name']} {stage['state']}"
        for stage in probe["stages"]
    )
    yield f"Stages: {', '.join(stages)}."
    for device in probe["devices"]:
        yield f"GPU: {device['description'] or 'it did not say what it is'} ({device['name']})."
    if probe["without_kernel"]:
        yield f"The GPU has no code for, so that the CPU does: {', '.join(probe['without_kernel'])}."
    for fault in probe["faults"]:
        seen = {True: "is seen here, too", False: "is not seen here", None: "cannot be tried here"}[fault["seen"]]
        yield f"Known fault {fault['issue']}, {fault['what']}: {seen}."
    for device, rates in probe["speed"].items():
        figures = (f"{work} {rate:.0f} GFLOP/s" for work, rate in rates.items() if rate)
        yield f"Speed of the {device.upper()}: {', '.join(figures) or 'it computes neither'}."
    if probe["left_out"]:
        names = ", ".join(probe["left_out"])
        yield f"Set on the host for the user's programs, and left out of the probe: {names}."
    for line in probe["log"]:
        yield f"It printed: {line}"
