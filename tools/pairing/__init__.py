# SPDX-License-Identifier: GPL-3.0-or-later
"""The pairing table: which TensorFlow goes with which Metal plug-in, and how we know."""
