# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Conda packages: what a lock of them names, what a channel answers, and the program that installs them."""
