#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes .venv, the controller's environment, from a hash-pinned list; when it is there already this costs nothing.
# usage: controller.sh controller|development [PYTHON]
#   controller   what running the playbooks needs
#   development  this and what the checks and tests need
#   PYTHON       the interpreter to use; by default find_python.sh chooses
set -eu
cd "$(dirname "$0")/.."

environment=.venv
purpose=$1
python=${2:-}
export PIP_CACHE_DIR="$PWD/.cache/pip"

# What an installed list depends on: the list, and the place of the checkout, which the scripts in bin/ name.
wanted() {
    pwd
    cksum <"requirements/$1.txt"
}

is_installed() {
    [ -x "$environment/bin/python" ] && wanted "$1" | cmp -s - "$environment/$1.installed"
}

is_other_version() {
    [ -n "$python" ] && [ "$("$python" --version)" != "$("$environment/bin/python" --version)" ]
}

install() {
    echo "Installing requirements/$1.txt into $environment (only the first time)"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes --requirement "requirements/$1.txt"
    wanted "$1" >"$environment/$1.installed"
}

if ! is_installed controller || is_other_version; then
    base=$(tools/find_python.sh "$python")
    echo "Creating $environment with $base"
    "$base" -m venv --clear "$environment"
    install controller
fi
is_installed "$purpose" || install "$purpose"
