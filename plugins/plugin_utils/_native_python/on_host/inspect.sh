# SPDX-License-Identifier: GPL-3.0-or-later
# Says what this host is, which Python and uv the collection has on it, and what interpreters there are to link:
# "key=value" lines. Nothing is changed.
#
# Assignments: root; source, minor; on_mac and elsewhere: the interpreters to look at, as patterns joined by ":", where a
# bare name is looked up in PATH.

# "name: value" lines; an unknown name is no line at all, which the caller reads as unknown.
describe_mac() {
    sysctl hw.optional.arm64 sysctl.proc_translated machdep.cpu.brand_string hw.model 2>/dev/null |
        sed -e 's/: /=/' -e 's/^/sysctl./'
    printf 'macos=%s\n' "$(sw_vers -productVersion 2>/dev/null)"
    case $source in
        homebrew) describe_homebrew ;;
        python_org) pkgutil --pkg-info "org.python.Python.PythonFramework-$minor" >/dev/null 2>&1 && echo receipt=1 ;;
    esac
}

# brew itself runs git, a shim.
describe_homebrew() {
    for brew in /opt/homebrew/bin/brew /usr/local/bin/brew; do
        [ -x "$brew" ] && printf 'brew=%s\n' "$brew" && break
    done
    tools=$(xcode-select -p 2>/dev/null) && [ -x "$tools/usr/bin/git" ] && echo developer_tools=1
}

describe_managed() {
    interpreter=$(readlink "$root/bin/python3") || interpreter=$(sed -n '2s/^# //p' "$root/bin/python3")
    printf 'interpreter=%s\ninterpreter_judged=%s\n' "$interpreter" "$(judge "$interpreter")"
}

describe_candidates() {
    IFS=:
    set -f
    for pattern in $1; do
        set +f
        case $pattern in
            */*) pattern=$(expand_home "$pattern") ;;
            *) pattern=$(command -v "$pattern") ;;
        esac
        for path in $pattern; do
            if [ -e "$path" ]; then printf 'candidate=%s:%s\n' "$path" "$(unset IFS && judge "$path")"; fi
        done
    done
    set +f
    unset IFS
}

main() {
    read_assignments
    root=$(expand_home "$root")
    printf 'root=%s\nsystem=%s\nmachine=%s\nuid=%s\n' "$root" "$system" "$(uname -m)" "$(id -u)"
    if [ "$system" = Darwin ]; then
        describe_mac
        describe_candidates "$on_mac"
    else
        describe_candidates "$elsewhere"
    fi
    if [ -e "$root/bin/python3" ] || [ -L "$root/bin/python3" ]; then describe_managed; fi
    printf 'uv=%s\n' "$(readlink "$root/bin/uv")"
    if [ -x "$root/bin/uv" ]; then echo uv_present=1; fi
}
main
