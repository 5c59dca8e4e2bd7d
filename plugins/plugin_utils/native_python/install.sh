# SPDX-License-Identifier: GPL-3.0-or-later
# Puts a Python and uv below $root: unpacked beside, checked, and only then linked to, so that an interrupted run
# leaves nothing active. POSIX sh with programs that every Mac has; none of them is a shim of the Command Line Tools.
#
# Standard input is one line of assignments: root, python (absolute path of the interpreter to link), uv_version,
# uv_requirement, index_url and, where an archive is to be unpacked, name (its folder below $root/python), sha256 and url.
# With an empty url the archive itself follows that line.
#
# Exit status: see FAILURES in the action plugin, which turns it into a message.

BAD_HASH=20 NOT_UNPACKED=21 NOT_FETCHED=22 DOES_NOT_RUN=23 NO_UV=24

remove_leftovers() {
    for folder in "$root"/python/.new.* "$root"/uv/.new.*; do
        [ -d "$folder" ] || continue
        process=${folder##*/.new.}
        kill -0 "${process%%.*}" 2>/dev/null || rm -rf "$folder"
    done
}

fetch_archive() {
    if [ -n "$url" ]; then
        # The URL may hold credentials: through a configuration on standard input no process list shows it.
        printf 'url = "%s"\n' "$url" | curl --config - --fail --location --silent --show-error --retry 3 \
            --output "$work/archive" || exit $NOT_FETCHED
    else
        cat >"$work/archive" || exit $NOT_UNPACKED
    fi
}

unpack_archive() {
    work=$(mktemp -d "$root/python/.new.$$.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    fetch_archive
    computed=$(shasum -a 256 "$work/archive")
    if [ "${computed%% *}" != "$sha256" ]; then
        echo "expected $sha256, got ${computed%% *}" >&2
        exit $BAD_HASH
    fi
    tar -xzf "$work/archive" -C "$work" || exit $NOT_UNPACKED
    runs "$work/python/bin/${python##*/}" || { echo "exit status $?" >&2 && exit $DOES_NOT_RUN; }
    if runs "$python" 2>/dev/null; then return; fi # another run was faster
    if [ -e "$root/python/$name" ]; then mv "$root/python/$name" "$work/replaced"; fi
    mv "$work/python" "$root/python/$name"
}

runs() {
    "$1" -I -c 'import ctypes, ssl, zlib' </dev/null
}

main() {
    IFS= read -r assignments
    eval "$assignments"
    umask 022
    mkdir -p "$root/python" "$root/uv" "$root/bin" || exit $NOT_UNPACKED
    remove_leftovers
    if [ -n "$name" ] && ! runs "$python" 2>/dev/null; then unpack_archive; fi
    export root python uv_version uv_requirement index_url
    "$python" -I - <<'FINISH' || exit $NO_UV
#FINISH#
FINISH
}
main
