# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of simulated Macs: each is one host's alone on this machine, whatever store, user or checkout it has.

A claim is a socket in the kernel's abstract namespace, named after the address. It is known wherever the address
itself is (in this network namespace), and it is given up when the last process that holds it ends, however that ends.
"""

from __future__ import annotations

import errno
import socket

FIRST, LAST = 10, 254  # of 127.0.1.0/24


def claim(address: str, port: int) -> socket.socket | None:
    """Claim an address for as long as the socket stays open somewhere; None if another host has it."""
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(f"\0simulated-mac/{address}:{port}")
    except OSError as error:
        held.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return held


def reserve(port: int, wish: str = "") -> tuple[str, socket.socket] | None:
    """A free address, the wished one if possible, with its claim; None if all are taken."""
    for address in [wish, *(f"127.0.1.{number}" for number in range(FIRST, LAST + 1))]:
        if address and (held := claim(address, port)):
            if is_free(address, port):
                return address, held
            held.close()
    return None


def is_free(address: str, port: int) -> bool:
    """Whether nothing else of this machine listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def answers(address: str, port: int) -> bool:
    """Whether an SSH server greets there."""
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
