# SPDX-License-Identifier: GPL-3.0-or-later
# Says what this host is, which Python and uv the collection has on it, and what interpreters there are to link:
# "key=value" lines. Nothing is changed.
#
# Assignments: root; link (the name below $root/bin of what starts the Python); source, minor; on_mac and elsewhere: the
# interpreters to look at, as patterns joined by ":", where a bare name is looked up in PATH; compare (see damage).
#
# A part of a script, whose variables and functions are also in its other parts:
# shellcheck shell=sh disable=SC2034,SC2086,SC2154

# "name: value" lines; an unknown name is no line at all, which the caller reads as unknown.
describe_mac() {
    within 10 sysctl hw.optional.arm64 sysctl.proc_translated machdep.cpu.brand_string hw.model 2>/dev/null |
        sed -e 's/: /=/' -e 's/^/sysctl./'
    printf 'macos=%s\n' "$(within 10 sw_vers -productVersion 2>/dev/null)"
    case $source in
        homebrew) describe_homebrew ;;
        python_org)
            within 10 pkgutil --pkg-info "org.python.Python.PythonFramework-$minor" >/dev/null 2>&1 && echo receipt=1
            ;;
    esac
}

# brew itself runs git, a shim.
describe_homebrew() {
    for brew in /opt/homebrew/bin/brew /usr/local/bin/brew; do
        [ -x "$brew" ] && printf 'brew=%s\n' "$brew" && break
    done
    tools=$(within 10 xcode-select -p 2>/dev/null) && [ -x "$tools/usr/bin/git" ] && echo developer_tools=1
}

# All at once: whoever does not answer is waited for once.
describe_candidates() {
    number=0
    IFS=:
    set -f
    for pattern in $1; do
        set +f
        case $pattern in
            */*) pattern=$(expand_home "$pattern") ;;
            *) pattern=$(PATH=$user_path && command -v "$pattern") ;;
        esac
        for path in $pattern; do
            if [ ! -e "$path" ]; then continue; fi
            number=$((number + 1))
            (unset IFS && printf 'candidate=%s:%s:%s\n' "$number" "$path" "$(judge "$path")") &
        done
    done
    set +f
    unset IFS
    wait
}

main() {
    begin
    root=$(expand_home "$root")
    printf '\nmetalfleet: begin\nroot=%s\nhome=%s\nsystem=%s\nmachine=%s\nuid=%s\n' \
        "$root" "$HOME" "$system" "$(uname -m)" "$(id -u)"
    if [ "$system" = Darwin ]; then
        describe_mac
        describe_candidates "$on_mac"
    else
        describe_candidates "$elsewhere"
    fi
    describe_links
    printf 'metalfleet: end\n'
}
main
