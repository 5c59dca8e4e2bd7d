#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The agent's command. It is a shell script because the agent cannot repair the Python that it runs on: `repair` looks at
# that first, by the scripts of native_python, with what lies in agent/python. POSIX sh, and programs of a bare macOS.
#
# METALFLEET_DELAY: seconds that the job may wait, so that not all Macs of a fleet download at once.
# METALFLEET_SECONDS: how long the program may look before it is ended.
# The program is told by METALFLEET_NOT_NOW why the job repairs nothing now, and by METALFLEET_REPAIRED,
# METALFLEET_FAILED and METALFLEET_LEFT what became of the Pythons. That is also written to agent/pythons, a line each:
# when, what (repaired, failed, left), and why. It may be that no Python is left to write it to the history.

CANNOT=3 DAMAGED=4
LARGEST_LOG=200000 LARGEST_PYTHONS=20000
LEAST_FREE=500000 # kilobytes: what a Python and uv take, with their archives
MOST_FAILURES=3
# What install.sh ends with where the index is not reached (see common.sh): another day it may be.
AWAY=" 22 24 28 33 "
IS_WHOLE="import sys, zipimport
try:
    zipimport.zipimporter(sys.argv[1]).get_code('__main__')
except Exception:
    sys.exit($DAMAGED)"

say() { printf 'metalfleet: %s\n' "$1" >&3; }

# The program says the same, once it has begun.
# shellcheck disable=SC2329 # a trap calls it
interrupted() {
    trap '' INT
    say "interrupted. Nothing half-done is in use."
    exit "$CANNOT"
}

now() { /bin/date -u '+%Y-%m-%dT%H:%M:%SZ'; }

# A closed descriptor becomes that of the next file that is opened: what is meant for a terminal would go into that.
open_all() {
    (true 3<&0) 2>/dev/null || exec </dev/null
    (true 3>&1) 2>/dev/null || exec >/dev/null
    (true 3>&2) || exec 2>/dev/null
}

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
    cd "$(/usr/bin/dirname "$file")/.." 2>/dev/null && pwd
}

# Who has the agent's folder, by name, or with $1 = n by number.
owner() { /bin/ls -ld"$1" "$agent" 2>/dev/null | /usr/bin/awk '{ print $3 }'; }

# "~" in the document is the home of whoever has the agent. HOME may be another's, as under sudo, or nobody's.
find_home() {
    name=$(owner "")
    case $name in
        "" | *[!A-Za-z0-9._-]*) return ;;
    esac
    home=''
    eval "home=~$name"
    if [ -d "$home" ]; then HOME=$home; fi
}

# The end of a file that others may have put anything in the place of.
keep_end() {
    if [ -f "$1" ] && [ "$(/usr/bin/wc -c <"$1")" -gt "$2" ]; then
        /bin/rm -rf "$1.new"
        /usr/bin/tail -c $(($2 / 2)) "$1" >"$1.new" && /bin/mv "$1.new" "$1"
    fi
}

# Whether something can be added to such a file. A pipe in its place would be waited for.
can_grow() { { [ ! -e "$1" ] || [ -f "$1" ]; } && (: >>"$1") 2>/dev/null; }

# What the job says goes into a log, of which the end is kept.
begin_job() {
    log=$agent/log
    can_grow "$log" || log=/dev/null
    keep_end "$log" $LARGEST_LOG
    exec >>"$log" 2>&1 3>&1 </dev/null
    if [ "${METALFLEET_DELAY:-0}" -gt 0 ]; then
        number=$(/usr/bin/od -An -N4 -tu4 /dev/urandom)
        /bin/sleep $((number % METALFLEET_DELAY))
    fi
    now
    METALFLEET_NOT_NOW=$(why_not_now)
}

# Why the job repairs nothing now, whatever has drifted. The document has each setting on a line of its own.
why_not_now() {
    power=$(/usr/bin/pmset -g batt 2>/dev/null)
    case $power in *"'Battery Power'"*) ;; *) return ;; esac
    charge=$(printf '%s\n' "$power" | /usr/bin/sed -n 's/.*[^0-9]\([0-9]\{1,3\}\)%.*/\1/p' | /usr/bin/head -n 1)
    if [ -f "$agent/document.json" ]; then
        least=$(/usr/bin/sed -n 's/^  "battery": \([0-9]\{1,3\}\),\{0,1\}$/\1/p' "$agent/document.json")
    fi
    if [ "${charge:-100}" -lt "${least:-0}" ]; then
        echo "the Mac runs on its battery, which is at $charge% (repairs need $least%)"
    fi
}

# Why a Python that has to be repaired is left as it is; nothing if it is not.
why_left() {
    if [ "$METALFLEET_NOT_NOW" ]; then echo "$METALFLEET_NOT_NOW" && return; fi
    free=$(/bin/df -Pk "$root" 2>/dev/null | /usr/bin/sed -n 's/.* \([0-9]\{1,\}\)  *[0-9]\{1,3\}% .*/\1/p')
    if [ "${free:-$LEAST_FREE}" -lt $LEAST_FREE ]; then
        echo "the disk is full: $((free / 1000)) MB are free, and $((LEAST_FREE / 1000)) are needed" && return
    fi
    if [ "$is_job" ] && [ "$(failures)" -ge $MOST_FAILURES ]; then
        echo "its repair has failed $MOST_FAILURES times, and waits for another declaration or metalfleet repair"
    fi
}

# How often a repair of a Python has failed in a row, since the agent and its document are what they are.
failures() {
    if [ -f "$agent/failures" ] && [ "$agent/failures" -nt "$agent/document.json" ]; then
        /usr/bin/wc -l <"$agent/failures"
    else
        echo 0
    fi
}

count_failure() {
    case $AWAY in *" $1 "*) return ;; esac
    if [ "$(failures)" -eq 0 ]; then /bin/rm -rf "$agent/failures"; fi
    echo "$1" 2>/dev/null >>"$agent/failures"
}

# Whether two paths are of one file, in whatever spelling.
same() { [ "$1" = "$2" ] || [ "$1" -ef "$2" ]; }

value() { printf '%s\n' "$answer" | /usr/bin/sed -n "s/^$1=//p" | /usr/bin/head -n 1; }

# Why a Python has to be repaired, in words, from the verdict of the look at it.
objection() {
    words=$(/usr/bin/sed -n "s/^${1%% *} //p" "$agent/python/objections" 2>/dev/null)
    case $1 in
        "") echo "it is missing" ;;
        status-*) echo "it does not start: exit status ${1#status-}" ;;
        *" "*) echo "${words:-${1%% *}}: ${1#* }" ;;
        *) echo "${words:-$1}" ;;
    esac
}

# The first file that a repair needs and that cannot be read; nothing if all can.
unreadable() {
    for file in "$agent/python/inspect.sh" "$agent/python/install.sh" "$agent/python/files.tar" "$agent/python/uv" \
        "$1/wanted" "$1/ask" "$1/link"; do
        if [ ! -f "$file" ] || [ ! -r "$file" ]; then echo "$file" && return; fi
    done
}

# The interpreter that is declared; nothing where any of its version will do.
declared_path() {
    path=$(/bin/cat "$1/wanted")
    case $path in
        "" | /*) printf '%s\n' "$path" ;;
        \~/*) printf '%s\n' "$HOME/${path#\~/}" ;;
        *) printf '%s\n' "$root/$path" ;;
    esac
}

is_as_declared() {
    [ "$runs" ] && [ "$(value uv_version)" = "$(/bin/cat "$agent/python/uv")" ] &&
        { [ -z "$wanted" ] || same "$linked" "$wanted"; }
}

# Which interpreter is to be linked ($python; nothing if there is none), and by which lines for install.sh ($how).
choose() {
    found=$(printf '%s\n' "$answer" | /usr/bin/sed -n 's/^candidate=[0-9]*:\([^:]*\):ok .*/\1/p' | /usr/bin/head -n 1)
    if [ -n "$wanted" ] && [ "$found" != "$wanted" ] && [ -f "$1/unpack" ]; then
        how=unpack python=$wanted
    elif [ "$runs" ] && [ -z "$wanted" ]; then
        how=link python=$linked
    else
        how=link python=$found
    fi
    export python
}

# Look at one of the Pythons, and repair it. $1 is the folder with what is wanted, and the lines that the scripts read.
repair_python() {
    name=${1##*/} file=$(unreadable "$1")
    if [ "$file" ]; then
        fail "$file cannot be read, so that the agent has to be installed again"
        return
    fi
    answer=$(/bin/sh "$agent/python/inspect.sh" <"$1/ask")
    case $answer in
        *"metalfleet: end"*) ;;
        *)
            fail "$agent/python/inspect.sh does not work, so that the agent has to be installed again"
            return
            ;;
    esac
    wanted=$(declared_path "$1") linked=$(value interpreter) judged=$(value interpreter_judged)
    case $judged in "ok "*) runs=1 ;; *) runs='' ;; esac
    if is_as_declared; then return; fi
    choose "$1"
    why=$(objection "$judged")
    if [ "$runs" ]; then why="uv is not as declared, or another interpreter is linked"; fi
    left=$(why_left)
    if [ "$left" ]; then
        METALFLEET_LEFT="$METALFLEET_LEFT$name ($why; $left) "
        note left "$why; $left"
    elif [ -z "$python" ]; then
        fail "$why; none that is declared is there"
    elif install "$1/$how"; then
        return
    fi
    # Without that one the program cannot be started.
    if [ "$name" = python3 ] && [ -z "$runs" ]; then is_broken=1; fi
}

install() {
    if said=$(/bin/cat "$1" "$agent/python/files.tar" | /bin/sh "$agent/python/install.sh" 2>&1); then
        METALFLEET_REPAIRED="$METALFLEET_REPAIRED$name ($why) "
        note repaired "$why"
        /bin/rm -f "$agent/failures"
    else
        count_failure $?
        fail "$why; $(printf '%s\n' "$said" | /usr/bin/tail -n 1)"
        return 1
    fi
}

fail() {
    METALFLEET_FAILED="$METALFLEET_FAILED$name ($1) "
    note failed "$1"
}

# Write down what became of a Python. What is only said again is kept once.
note() {
    can_grow "$pythons" || return 0
    if [ "$1" = repaired ] || [ "$(last_note "$name")" != "$1 $name ($2)" ]; then
        printf '%s %s %s (%s)\n' "$(now)" "$1" "$name" "$2" 2>/dev/null >>"$pythons"
    fi
    keep_end "$pythons" $LARGEST_PYTHONS
}

last_note() {
    if [ -f "$pythons" ]; then
        /usr/bin/grep -F " $1 (" "$pythons" 2>/dev/null | /usr/bin/tail -n 1 | /usr/bin/cut -d ' ' -f 2-
    fi
}

watch() {
    : @WATCH@
}

# Whether the program can be started. A pipe can be executable, too, and would be waited for.
is_whole() {
    [ -f "$python" ] && [ -x "$python" ] && "$python" -I -S -c "$IS_WHOLE" "$program" </dev/null >/dev/null 2>&1
    ended=$?
    return $ended
}

# This and is_whole are called with 2>/dev/null, for there a shell says which signal ended what it runs. The program is
# not interrupted before it can answer Ctrl-C itself.
run() { (trap '' INT && exec "$python" -I -S -B "$program" "$@" 2>&3 3>&-); }

# What is said of a managed Python that does not work: what became of its repair, or $1.
say_broken() {
    last=$(last_note python3) again="metalfleet repair tries it again."
    case $last in
        "failed "*) echo "The managed Python does not work, and could not be repaired: ${last#* }. $again" ;;
        "left "*) echo "The managed Python does not work, and was left as it is: ${last#* }. $again" ;;
        *) echo "$1 Run metalfleet repair." ;;
    esac
}

unset CDPATH
open_all
exec 3>&2 # so that all can be said from where 2 leads elsewhere
trap interrupted INT # or a Python that was interrupted would be called one that does not start
METALFLEET_NOT_NOW='' METALFLEET_REPAIRED='' METALFLEET_FAILED='' METALFLEET_LEFT='' is_broken=''
root=$(find_root "$0")
if [ -z "$root" ]; then
    say "The folder of the agent cannot be found from here. Run it by its whole path."
    exit $CANNOT
fi
cd / 2>/dev/null || exit $CANNOT # where the user is may be no folder any more
agent=$root/agent pythons=$root/agent/pythons
HOME=${HOME:-/}
find_home
export root HOME METALFLEET_NOT_NOW METALFLEET_REPAIRED METALFLEET_FAILED METALFLEET_LEFT METALFLEET_SECONDS
case " $* " in *" -h "* | *" --help "*) is_help=1 ;; *) is_help= ;; esac
case ${1:-} in
    repair | install | uninstall | rollback)
        METALFLEET_SECONDS=${METALFLEET_SECONDS:-600} # other programs are asked, and the network, before all is seen
        if [ -z "$is_help" ] && [ -d "$agent" ] && [ "$(owner n)" != "$(/usr/bin/id -u)" ]; then
            say "This agent belongs to $(owner ""). Run it as that user."
            exit $CANNOT
        fi
        ;;
    *) METALFLEET_SECONDS=${METALFLEET_SECONDS:-60} ;;
esac
case " $* " in *" --scheduled "*) is_job=1 && begin_job ;; *) is_job= ;; esac
case ${1:-} in
    repair | install)
        if [ -z "$is_help" ]; then
            for each in "$agent"/python/python3 "$agent"/python/python3.*/; do
                case $each in
                    *"*/") ;; # the pattern itself: there are no others
                    *) repair_python "${each%/}" ;;
                esac
            done
        fi
        ;;
esac
python=$root/bin/python3 program=$agent/metalfleet.pyz
status=$CANNOT words='' ended=1
damaged="The agent's program is damaged, so that it has to be installed again, by whoever manages this Mac."
watch 3>&-
if [ "$is_broken" ]; then
    words=$(say_broken "The managed Python could not be repaired: $METALFLEET_FAILED$METALFLEET_LEFT.")
elif is_whole 2>/dev/null; then
    trap - INT
    run "$@" 2>/dev/null
    status=$?
    if [ $status -eq $DAMAGED ]; then words=$(say_broken "The managed Python, or the agent, is damaged.") status=$CANNOT; fi
elif [ $ended -eq $DAMAGED ]; then
    words=$damaged
else
    words=$(say_broken "The managed Python does not start.")
fi
kill "$METALFLEET_WATCHDOG" 2>/dev/null
if wait "$METALFLEET_WATCHDOG" 2>/dev/null; then
    status=$CANNOT words="The managed Python did not answer within $METALFLEET_SECONDS s. Run metalfleet repair."
fi
if [ "$words" ]; then say "$words"; fi
exit $status
