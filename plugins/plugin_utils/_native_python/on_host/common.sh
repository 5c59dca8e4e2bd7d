# SPDX-License-Identifier: GPL-3.0-or-later
# What the other scripts begin with. POSIX sh, and programs of a bare macOS; none of them is a shim of the Command Line
# Tools, which would open a dialog on the user's screen.
#
# Every script is an argument of `sh -c`. Its standard input is one line of assignments, then, where the script needs
# files, a tar stream of them. So nothing that it is given shows in a process list.

NOT_STORED=21 NOT_FETCHED=22 BAD_HASH=20 DOES_NOT_RUN=23 NO_UV=24 KILLED=25
NO_BREW=30 BAD_SIGNATURE=31 NOT_INSTALLED=32

ASK='import ctypes, importlib.util, os, ssl, sys, zlib
print("%d.%d.%d" % sys.version_info[:3], int(bool(importlib.util.find_spec("pip"))), os.uname()[4], sys.executable)'

# A line that was cut off would name half of a folder.
read_assignments() {
    IFS= read -r assignments || exit 1
    eval "$assignments"
    system=$(uname -s)
    umask 022
}

expand_home() {
    case $1 in
        "~") printf '%s\n' "$HOME" ;;
        "~/"*) printf '%s/%s\n' "$HOME" "${1#"~/"}" ;;
        *) printf '%s\n' "$1" ;;
    esac
}

# The file at the end of a chain of links. `readlink -f` and `realpath` came with macOS 12.3 and 13.
follow() {
    file=$1
    while [ -L "$file" ]; do
        target=$(readlink "$file")
        case $target in
            /*) file=$target ;;
            *) file=${file%/*}/$target ;;
        esac
    done
    printf '%s/%s\n' "$(CDPATH='' cd -P -- "${file%/*}" && pwd)" "${file##*/}"
}

# The processors that a Mach-O file has code for, from its header: "arm64 x86_64". Nothing if it is not Mach-O.
# Formats: Apple's <mach-o/loader.h> (little-endian on these processors), <mach-o/fat.h> (always big-endian).
architectures() {
    od -An -v -tx1 -N 168 "$1" | tr -d ' \n' | awk '
        function name(type) { return type == "0100000c" ? "arm64 " : type == "01000007" ? "x86_64 " : "other " }
        /^cffaedfe/ { printf "%s", name(substr($0, 15, 2) substr($0, 13, 2) substr($0, 11, 2) substr($0, 9, 2)) }
        /^cafebabe/ { for (i = 0; i < substr($0, 9, 8) + 0 && i < 8; i++) printf "%s", name(substr($0, 17 + 40 * i, 8)) }'
}

# Start an interpreter, as arm64 also where this shell itself is translated by Rosetta and the interpreter universal.
start() {
    if [ "$system" = Darwin ]; then /usr/bin/arch -arm64 "$@"; else "$@"; fi
}

# Why an executable must not be started on a Mac, in one word; nothing if it may be. A shim (also a copy of one, or a
# script that leads to one) has no standard library beside it.
objection() {
    [ "$system" = Darwin ] || return 0
    real=$(follow "$1")
    case $real in
        /usr/bin/* | /Library/Developer/* | *.app/Contents/Developer/*) echo developer-tools && return ;;
    esac
    case $(architectures "$real") in
        *arm64*) ;;
        "") echo script && return ;;
        *) echo foreign && return ;;
    esac
    set -- "${real%/bin/*}"/lib/python3*/os.py
    [ -f "$1" ] || echo incomplete
}

# What an interpreter is: "VERDICT VERSION PIP MACHINE EXECUTABLE". The verdict is "ok", an objection, or "status-N" if it
# was started and did not answer; only "ok" has the rest.
judge() {
    [ -x "$1" ] || { echo missing && return; }
    verdict=$(objection "$1")
    if [ -n "$verdict" ]; then
        printf '%s\n' "$verdict"
    elif answer=$(start "$1" -I -B -c "$ASK" 2>/dev/null </dev/null); then
        printf 'ok %s\n' "$answer"
    else
        printf 'status-%s\n' "$?"
    fi
}

# ------------------------------------------------------------------------------------------- for scripts that install

# Take the files from standard input into $work, which ends with the script.
receive_files() {
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    tar -xf - -C "$work" || exit $NOT_STORED
    if [ -f "$work/ca.pem" ]; then trust; fi
}

# The given certificates come on top of the host's own.
trust() {
    for bundle in /etc/ssl/cert.pem /etc/ssl/certs/ca-certificates.crt; do
        if [ -f "$bundle" ]; then cat "$bundle" >>"$work/ca.pem" && break; fi
    done || exit $NOT_STORED
}

# Make $work/artifact: it came along, or is at $url. curl reads everything from standard input because the values of
# url, proxy and user, quoted as its configuration wants them, may be secret.
fetch() {
    if [ -n "$url" ]; then
        answers=$({
            printf 'url = "%s"\nproxy = "%s"\nuser = "%s"\n' "$url" "$proxy" "$user" | sed '/ = ""$/d'
            if [ -f "$work/ca.pem" ]; then printf 'cacert = "%s"\n' "$work/ca.pem"; fi
        } | curl --config - --fail --location --globoff --silent --show-error --retry 3 --connect-timeout 30 \
            --speed-limit 1000 --speed-time 60 --write-out 'HTTP %{http_code}, from the proxy %{http_connect}' \
            --output "$work/artifact") || exit_of_curl $?
    fi
    computed=$(shasum -a 256 "$work/artifact") || exit $NOT_STORED
    if [ "${computed%% *}" != "$sha256" ]; then
        echo "expected $sha256, got ${computed%% *}" >&2
        exit $BAD_HASH
    fi
}

# 23: what came could not be written.
exit_of_curl() {
    if [ "$1" -eq 23 ]; then exit $NOT_STORED; fi
    echo "$answers" >&2
    exit $NOT_FETCHED
}
