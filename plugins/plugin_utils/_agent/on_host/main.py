# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Where the agent's program begins. A Python that is damaged may not even import what comes with it.

The shell script that has started it says so to a person.
"""

from __future__ import annotations

import sys

CANNOT, DAMAGED = 3, 4


def interrupt(*_: object) -> None:
    """Answer Ctrl-C, once: whoever presses it again must not interrupt what cleans up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


try:
    import signal

    signal.signal(signal.SIGINT, interrupt)  # it was ignored while Python began
    from pathlib import Path

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.command import main
except (ImportError, SyntaxError, ValueError, OSError, AttributeError):
    sys.exit(DAMAGED)
except KeyboardInterrupt:
    sys.stderr.write("metalfleet: interrupted. Nothing half-done is in use.\n")
    sys.exit(CANNOT)
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(sys.argv[0])))
