# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Locked wheels: what a lock names, which of it suits a platform, where it is to be had, and how it is fetched."""
