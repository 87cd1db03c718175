"""Functions and conditions that the file names: resolved or parsed when the project is built, evaluated in a turn."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from runtime.assemble.problems import BuildError
from runtime.errors import RuntimeFault
from runtime.project_code.loader import ProjectCode
from runtime.resources.containment import contained, contained_function
from runtime.resources.threads import ToolThreads
from runtime.templates.template import Template, TemplateError, truth_of

logger = logging.getLogger("runtime.assemble")
T = TypeVar("T")
AsyncFunction = Callable[..., Awaitable[Any]]


class FunctionTimeout(RuntimeFault):
    """A function of the project took longer than `limits.tool`."""

    def __init__(self, name: str, timeout_s: float) -> None:
        self.name, self.timeout_s = name, timeout_s
        super().__init__(
            f"{name} did not return within {timeout_s:g} s (set a timeout in its own calls, or raise limits.tool)"
        )


@dataclass(frozen=True, slots=True)
class ProjectFunctions:
    """Functions of the project that may wait for a network or a disk: sync ones run in threads, with a time limit."""

    code: ProjectCode
    threads: ToolThreads
    timeout_s: float

    def resolve(self, path: str, expected: str) -> AsyncFunction:
        """Return the function at an import path, `limited`. Raise ResolveError, BuildError."""
        return self.limited(resolve_function(self.code, path, expected), path)

    def limited(self, function: Callable[..., Any], name: str, is_async: bool | None = None) -> AsyncFunction:
        """Return an async function with the same signature that calls `function`, which may be sync, within the limit.

        It raises what the function raises, FunctionTimeout, NoFreeThread, or ProjectCodeError. `is_async` is decided by
        the function itself, unless it is given.
        """
        begin = self.begun(function, is_async)

        @functools.wraps(function)
        async def call(*arguments: Any, **options: Any) -> Any:
            with contained():
                try:
                    async with asyncio.timeout(self.timeout_s) as limit:
                        result = await begin(*arguments, **options)
                        return await result if inspect.isawaitable(result) else result
                except TimeoutError:
                    # Otherwise it is the function's own, for example of a socket.
                    if limit.expired():
                        raise FunctionTimeout(name, self.timeout_s) from None
                    raise

        return call

    def begun(self, function: Callable[..., Any], is_async: bool | None = None) -> AsyncFunction:
        """Return an async function that calls `function`, and returns what it returns, also if that is awaitable."""
        if is_async_function(function) if is_async is None else is_async:

            async def begin(*arguments: Any, **options: Any) -> Any:
                return function(*arguments, **options)

            return begin
        # Contained in the thread as well: a GeneratorExit that a future holds closes the coroutines that await it.
        return functools.partial(self.threads.run, contained_function(function))


def is_async_function(function: Callable[..., Any]) -> bool:
    """Return whether a call runs nothing yet: of a coroutine function, an async generator, or an object with such a
    `__call__`."""
    calls = (function, getattr(function, "__call__", None))  # noqa: B004  # the method itself is needed
    return any(inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call) for call in calls)


def resolve_function(code: ProjectCode, path: str, expected: str) -> Callable[..., Any]:
    """Return the function at an import path. Raise ResolveError, or BuildError with the hint `give {expected}`."""
    value = code.resolve(path)
    if not callable(value):
        raise BuildError(f"{path!r} is {type(value).__name__}", f"give {expected}", code="A324")
    return value  # type: ignore[no-any-return]  # callable: checked above


def resolve_object(code: ProjectCode, path: str, kind: type[T], name: str, hint: str = "") -> T:
    """Return the object of type `kind` at an import path; a class is called. Raise ResolveError, BuildError."""
    value = code.resolve(path)
    value = value() if isinstance(value, type) else value
    if not isinstance(value, kind):
        raise BuildError(f"{path!r} is no {name}", hint, code="A324")
    return value


async def call_function(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the project in the event loop; a plain one must return at once.

    Raise its error, or ProjectCodeError. `ProjectFunctions` is for functions that may wait.
    """
    with contained():
        result = function(*arguments)
        return await result if inspect.isawaitable(result) else result


def refuse_coroutine(value: object, path: str) -> None:
    """Raise BuildError if `value`, which the function at `path` returned, is awaitable."""
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            # Closed, so that Python does not warn that it was never awaited.
            value.close()
        raise BuildError(f"{path!r} is async", "make it a plain function", code="A324")


def holds(condition: Template, variables: Mapping[str, Any], name: str, *, otherwise: bool = False) -> bool:
    """Evaluate a condition; one that fails is logged under its `name`, and counts as `otherwise`.

    A text is false if it is empty, or a word such as `no` or `false`.
    """
    try:
        value = condition.render(variables)
    except TemplateError as error:
        logger.warning("%s can't be evaluated and counts as %s: %s", name, str(otherwise).lower(), error)
        return otherwise
    # A template with blocks renders a text, such as "false".
    return truth_of(value) if isinstance(value, str) else bool(value)
