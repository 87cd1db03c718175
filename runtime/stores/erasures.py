"""Erased users: a turn that was running meanwhile must not leave its token usage, which has the user's id."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import sqlalchemy as sa

from runtime.stores.counts import COUNTS
from runtime.stores.sqlite import SqlSession, first
from runtime.stores.statements import THREADS

_KEPT_S = 7 * 24 * 3600.0
"""How long an erasure is known, in seconds: longer than a turn."""
_FORGET: sa.Delete = sa.delete(COUNTS).where(COUNTS.c.key == sa.bindparam("by_key"))
_MARK: sa.Insert = sa.insert(COUNTS)
_IS_MARKED: sa.Select[Any] = sa.select(COUNTS.c.key).where(
    COUNTS.c.key == sa.bindparam("by_key"),
    COUNTS.c.until > sa.bindparam("now"),
    ~sa.exists().where(THREADS.c.id == sa.bindparam("by_thread")),
)


def mark_erased(session: SqlSession, owner: str) -> None:
    """Remember for some days, without the owner's id, that the owner was erased."""
    key = _key(owner)
    session.run(_FORGET, {"by_key": key})
    session.run(_MARK, {"key": key, "count": 1, "until": time.time() + _KEPT_S})


def was_erased(session: SqlSession, owner: str, thread_id: str) -> bool:
    """Return whether a thread is gone whose owner was erased; the usage of a thread that was deleted counts."""
    return first(session, _IS_MARKED, {"by_key": _key(owner), "by_thread": thread_id, "now": time.time()}) is not None


def _key(owner: str) -> str:
    return hashlib.sha256(f"erased {owner}".encode()).hexdigest()
