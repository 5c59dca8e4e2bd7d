# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Environments on a host: observe, plan, apply.

A generation is one complete build in a folder of its own, `ROOT/environments/NAME/NUMBER`; its manifest is written
last. The stable path `LINKS/NAME` is a symbolic link to the active generation.

    declaration   what must be
    observe       what is, read without changing anything
    plan          what to do, and why: data
    apply         one place where each thing of a plan is done
    build         a new generation, with uv
    manifest      what was built
    files         walking and hashing trees of files
    failures      words for what went wrong
"""
