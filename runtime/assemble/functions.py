"""Functions and conditions that the file names: resolved or parsed when the project is built, evaluated in a turn."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from runtime.assemble.problems import BuildError
from runtime.project_code.loader import ProjectCode
from runtime.resources.containment import contained
from runtime.templates.template import Template, TemplateError, truth_of

logger = logging.getLogger("runtime.assemble")
T = TypeVar("T")


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
    """Call a function of the project, plain or async, and return its result. Raise its error, or ProjectCodeError."""
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
