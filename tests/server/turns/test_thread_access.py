from __future__ import annotations

import asyncio

from runtime.errors import RequestError
from runtime.server.turns.thread_access import ThreadLocks


async def test_a_busy_thread_is_refused_from_the_first_moment() -> None:
    locks = ThreadLocks()

    async def hold() -> str:
        try:
            async with locks.hold("thread", wait_s=0):
                await asyncio.sleep(0)
            return "held"
        except RequestError as error:
            return error.code

    assert sorted(await asyncio.gather(hold(), hold())) == ["held", "thread_busy"]
    assert len(locks) == 0
