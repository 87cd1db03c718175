"""Contain what the project's code raises: no exception of a tool or handler ends the server, or a task of it.

asyncio lets SystemExit and KeyboardInterrupt of a task end the event loop, and other code handles `Exception` only. So
the runtime calls the project's code in a `with contained()` block, in which those become a `ProjectCodeError`. Calls
that end the process without an exception (`os._exit`, a crash in C) can't be contained.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, TypeVar

from runtime.errors import RuntimeFault
from runtime.resources.interrupts import is_interrupt

T = TypeVar("T")


class ProjectCodeError(RuntimeFault):
    """The project's code raised its `__cause__`, which is no `Exception`; `place` is the part that was called."""

    def __init__(self, cause: BaseException, place: str = "") -> None:
        self.place, self.cause = place, cause
        super().__init__(f"the project's code {described(cause)}")
        self.__cause__ = cause


def described(error: BaseException) -> str:
    """Return what an exception means, as the rest of a sentence: `called sys.exit(3)`, `raised KeyError: 'id'`."""
    if type(error) is SystemExit:
        return f"called sys.exit({error.code!r})"
    return f"raised {reason_of(error)}"


def reason_of(error: BaseException) -> str:
    """Return the type and the text of an exception, `KeyError: 'id'`; the type alone where it gives no text."""
    kind = type(error).__name__
    try:
        with contained():
            text = str(error)
    except Exception:  # of its own `__str__`
        return kind
    return f"{kind}: {text}" if text else kind


class contained:  # used like a function
    """`with contained():` raises what is no `Exception` as ProjectCodeError; use it around calls, not around `yield`.

    Unchanged are a cancellation of this task, the closing of its coroutine, and a Ctrl-C of the user.
    """

    __slots__ = ("_place", "_task")

    def __init__(self, place: str = "") -> None:
        self._place = place

    def __enter__(self) -> None:
        self._task = _current_task()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, Exception) or _is_real(error, self._task):
            return
        raise ProjectCodeError(error, self._place) from error


def _is_real(error: BaseException, task: asyncio.Task[Any] | None) -> bool:
    match error:
        case asyncio.CancelledError():
            return task is not None and task.cancelling() > 0
        case GeneratorExit():
            # A coroutine that is closed: its task does not run, or never did.
            return task is not None and _current_task() is not task
        case _:
            return is_interrupt(error)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop in this thread
        return None


def contained_function(function: Callable[..., Any], place: str = "") -> Callable[..., Any]:
    """Return a function with the same signature that calls `function`, plain or async, in a `contained` block."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with contained(place):
                return await function(*args, **kwargs)

        return call_async

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with contained(place):
            result = function(*args, **kwargs)
        return _await(result, place) if inspect.isawaitable(result) else result

    return call


async def _await(result: Any, place: str) -> Any:
    with contained(place):
        return await result


async def contained_items(items: AsyncIterator[T], place: str = "") -> AsyncGenerator[T, None]:
    """Yield the items of an iterator of the project, each taken as in a `contained` block; close it at the end."""
    task, is_taken = _current_task(), False
    try:
        # No block for each item: a model yields one for each piece of its answer.
        async for item in items:
            is_taken = True
            yield item
            is_taken = False
    except BaseException as error:
        if is_taken or isinstance(error, Exception) or _is_real(error, task):
            raise
        raise ProjectCodeError(error, place) from error
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            with contained(place):
                await close()
