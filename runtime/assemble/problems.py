"""Collect everything that goes wrong while objects are built, each at its path in the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType

from runtime.assemble.code import ResolveError


class BuildError(Exception):
    """One thing that can't be built; `hint` is the way out."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} ({hint})" if hint else message)


class ReportedError(Exception):
    """Something can't be built because of a mistake that is reported already."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be built: `path` is where it is declared, such as `("tools", "refund")`."""

    code: str
    path: tuple[str | int, ...]
    message: str
    hint: str = ""


@dataclass(slots=True)
class Problems:
    """The mistakes found so far; building goes on past each so that one run reports them all."""

    found: list[Problem] = field(default_factory=list)

    def at(self, code: str, *path: str | int) -> Recording:
        """Record what a `with` block raises as a problem at `path`, under `code`."""
        return Recording(self, code, path)


@dataclass(frozen=True, slots=True)
class Recording:
    """A block whose exceptions become problems."""

    problems: Problems
    code: str
    path: tuple[str | int, ...]

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Take note of an exception and let building go on."""
        if not isinstance(error, Exception | SystemExit):
            return False
        if isinstance(error, ReportedError):
            return True
        if isinstance(error, BuildError | ResolveError):
            message, hint = error.message, error.hint
        else:
            # The first line says what is wrong; what follows is for whoever wrote the library.
            first = next(iter(str(error).splitlines()), "")
            message, hint = f"building it raised {type(error).__name__}: {first}", ""
        self.problems.found.append(Problem(self.code, self.path, message, hint))
        return True
