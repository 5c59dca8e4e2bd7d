# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the controller knows of a whole fleet: the ledger, and the reports made of it."""
