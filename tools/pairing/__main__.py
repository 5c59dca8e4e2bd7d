# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the pairing table: `make pairing`.

Asks the package index for every release of TensorFlow and of Apple's Metal plug-in, checks each pair with
tools/link_check, reads what LiteRT's libraries demand, adds what people have judged (judgements.yml), and writes

* `plugins/plugin_utils/_data/pairs.json`, the table;
* `docs/pairs.md`, the page that people read.

What has changed since the table that was there is printed, to be reviewed before it is committed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import TABLE
from tqdm import tqdm

from tools.link_check.check import TENSORFLOWS
from tools.link_check.matrix import PLUGIN, check_all
from tools.link_check.wheels import Packages
from tools.pairing.litert import litert_releases
from tools.pairing.page import PAGE, render
from tools.pairing.table import CHECKOUT, differences, pairs_of, read_judgements, read_table, write_table


def main() -> None:
    """Check everything, say what changed, and write both files."""
    parser = argparse.ArgumentParser(prog="make pairing", description="Make the pairing table.")
    parser.add_argument("--judgements", action="store_true", help="check no wheel: only what people have judged is new")
    only_judgements = parser.parse_args().judgements
    judgements, (checked, old, litert) = read_judgements(), read_table()
    if only_judgements:
        pairs = [judgements.judge(pair) for pair in old]
    else:
        with tqdm(unit="B", unit_scale=True, desc="fetching", leave=False, disable=None) as bar:
            packages, oldest = Packages(bar.update), judgements.oldest_tensorflow

            def say(text: str) -> None:
                tqdm.write(text, file=sys.stderr)

            answers = check_all(packages, oldest, say)
            litert = list(litert_releases(packages, say))
        withdrawn = {package: packages.withdrawn(package) for package in (*TENSORFLOWS, PLUGIN)}
        pairs = pairs_of(answers, judgements, withdrawn)
        checked = dt.datetime.now(dt.UTC).date().isoformat()
    for line in differences(old, pairs):
        print(line)
    write_table(checked, pairs, litert)
    PAGE.write_text(render(pairs, judgements, checked, litert))
    print(f"Written: {TABLE.relative_to(CHECKOUT)}, {PAGE.relative_to(CHECKOUT)}")


if __name__ == "__main__":
    main()
