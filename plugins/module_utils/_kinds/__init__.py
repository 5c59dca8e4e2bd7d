# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""How environments are built: each kind in a module of its own, all by one protocol."""
