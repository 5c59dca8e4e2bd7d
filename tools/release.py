# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the setup.sh that is published beside a release, which it then fetches: python -m tools.release RELEASE.

The release's address is that of the repository in galaxy.yml, its hash that of the file.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).parents[1]
SCRIPT = CHECKOUT / "setup.sh"


def script_for(release: Path, url: str) -> str:
    """The script for a release that is to be fetched from a URL."""
    pins = {"URL": url, "SHA256": hashlib.sha256(release.read_bytes()).hexdigest()}
    text = SCRIPT.read_text()
    for name, value in pins.items():
        text, count = re.subn(rf"^RELEASE_{name}=$", f"RELEASE_{name}={value}", text, flags=re.MULTILINE)
        if count != 1:
            raise LookupError(f"{SCRIPT} has no line RELEASE_{name}=")
    return text


def main() -> None:
    """Write it beside the release."""
    release = Path(sys.argv[1])
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())
    written = release.with_name(SCRIPT.name)
    written.write_text(
        script_for(release, f"{galaxy['repository']}/releases/download/{galaxy['version']}/{release.name}")
    )
    written.chmod(0o755)


if __name__ == "__main__":
    main()
