"""The stamp, one import further away."""

from __future__ import annotations

from desk.inner.stamp import STAMP

__all__ = ["STAMP"]
