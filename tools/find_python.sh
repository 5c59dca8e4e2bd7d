#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints the path of the newest Python that can be the controller's: 3.11 to 3.13, able to make a virtual environment.
# usage: find_python.sh [PYTHON]     PYTHON, a path or a name on PATH, is then the only one considered.
set -eu

# Prints the interpreter behind $1 (a pyenv shim, a virtual environment's link) if it works and has a version in $2.
usable() {
    "$1" - "$2" 2>/dev/null <<'PYTHON'
import sys, venv, ensurepip

if "%d.%d" % sys.version_info[:2] in sys.argv[1].split():
    print(getattr(sys, "_base_executable", sys.executable))
else:
    sys.exit(1)
PYTHON
}

# Where an installer may have put a Python, one folder a line.
folders() {
    printf '%s\n' "$PATH" | tr ':' '\n'
    printf '%s\n' /usr/bin /usr/local/bin /opt/homebrew/bin
    for folder in /Library/Frameworks/Python.framework/Versions/*/bin \
        "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin \
        "${UV_PYTHON_INSTALL_DIR:-${HOME:-}/.local/share/uv/python}"/*/bin; do
        printf '%s\n' "$folder"
    done
}

# On a Mac without developer tools /usr/bin/python3 opens a dialog, and with them it is a 3.9.
is_mac_shim() {
    [ "$1" = /usr/bin/python3 ] && [ "$(uname)" = Darwin ]
}

find_newest() {
    for version in 3.13 3.12 3.11; do
        found=$(folders | while read -r folder; do
            for candidate in "$folder/python$version" "$folder/python3"; do
                if [ -x "$candidate" ] && ! is_mac_shim "$candidate" && usable "$candidate" "$version"; then
                    exit
                fi
            done
        done)
        if [ -n "$found" ]; then
            echo "$found"
            return
        fi
    done
    return 1
}

if [ -n "${1:-}" ]; then
    usable "$1" "3.11 3.12 3.13" || {
        echo "$1 is not a working Python 3.11, 3.12 or 3.13 with the modules venv and ensurepip." >&2
        exit 1
    }
else
    find_newest || {
        cat >&2 <<'MESSAGE'
No Python 3.11, 3.12 or 3.13 with the modules venv and ensurepip was found. Install one, then run make again:
    Debian, Ubuntu:  apt-get install python3 python3-venv
    Fedora:          dnf install python3.13
    macOS:           brew install python@3.13, or the installer of python.org
    anywhere:        uv python install 3.13
If there is one elsewhere, name it:  make controller PYTHON=/path/to/python3.13
MESSAGE
        exit 1
    }
fi
