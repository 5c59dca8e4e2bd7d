# SPDX-License-Identifier: GPL-3.0-or-later
# What the other scripts begin with. POSIX sh, and programs of a bare macOS; none of them is a shim of the Command Line
# Tools, which would open a dialog on the user's screen.
#
# A script comes on standard input, before what it reads: one line of assignments, then, where it needs files, a tar
# stream of them. So nothing that it is given shows in a process list, and the user's login shell, of whatever family,
# has nothing to misread.
#
# A part of a script, whose variables and functions are also in its other parts:
# shellcheck shell=sh disable=SC2034,SC2086,SC2154,SC2088,SC2254

BAD_HASH=20 NOT_STORED=21 NOT_FETCHED=22 DOES_NOT_RUN=23 NO_PACKAGE=24 KILLED=25 BUSY=26 NO_LOCKS=27 WEB_PAGE=28
NOT_UNPACKED=29 NO_BREW=30 BAD_SIGNATURE=31 NOT_INSTALLED=32 TIMED_OUT=33 NOT_RECEIVED=34

ENDED_BY_US=142 # as the shell tells SIGALRM
SECONDS_TO_ANSWER=30

ASK='import ctypes, importlib.util, os, ssl, sys, zlib
kind = sys.implementation.name + ("-without-lock" if "t" in getattr(sys, "abiflags", "") else "")
pip = int(bool(importlib.util.find_spec("pip")))
print("python", kind, "%d.%d.%d" % sys.version_info[:3], pip, os.uname()[4], sys.executable)'

# What the user's start-up files have changed does not matter: PATH, folder, umask, language, and what macOS is to claim
# to be. A line that was cut off would name half of a folder.
begin() {
    IFS= read -r assignments || exit 1
    eval "$assignments"
    leave_habits
}

leave_habits() {
    user_path=$PATH
    PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH LC_ALL=C SYSTEM_VERSION_COMPAT=0
    export PATH LC_ALL SYSTEM_VERSION_COMPAT
    unset CDPATH
    umask 022
    cd / || exit 1
    system=$(uname -s)
}

# Run something for so many seconds at most, with nothing to read. What takes longer is ended, with all that it started.
within() {
    limit=$1
    shift
    "$@" </dev/null &
    job=$!
    guard "$limit" "$job" </dev/null >/dev/null 2>&1 &
    guard=$!
    wait "$job" 2>/dev/null # some shells tell there how a job ended
    ended=$?
    kill "$guard" 2>/dev/null
    wait "$guard" 2>/dev/null
    return $ended
}

guard() {
    left=$1
    while [ "$left" -gt 0 ]; do
        sleep 1
        kill -0 "$2" || exit # and nobody is there to end this guard
        left=$((left - 1))
    done
    trap '' TERM
    family=$(family "$2")
    kill -ALRM "$2"
    sleep 1
    kill -KILL $family
}

# A process and all that it started, and that they did.
family() {
    ps -A -o pid= -o ppid= | awk -v top="$1" '
        { parent[$1] = $2 }
        END { for (pid in parent) { for (up = pid; up + 0 > 1 && up != top; up = parent[up]); if (up == top) print pid } }'
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
    printf '%s/%s\n' "$(cd -P -- "${file%/*}" && pwd)" "${file##*/}"
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

# What an interpreter is: "ok KIND VERSION PIP MACHINE EXECUTABLE", "damaged FILE", an objection, or how it ended. One
# that ends well has not answered yet: it must say what a Python says, on one line.
judge() {
    if [ ! -f "$1" ] || [ ! -x "$1" ]; then echo missing && return; fi
    verdict=$(objection "$1")
    if [ -n "$verdict" ]; then printf '%s\n' "$verdict" && return; fi
    answer=$(within $SECONDS_TO_ANSWER start "$1" -I -B -c "$ASK" 2>/dev/null)
    ended=$?
    case $ended:$answer in
        0:*"
"*) echo garbage ;;
        0:"python "*)
            damage=$(damage "$1" "$1" "$root/python")
            if [ -n "$damage" ]; then printf 'damaged %s\n' "$damage"; else printf 'ok %s\n' "${answer#python }"; fi
            ;;
        0:*) echo garbage ;;
        $ENDED_BY_US:*) echo timed-out ;;
        *) printf 'status-%s\n' "$ended" ;;
    esac
}

# What the links lead to, and whether that works and is as we installed it.
describe_links() {
    entry=$root/bin/$link
    if [ -e "$entry" ] || [ -L "$entry" ]; then
        interpreter=$(readlink "$entry") ||
            interpreter=$([ -f "$entry" ] && sed -n '2s/^# //p' "$entry" 2>/dev/null | grep '^/') ||
            interpreter=$entry
        judged=$(judge "$interpreter")
        printf 'interpreter=%s\ninterpreter_judged=%s\n' "$interpreter" "$judged"
    fi
    if [ -e "$root/bin/uv" ] || [ -L "$root/bin/uv" ]; then
        uv=$(readlink "$root/bin/uv") || uv=$root/bin/uv
        printf 'uv=%s\n' "$uv"
        # Nothing is started that another put there.
        case $uv in
            "$root/uv/"*/bin/uv) describe_uv ;;
        esac
    fi
}

describe_uv() {
    case ${judged:-} in
        "ok "*) if [ -n "$(damage "$interpreter" "$uv" "$root/uv")" ]; then return; fi ;;
    esac
    within $SECONDS_TO_ANSWER "$uv" --version 2>/dev/null | sed -n 's/^uv \([0-9.]*\).*/uv_version=\1/p'
}

# Let an interpreter say which file of a program's installation is not as it was; nothing if all are, or the program is
# not below a folder of ours. $compare is the text of intact.py.
damage() {
    home=${2%/bin/*}
    if [ "${home%/*}" != "$3" ]; then return; fi
    within 60 start "$1" -I -B -c "$compare" compare "$home" 2>/dev/null || echo "$home"
}

# ------------------------------------------------------------------------------------------- for scripts that install

# Of earlier runs that were killed: what they made is named after their process.
remove_leftovers() {
    for leftover in "$root"/python/.new.* "$root"/uv/.new.* "$root"/bin/.new.* "$root"/controller/.new.*; do
        process=${leftover##*/.new.}
        kill -0 "${process%%.*}" 2>/dev/null || rm -rf "$leftover"
    done
}

# Take the files from standard input into $work, which ends with the script.
receive_files() {
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    tar -xf - -C "$work" || exit $NOT_RECEIVED
    if [ -f "$work/ca.pem" ]; then trust; fi
}

# The given certificates come on top of the host's own.
trust() {
    for bundle in /etc/ssl/cert.pem /etc/ssl/certs/ca-certificates.crt; do
        if [ -f "$bundle" ]; then cat "$bundle" >>"$work/ca.pem" && break; fi
    done || exit $NOT_STORED
}

# Make $work/artifact: it came along, or is at $url. curl reads everything from standard input because the values of
# url, proxy and user, quoted as its configuration wants them, may be secret. -q: nothing of the user's own habits.
fetch() {
    if [ -n "$url" ]; then
        answers=$({
            printf 'url = "%s"\nproxy = "%s"\nuser = "%s"\n' "$url" "$proxy" "$user" | sed '/ = ""$/d'
            if [ -f "$work/ca.pem" ]; then printf 'cacert = "%s"\n' "$work/ca.pem"; fi
        } | curl -q --config - --fail --location --globoff --silent --show-error --retry 3 --connect-timeout 30 \
            --speed-limit 1000 --speed-time 60 --max-time 3600 \
            --write-out 'HTTP %{http_code}, from the proxy %{http_connect}' --output "$work/artifact") || exit_of_curl $?
    fi
    computed=$(shasum -a 256 "$work/artifact") || exit $NOT_STORED
    if [ "${computed%% *}" = "$sha256" ]; then return; fi
    echo "expected $sha256, got ${computed%% *}" >&2
    case $(dd if="$work/artifact" bs=512 count=1 2>/dev/null | tr -d '\000' | tr '[:upper:]' '[:lower:]') in
        *"<html"* | *"<!doctype html"*) exit $WEB_PAGE ;;
        *) exit $BAD_HASH ;;
    esac
}

# 23: what came could not be written.
exit_of_curl() {
    if [ "$1" -eq 23 ]; then exit $NOT_STORED; fi
    echo "$answers" >&2
    exit $NOT_FETCHED
}

# After within(): go on if it ended well; else end with the status for what failed, or the one for taking too long.
or_exit() {
    case $1 in
        0) ;;
        $ENDED_BY_US) exit $TIMED_OUT ;;
        *) exit "$2" ;;
    esac
}

# Make $python of the archive, with what lies in $work: finish.py and intact.py.
unpack() {
    fetch
    within 900 tar --no-same-owner -xzf "$work/artifact" -C "$work"
    or_exit $? $NOT_UNPACKED
    new=$work/python/bin/${python##*/}
    must_run "$new"
    start "$new" -I -B "$work/finish.py" place "$work/python" "$python" || exit $?
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
