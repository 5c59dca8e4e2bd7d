# SPDX-License-Identifier: GPL-3.0-or-later
# Puts a Python, where one is missing, and uv below $root: beside what is there, checked, and only then linked to, so
# that an interrupted run leaves nothing half-done in use. At its end it says what the links lead to, as inspect.sh does.
#
# Assignments: root; link (its name below $root/bin); python (the interpreter to link); step (how to come to it: unpack, brew, or nothing); formula (for
# brew); sha256, url, proxy, user (for unpack, see fetch); uv_version, index_url and extra_index_urls.
# Files: finish.py, intact.py, requirements.txt, and the modules that read the settings of pip; where needed artifact (the
# archive), ca.pem, and a wheel of uv.

# Of earlier runs that were killed: what they made is named after their process.
remove_leftovers() {
    for leftover in "$root"/python/.new.* "$root"/uv/.new.* "$root"/bin/.new.*; do
        process=${leftover##*/.new.}
        kill -0 "${process%%.*}" 2>/dev/null || rm -rf "$leftover"
    done
}

unpack() {
    fetch
    within 900 tar --no-same-owner -xzf "$work/artifact" -C "$work"
    or_exit $? $NOT_UNPACKED
    new=$work/python/bin/${python##*/}
    must_run "$new"
    start "$new" -I -B "$work/finish.py" place "$work/python" "$python" || exit $?
}

brew_install() {
    within 3600 start /usr/bin/env NONINTERACTIVE=1 HOMEBREW_NO_AUTO_UPDATE=1 HOMEBREW_NO_ENV_HINTS=1 \
        /opt/homebrew/bin/brew install --quiet "$formula" >&2
    or_exit $? $NO_BREW
}

must_run() {
    verdict=$(judge "$1")
    case $verdict in
        ok*) return ;;
        status-137) exit $KILLED ;;
        status-*) within $SECONDS_TO_ANSWER start "$1" -I -B -c "$ASK" >/dev/null ;; # once more, for what it says
    esac
    echo "$1: $verdict" >&2
    exit $DOES_NOT_RUN
}

main() {
    begin
    export root BUSY NO_LOCKS NO_UV NOT_STORED TIMED_OUT
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
