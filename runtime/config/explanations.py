"""Why each diagnostic matters and what to do about it: for the command `explain` and the pages of the docs."""

from __future__ import annotations

import re
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".md")
_HEADING = re.compile(r"^## (?P<code>A\d{3})\n", re.MULTILINE)


def read_explanations() -> dict[str, str]:
    """Return the explanation of every code: a paragraph of Markdown without line breaks."""
    parts = _HEADING.split(_SOURCE.read_text(encoding="utf-8"))
    return {code: " ".join(text.split()) for code, text in zip(parts[1::2], parts[2::2], strict=True)}
