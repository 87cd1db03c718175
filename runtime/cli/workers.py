"""The threads in which plain functions run, such as tools that are not `async`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any


class Workers(ThreadPoolExecutor):
    """An event loop's default executor that can be left behind: no thread can be stopped, and a function may hang."""

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="worker")
        self._running: dict[Future[Any], str] = {}

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function in a thread, and remember it until it returns."""
        future = super().submit(function, *args, **kwargs)
        self._running[future] = _name_of(function)
        future.add_done_callback(self._running.pop)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Begin nothing any more; what runs is not waited for, whatever `wait` says."""
        super().shutdown(wait=False, cancel_futures=True)

    def still_running(self, patience_s: float) -> list[str]:
        """Wait up to `patience_s` seconds for what runs; return the names of the functions that have not returned."""
        wait(list(self._running), timeout=patience_s)
        return sorted(name for future, name in list(self._running.items()) if not future.done())


def _name_of(function: Callable[..., Any]) -> str:
    """The name under which its author knows a function: `asyncio.to_thread` wraps it."""
    while isinstance(function, functools.partial):
        to_thread = getattr(function.func, "__name__", "") == "run" and function.args
        function = function.args[0] if to_thread else function.func
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", repr(function))
    return f"{module}:{name}" if module else name
