"""What a turn leaves: nothing that waits for the garbage collector, so that memory does not grow while streams last."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from agents import RunResultStreaming

from runtime.server.turns.plan_execution import Execution
from runtime.server.turns.thread_access import ThreadAccess
from runtime.server.turns.turn import Turn
from tests.conversations.conftest import MakeChat
from tests.conversations.later_turns import EVERY_TURN
from tests.conversations.playing import call

TOOLS = '''
def weather(city: str) -> str:
    """Return the weather."""
    return "rain"

def refund(order: str) -> str:
    """Pay back."""
    return "paid"
'''
CONFIG = {
    "tools": {"weather": {"python": "acts:weather"}, "refund": {"python": "acts:refund", "needs_approval": True}},
    "agents": {"helper": {"tools": ["weather", "refund"]}},
}


@contextmanager
def _collector_off() -> Iterator[None]:
    # The server has warmed up with a run of its own.
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _parts_of_turns() -> list[Any]:
    kinds = (Turn, Execution, ThreadAccess, RunResultStreaming)
    return [thing for thing in gc.get_objects() if isinstance(thing, kinds)]


@EVERY_TURN
@pytest.mark.parametrize(
    "replies",
    [
        ["Hello."],
        [[call("weather", city="Oslo")], "Rain."],
        [[call("refund", order="7")]],
    ],
    ids=["a text", "a tool", "an approval"],
)
async def test_a_turn_that_has_ended_is_freed_at_once(chat: MakeChat, replies: list[Any]) -> None:
    client = await chat(CONFIG, acts_py=TOOLS)
    client.player.replies = replies
    with _collector_off():
        # An earlier test may have left some, in the traceback of an error that was logged.
        before = _parts_of_turns()
        await client.say("go")
        await client.runtime.server.close(grace_s=20)
        # The loop drops the last references in its next step.
        await asyncio.sleep(0)
        left = [part for part in _parts_of_turns() if not any(part is other for other in before)]
        assert [type(part) for part in left] == []
