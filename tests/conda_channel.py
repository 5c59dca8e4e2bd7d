# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel of conda packages for simulated Macs, served by a process of its own.

python -m tests.conda_channel up FOLDER     # make it and serve it; its address is in the file url
python -m tests.conda_channel down FOLDER   # serve it no longer, and remove the folder
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.conda import of_mac
from tests.simulated_mac.store import Store
from tests.waiting import wait_until


def up(folder: Path) -> None:
    """Make it and serve it."""
    folder.mkdir(parents=True)
    channel = of_mac(next(Store().archives.glob("*/*.tar.gz")), folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    web = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(channel.folder), str(port)]
    null = subprocess.DEVNULL
    server = subprocess.Popen(web, stdin=null, stdout=null, stderr=null, start_new_session=True)
    (folder / "server.pid").write_text(str(server.pid))
    wait_until(lambda: answers(port) or server.poll() is not None)
    (folder / "url").write_text(f"http://127.0.0.1:{port}")


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def down(folder: Path) -> None:
    """End it, if it was ever up."""
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((folder / "server.pid").read_text()), signal.SIGTERM)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]](Path(sys.argv[2]))
