#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The agent's command. It is a shell script because the agent cannot repair the Python that it runs on: `repair` looks at
# that first, by the scripts of native_python, with what lies in agent/python. POSIX sh, and programs of a bare macOS.
#
# METALFLEET_DELAY: seconds that the job may wait, so that not all Macs of a fleet download at once.

CANNOT=3
LARGEST_LOG=200000

say() { printf 'metalfleet: %s\n' "$1" >&2; }

# The folder above bin, where this file really is.
find_root() {
    file=$1
    while [ -L "$file" ]; do
        target=$(/usr/bin/readlink "$file")
        case $target in
            /*) file=$target ;;
            *) file=$(/usr/bin/dirname "$file")/$target ;;
        esac
    done
    cd "$(/usr/bin/dirname "$file")/.." && pwd
}

# What the job says goes into a log, of which the end is kept.
begin_job() {
    log=$agent/log
    if [ -f "$log" ] && [ "$(/usr/bin/wc -c <"$log")" -gt $LARGEST_LOG ]; then
        /usr/bin/tail -c $((LARGEST_LOG / 2)) "$log" >"$log.new" && /bin/mv "$log.new" "$log"
    fi
    exec >>"$log" 2>&1 </dev/null
    if [ "${METALFLEET_DELAY:-0}" -gt 0 ]; then
        number=$(/usr/bin/od -An -N4 -tu4 /dev/urandom)
        /bin/sleep $((number % METALFLEET_DELAY))
    fi
    /bin/date -u '+%Y-%m-%dT%H:%M:%SZ'
}

# Whether two paths are of one file, in whatever spelling.
same() { [ "$1" = "$2" ] || [ "$1" -ef "$2" ]; }

value() { printf '%s\n' "$answer" | /usr/bin/sed -n "s/^$1=//p" | /usr/bin/head -n 1; }

# Look at one of the Pythons, and repair it. $1 is the folder with what is wanted, and the lines that the scripts read.
repair_python() {
    wanted=$(/bin/cat "$1/wanted")
    case $wanted in
        "" | /*) ;;
        \~/*) wanted=$HOME/${wanted#\~/} ;;
        *) wanted=$root/$wanted ;;
    esac
    answer=$(/bin/sh "$agent/python/inspect.sh" <"$1/ask")
    linked=$(value interpreter) judged=$(value interpreter_judged)
    case $judged in "ok "*) runs=1 ;; *) runs= ;; esac
    if [ "$runs" ] && [ "$(value uv_version)" = "$(/bin/cat "$agent/python/uv")" ]; then
        if [ -z "$wanted" ] || same "$linked" "$wanted"; then return; fi
    fi
    found=$(printf '%s\n' "$answer" | /usr/bin/sed -n 's/^candidate=[0-9]*:\([^:]*\):ok .*/\1/p' | /usr/bin/head -n 1)
    if [ -n "$wanted" ] && [ "$found" != "$wanted" ] && [ -f "$1/unpack" ]; then
        how=unpack python=$wanted
    else
        how=link python=$found
        if [ "$runs" ] && [ -z "$wanted" ]; then python=$linked; fi
    fi
    export python
    why=${judged:-nothing is linked}
    if [ "$runs" ]; then why="uv is not as declared, or another interpreter is linked"; fi
    if [ -z "$python" ]; then
        said="none that is declared is there"
    elif said=$(/bin/cat "$1/$how" "$agent/python/files.tar" | /bin/sh "$agent/python/install.sh" 2>&1); then
        METALFLEET_REPAIRED="${METALFLEET_REPAIRED:-}${1##*/} ($why) "
        export METALFLEET_REPAIRED
        return
    fi
    METALFLEET_FAILED="${METALFLEET_FAILED:-}${1##*/} ($why; $(printf '%s\n' "$said" | /usr/bin/tail -n 1)) "
    export METALFLEET_FAILED
    say "The managed Python could not be repaired: $METALFLEET_FAILED"
    if [ "${1##*/}" = python3 ] && [ -z "$runs" ]; then exit $CANNOT; fi
}

unset CDPATH METALFLEET_REPAIRED METALFLEET_FAILED
root=$(find_root "$0") || exit $CANNOT
agent=$root/agent
HOME=${HOME:-/var/root}
export root HOME
case " $* " in *" --scheduled "*) begin_job ;; esac
case ${1:-} in
    repair | install)
        case " $* " in
            *" -h "* | *" --help "*) ;;
            *)
                if [ "$(/bin/ls -ldn "$agent" | /usr/bin/awk '{ print $3 }')" != "$(/usr/bin/id -u)" ]; then
                    say "This agent belongs to another user, as whom it has to be run."
                    exit $CANNOT
                fi
                for each in "$agent"/python/python3*/; do repair_python "${each%/}"; done
                ;;
        esac
        ;;
esac
python=$root/bin/python3
# A pipe can be executable, too, and would be waited for.
if ! { [ -f "$python" ] && [ -x "$python" ] && "$python" -I -S -c pass; } </dev/null >/dev/null 2>&1; then
    say "The managed Python does not start. Run metalfleet repair."
    exit $CANNOT
fi
exec "$python" -I -S "$agent/metalfleet.pyz" "$@"
