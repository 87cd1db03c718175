from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial

import pytest

from runtime.resources.threads import (
    DetachableExecutor,
    NoFreeThread,
    ToolThreads,
    function_name,
    in_file_thread,
    in_tool_thread,
    tool_threads,
    wait_for_running,
)


class Hanging:
    """Functions that hang in a thread until the test ends."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.begun = threading.Semaphore(0)

    def hang(self) -> str:
        self.begun.release()
        self.go_on.wait(600)
        return "done"

    async def fill(self, run: Callable[..., object], count: int) -> list[asyncio.Task[object]]:
        """Run `count` hanging functions; return once all of them have begun."""
        tasks = [asyncio.ensure_future(run(self.hang)) for _ in range(count)]  # type: ignore[call-overload]
        for _ in tasks:
            assert await asyncio.get_running_loop().run_in_executor(None, self.begun.acquire, True, 180)
        return tasks


async def run_at_last(threads: ToolThreads, function: Callable[[], object]) -> object:
    """Run a function, however many times no thread took it in time."""
    while True:
        with suppress(NoFreeThread):
            return await threads.run(function)


@pytest.fixture
async def hanging() -> AsyncIterator[Hanging]:
    made = Hanging()
    yield made
    made.go_on.set()


async def test_running_functions_are_named_in_all_pools_and_no_pool_waits_for_them(hanging: Hanging) -> None:
    threads, executor = ToolThreads(2), DetachableExecutor()
    asyncio.get_running_loop().set_default_executor(executor)
    tasks = await hanging.fill(threads.run, 2) + await hanging.fill(asyncio.to_thread, 1)
    name = f"{__name__}:{Hanging.hang.__qualname__}"
    assert [each for each in wait_for_running(0) if each == name] == [name] * 3
    threads.close()
    executor.shutdown(wait=True)
    hanging.go_on.set()
    assert await asyncio.gather(*tasks) == ["done"] * 3
    assert name not in wait_for_running(180)


async def test_file_work_does_not_wait_for_tools_that_hang(hanging: Hanging) -> None:
    threads = ToolThreads(2)
    await hanging.fill(threads.run, 2)
    assert await in_file_thread(os.getpid) == os.getpid()


async def test_a_call_without_a_free_thread_fails_in_time_and_never_starts(
    hanging: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    threads, started = ToolThreads(2, queue_s=0.01), []
    tasks = await hanging.fill(partial(run_at_last, threads), 2)
    with pytest.raises(NoFreeThread, match=r"too busy to start this function within 0.01 s"):
        await threads.run(lambda: started.append(1))
    assert f"{__name__}:{Hanging.hang.__qualname__} (2)" in caplog.text
    assert "all 2 threads" in caplog.text
    assert "limits.tool_threads" in caplog.text
    hanging.go_on.set()
    await asyncio.gather(*tasks)
    await run_at_last(threads, lambda: None)
    assert started == []


async def test_a_call_that_waits_for_a_thread_gets_the_next_one(hanging: Hanging) -> None:
    threads = ToolThreads(1)
    [running] = await hanging.fill(threads.run, 1)
    waiting = asyncio.create_task(threads.run(lambda: "next"))
    await asyncio.sleep(0)
    assert not waiting.done()
    hanging.go_on.set()
    assert await waiting == "next"
    assert await running == "done"


async def test_a_call_that_is_cancelled_while_it_waits_never_starts(hanging: Hanging) -> None:
    threads, started = ToolThreads(1), []
    await hanging.fill(threads.run, 1)
    waiting = asyncio.create_task(threads.run(lambda: started.append(1)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    hanging.go_on.set()
    await threads.run(lambda: None)
    assert started == []


async def test_a_coroutine_that_comes_after_its_call_was_cancelled_is_closed(hanging: Hanging) -> None:
    async def answer() -> str:
        return "late"

    coroutine = answer()

    def late() -> object:
        hanging.hang()
        return coroutine

    threads = ToolThreads(1)
    task = asyncio.ensure_future(threads.run(late))
    assert await asyncio.to_thread(hanging.begun.acquire, True, 180)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    hanging.go_on.set()
    assert await asyncio.to_thread(wait_for_running, 180) == []
    # The next call comes after it in the only thread.
    assert await run_at_last(threads, lambda: inspect.getcoroutinestate(coroutine)) == inspect.CORO_CLOSED


async def test_the_time_limit_of_a_call_includes_its_wait_for_a_thread(hanging: Hanging) -> None:
    threads = ToolThreads(1)
    await hanging.fill(threads.run, 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await threads.run(lambda: None)


async def test_a_tool_keeps_the_context_of_its_call_and_raises_what_it_raises() -> None:
    who, threads = contextvars.ContextVar("who", default="nobody"), ToolThreads(1)
    who.set("omar")
    assert await threads.run(who.get) == "omar"
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)


async def test_a_tool_runs_in_the_threads_of_its_call() -> None:
    def thread_name() -> str:
        return threading.current_thread().name

    assert not (await in_tool_thread(thread_name)).startswith("tool")
    tool_threads.set(ToolThreads(1))
    assert (await in_tool_thread(thread_name)).startswith("tool")
    assert (await in_file_thread(thread_name)).startswith("files")


async def test_a_function_of_a_method_or_partial_has_a_name() -> None:
    assert function_name(os.getpid) == "posix:getpid"
    assert function_name(Hanging().hang) == f"{__name__}:Hanging.hang"
