"""The tool that returns the version of the code."""

from __future__ import annotations

from desk.inner import deep
from desk.inner.stamp import STAMP


def stamp() -> str:
    """Return the stamps of the tool's module and of two more."""
    from desk import late

    return f"tool={STAMP} deep={deep.STAMP} late={late.STAMP}"
