# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the action plugin native_python decides and sends, as plain Python that knows no Ansible.

host         what inspect.sh said of the host
declaration  what the user wants
sources      the ways to come to an interpreter
plan         what has to be done, and why
scripts      what carries it out: the scripts in ../native_python with what they read, and what their failures mean
"""
