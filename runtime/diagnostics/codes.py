"""Every code of a diagnostic with its summary and explanation, read from codes.md; docs/diagnostics lists the same."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".md")
_HEADING = re.compile(r"^## (A\d{3}): (.+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Code:
    """A code in a line and in a paragraph of Markdown without line breaks."""

    summary: str
    explanation: str


@functools.cache
def read_codes() -> dict[str, Code]:
    """Return every code, in the order of codes.md."""
    parts = _HEADING.split(_SOURCE.read_text(encoding="utf-8"))[1:]
    return {
        code: Code(summary, " ".join(text.split()))
        for code, summary, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }
