"""The exceptions of the runtime: one tree, one exit code per class.

A mistake in a user's file is a `Diagnostic`; an exception stops a command or a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.diagnostics.diagnostic import Diagnostic


class RuntimeFault(Exception):
    """The root of every error the runtime raises on purpose; `exit_code` is what a command ends with."""

    exit_code = 3


class ConfigError(RuntimeFault):
    """The configuration has mistakes; `diagnostics` holds every one of them, sorted by place."""

    exit_code = 1

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(diagnostic) for diagnostic in self.diagnostics))


class UsageError(RuntimeFault):
    """A command was called in a way that can't work: a missing file, a flag that contradicts another."""

    exit_code = 2


class RequestError(RuntimeFault):
    """A request that is refused before any of its response was sent.

    `status` is the HTTP status, `code` a stable machine-readable word such as `not_found`, `message` is for people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(message)
