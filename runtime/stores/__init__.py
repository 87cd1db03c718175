"""Stores of threads: in memory, SQLite or PostgreSQL, or a chatkit `Store` in the project's Python.

Public are the names in `__all__`: to open a store, and to use or test one of your own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from runtime.config.model.server import UrlStore
from runtime.resources.token_usage import TokenUsage, UsageEntry
from runtime.stores.chatkit_adapter import ChatKitStoreAdapter
from runtime.stores.store import AttachmentBound, Feedback, GenerationMark, InvalidCursor, StoreError, ThreadStore

_SQLITE = "sqlite:///"

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
    "open_declared_store",
    "open_store",
    "resolve_url",
]


def resolve_url(url: str, root: Path) -> str:
    """Return the URL of a store that a project declares: the file of `sqlite:///path` is relative to its folder."""
    path = url.removeprefix(_SQLITE)
    return url if path == url or path.startswith("/") else _SQLITE + os.fspath(root / path)


def open_store(url: str, keys: Sequence[str] = (), *, connections: int = 10, timeout_s: float = 5.0) -> ThreadStore:
    """Return the store of a URL, which is still to be opened. Raise StoreError for an unknown URL or an invalid key.

    URLs: `memory`, `sqlite:///path` (relative to the working directory; four slashes for an absolute path) and
    `postgresql://user:password@host/database`. The first of the `keys` encrypts what a database holds of conversations,
    all of them decrypt. `connections` and `timeout_s` hold for PostgreSQL, as in SqlStore.
    """
    # Imported on demand: a store in memory or in the project's Python needs no SQLAlchemy.
    if url == "memory":
        from runtime.stores.memory import MemoryStore

        return MemoryStore()
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme in ("sqlite", "postgresql", "postgres"):
        from runtime.stores.sql import SqlStore

        return SqlStore(url, keys=keys, connections=connections, timeout_s=timeout_s)
    # Without the rest of the URL, which may contain a password.
    raise StoreError(f"unknown store {scheme!r} (use 'memory', 'sqlite:///path' or 'postgresql://…')")


def open_declared_store(declared: UrlStore, root: Path) -> ThreadStore:
    """Return the store that a project in the folder `root` declares; see `open_store`."""
    return open_store(
        resolve_url(declared.url, root),
        declared.encrypt or (),
        connections=declared.connections,
        timeout_s=declared.timeout,
    )
