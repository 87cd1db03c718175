"""Stores of threads: in memory, SQLite or PostgreSQL, or a chatkit `Store` in the project's Python.

Public are the names in `__all__`: to open a store, and to use or test one of your own.
"""

from __future__ import annotations

from runtime.resources.token_usage import TokenUsage, UsageEntry
from runtime.stores.chatkit_adapter import ChatKitStoreAdapter
from runtime.stores.store import AttachmentBound, Feedback, GenerationMark, InvalidCursor, StoreError, ThreadStore

__all__ = [
    "AttachmentBound",
    "ChatKitStoreAdapter",
    "Feedback",
    "GenerationMark",
    "InvalidCursor",
    "StoreError",
    "ThreadStore",
    "TokenUsage",
    "UsageEntry",
    "open_store",
]


def open_store(url: str) -> ThreadStore:
    """Return the store of a URL, which is still to be opened. Raise StoreError for an unknown URL.

    URLs: `memory`, `sqlite:///path` (relative to the working directory; four slashes for an absolute path) and
    `postgresql://user:password@host/database`.
    """
    # Imported on demand: a store in memory or in the project's Python needs no SQLAlchemy.
    if url == "memory":
        from runtime.stores.memory import MemoryStore

        return MemoryStore()
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme in ("sqlite", "postgresql", "postgres"):
        from runtime.stores.sql import SqlStore

        return SqlStore(url)
    # Without the rest of the URL, which may contain a password.
    raise StoreError(f"unknown store {scheme!r} (use 'memory', 'sqlite:///path' or 'postgresql://…')")
