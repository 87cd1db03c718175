"""The public exceptions; every exception class of the runtime derives from `RuntimeFault`.

A mistake in a user's file is a `Diagnostic`; an exception stops a command or a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.diagnostics.diagnostic import Diagnostic


class RuntimeFault(Exception):
    """The root of all exceptions of the runtime; `exit_code` is the exit code of a command that raises it."""

    exit_code = 3


class ConfigError(RuntimeFault):
    """The configuration has errors; `diagnostics` holds all of them, sorted by place."""

    exit_code = 1

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(diagnostic) for diagnostic in self.diagnostics))


class UsageError(RuntimeFault):
    """A command was called with wrong arguments: a missing file, or flags that contradict each other."""

    exit_code = 2


class RequestError(RuntimeFault):
    """A request that is rejected before its response starts.

    `status` is the HTTP status, `code` a stable word for programs such as `not_found`, `message` a text for people.
    `retry_after_s` says after how many seconds the same request may succeed.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: int | None = None) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        super().__init__(message)
