# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated Macs on Linux, over real SSH. See README.md beside this file, and fleet.py for the Python interface."""
