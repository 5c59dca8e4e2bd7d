# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Environments on a host: observe, plan, apply.

A generation is one complete build in a folder of its own, `ROOT/environments/NAME/NUMBER`; its manifest is written
last. The stable path `LINKS/NAME` is a symbolic link to the active generation.

    declaration   what must be
    observe       what is, read without changing anything
    plan          what to do, and why: data, with all policy
    apply         one place where each thing of a plan is done
    build         a new generation: installed by its kind, checked, probed
    manifest      what was built
    files         walking and hashing trees of files
    kernel        all that has to do with Jupyter
    startup       what runs whenever Python or TensorFlow starts
    safety        where we may write, one writer, what is in use, what is set aside
    failures      words for what went wrong
"""
