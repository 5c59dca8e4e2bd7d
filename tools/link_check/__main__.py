# SPDX-License-Identifier: GPL-3.0-or-later
"""The command: tools/link-check."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.web import FetchFailed
from tqdm import tqdm

from tools.link_check.check import check
from tools.link_check.macho import NotReadable
from tools.link_check.matrix import check_all, render
from tools.link_check.wheels import Packages

LINKS, DOES_NOT_LINK, CANNOT_CHECK = 0, 1, 2
EXAMPLE = """\
example:
  tools/link-check --tensorflow tensorflow==2.18.1 --plugin tensorflow-metal==1.2.0 --python 3.12

exit status: 0 it links, 1 it does not, 2 it cannot be checked
"""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tools/link-check",
        description="Would dyld load a plug-in into TensorFlow, on a Mac with Apple Silicon? Wheels are read where "
        "they lie, by the index and credentials that pip and uv are configured with.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tensorflow", metavar="WHAT", help="NAME==VERSION, or the path of a wheel or a library")
    parser.add_argument("--plugin", metavar="WHAT", help="the same of the plug-in")
    parser.add_argument("--python", default="3.12", metavar="3.N", help="whose wheels are checked (3.12)")
    parser.add_argument("--all", action="store_true", help="check every release of both, for every Python")
    parser.add_argument("--oldest", default="2.9", metavar="VERSION", help="of TensorFlow, with --all (2.9)")
    parser.add_argument("--json", action="store_true", help="print the answer as data")
    options = parser.parse_args()
    if not options.all and not (options.tensorflow and options.plugin):
        parser.error("give --tensorflow and --plugin, or --all")
    return options


def main() -> int:
    """Check, print, and return the exit status."""
    options = arguments()
    with tqdm(unit="B", unit_scale=True, desc="fetching", leave=False, disable=None) as bar:
        try:
            packages = Packages(bar.update)
            if options.all:
                answers = check_all(packages, options.oldest, lambda text: tqdm.write(text, file=sys.stderr))
                print(json.dumps([asdict(each) for each in answers], indent=1) if options.json else render(answers))
                return LINKS
            found = check(packages, options.tensorflow, options.plugin, options.python)
        except (NotReadable, MetalfleetError, FetchFailed) as error:
            told = json.dumps({"cannot_check": str(error)}) if options.json else f"cannot check: {error}"
            print(told, file=sys.stdout if options.json else sys.stderr)
            return CANNOT_CHECK
    print(json.dumps(asdict(found), indent=1) if options.json else found.text)
    return LINKS if found.links else DOES_NOT_LINK


if __name__ == "__main__":
    sys.exit(main())
