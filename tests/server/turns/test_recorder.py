from __future__ import annotations

import asyncio

import pytest

from runtime.server.turns.recorder import to_the_end


async def test_a_write_goes_to_its_end_however_often_it_is_cancelled() -> None:
    begun, proceed, written = asyncio.Event(), asyncio.Event(), []

    async def write() -> None:
        begun.set()
        await proceed.wait()
        written.append("item")

    task = asyncio.create_task(to_the_end(write()))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    proceed.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert written == ["item"]
