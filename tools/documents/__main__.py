# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents: python -m tools.documents pages|picture|site.

`pages` writes the pages that are made of the collection's own data, `picture` that of the report, and `site` makes the
site of all pages.
"""

from __future__ import annotations

import sys

from tools.documents import PAGES, site


def main(what: str) -> int:
    """Do what the command line says."""
    match what:
        case "pages":
            for name, page in PAGES.items():
                (site.CHECKOUT / name).write_text(page())
                print(name)
            return 0
        case "picture":
            from tools.documents import picture  # noqa: PLC0415 - needs a browser's driver

            picture.write()
            return 0
        case "site":
            return site.build()
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
