# SPDX-License-Identifier: GPL-3.0-or-later
# Puts a Python, where one is missing, and uv below $root: beside what is there, checked, and only then linked to, so
# that an interrupted run leaves nothing half-done in use.
#
# Assignments: root; python (the interpreter to link); step (how to come to it: unpack, brew, or nothing); formula (for
# brew); sha256, url, proxy, user (for unpack, see fetch); uv_version and index_url.
# Files: finish.py, requirements.txt; where needed artifact (the archive), ca.pem, and a wheel of uv.

# Of earlier runs that were killed: what they made is named after their process.
remove_leftovers() {
    for leftover in "$root"/python/.new.* "$root"/uv/.new.* "$root"/bin/.new.*; do
        process=${leftover##*/.new.}
        kill -0 "${process%%.*}" 2>/dev/null || rm -rf "$leftover"
    done
}

unpack() {
    fetch
    tar --no-same-owner -xzf "$work/artifact" -C "$work" || exit $NOT_STORED
    new=$work/python/bin/${python##*/}
    must_run "$new"
    start "$new" -I "$work/finish.py" place "$work/python" "$python" || exit $NOT_STORED
}

brew_install() {
    if ! NONINTERACTIVE=1 HOMEBREW_NO_AUTO_UPDATE=1 HOMEBREW_NO_ENV_HINTS=1 \
        start /opt/homebrew/bin/brew install --quiet "$formula" </dev/null >&2; then exit $NO_BREW; fi
}

must_run() {
    verdict=$(judge "$1")
    case $verdict in
        ok*) return ;;
        status-137) exit $KILLED ;;
        status-*) start "$1" -I -B -c "$ASK" >/dev/null </dev/null ;; # once more, for what it says
    esac
    echo "$1: $verdict" >&2
    exit $DOES_NOT_RUN
}

main() {
    read_assignments
    mkdir -p "$root/python" "$root/uv" "$root/bin" || exit $NOT_STORED
    remove_leftovers
    work=$(mktemp -d "$root/python/.new.$$.XXXXXX") || exit $NOT_STORED
    receive_files
    case $step in
        unpack) unpack ;;
        brew) brew_install ;;
    esac
    must_run "$python"
    universal=
    if [ "$system" = Darwin ]; then
        case $(architectures "$(follow "$python")") in *arm64*x86_64* | *x86_64*arm64*) universal=1 ;; esac
    fi
    export root python universal uv_version index_url proxy
    start "$python" -I "$work/finish.py" link || exit $NO_UV
}
main
