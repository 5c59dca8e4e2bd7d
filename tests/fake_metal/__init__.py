# SPDX-License-Identifier: GPL-3.0-or-later
"""A TensorFlow PluggableDevice that stands in for Apple's Metal plug-in; README.md tells what it is."""
