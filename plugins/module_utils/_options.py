# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Every option that users see, with type, choices and default: said once, as Ansible's argument specs.

Modules and actions put their specs together from these tables; the roles' specs, and the documentation in
plugins/doc_fragments, are held to them by tests. An option enters a table when it works.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import DEFAULT_LINKS, DEFAULT_ROOT

Spec = dict[str, dict[str, Any]]

KINDS = ["venv", "conda"]
FRAMEWORKS = ["tensorflow", "litert"]
GPU = ["required", "preferred", "none"]
GPU_CHECKS = ["none", "quick", "standard", "full"]
SOURCES = ["standalone", "python_org", "homebrew", "existing"]
"""The ways to come to a native Python."""
PIN_OPTIONS = {"standalone": "archives", "python_org": "packages"}
"""Those that are pinned, with the option that adds pins to the collection's."""

ENVIRONMENT: Spec = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "framework": {"type": "str", "choices": FRAMEWORKS, "default": "tensorflow"},
    "lock": {"type": "path"},
    "models": {"type": "list", "elements": "path", "default": []},
    "gpu": {"type": "str", "choices": GPU},
    "gpu_check": {"type": "str", "choices": GPU_CHECKS, "default": "quick"},
    "known_faults": {"type": "str", "choices": ["report", "fail"], "default": "report"},
    "on_drift": {"type": "str", "choices": ["repair", "report"], "default": "repair"},
    "jupyter_kernel": {"type": "bool", "default": False},
    "integrity": {"type": "str", "choices": ["quick", "full"], "default": "quick"},
    "keep": {"type": "int", "default": 2},
    "startup_files_of": {"type": "list", "elements": "str", "default": ["setuptools"]},
}
"""An environment, as a user declares it."""

WISHES: Spec = {
    "kind": {"type": "str", "choices": KINDS, "default": "venv"},
    "conda": {
        "type": "dict",
        "options": {
            "packages": {"type": "list", "elements": "str", "default": []},
            "channels": {"type": "list", "elements": "str", "default": ["conda-forge"]},
        },
    },
    "tensorflow": {"type": "str"},
    "metal": {"type": "str"},
    "packages": {"type": "list", "elements": "str"},
    "build": {"type": "list", "elements": "str"},
    "python": {"type": "str"},
}
"""What it must hold, from which the controller makes its lock."""

PLACES: Spec = {
    "root": {"type": "path", "default": DEFAULT_ROOT},
    "links": {"type": "path", "default": DEFAULT_LINKS},
}

NETWORK: Spec = {
    "index_url": {"type": "str", "default": "", "no_log": True},
    "extra_index_urls": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "proxy": {"type": "str", "default": "", "no_log": True},
    "ca": {"type": "path", "default": ""},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
}
"""How a host reaches what it downloads. URLs may hold credentials."""

BUILD: Spec = {
    "wheels": {"type": "str", "default": "", "no_log": True},
    "free_mb": {"type": "int"},
    "probe_timeout": {"type": "int", "default": 120},
}

LOCKS: Spec = {
    "locks": {"type": "path", "default": ""},
    "locked": {"type": "bool", "default": False},
    "oldest_macos": {"type": "str", "default": ""},
}
"""How the controller makes locks."""

REPORTS: Spec = {"reports": {"type": "path", "default": ""}}
"""Where the controller keeps what hosts answered."""
DELIVERY: Spec = {
    "delivery": {"type": "str", "choices": ["index", "controller", "store"], "default": "index"},
    "wheel_store": {"type": "path", "default": ""},
}
"""How wheels, conda packages, uv and the managed Python come to a host."""

DECLARATION: Spec = {
    "environments": {
        "type": "list",
        "elements": "dict",
        "default": [{"name": "tensorflow"}],
        "options": {**ENVIRONMENT, **WISHES},
    },
    "allow_untested": {"type": "bool", "default": False},
    **LOCKS,
    **REPORTS,
    **PLACES,
    **NETWORK,
    **BUILD,
    **DELIVERY,
    "rebuild": {"type": "list", "elements": "str", "default": []},
}
"""What a host must have: the role's variables `tensorflow_*`, and options of the modules that work on all of it."""

RUNNING: Spec = {"unreachable": {"type": "str", "choices": ["report", "fail"], "default": "report"}}
"""How the role goes on with a run over many hosts; no module takes it."""

NATIVE_PYTHON: Spec = {
    "source": {"type": "str", "choices": SOURCES, "default": "standalone"},
    "version": {"type": "str", "default": "3.12"},
    "existing": {"type": "str", "default": ""},
    "archives": {"type": "dict", "default": {}},
    "packages": {"type": "dict", "default": {}},
    "mirror": {"type": "str", "default": "", "no_log": True},
    "minimum_macos": {"type": "str", "default": "11.0"},
}
"""Where a Mac's Python comes from."""
ADDITIONAL: Spec = {"additional": {"type": "bool", "default": False}}
"""Whether it comes beside the one that runs the modules."""

SENT: Spec = {"ca_certificates": {"type": "str", "default": ""}}
"""What actions send in the place of a file on the controller."""

ONE_ENVIRONMENT: Spec = {
    **ENVIRONMENT,
    "state": {"type": "str", "choices": ["present", "absent", "rolled_back"], "default": "present"},
    "generation": {"type": "int"},
    "lock_text": {"type": "str"},
    "gpu_check": {**ENVIRONMENT["gpu_check"], "default": "none"},
    **PLACES,
    **NETWORK,
    **BUILD,
}
"""What python_environment takes, for an environment with TensorFlow or without."""

WANTED_PYTHON: Spec = {name: NATIVE_PYTHON[name] for name in ("source", "version", "existing", "archives", "packages")}
"""What tells which Python must be linked; where it comes from is native_python's matter."""

AGENT: Spec = {
    "times": {"type": "list", "elements": "str", "default": ["11:30", "16:30"]},
    "delay": {"type": "int", "default": 1800},
    "battery": {"type": "int", "default": 40},
    "document_url": {"type": "str", "default": ""},
    "signing_key": {"type": "path", "default": ""},
}
"""When the agent works, within which limits, and where it finds newer documents."""

ENVIRONMENTS: Spec = {
    **DECLARATION,
    "agent": {
        "type": "dict",
        "default": {},
        "options": {"enabled": {"type": "bool"}, **AGENT, "mirror": NATIVE_PYTHON["mirror"]},
    },
    "python": {"type": "dict", "default": {}, "options": WANTED_PYTHON},
    "on_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
}
"""What the modules for all environments of a host take from a playbook."""
PUBLISHING: Spec = {**ENVIRONMENTS, "agent_archives": {"type": "path", "default": ""}}
"""What tensorflow_agent_archive takes, which works on the controller alone."""
ASKING: Spec = {**ENVIRONMENTS, "doctor": {"type": "bool", "default": False}}
"""What tensorflow_environments_info takes."""

LOCKING: Spec = {
    **{name: ENVIRONMENTS[name] for name in ("environments", "allow_untested", "locks", "oldest_macos", "python")},
    **REPORTS,
    **NETWORK,
    "wheels": BUILD["wheels"],
    "platforms": {"type": "list", "elements": "str", "default": []},
    "upgrade": {"type": "list", "elements": "str", "default": []},
}
"""What tensorflow_locks takes, which works on the controller alone."""

REPORT_FORMATS = ["html", "csv", "json", "junit", "jamf", "munki", "prometheus", "osquery"]
REPORTING: Spec = {
    **REPORTS,
    "report_folder": {"type": "path", "default": ""},
    "report_formats": {"type": "list", "elements": "str", "choices": REPORT_FORMATS, "default": REPORT_FORMATS[:4]},
}
"""What tensorflow_fleet_report takes, which works on the controller alone."""

STOCKING: Spec = {
    **{name: option for name, option in LOCKING.items() if name != "upgrade"},
    "locked": LOCKS["locked"],
    "mirror": NATIVE_PYTHON["mirror"],
    "wheel_store": DELIVERY["wheel_store"],
    "keep": {"type": "int"},
}
"""What tensorflow_wheel_store takes, which works there, too."""

DOCUMENT: Spec = {
    **{name: option for name, option in DECLARATION.items() if name not in (*LOCKS, *REPORTS, "wheel_store")},
    "environments": {
        **DECLARATION["environments"],
        "options": {
            **ENVIRONMENT,
            **{name: WISHES[name] for name in ("kind", "python")},
            "lock_digests": {"type": "dict", "default": {}},
        },
    },
    "python": {"type": "dict", "default": {}},
    "agent": {"type": "dict", "default": {}},
    "agent_files": {"type": "dict", "default": {}, "no_log": True},
    "lock_texts": {"type": "dict", "default": {}, "no_log": True},
    "built_wheels": {"type": "dict", "default": {}, "no_log": True},
    "conda_engine": {"type": "str", "default": ""},
    "conda_channels": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "lock_pairs": {"type": "dict", "default": {}},
    "pairs": {"type": "list", "elements": "dict", "default": []},
    "lock_litert": {"type": "dict", "default": {}},
    "litert": {"type": "list", "elements": "dict", "default": []},
    "doctor": ASKING["doctor"],
    "incoming": {"type": "path", "default": ""},
    **SENT,
}
"""What they are handed on the host: the same as their actions send it, with the locks and what is pinned."""

FACTS: Spec = {
    "gather": {"type": "str", "choices": ["quick", "full"], "default": "quick"},
    "require": {"type": "str", "choices": ["none", "apple_silicon"], "default": "none"},
    "roots": {"type": "list", "elements": "path", "default": [DEFAULT_ROOT]},
}
"""What apple_silicon_facts takes."""

PROBE: Spec = {
    "environment": {"type": "path", "required": True},
    "framework": ENVIRONMENT["framework"],
    "models": ENVIRONMENT["models"],
    "gpu": ENVIRONMENT["gpu"],
    "gpu_check": {"type": "str", "choices": GPU_CHECKS[1:], "default": "quick"},
    "known_faults": ENVIRONMENT["known_faults"],
    "timeout": BUILD["probe_timeout"],
}
"""What tensorflow_gpu_info takes."""

PLAYBOOK_VARIABLES = (
    *("tensorflow_hosts", "tensorflow_canary", "tensorflow_name", "tensorflow_generation"),
    *("tensorflow_platforms", "tensorflow_upgrade", "tensorflow_agent_archives"),
    *("tensorflow_report_folder", "tensorflow_report_formats", "tensorflow_wheel_store_keep"),
)
"""What playbooks take beside the roles' variables."""
REGISTERED = ("tensorflow_report",)
"""What our roles leave in a host's variables."""
OF_ONE_RUN = (
    *("tensorflow_hosts", "tensorflow_canary", "tensorflow_name", "tensorflow_generation"),
    *("tensorflow_upgrade", "tensorflow_rebuild"),
)
"""What is of one run by nature, given with -e."""


def variables() -> list[str]:
    """The names of all variables that a user may set for our playbooks and roles."""
    shared = [f"native_python_{name}" for name in ("root", *NETWORK, *NATIVE_PYTHON, *DELIVERY)]
    of_agent = ["agent", *(f"agent_{name}" for name in AGENT)]
    ours = [f"tensorflow_{name}" for name in (*DECLARATION, *RUNNING, *of_agent)]
    return [*ours, *shared, *PLAYBOOK_VARIABLES]
