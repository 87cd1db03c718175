"""Where threads and what belongs to them are kept: in memory, SQLite, PostgreSQL, or the user's own chatkit Store."""

from __future__ import annotations

from runtime.stores.store import StoreError, ThreadStore

__all__ = ["open_store"]


def open_store(url: str) -> ThreadStore:
    """Return the store that `url` names, not yet opened; raise StoreError naming the choices for any other.

    Choices: `memory`, `sqlite:///path` (relative to the working directory; four slashes for an absolute path),
    `postgresql://user:password@host/database`.
    """
    # Only what is used is imported: the memory store needs no SQLAlchemy.
    if url == "memory":
        from runtime.stores.memory import MemoryStore

        return MemoryStore()
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme in ("sqlite", "postgresql", "postgres"):
        from runtime.stores.sql import SqlStore

        return SqlStore(url)
    # The rest of the URL may hold a password.
    raise StoreError(f"unknown store {scheme!r} (use 'memory', 'sqlite:///path' or 'postgresql://…')")
