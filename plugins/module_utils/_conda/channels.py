# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a person is told where a channel does not give a conda package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.index import (
    UNREACHED,
    WEB_PAGE,
    Meanings,
    explain_fetch,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.web import (
    AccessRefused,
    FetchFailed,
    NotThere,
    OutOfOrder,
    Untrusted,
    WebPage,
    local_path,
    masked,
)

if TYPE_CHECKING:
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import Pin

_CHECK_CHANNEL = "Check the network, the proxy (tensorflow_proxy) and the channel (conda.channels), and run again."

_MEANINGS: Meanings = (
    (
        AccessRefused,
        "the channel refuses access",
        "Check the credentials in the URL of the channel (conda.channels), and those of the proxy (tensorflow_proxy).",
    ),
    (
        Untrusted,
        "a certificate is not trusted",
        "If your own certificate authority signed it, name the file with its certificates (tensorflow_ca).",
    ),
    (
        NotThere,
        "the channel has not got it",
        "Put it back into the channel, or make the lock again, with lock.yml -e tensorflow_upgrade=all.",
    ),
    (
        WebPage,
        WEB_PAGE,
        "Log in to the network, or check the proxy (tensorflow_proxy) and the channel (conda.channels).",
    ),
    (OutOfOrder, "the channel does not work as it should", _CHECK_CHANNEL),
    (FetchFailed, f"the channel {UNREACHED}", _CHECK_CHANNEL),
)


def explain_unfetched(pin: Pin, url: str, failure: FetchFailed) -> MetalfleetError:
    """What it means that a package could not be fetched."""
    what, path = f"The conda package {pin} cannot be fetched", local_path(url)
    if path and not path.parents[1].is_dir():
        return MetalfleetError(
            f"{what}: its channel is a folder that is not on the machine that fetches it",
            evidence=f"{os.uname().nodename} has no {path.parents[1]}.",
            remedy="Put the folder there; or set tensorflow_delivery: controller, with which only the controller needs "
            "it; or serve it over HTTP, and name its URL in conda.channels.",
        )
    return explain_fetch(failure, what, _MEANINGS)


def explain_hash(pin: Pin, url: str, sha256: str) -> MetalfleetError:
    """What it means that a package is another than the lock names."""
    return MetalfleetError(
        f"The hash of the conda package {pin} is not the one in the lock",
        evidence=f"{masked(url)} has the SHA-256 {sha256}.",
        remedy="The channel gave another file than the lock names, or the lock is wrong: check the channel (and a "
        "proxy on the way to it), or make the lock again.",
    )
