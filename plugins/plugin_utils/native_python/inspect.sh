# SPDX-License-Identifier: GPL-3.0-or-later
# Says what this host is and which Python and uv the collection has on it: "key=value" lines, nothing is changed.
# POSIX sh with programs that every Mac has; none of them is a shim of the Command Line Tools.
# Standard input is one line of assignments: root, minors (minor versions of Python, the wanted one first).

expand_home() {
    case $1 in
        "~") printf '%s\n' "$HOME" ;;
        "~/"*) printf '%s/%s\n' "$HOME" "${1#"~/"}" ;;
        *) printf '%s\n' "$1" ;;
    esac
}

# "name: value" lines; an unknown name is no line at all, which the caller reads as unknown.
describe_mac() {
    sysctl hw.optional.arm64 sysctl.proc_translated machdep.cpu.brand_string hw.model 2>/dev/null |
        sed -e 's/: /=/' -e 's/^/sysctl./'
    printf 'macos=%s\n' "$(sw_vers -productVersion 2>/dev/null)"
}

# Only an interpreter that this collection linked is executed: anything else could be a shim that opens a dialog.
describe_managed() {
    printf 'interpreter=%s\n' "$(readlink "$root/bin/python3")"
    printf 'uv=%s\n' "$(readlink "$root/bin/uv")"
    [ -x "$root/bin/uv" ] && printf 'uv_present=1\n'
    status=0
    version=$("$root/bin/python3" -I -c 'import ctypes, ssl, sys, zlib; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || status=$?
    printf 'interpreter_status=%s\ninterpreter_version=%s\n' "$status" "$version"
}

# The first installed interpreter of a wanted minor version that runs and brings pip, as "path version".
find_existing() {
    for minor in $minors; do
        for candidate in "$(command -v "python$minor")" "/usr/bin/python$minor" "/usr/local/bin/python$minor" \
            "$HOME"/.pyenv/versions/"$minor".*/bin/"python$minor" \
            "$HOME"/.local/share/uv/python/cpython-"$minor".*/bin/"python$minor"; do
            [ -x "$candidate" ] || continue
            "$candidate" -I -c 'import os, pip, sys
print("existing=" + os.path.realpath(sys.executable))
print("existing_version=%d.%d.%d" % sys.version_info[:3])' 2>/dev/null && return
        done
    done
}

main() {
    IFS= read -r assignments
    eval "$assignments"
    root=$(expand_home "$root")
    system=$(uname -s)
    printf 'root=%s\nsystem=%s\nmachine=%s\n' "$root" "$system" "$(uname -m)"
    if [ "$system" = Darwin ]; then describe_mac; fi
    if [ -L "$root/bin/python3" ]; then describe_managed; fi
    if [ "$system" != Darwin ]; then find_existing; fi
    return 0
}
main
