# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""How environments are built: a file for each kind, and what they are built from."""
