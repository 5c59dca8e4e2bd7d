# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategies of hypothesis: what programs might say, from sense to nonsense."""

from __future__ import annotations

import json

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.answers import SYSCTL_NAMES
from hypothesis import strategies as st

PROFILER_KEYS = st.sampled_from(
    [
        *("SPHardwareDataType", "SPDisplaysDataType", "chip_type", "cpu_type", "number_processors", "machine_model"),
        *("sppci_model", "sppci_cores", "_name", "spdisplays_metal", "spdisplays_metalfamily"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PROFILER_KEYS, inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from([*SYSCTL_NAMES, "ProductVersion", "BuildVersion", "\n+-o x", '"model"', "MemTotal"])
LINES = st.lists(st.tuples(WORDS, st.sampled_from([": ", ":\t\t", " = ", "="]), st.integers().map(str) | st.text()))
TEXTS = (
    st.text()
    | st.binary().map(lambda content: content.decode(errors="replace"))
    | LINES.map(lambda lines: "\n".join(map("".join, lines)))
    | JSON.map(json.dumps)
)
