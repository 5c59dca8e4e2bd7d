# SPDX-License-Identifier: GPL-3.0-or-later
"""What is copied into simulated Macs and runs there."""
