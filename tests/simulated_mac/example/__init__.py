# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests of another collection use simulated Macs: a role for workstations, and its test. Begin with a copy."""
