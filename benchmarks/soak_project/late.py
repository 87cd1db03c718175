"""Imported for the first time while a tool runs: the files may have changed since the generation was built."""

from __future__ import annotations

from desk.inner.stamp import STAMP

__all__ = ["STAMP"]
