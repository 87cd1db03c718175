"""Ids for threads, items and attachments that sort by time and do not collide.

chatkit's own ids have 32 random bits: among 77,000 of them, two are probably equal, and the second item would overwrite
the first.
"""

from __future__ import annotations

import os
import time

_PREFIXES = {
    "thread": "thr",
    "message": "msg",
    "tool_call": "tc",
    "workflow": "wf",
    "task": "tsk",
    "attachment": "atc",
    "sdk_hidden_context": "shcx",
    "feedback": "fb",
}
_RANDOM_BYTES = 12

_last_tick = 0


def new_id(kind: str) -> str:
    """Return a new id such as `msg_` and 40 hex digits: 48 bits of milliseconds, a 16-bit count, 96 random bits.

    Within a process each id is greater than the one before, even if the clock is set back. A `kind` that chatkit does
    not know is its own prefix.
    """
    global _last_tick
    _last_tick = max((time.time_ns() // 1_000_000) << 16, _last_tick + 1)
    return f"{_PREFIXES.get(kind, kind)}_{_last_tick:016x}{os.urandom(_RANDOM_BYTES).hex()}"
