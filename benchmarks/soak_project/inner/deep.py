"""The stamp, imported by a module that the tool imports."""

from __future__ import annotations

from desk.inner.stamp import STAMP

__all__ = ["STAMP"]
