# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""How a host's managed Python is started: shell text that travels in front of and behind what it is to run.

A watchdog on the host ends a Python that hangs: one that waits for ever at its start, or whose look at the host does
not end. So nothing stays behind there, whatever becomes of the connection. The module that is run ends the watchdog
(module_utils/_watchdog.py) once it has looked; what comes then has limits of its own.
"""

from __future__ import annotations

import shlex

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._watchdog import VARIABLE

NO_PYTHON, NOTHING = "metalfleet: no managed Python", "metalfleet: nothing of ours"
SECONDS_TO_LOOK = 60
NO_ANSWER = f"metalfleet: no answer within {SECONDS_TO_LOOK} s"

# It ends all that this shell has started, and that they have, for any of them may hold the output open; but not itself,
# who is a child of this shell, too. It waits by `wait`, since a shell heeds a trap only after what it runs in the
# foreground. Whoever then waits for it learns by its status whether it has ended them: 0.
WATCH = (
    f"( trap 'exit 1' TERM; left=${{METALFLEET_SECONDS:-{SECONDS_TO_LOOK}}}; "
    "while [ $left -gt 0 ]; do /bin/sleep 1 & wait $!; kill -0 $$ || exit 1; left=$((left - 1)); done; "
    "trap '' TERM; me=$(exec /bin/sh -c 'echo $PPID'); "
    'kill -KILL $(/bin/ps -A -o pid= -o ppid= | /usr/bin/awk -v top=$$ -v me="$me" \'{ parent[$1] = $2 } END { '
    "for (pid in parent) { for (up = pid; up + 0 > 1 && up != top && up != me; up = parent[up]); "
    "if (up == top && pid != top) print pid } }'); exit 0 "
    f") </dev/null >/dev/null 2>&1 & {VARIABLE}=$!; export {VARIABLE}; "
)
_END = (
    f'; status=$?; kill ${VARIABLE} 2>/dev/null; wait ${VARIABLE} 2>/dev/null && echo "{NO_ANSWER}" >&2; exit $status'
)


def quoted(root: str) -> str:
    """A root folder for a shell. A leading "~" is the home of the user that the shell runs as."""
    return '"$HOME"' + shlex.quote(root[1:]) if root.startswith("~") else shlex.quote(root)


def start(root: str, command: str, *, reads: bool = False) -> str:
    """Shell text that runs a command in which "$python" is the managed one below a root folder.

    Where there is none, it says so, and ends; `reads` tells that something is sent for the command to read. With -I
    what is in PYTHON* does not count, nor, with -S, what anybody has put into the interpreter's library to be run at
    its start.
    """
    # Whoever is sent a module and does not read it breaks the pipe, which Ansible takes for a lost connection.
    read_all = "/bin/cat >/dev/null; " if reads else ""
    return (
        f'root={quoted(root)}; python="$root/bin/python3"; '
        # A pipe can be executable, too, and would be waited for.
        f'{{ [ -f "$python" ] && [ -x "$python" ]; }} || {{ {read_all}echo "{NO_PYTHON} $(/usr/bin/uname -sm)" >&2; '
        f'set -- "$root"/environments/*; [ -e "$1" ] || echo {shlex.quote(NOTHING)} >&2; exit 127; }}; '
        f"{WATCH}{command}{_END}"
    )
