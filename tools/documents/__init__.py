# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents: the pages that are made of the collection's own data, and the site that is made of all pages."""

from __future__ import annotations

from tools.documents import variables, verdicts

PAGES = {"docs/variables.md": variables.page, "docs/verdicts.md": verdicts.page}
"""What writes each page."""
