# SPDX-License-Identifier: GPL-3.0-or-later
"""The command: up | down | status | ssh | inventory | snapshot | stand-in | clean."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from . import engine
from .engine import EngineError
from .fleet import Fleet, FleetError
from .host_files import BANNER
from .profile import ProfileError
from .pythons import NoPythonError
from .store import StoreError, userland_notes


def up(fleet: Fleet, options: argparse.Namespace) -> None:
    """Start hosts."""
    named = [spec.partition("=") for spec in options.hosts] or [(mac.name, "", "") for mac in fleet]
    hosts = {name: profile or fleet[name].state.profile for name, _, profile in named}
    for mac in fleet.up(hosts).values():
        print(f"{mac.name}: simulated {mac.state.profile} on {mac.address}, port {mac.port}")


def down(fleet: Fleet, options: argparse.Namespace) -> None:
    """Stop hosts; with --delete remove them."""
    if options.delete and not options.names:
        return fleet.delete()
    for mac in [fleet[name] for name in options.names] or list(fleet):
        mac.delete() if options.delete else mac.stop()
    return None


def status(fleet: Fleet, _: argparse.Namespace) -> None:
    """What there is."""
    print(BANNER)
    for note in userland_notes():
        print(f"note: {note}")
    for mac in fleet:
        where = f"up    {mac.address}:{mac.port}" if mac.is_up else "down"
        templates = "".join(f"@{name}" for name in mac.state.templates)
        print(f"{mac.name:12} {mac.state.profile + templates:24} {where}")


def ssh(fleet: Fleet, options: argparse.Namespace) -> None:
    """Log in, or run a command there: becomes ssh."""
    line = fleet[options.name].ssh(*options.command)
    os.execvp(line[0], line)


def inventory(fleet: Fleet, _: argparse.Namespace) -> None:
    """The hosts that are up, as JSON for Ansible."""
    print(json.dumps(fleet.inventory(), indent=1))


def clean(fleet: Fleet, _: argparse.Namespace) -> None:
    """Remove every fleet and the store: what an ordinary user's rm could not, for hosts' users own some of it."""
    for folder in fleet.folder.parent.glob("*"):
        Fleet(folder.name, fleet.store).down()
    engine.remove(fleet.store.home)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=BANNER)
    name = os.environ.get("SIMULATED_MAC_FLEET", "demo")
    parser.add_argument("--fleet", default=name, help="the fleet's name ($SIMULATED_MAC_FLEET, default: demo)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("up", help="start hosts, make those that are new; without names: all that were made")
    verb.add_argument("hosts", nargs="*", metavar="NAME[=PROFILE[@TEMPLATE]]")
    verb.set_defaults(act=up)
    verb = verbs.add_parser("down", help="stop hosts; their files stay")
    verb.add_argument("names", nargs="*", metavar="NAME")
    verb.add_argument("--delete", action="store_true", help="and remove them; without names also the templates")
    verb.set_defaults(act=down)
    verb = verbs.add_parser("status", help="show what there is")
    verb.set_defaults(act=status)
    verb = verbs.add_parser("ssh", help="log in on a host as its user, or run a command there")
    verb.add_argument("name")
    verb.add_argument("command", nargs=argparse.REMAINDER)
    verb.set_defaults(act=ssh)
    verb = verbs.add_parser("inventory", help="print an Ansible inventory of the hosts that are up")
    verb.set_defaults(act=inventory)
    verb = verbs.add_parser("snapshot", help="stop a host and freeze its files as a template")
    verb.add_argument("name")
    verb.add_argument("template")
    verb.set_defaults(act=lambda fleet, options: fleet.snapshot(options.name, options.template))
    verb = verbs.add_parser("stand-in", help="load an ELF library in the place of a host's Mach-O library")
    verb.add_argument("name")
    verb.add_argument("file", help="the file name of the Mach-O library, wherever it lies")
    verb.add_argument("library", type=Path, help="the ELF library")
    verb.set_defaults(act=lambda fleet, options: fleet[options.name].stand_in(options.file, options.library))
    verb = verbs.add_parser("clean", help="stop and remove the hosts of all fleets and everything that they share")
    verb.set_defaults(act=clean)
    return parser


def main() -> int:
    """Carry out one command."""
    options = arguments().parse_args()
    try:
        options.act(Fleet(options.fleet), options)
    except (FleetError, ProfileError, StoreError, EngineError, NoPythonError, subprocess.CalledProcessError) as error:
        print(f"simulated_mac: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
