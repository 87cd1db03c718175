"""Imported for the first time while a tool of this generation runs: by then the files may say something else."""

from __future__ import annotations

from desk.inner.stamp import STAMP

__all__ = ["STAMP"]
