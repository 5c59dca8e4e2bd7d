# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the controller makes for the agent.

build     its program: the engines as one file
pythons   how it repairs the Python that it runs on: native_python's own scripts, with what they read
files     all of its files, and what a host is told of them
"""
