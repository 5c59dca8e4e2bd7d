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

GPU = ["required", "preferred", "none"]
GPU_CHECKS = ["none", "quick", "standard"]
SOURCES = ["standalone", "python_org", "homebrew", "existing"]
"""The ways to come to a native Python."""

ENVIRONMENT: Spec = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "lock": {"type": "path"},
    "gpu": {"type": "str", "choices": GPU},
    "gpu_check": {"type": "str", "choices": GPU_CHECKS, "default": "quick"},
    "on_drift": {"type": "str", "choices": ["repair", "report"], "default": "repair"},
    "jupyter_kernel": {"type": "bool", "default": False},
    "integrity": {"type": "str", "choices": ["quick", "full"], "default": "quick"},
    "keep": {"type": "int", "default": 2},
    "startup_files_of": {"type": "list", "elements": "str", "default": ["setuptools"]},
}
"""An environment, as a user declares it."""

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
    "free_mb": {"type": "int", "default": 3500},
    "probe_timeout": {"type": "int", "default": 120},
}

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
