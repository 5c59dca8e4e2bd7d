# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role tensorflow. Each is documented in the YAML file of its name beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._proofs import proofs, to_mend

if TYPE_CHECKING:
    from collections.abc import Callable


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """What Ansible asks for."""
        return {"proofs": proofs, "to_mend": to_mend}
