# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the action plugin native_python decides and sends, as plain Python that knows no Ansible.

data         the Pythons and the uv that are pinned
declaration  what the user wants
host         what inspect.sh said of the host
sources      the ways to come to an interpreter
plan         what brings what is missing; what is missing, says the planner in module_utils/_python
scripts      what carries it out: the scripts in on_host, with what they read
failures     what their failures mean
"""
