# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Metal plug-in of simulated Macs does: a variant of tests/fake_metal is loaded in its place.

python -m tests.metal m1 zero_devices   # what it does on m1 from now on
python -m tests.metal                   # it works on each Mac of the fleet for which nothing was chosen yet
"""

from __future__ import annotations

import argparse
import os
import subprocess

from tests.fake_metal.build import SOURCE, VARIANTS, BuildError, compile_plugin
from tests.simulated_mac.fleet import Fleet, FleetError, Mac

PLUGIN = "libmetal_plugin.dylib"
TENSORFLOW = "2.18.1"  # whose headers the stand-in is compiled with; it works with all


def use(mac: Mac, variant: str) -> None:
    """Let a variant be loaded on this Mac, which is up, from now on."""
    library = mac.fleet.store.stand_ins / f"metal-{variant}.so"
    if not library.exists() or library.stat().st_mtime < SOURCE.stat().st_mtime:
        compile_plugin(variant, mac.linux_wheel("tensorflow-cpu", TENSORFLOW) / "tensorflow", library)
    mac.stand_in(PLUGIN, library)


def main() -> None:
    """Carry out the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.metal", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    name = os.environ.get("SIMULATED_MAC_FLEET", "demo")
    parser.add_argument("--fleet", default=name, help="the fleet's name ($SIMULATED_MAC_FLEET, default: demo)")
    parser.add_argument("mac", nargs="?", help="a Mac that is up (default: all that are)")
    parser.add_argument("variant", nargs="?", choices=VARIANTS, default="ok", help="what it does (default: ok)")
    options = parser.parse_args()
    fleet = Fleet(options.fleet)
    undecided = [mac for mac in fleet if mac.is_up and not mac.stands_in(PLUGIN)]
    try:
        for mac in [fleet[options.mac]] if options.mac else undecided:
            use(mac, options.variant)
    except (FleetError, BuildError, subprocess.CalledProcessError) as error:
        parser.exit(1, f"metal: {error}\n")


if __name__ == "__main__":
    main()
