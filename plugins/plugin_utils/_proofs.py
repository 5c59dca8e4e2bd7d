# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a run has proven of each environment, from what the host said before and after the mending."""

from __future__ import annotations

from typing import Any


def to_mend(host: dict[str, Any], environments: list[dict[str, Any]]) -> list[str]:
    """Names of the environments that differ from their declaration and may be changed.

    `host` is the result of tensorflow_host_info, `environments` what the user declared. One with `on_drift: report` is
    built if there is none, and from then on left alone.
    """
    report_only = {each["name"] for each in environments if each.get("on_drift") == "report"}
    return [
        each["name"]
        for each in host["environments"]
        if each["reasons"] and (each["name"] not in report_only or "absent" in each["reasons"])
    ]


def proofs(host: dict[str, Any], mended: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each environment its name, whether it is as declared (`ok`), and a text for people.

    `mended` are the results of python_environment for those that were mended, each with the loop's `environment_`.
    """
    done = {each["environment_"]["name"]: each for each in mended if not each.get("skipped")}
    return [prove(each, done.get(each["name"])) for each in host["environments"]]


def prove(before: dict[str, Any], mended: dict[str, Any] | None) -> dict[str, Any]:
    """The proof of one environment."""
    name = before["name"]
    probe = mended.get("probe") if mended else before["probe"]
    if probe:
        return {"name": name, "ok": probe["ok"], "text": f"{name}: {describe(probe)}"}
    if mended:
        # Without a probe: the environment was removed, or check mode only foresees.
        return {"name": name, "ok": True, "text": f"{name}: {', '.join(mended['reasons'])}; nothing to verify."}
    if before["reasons"]:
        drift = "; ".join(f"{action['reason']}: {action['evidence']}" for action in before["plan"])
        return {"name": name, "ok": False, "text": f"{name}: has drifted and was left as it is ({drift})."}
    return {"name": name, "ok": True, "text": f"{name}: as declared; nothing to verify."}


def describe(probe: dict[str, Any]) -> str:
    """The verdict, with what was used or, if it is not what was demanded, why."""
    if probe["ok"]:
        plugin = f", plug-in {probe['plugin']}" if probe.get("plugin") else ""
        return f"{probe['verdict']}, TensorFlow {probe['tensorflow']}{plugin}."
    why = probe.get("diagnosis") or {}
    parts = [f"{label}: {why[key]}" for label, key in WHY if why.get(key)]
    return " ".join([f"{probe['verdict']}.", *parts])


WHY = (("Cause", "cause"), ("Evidence", "evidence"), ("Remedy", "remedy"))
