"""Thread pools: the runtime's file work, the project's functions and its login have one each: none waits for others.

A thread can't be stopped. A function that hangs occupies its thread until the process ends, so no pool waits for its
functions at shutdown; `wait_for_running` names those that have not returned.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from runtime.errors import RuntimeFault

logger = logging.getLogger("runtime.server")

_FILE_THREADS = 8
_QUEUE_S = 30.0
_UNSET = object()

P = ParamSpec("P")
R = TypeVar("R")


class NoFreeThread(RuntimeFault):
    """No thread became free in time for a function, which was not started."""


class DetachableExecutor(ThreadPoolExecutor):
    """A pool that does not wait at shutdown: a thread can't be stopped, and may hang."""

    def __init__(self, size: int | None = None, name: str = "worker") -> None:
        super().__init__(size, thread_name_prefix=name)
        self._running: dict[Future[Any], str] = {}
        _executors.add(self)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function in a thread, and store its name until it returns."""
        future = super().submit(_call, function, *args, **kwargs)
        self._running[future] = function_name(function)
        future.add_done_callback(self._running.pop)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Start no further function; does not wait for running ones, even if `wait` is set."""
        super().shutdown(wait=False, cancel_futures=True)

    @property
    def running(self) -> dict[Future[Any], str]:
        """The functions that have not returned, each with its name; those that wait for a thread are among them."""
        return dict(self._running)


def _call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:
        # A future of asyncio can't hold it: the task that waits for the function would wait forever.
        raise RuntimeError(f"{function_name(function)} raised StopIteration") from error


_executors: WeakSet[DetachableExecutor] = WeakSet()


def wait_for_running(timeout_s: float) -> list[str]:
    """Wait up to `timeout_s` seconds for the functions in all pools; return the names of those that have not returned.

    The list is sorted.
    """
    running = {future: name for executor in list(_executors) for future, name in executor.running.items()}
    wait(running, timeout=timeout_s)
    return sorted(name for future, name in running.items() if not future.done())


def function_name(function: Callable[..., Any]) -> str:
    """Return the import path of a function; `asyncio.to_thread` and `ToolThreads` wrap it in partials."""
    while isinstance(function, functools.partial):
        in_context = getattr(function.func, "__name__", "") == "run" and function.args
        function = function.args[0] if in_context else function.func
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", repr(function))
    return f"{module}:{name}" if module else name


class ToolThreads:
    """The threads in which one kind of the project's sync functions runs: its tools and handlers, or its login.

    A call waits up to `queue_s` seconds for a free thread of `size`; the time counts as time of the function.
    """

    def __init__(self, size: int, queue_s: float = _QUEUE_S, name: str = "tool") -> None:
        self.size, self._queue_s = size, queue_s
        self._executor = DetachableExecutor(size, name)

    @property
    def in_use(self) -> int:
        """How many functions run in these threads."""
        return sum(future.running() for future in self._executor.running)

    async def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function in a thread, with the context variables of the caller, which gets those that it sets.

        Raise NoFreeThread.
        Cancelled before it has a thread, the function never starts; afterwards its result is dropped, and a coroutine
        is closed.
        """
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        future = self._executor.submit(functools.partial(context.run, function, *args, **kwargs))
        never_started = False

        def expire() -> None:
            nonlocal never_started
            never_started = future.cancel()

        timer = loop.call_later(self._queue_s, expire)
        try:
            result: R = await asyncio.wrap_future(future)
            _take_over(context)
            return result
        except asyncio.CancelledError:
            future.add_done_callback(_close_coroutine)
            task = asyncio.current_task()
            if never_started and not (task is not None and task.cancelling()):
                raise self._no_free_thread(function) from None
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """Start no further function; does not wait for running ones."""
        self._executor.shutdown()

    def _no_free_thread(self, function: Callable[..., Any]) -> NoFreeThread:
        names = [name for future, name in self._executor.running.items() if future.running()]
        busy = ", ".join(f"{name} ({names.count(name)})" for name in sorted(set(names)))
        logger.error(
            "%s was not started: all %d threads for sync functions were busy for %g s, with %s "
            "(set a timeout in their own calls, write them async, or raise limits.tool_threads)",
            function_name(function),
            self.size,
            self._queue_s,
            busy or "other functions",
        )
        return NoFreeThread(
            f"the server was too busy to start this function within {self._queue_s:g} s (try again later)"
        )


def _close_coroutine(future: Future[Any]) -> None:
    """Close the coroutine that a function has returned too late, so that Python does not warn of it."""
    if not future.cancelled() and future.exception() is None and inspect.iscoroutine(future.result()):
        future.result().close()


def _take_over(context: contextvars.Context) -> None:
    """Set the variables that a function has set in its own context, such as the tenant of a request."""
    for variable, value in context.items():
        if variable.get(_UNSET) is not value:
            variable.set(value)


tool_threads: contextvars.ContextVar[ToolThreads | None] = contextvars.ContextVar("tool_threads", default=None)
"""The threads of the tool that is being called."""


async def in_tool_thread(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a sync tool in the threads of the present call. Raise NoFreeThread."""
    threads = tool_threads.get()
    if threads is None:
        return await asyncio.to_thread(function, *args, **kwargs)
    return await threads.run(function, *args, **kwargs)


class WorkThreads:
    """Threads of this process for one kind of the runtime's own work; a fork of the process gets new ones."""

    def __init__(self, size: int, name: str) -> None:
        self._size, self._name = size, name
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    async def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function in a thread."""
        call = functools.partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def _renew(self) -> None:
        self._executor = DetachableExecutor(self._size, self._name)


_file_threads = WorkThreads(_FILE_THREADS, "files")


async def in_file_thread(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run file work of the runtime in a thread; no code of the project runs in these threads."""
    return await _file_threads.run(function, *args, **kwargs)
