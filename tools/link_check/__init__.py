# SPDX-License-Identifier: GPL-3.0-or-later
"""Would dyld load a plug-in into TensorFlow? Answered from the wheels for macOS, on any system, without a Mac."""
