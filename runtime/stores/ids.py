"""Ids for threads, items and attachments that sort by time and don't collide.

chatkit's own ids carry 32 random bits: among 77,000 of them two are equal more likely than not, and the second one
overwrites what the first one named.
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
    """Return a new id: `msg_`, say, and in 40 hexadecimal digits 48 bits of milliseconds, a count, and 96 random bits.

    Within one process each id is greater than the one before, even when the clock goes back. A `kind` that isn't one of
    chatkit's words is its own prefix.
    """
    global _last_tick
    _last_tick = max((time.time_ns() // 1_000_000) << 16, _last_tick + 1)
    return f"{_PREFIXES.get(kind, kind)}_{_last_tick:016x}{os.urandom(_RANDOM_BYTES).hex()}"
