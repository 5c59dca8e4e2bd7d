# SPDX-License-Identifier: GPL-3.0-or-later
# Puts a Python, where one is missing, and uv below $root: beside what is there, checked, and only then linked to, so
# that an interrupted run leaves nothing half-done in use. At its end it says what the links lead to, as inspect.sh does.
#
# Assignments: root; link (its name below $root/bin); python (the interpreter to link); step (how to come to it: unpack, brew, or nothing); formula (for
# brew); sha256, url, proxy, user (for unpack, see fetch); uv_version, index_url and extra_index_urls.
# Files: finish.py, intact.py, requirements.txt, and the modules that read the settings of pip; where needed artifact (the
# archive), ca.pem, and a wheel of uv.
#
# A part of a script, whose variables and functions are also in its other parts:
# shellcheck shell=sh disable=SC2034,SC2086,SC2154

brew_install() {
    within 3600 start /usr/bin/env NONINTERACTIVE=1 HOMEBREW_NO_AUTO_UPDATE=1 HOMEBREW_NO_ENV_HINTS=1 \
        /opt/homebrew/bin/brew install --quiet "$formula" >&2
    or_exit $? $NO_BREW
}

main() {
    begin
    export root BUSY NO_LOCKS NO_PACKAGE NOT_STORED TIMED_OUT
    mkdir -p "$root/python" "$root/uv" "$root/bin" || exit $NOT_STORED
    remove_leftovers
    work=$(mktemp -d "$root/python/.new.$$.XXXXXX") || exit $NOT_STORED
    receive_files
    compare=$(cat "$work/intact.py")
    printf '\nmetalfleet: begin\nroot=%s\nsystem=%s\nmachine=%s\n' "$root" "$system" "$(uname -m)"
    case $step in
        unpack) unpack ;;
        brew) brew_install ;;
    esac
    must_run "$python"
    universal=
    if [ "$system" = Darwin ]; then
        case $(architectures "$(follow "$python")") in *arm64*x86_64* | *x86_64*arm64*) universal=1 ;; esac
    fi
    export link python universal uv_version index_url extra_index_urls proxy
    start "$python" -I -B "$work/finish.py" link || exit $?
    describe_links
    printf 'metalfleet: end\n'
}
main
