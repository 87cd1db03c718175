"""The tool that says which code it belongs to."""

from __future__ import annotations

from desk.inner import deep
from desk.inner.stamp import STAMP


def stamp() -> str:
    """Say which version of the code runs."""
    from desk import late

    return f"tool={STAMP} deep={deep.STAMP} late={late.STAMP}"
